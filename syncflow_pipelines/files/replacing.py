"""Files that are replaced whole: whoever reads sees the old one or the new one."""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from syncflow_pipelines.errors import ConfigurationError

OLD_S: Final = 3600.0
"""A draft of that age belongs to nobody any more."""


def replace_file(path: Path, content: bytes) -> None:
    """Puts the content in the place of the file, which keeps its mode; whoever reads sees the old one or the new one.

    Where the path is a link, what it points at is replaced. What killed writers left beside the file is removed. Raises
    `ConfigurationError` where it cannot be written; the old file stands then.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        _replace(target, content)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> ConfigurationError:
    """The error for a file that cannot be written."""
    reason = error.strerror or type(error).__name__
    return ConfigurationError(f"{path} cannot be written ({reason}); give rights or space, or name another place")


def _replace(target: Path, content: bytes) -> None:
    draft = target.with_name(f"{_draft(target)}{secrets.token_hex(4)}")
    try:
        # by the umask, as any other new file
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, target.stat().st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _draft(target: Path) -> str:
    return f".{target.name}.draft-"


def _remove_leftovers(target: Path) -> None:
    """Removes the drafts of writers that were killed; one that is young may be somebody's who still writes."""
    beginning = _draft(target)
    for entry in os.scandir(target.parent):
        if entry.name.startswith(beginning) and entry.stat(follow_symlinks=False).st_mtime < time.time() - OLD_S:
            Path(entry.path).unlink(missing_ok=True)
