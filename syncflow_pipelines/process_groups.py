"""Process groups are ended whole, also where the process that started them has died."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Final

import psutil

_PATIENCE_S: Final = 10.0
"""How long processes may take to end once they were asked to."""


class Guard:
    """A process that ends a group once this one has died without a word, as by `kill -9`.

    To be released when the group has ended.
    """

    def __init__(self, group: int) -> None:
        # -P: what lies in the folder must not be taken for a module of Python's
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def release(self) -> None:
        """Returns when the guard is gone; what still runs of the group is left alone."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def end_group(group: int) -> None:
    """Ends whatever is left of it: all are asked by SIGTERM, and killed where they take longer than ten seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = living_members(group)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        with suppress(KeyboardInterrupt):
            psutil.wait_procs(left, _PATIENCE_S)


def living_members(group: int) -> list[psutil.Process]:
    """The processes of a group, those left out that have ended and wait for their parent to notice."""
    return [process for process in psutil.process_iter() if _lives_in(group, process)]


def _lives_in(group: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


if __name__ == "__main__":
    sys.stdin.buffer.read()  # ends when the process that started this one has
    end_group(int(sys.argv[1]))
