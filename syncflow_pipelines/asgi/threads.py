"""Blocking work beside an event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from syncflow_pipelines.events.threads import beside

T = TypeVar("T")

GRACE_S: Final = 5.0
"""How long work that was asked to end is waited for."""


class Cancellation:
    """Asks work in a thread to end; it looks several times a second."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def __call__(self) -> bool:
        """Whether it was asked to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Asks it to end soon."""
        self._asked.set()


async def in_thread(work: Callable[[], T], cancellation: Cancellation) -> T:
    """What the work comes to, done in a thread of its own while the loop goes on.

    Where the task is cancelled, the work is asked to end, which is waited for a while.
    """
    done = beside(work)
    try:
        await asyncio.wait([done])
    except asyncio.CancelledError:
        cancellation.ask()
        await asyncio.wait([done], timeout=GRACE_S)
        if done.done():
            done.exception()  # which nobody else asks for
        raise
    return done.result()
