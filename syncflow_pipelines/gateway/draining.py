"""A uvicorn server that ends without losing a request: what it accepted it answers, within its grace period."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Final

import uvicorn

KEEP_ALIVE_S: Final = 75

_LAST_WORDS_S: Final = 1.0
"""Of the grace period, for streams to hear that it is over."""
_POLL_S: Final = 0.02
_LOG = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """Asked to end, it says so by `drain`, goes on for `drain_delay_s`, and then accepts nothing more. Idle
    connections are closed, requests in flight end, and what is left when the grace period is over (streams of events,
    WebSockets, whatever hangs) is told so and cut. A second SIGINT or SIGTERM cuts at once.
    """

    def __init__(
        self, config: uvicorn.Config, drain: Callable[[], None], *, grace_period_s: float, drain_delay_s: float = 0.0
    ) -> None:
        super().__init__(config)
        self._drain, self._grace_period_s, self._drain_delay_s = drain, grace_period_s, drain_delay_s

    async def main_loop(self) -> None:
        await super().main_loop()
        self._drain()
        _LOG.info("Asked to end: draining, for %g s at most", self._drain_delay_s + self._grace_period_s)
        await self._wait(lambda: False, self._drain_delay_s)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            if _is_http(connection):
                connection.shutdown()  # closes it if it is idle, else once the answer ended
        last_words_s = min(_LAST_WORDS_S, self._grace_period_s / 10)
        await self._wait(self._is_idle, self._grace_period_s - last_words_s)
        self.config.timeout_graceful_shutdown = last_words_s  # type: ignore[assignment] # uvicorn takes any number
        if not self._is_idle():
            _LOG.warning("The grace period is over: %d requests are cut", len(self.server_state.tasks))
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would leave open what the application has opened
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's own, but a signal that was heeded is not raised once more at the end, and SIGTERM is ignored
        then: the process ends, and stops what it has started.
        """
        try:
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: whoever started it sets should_exit
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                is_heeded = self.should_exit and number == signal.SIGTERM
                signal.signal(number, signal.SIG_IGN if is_heeded else handler)

    def _is_idle(self) -> bool:
        return not self.server_state.connections and not self.server_state.tasks

    async def _wait(self, holds: Callable[[], bool], limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not (holds() or self.force_exit) and time.monotonic() < deadline:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(_POLL_S)


def _is_http(connection: Any) -> bool:
    return hasattr(connection, "cycle")
