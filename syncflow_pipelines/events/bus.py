"""Events within one process: no PostgreSQL, nothing kept. Across processes, see `subscribing`."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, overload
from weakref import WeakValueDictionary

from syncflow_pipelines.events.handling import Retry, log_failure, told
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.threads import beside, is_cancelled

EVERY: Final = "*"
KEPT_FAILURES: Final = 1000

DataHandler = Callable[[dict[str, Any]], Awaitable[object] | object]
EventHandler = Callable[[Event], Awaitable[object] | object]

_SHORT_RETRY: Final = Retry(max_attempts=3, first_s=0.1, longest_s=1.0)


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that a handler did not take, however often it was tried."""

    event: Event
    error: str


class EventBus:
    """Tells handlers what happens in this process.

    A handler gets the event's data, or with `whole=True` the event. One that is no coroutine runs in a thread, so that
    it holds up nobody. One that fails is tried again, and then given up: `failures` has the newest of those. No handler
    ever fails `emit`, or keeps another handler from its event.
    """

    def __init__(self, retry: Retry = _SHORT_RETRY) -> None:
        self.failures: deque[Failure] = deque(maxlen=KEPT_FAILURES)
        self._retry = retry
        self._handlers: list[_Subscribed] = []

    @overload
    def subscribe(self, type: str, handler: DataHandler, *, whole: Literal[False] = False) -> Callable[[], None]: ...
    @overload
    def subscribe(self, type: str, handler: EventHandler, *, whole: Literal[True]) -> Callable[[], None]: ...

    def subscribe(self, type: str, handler: Callable[[Any], object], *, whole: bool = False) -> Callable[[], None]:  # noqa: A002 - the word of CloudEvents
        """Has the handler called for events of a type, or of every type with `*`. Call the result to end that."""
        subscribed = _Subscribed(type, handler, whole, WeakValueDictionary())
        self._handlers = [*self._handlers, subscribed]

        def unsubscribe() -> None:
            self._handlers = [each for each in self._handlers if each is not subscribed]

        return unsubscribe

    async def emit(self, type: str, data: Mapping[str, Any], subject: str | None = None) -> Event:  # noqa: A002 - the word of CloudEvents
        """Tells every handler of the type, at once, and returns when they are done. The event is returned.

        Without a subject, it is the data's `service`, or else the type. A handler gets the events of one subject one
        after the other, in the order in which they were emitted; but one that it emits itself meanwhile, at once.
        """
        event = Event(type, subject or _subject(type, data), dict(data))
        await self.tell(event)
        return event

    async def tell(self, event: Event) -> None:
        """The same, for an event that is there already, such as one of `happenings`."""
        meant = [each for each in self._handlers if each.type in (EVERY, event.type)]
        await asyncio.gather(*(self._in_turn(each, event) for each in meant))

    async def _in_turn(self, subscribed: "_Subscribed", event: Event) -> None:
        key = (id(asyncio.get_running_loop()), event.subject)
        turn = subscribed.turns.setdefault(key, _Turn())
        if turn.holder in _WITHIN.get():  # it emits what it is told of itself, and may wait for that
            await self._deliver(subscribed, event)
            return
        async with turn.lock:
            turn.holder = object()
            before = _WITHIN.set(_WITHIN.get() | {turn.holder})
            try:
                await self._deliver(subscribed, event)
            finally:
                turn.holder = None
                _WITHIN.reset(before)

    async def _deliver(self, subscribed: "_Subscribed", event: Event) -> None:
        attempts = 0
        while True:
            attempts += 1
            try:
                await subscribed.call(event)
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                if is_cancelled(error):
                    raise
                log_failure(f"the handler {subscribed.name}", event, error)
                wait_s = self._retry.wait_s(attempts, error)
                if wait_s is None:
                    self.failures.append(Failure(event, told(error)))
                    return
                await asyncio.sleep(wait_s)
            else:
                return


@dataclass(slots=True, weakref_slot=True)
class _Turn:
    """Who holds the lock is being told."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    holder: object | None = None
    """One for each event that is told."""


_WITHIN: Final = ContextVar[frozenset[object]]("_WITHIN", default=frozenset())
"""What holds turns while the running code is called, however deep."""


@dataclass(frozen=True, slots=True)
class _Subscribed:
    type: str
    handler: Callable[[Any], object]
    is_whole: bool
    turns: "WeakValueDictionary[tuple[int, str], _Turn]"
    """By event loop and subject."""

    @property
    def name(self) -> str:
        return getattr(self.handler, "__qualname__", type(self.handler).__name__)

    async def call(self, event: Event) -> None:
        given = event if self.is_whole else dict(event.data)
        if inspect.iscoroutinefunction(self.handler):
            await self.handler(given)
            return
        result = await beside(partial(self.handler, given))
        if inspect.isawaitable(result):
            await result


def _subject(kind: str, data: Mapping[str, Any]) -> str:
    service = data.get("service")
    return service if isinstance(service, str) and service else kind
