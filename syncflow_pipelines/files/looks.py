"""What a file or a folder looks like from outside, to be held against what it looked like before."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Stamp = tuple[int, int, int, int, int, int]
"""Type, device, inode, size, and the times of the last change of content and of anything, in nanoseconds."""
Look = dict[str, Stamp]
"""By path, what is there; nothing of what is not."""

PASSED_OVER: Final = frozenset({"__pycache__", "node_modules"})
"""Folders that programs fill for themselves, as they do those that begin with a dot."""


def everything(_path: Path) -> bool:
    """Every file counts."""
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """A file that is followed, whether it is there or not; or a folder, with all below it."""

    path: Path
    """Absolute."""
    is_folder: bool = False
    """Folders below it are looked into, but for links, `__pycache__`, `node_modules` and what begins with a dot."""
    accepts: Callable[[Path], bool] = everything
    """Which files of the folder count, by a path that begins with `path`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a followed folder, by paths that begin with that of its target."""

    folders: tuple[str, ...]
    links: tuple[str, ...]
    files: Look
    """Those that count; a link is what it leads to."""


def look_at(target: Target) -> Look:
    """What is there now; nothing where nothing is there, or can be seen."""
    if target.is_folder:
        return explore(target).files
    stamp = stamp_of(str(target.path))
    return {} if stamp is None else {str(target.path): stamp}


def stamp_of(path: str) -> Stamp | None:
    """Of what the path leads to; None where that is nothing."""
    try:
        said = os.stat(path)
    except (OSError, ValueError):
        return None
    return (stat.S_IFMT(said.st_mode), said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns)


def explore(target: Target) -> Found:
    """All that is in a target's folder."""
    folders: list[str] = []
    links: list[str] = []
    files: dict[str, Stamp] = {}
    waiting = [str(target.path)]
    while waiting:
        folder = waiting.pop()
        folders.append(folder)
        for entry in _entries(folder):
            if entry.is_symlink():
                links.append(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.extend([entry.path] if is_looked_into(entry.name) else ())
                continue
            stamp = stamp_of(entry.path) if target.accepts(Path(entry.path)) else None
            if stamp is not None and stamp[0] != stat.S_IFDIR:
                files[entry.path] = stamp
    return Found(tuple(folders), tuple(links), files)


def is_looked_into(name: str) -> bool:
    """Whether a folder of that name, below a followed one, is looked into."""
    return not name.startswith(".") and name not in PASSED_OVER


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from entries
