"""Calling what others wrote from an event loop: beside it where it blocks, and whatever it raises."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def beside(work: Callable[[], T]) -> "asyncio.Future[T]":
    """What the work will have come to, done in a thread of its own while the running loop goes on.

    The thread keeps no process from ending, as those of asyncio's own executor would: a call that hangs does no harm.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except StopIteration as error:  # which no future takes
            _tell(loop, partial(_fail, done, RuntimeError(repr(error))))
        except BaseException as error:  # noqa: BLE001 - it is raised where the work is waited for
            _tell(loop, partial(_fail, done, error))
        else:
            _tell(loop, partial(_succeed, done, result))

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="syncflow-beside", daemon=True).start()
    return done


def is_cancelled(error: BaseException) -> bool:
    """Whether the running task is to end, rather than somebody's code that it called having raised `CancelledError`."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _tell(loop: asyncio.AbstractEventLoop, settle: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended; nobody waits any more
        loop.call_soon_threadsafe(settle)


def _succeed(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[T]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
