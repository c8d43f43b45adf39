"""Ends Dagster when the process that started it was killed, and could not do so itself; a program of its own."""

import argparse
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database.embedded.control import embedded_status, stop_embedded
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.process_groups import end_group

STOP_TIMEOUT_S: Final = 60.0
"""For Dagster to end its servers and the runs that they hold."""

_LOOK_S: Final = 1.0


class Guardian:
    """The guardian's process, as who started it sees it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def guard(self, leader: int) -> None:
        """From now on, that leader of a process group ends with this process, and its group."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # somebody killed it; nothing works less for that
            self._process.stdin.write(b"%d\n" % leader)
            self._process.stdin.flush()


@contextmanager
def guardian(settings: Settings) -> Iterator[Guardian]:
    """A guardian for the block, in a session of its own; after it, nothing is guarded any more."""
    command = [sys.executable, "-P", "-m", __name__, str(settings.config_dir), str(settings.home)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sys.stderr, start_new_session=True)
    try:
        yield Guardian(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Waits for the process that started this one to end, however it does."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(description="End Dagster with the process that started this one.")
    parser.add_argument("config_dir", type=Path)
    parser.add_argument("home", type=Path)
    options = parser.parse_args()
    leader = sys.stdin.buffer.readline().strip()
    _wait_for_end(parent)
    if leader:
        _end(int(leader))
    _stop_database(Settings(config_dir=options.config_dir, home=options.home))


def _wait_for_end(parent: int) -> None:
    # the pipe tells at once; the parent's id tells where a forked sibling still holds the pipe
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _LOOK_S)
        if readable and not os.read(0, 4096):
            return


def _end(leader: int) -> None:
    """As Ctrl-C would; then whatever is left."""
    with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process = psutil.Process(leader)
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)
    end_group(leader)


def _stop_database(settings: Settings) -> None:
    """Who was killed had no time to leave the embedded PostgreSQL, which the last one stops."""
    with suppress(DatabaseError):  # others use it
        status = embedded_status(settings)
        if status.running and not status.kept:
            stop_embedded(settings)


if __name__ == "__main__":
    main()
