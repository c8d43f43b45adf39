"""Python source as ruff formats it."""

import subprocess
from typing import Final

from ruff.__main__ import find_ruff_bin

from syncflow_pipelines.errors import GenerationFailed

TIMEOUT_S: Final = 120.0
_ARGUMENTS: Final = ("format", "--isolated", "--no-cache", "--line-length=120", "--target-version=py311")


def formatted(source: str, name: str) -> str:
    """The source, formatted. No configuration of a project or of a user changes how.

    Raises `GenerationFailed` for a source that is not Python; `name` says in the error which.
    """
    command = [find_ruff_bin(), *_ARGUMENTS, "--stdin-filename=schemas.py", "-"]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeEncodeError) as error:
        raise GenerationFailed(f"the schemas of {name} could not be formatted: {error}") from error
    if done.returncode != 0:
        told = " ".join(done.stderr.decode(errors="replace").split())[:500]
        raise GenerationFailed(f"the schemas of {name} are not Python, so that they cannot be formatted: {told}")
    return done.stdout.decode()
