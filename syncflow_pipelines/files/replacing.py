"""Files that are replaced whole: whoever reads sees the old one or the new one."""

import os
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from syncflow_pipelines.errors import ConfigurationError

OLD_S: Final = 3600.0
"""A draft of that age belongs to nobody any more."""


def replace_file(path: Path, content: bytes) -> None:
    """Puts the content in the place of the file, which keeps its mode; whoever reads sees the old one or the new one.

    Where the path is a link, what it points at is replaced. What killed writers left beside the file is removed. Raises
    `ConfigurationError` where it cannot be written; the old file stands then.
    """
    for error in replace_files({path: content}).values():
        raise error


def replace_files(contents: Mapping[Path, bytes]) -> dict[Path, ConfigurationError]:
    """Does what `replace_file` does for each of them, faster than one by one; those that cannot be written, and why.

    The first is replaced when all are on disk.
    """
    errors: dict[Path, ConfigurationError] = {}
    drafts: list[_Draft] = []
    with ExitStack() as stack:
        for path, content in contents.items():
            with _telling(path, errors):
                drafts.append(stack.enter_context(_Draft(path)))
                drafts[-1].write(content)
        for folder in {draft.target.parent for draft in drafts}:
            with suppress(OSError):  # of somebody else, or gone by now
                _remove_leftovers(folder, {draft.target.name for draft in drafts if draft.target.parent == folder})
        for draft in drafts:
            with _telling(draft.path, errors):
                draft.flush()
        for draft in (whole for whole in drafts if whole.path not in errors):
            with _telling(draft.path, errors):
                draft.put()
    return errors


def unwritable(path: Path, error: OSError) -> ConfigurationError:
    """The error for a file that cannot be written."""
    reason = error.strerror or type(error).__name__
    return ConfigurationError(f"{path} cannot be written ({reason}); give rights or space, or name another place")


@contextmanager
def _telling(path: Path, errors: dict[Path, ConfigurationError]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        errors[path] = unwritable(path, error)
        errors[path].__cause__ = error


class _Draft:
    """A file beside the one whose place it is to take; what was not put there is gone at the end of the block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.target = Path(os.path.realpath(path))
        self._place = self.target.with_name(f".{self.target.name}.draft-{secrets.token_hex(4)}")
        self._descriptor = -1
        self._is_put = False

    def __enter__(self) -> Self:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        # by the umask, as any other new file
        self._descriptor = os.open(self._place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        if not self._is_put:
            self._place.unlink(missing_ok=True)

    def write(self, content: bytes) -> None:
        """Writes the content; the mode is that of the old file."""
        with suppress(FileNotFoundError):
            os.fchmod(self._descriptor, self.target.stat().st_mode & 0o7777)
        with os.fdopen(self._descriptor, "wb", closefd=False) as file:
            file.write(content)

    def flush(self) -> None:
        """Returns once it is on disk."""
        os.fsync(self._descriptor)

    def put(self) -> None:
        """Takes the place."""
        self._place.replace(self.target)
        self._is_put = True


def _remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Removes the drafts of writers that were killed; one that is young may be somebody's who still writes."""
    for entry in os.scandir(folder):
        name, _, _ = entry.name.rpartition(".draft-")
        is_draft = name.startswith(".") and name[1:] in names
        if is_draft and entry.stat(follow_symlinks=False).st_mtime < time.time() - OLD_S:
            Path(entry.path).unlink(missing_ok=True)
