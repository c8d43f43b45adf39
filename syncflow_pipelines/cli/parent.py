"""Ending with the process that started this one, however it ends."""

import os
import select
import signal
import threading
from typing import Final

LOOK_S: Final = 1.0


def end_with_parent() -> None:
    """From now on, the end of standard input, or of the parent, is taken for SIGTERM."""
    threading.Thread(target=_follow, args=(os.getppid(),), name="syncflow-parent", daemon=True).start()


def _follow(parent: int) -> None:
    # the pipe tells at once; the parent's id tells where a forked sibling still holds the pipe
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], LOOK_S)
        if readable and not os.read(0, 4096):
            break
    os.kill(os.getpid(), signal.SIGTERM)
