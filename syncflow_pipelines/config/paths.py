"""Paths as people write them → absolute paths."""

import os
from pathlib import Path


def absolute(path: str | Path, start: Path) -> Path:
    """The path, a relative one from the folder `start`, `~` being the user's home.

    Links are not followed: what a link points at may be replaced, as mounted secrets are.
    """
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:  # nobody knows that user's home
        expanded = Path(path)
    return Path(os.path.normpath(start / expanded))


def is_folder(path: Path) -> bool:
    """Whether a folder is there, and its parents let us see it."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether a file is there, and its folders let us see it."""
    try:
        return path.is_file()
    except OSError:
        return False
