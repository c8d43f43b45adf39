"""Calling a handler, which may be a coroutine, and how often it is tried again when it fails."""

import asyncio
import inspect
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from syncflow_pipelines.database.texts import storable
from syncflow_pipelines.errors import DeliveryFailed, SyncflowError
from syncflow_pipelines.events.model import Event

Handler = Callable[[Event], Awaitable[object] | object]
"""What is told of an event; what it returns counts for nothing, and what it raises is a failure."""

LONGEST_ASKED_S: Final = 86_400.0
"""Whatever a handler asks for, an event is tried again within a day."""
LONGEST_TOLD: Final = 2000

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after how long, an event whose handler failed is tried again."""

    max_attempts: int = 8
    """Then the event is parked."""
    first_s: float = 1.0
    """The wait doubles with each attempt, with some chance in it,"""
    longest_s: float = 300.0
    """... up to this."""

    def wait_s(self, attempts: int, error: BaseException) -> float | None:
        """Seconds until the next attempt after so many; None where there is to be none."""
        asked = error.retry_after_s if isinstance(error, DeliveryFailed) else None
        if attempts >= self.max_attempts or (isinstance(error, DeliveryFailed) and error.is_final):
            return None
        own = min(self.first_s * 2.0 ** min(attempts - 1, 60), self.longest_s) * random.uniform(0.75, 1.0)
        return max(own, min(asked or 0.0, LONGEST_ASKED_S))


class Caller:
    """Calls handlers from one thread; coroutines run in an event loop of its own, one after the other."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def call(self, handler: Handler, event: Event) -> None:
        """Returns once the handler is done. Raises what it raises."""
        result = handler(event)
        if inspect.isawaitable(result):
            if self._runner is None:
                self._runner = asyncio.Runner()
            self._runner.run(_awaited(result))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self._runner.close()


def told(error: BaseException) -> str:
    """What is kept of a handler's failure: SyncFlow's own sentences; of others the class, for they may quote rows."""
    if isinstance(error, SyncflowError):
        return storable(str(error)[:LONGEST_TOLD])
    return f"{type(error).__name__}; its traceback is in the log"


def log_failure(who: str, event: Event, error: BaseException) -> None:
    """Tells the log, with a traceback where the error is none of SyncFlow's."""
    trace = None if isinstance(error, SyncflowError) else error
    _LOG.warning("%s failed on %s of %s: %s", who, event.type, event.subject, told(error), exc_info=trace)


async def _awaited(result: Awaitable[object]) -> None:
    await result
