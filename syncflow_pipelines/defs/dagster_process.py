"""Runs as a program of its own: `dagster`, which is interrupted when the process that started it has died.

Called with a descriptor, then Dagster's own arguments. The other end of the descriptor's pipe is held by that process
alone, and closed by the system however it ends.
"""

import os
import runpy
import signal
import sys
import threading
import time
from typing import Final

STOP_S: Final = 60.0
"""For Dagster to end its servers and the runs that they hold, once it was interrupted."""


def run(descriptor: int, arguments: list[str]) -> None:
    """Ends the process as Dagster does, and its whole group if need be."""
    threading.Thread(target=_end_with, args=(descriptor,), name="syncflow-parent", daemon=True).start()
    sys.argv = ["dagster", *arguments]
    runpy.run_module("dagster", run_name="__main__")


def _end_with(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(STOP_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2:])
