"""What the operating system tells of changes in folders, through watchfiles."""

import time
from collections.abc import Collection
from types import TracebackType
from typing import Final, Protocol, Self

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

STEP_MS: Final = 25
"""How often it is looked at what has come: what happens is known after two steps at most, if nothing else does."""

_LIMITS: Final = (
    ("limit reached", "raise fs.inotify.max_user_watches (sysctl)"),
    ("os error 24", "raise fs.inotify.max_user_instances (sysctl), or how many files may be open (ulimit -n)"),
    ("os error 28", "raise fs.inotify.max_user_watches (sysctl)"),
)
"""By what is in the error's text, what helps."""


class LimitReached(Exception):
    """The system lets no more folders be watched; `str()` is what helps."""


class Interruption(Protocol):
    """Whether to stop listening; asked at every step."""

    def is_set(self) -> bool: ...


class Notices:
    """Paths of what changes directly in some folders, from the making of the object on.

    Raises `LimitReached`, and `OSError` where one of the folders has just gone.
    """

    def __init__(self, folders: Collection[str]) -> None:
        try:
            self._source = RustNotify(sorted(folders), False, False, 0, False, False)
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, WatchfilesRustInternalError) as error:
            raise LimitReached(_remedy(str(error))) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    def next(self, interruption: Interruption) -> frozenset[str] | None:
        """The paths of what has changed; None where something may have been lost, or somebody asked to stop."""
        try:
            changes = self._source.watch(2 * STEP_MS, STEP_MS, 0, interruption)
        except WatchfilesRustInternalError:
            # a name that is not UTF-8, say: all that came with it is lost
            return None
        return None if isinstance(changes, str) else frozenset(path for _, path in changes)


class NoNotices:
    """Stands where the system tells nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def next(self, interruption: Interruption) -> None:
        """None, once somebody asks to stop."""
        while not interruption.is_set():
            time.sleep(STEP_MS / 1000)


def _remedy(said: str) -> str:
    return next((remedy for sign, remedy in _LIMITS if sign in said), f"mend this: {said}")
