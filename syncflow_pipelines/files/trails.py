"""The way that leads to a file: every name on it that decides, when it changes, which file that is."""

import errno
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_LINKS: Final = 40
"""As Linux counts."""

ReadLink = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Trail:
    """The entries of folders that are passed on the way to a path, links followed, in their order."""

    entries: tuple[str, ...]
    """Absolute, each in a folder that is there and no link."""
    is_whole: bool
    """Whether the last entry is the path's own, which need not be there; else the one that is missing on the way."""

    @property
    def folders(self) -> frozenset[str]:
        """The folders that tell of a change of any entry."""
        return frozenset(map(os.path.dirname, self.entries))


def read_link(path: str) -> str | None:
    """What a link says; None where something else is there. Raises `OSError` where nothing can be seen there."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None


def trail_to(path: str, read: ReadLink = read_link) -> Trail:
    """The trail to an absolute path, as far as it goes."""
    entries: list[str] = []
    here, left, links = "/", deque(_names(path)), 0
    while left:
        name = left.popleft()
        if name == "..":
            here = os.path.dirname(here)
            continue
        entry = os.path.join(here, name)
        entries.append(entry)
        try:
            linked = read(entry)
        except OSError:
            if not os.path.isdir(here):
                return Trail(tuple(entries[:-1]), is_whole=False)
            return Trail(tuple(entries), not left)
        if linked is None:
            here = entry
            continue
        links += 1
        if links > MAX_LINKS:
            return Trail(tuple(entries), is_whole=False)
        left.extendleft(reversed(_names(linked)))
        here = "/" if os.path.isabs(linked) else here
    return Trail(tuple(entries), is_whole=True)


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
