"""Which files of the generated package are ours: sealed sources, and specs that are named by their digest."""

import hashlib
import re
from pathlib import Path

from syncflow_pipelines.files.sealing import is_sealed

SPEC_NAME = re.compile(r"\w+_spec_[0-9a-f]{16}\.json")
"""The name of a spec's file; it ends in the beginning of its SHA-256."""


def is_untouched(file: Path) -> bool:
    """Whether the file is one that was generated, and nobody has changed it since; or an empty one."""
    content = file.read_bytes()
    if not content:
        return True
    if SPEC_NAME.fullmatch(file.name):
        return hashlib.sha256(content).hexdigest().startswith(file.stem[-16:])
    return is_sealed(content)
