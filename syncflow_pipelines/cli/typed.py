"""Commands of this installation as a person can type them."""

import shlex
import shutil
import sys
from pathlib import Path


def typed(command: str) -> str:
    """`command` where the shell finds ours on PATH; else the path that leads to it from the working folder."""
    ours = Path(sys.executable).parent / command
    found = shutil.which(command)
    if not ours.is_file() or (found and ours.samefile(found)):
        return command
    here = Path.cwd()
    return shlex.quote(str(ours.relative_to(here) if ours.parent != here and ours.is_relative_to(here) else ours))
