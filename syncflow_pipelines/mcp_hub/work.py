"""Long work that a client has ordered: done in threads, told of while it lasts, and stopped when nobody waits."""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from syncflow_pipelines.sync.model import SyncOutcome

AT_ONCE = 4
"""Orders at the same time; others wait for their turn."""
TELL_EVERY_S = 0.5
PATIENCE_S = 8.0
"""How long work gets to stop; a sync that is cancelled needs far less, unless PostgreSQL no longer answers."""

T = TypeVar("T")
Told = tuple[float, float, str]
Job = Callable[[Callable[[], bool], Callable[[float, float, str], None]], T]
"""Work that asks whether it was cancelled, and tells how much of how much is done."""


def _nobody(_outcomes: "Sequence[SyncOutcome]") -> None:
    return None


class Workshop:
    """Where the work is done, for all clients of a hub."""

    def __init__(self, who: str, report: "Callable[[Sequence[SyncOutcome]], None]" = _nobody) -> None:
        self.who = who
        """In whose name."""
        self.report = report
        """Is given what syncs came to."""
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="syncflow-mcp")
        self._over = threading.Event()
        self._under_way: set[Future[Any]] = set()

    async def do(self, job: Job[T], tell: Callable[[float, float, str], Awaitable[None]]) -> T:
        """What the job comes to. A caller that is cancelled cancels the job, and does not wait for its end."""
        cancelled = threading.Event()
        latest: deque[Told] = deque(maxlen=1)
        future = self._pool.submit(
            job, lambda: cancelled.is_set() or self._over.is_set(), lambda *told: latest.append(told)
        )
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        try:
            return await _followed(future, latest, tell)
        finally:
            cancelled.set()
            future.cancel()

    def close(self) -> None:
        """Stops all work, and waits for its end."""
        self._over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait(tuple(self._under_way), timeout=PATIENCE_S)


async def _followed(
    future: Future[T], latest: Sequence[Told], tell: Callable[[float, float, str], Awaitable[None]]
) -> T:
    """What the work came to; tells the newest now and then until then. What is told only ever grows."""
    ended = asyncio.wrap_future(future)
    ended.add_done_callback(lambda one: one.cancelled() or one.exception())  # nobody may be left to hear of it
    before = -1.0
    while not ended.done():
        await asyncio.wait([ended], timeout=TELL_EVERY_S)
        if latest and latest[0][0] > before:
            before = latest[0][0]
            await tell(*latest[0])
    return ended.result()
