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
