"""Process groups, ended whole."""

import os
import signal
from contextlib import suppress
from typing import Final

import psutil

LEFTOVERS_TIMEOUT_S: Final = 10.0


def end_group(group: int) -> None:
    """Ends whatever is left of it: runs get the time to give up what they do, then all are killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = _members(group)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        with suppress(KeyboardInterrupt):
            psutil.wait_procs(left, LEFTOVERS_TIMEOUT_S)


def _members(group: int) -> list[psutil.Process]:
    """The processes of the group that live."""
    return [process for process in psutil.process_iter() if _is_member(process, group)]


def _is_member(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
