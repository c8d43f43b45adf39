"""Process groups that end with the process that started them, however it ends."""

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

    The group is first asked by SIGINT to its leader alone where `asks_leader`, then by SIGTERM, and then killed; ten
    seconds lie between. To be released when the group has ended.
    """

    def __init__(self, group: int, *, asks_leader: bool = False) -> None:
        # -P: what lies in the folder must not be taken for a module of Python's
        command = [sys.executable, "-P", "-m", __name__, str(group), *(["leader"] if asks_leader else [])]
        self._process = subprocess.Popen(
            command,
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


def living_members(group: int) -> list[psutil.Process]:
    """The processes of a group, those left out that have ended and wait for their parent to notice."""
    return [process for process in psutil.process_iter() if _lives_in(group, process)]


def _lives_in(group: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def _end(group: int, *, asks_leader: bool) -> None:
    if asks_leader:
        with suppress(ProcessLookupError):
            os.kill(group, signal.SIGINT)
        psutil.wait_procs(living_members(group), _PATIENCE_S)
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = living_members(group)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(left, _PATIENCE_S)


if __name__ == "__main__":
    sys.stdin.buffer.read()  # ends when the process that started this one has
    _end(int(sys.argv[1]), asks_leader="leader" in sys.argv[2:])
