"""One connection to an endpoint: writes requests, and reads answers byte for byte with httptools."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from syncflow_pipelines.gateway.proxy.failures import (
    DISCONNECTED,
    READ_TIMEOUT,
    UNREADABLE,
    WRITE_TIMEOUT,
    Failure,
    UpstreamFailed,
)
from syncflow_pipelines.gateway.proxy.sockets import send_at_once

Header = tuple[bytes, bytes]

HIGH_WATER_BYTES: Final = 256 * 1024
"""Of an answer that its reader has not taken; beyond it, nothing more is read from the endpoint."""
MAX_HEAD_BYTES: Final = 256 * 1024
"""Of an answer's head, and of its trailers."""

_INTERIM_BYTES: Final = 256
"""What an informational answer counts for even without headers: so they come to an end."""
_SWITCHING_PROTOCOLS: Final = 101
_BODILESS: Final = frozenset({204, 304})


class UpstreamConnection(asyncio.Protocol):
    """Carries one exchange at a time, from `begin` to the end of the answer.

    It has what aiohttp's connector asks of the protocols that it pools: `transport`, `is_connected`, `should_close`,
    `closed`, `close` and `abort`.
    """

    __slots__ = (
        "_body",
        "_body_bytes",
        "_closed",
        "_continue",
        "_ends_with_connection",
        "_failure",
        "_head_bytes",
        "_head_complete",
        "_is_head",
        "_last_byte_at",
        "_loop",
        "_parser",
        "_read_timeout_s",
        "_reading_paused",
        "_timer",
        "_waiter",
        "_writable",
        "_writing_paused",
        "complete",
        "exchanges",
        "headers",
        "is_chunked",
        "on_interim",
        "reason",
        "should_close",
        "status",
        "trailers",
        "transport",
    )

    headers: list[Header]
    """Of the answer, in its order and spelling."""
    trailers: list[Header]
    on_interim: Callable[[int, list[Header]], None] | None
    _body: list[bytes]
    _read_timeout_s: float | None
    _is_head: bool
    _head_bytes: int

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.transport: asyncio.Transport | None = None
        self.exchanges = 0
        """That have begun on this connection."""
        self.should_close = False
        self._parser = httptools.HttpResponseParser(self)
        self._closed: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing_paused = self._reading_paused = False
        self.complete = True
        self._failure: Failure | None = None
        self._clear()

    # What an exchange uses, in this order.

    def begin(
        self, method: str, read_timeout_s: float | None, on_interim: Callable[[int, list[Header]], None] | None
    ) -> None:
        """`on_interim` hears of informational answers such as 103, but 100."""
        self.exchanges += 1
        if self._is_head:
            self._parser = httptools.HttpResponseParser(self)  # the last one still waits for a body
        self._clear()
        self._is_head, self._read_timeout_s, self.on_interim = method == "HEAD", read_timeout_s, on_interim
        self.complete = False
        if self.transport is None or self.transport.is_closing():
            self._fail(DISCONNECTED)

    def write(self, data: bytes) -> None:
        if self.transport is not None and self._failure is None:
            self.transport.write(data)

    async def drain(self) -> None:
        """Waits while the endpoint does not read. Raises `UpstreamFailed` once that has taken too long."""
        if not self._writing_paused:
            return
        self._writable = self._loop.create_future()
        try:
            async with asyncio.timeout(self._read_timeout_s):
                await self._writable
        except TimeoutError as error:
            self._fail(WRITE_TIMEOUT)
            raise UpstreamFailed(WRITE_TIMEOUT) from error
        finally:
            self._writable = None

    def expect_answer(self) -> None:
        """The whole request was written: from now on the endpoint may be silent only so long."""
        if self._read_timeout_s and not self.complete and self._failure is None:
            self._last_byte_at = self._loop.time()
            self._timer = self._loop.call_later(self._read_timeout_s, self._look_at_time)

    @property
    def has_answered(self) -> bool:
        """Whether the head of the answer has come."""
        return self._head_complete

    async def wait_for_head(self) -> None:
        """Sets `status`, `reason` and `headers`, names as they came. Raises `UpstreamFailed`."""
        while not self._head_complete:
            await self._wait()
        if self._failure is not None and not self.complete:
            raise UpstreamFailed(self._failure, answered=True)

    async def wait_to_continue(self, timeout_s: float) -> None:
        """Until the endpoint wants the body or answers without it; or long enough, as some never say so."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (self._continue or self._head_complete):
                    await self._wait()
        except TimeoutError:
            return

    async def read(self) -> bytes:
        """What has come of the body, at least a byte; b"" at its end. Raises `UpstreamFailed` where it is torn."""
        while not self._body:
            if self.complete:
                return b""
            await self._wait()
        return self.take()

    def take(self) -> bytes:
        """What has come of the body, without waiting."""
        body, self._body, self._body_bytes = self._body, [], 0
        if self._reading_paused and self.transport is not None:
            self._reading_paused = False
            self._last_byte_at = self._loop.time()
            self.transport.resume_reading()
        return body[0] if len(body) == 1 else b"".join(body)

    def be_patient(self) -> None:
        """From now on the endpoint may be silent as long as it likes."""
        self._read_timeout_s = None
        self._drop_timer()

    # What aiohttp's connector uses.

    def is_connected(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    @property
    def closed(self) -> asyncio.Future[None] | None:
        if self._closed is None and self.transport is not None:
            self._closed = self._loop.create_future()
        return self._closed

    def close(self) -> None:
        self._drop_timer()
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        self._drop_timer()
        if self.transport is not None:
            self.transport.abort()

    # What the event loop uses.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        send_at_once(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.should_close = True
        if self._head_complete and self._ends_with_connection and exc is None and not self.complete:
            self._end()
        elif not self.complete:
            self._fail(DISCONNECTED)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self.complete:
            self._poison()  # nobody asked for this
            return
        self._last_byte_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._stop_reading()
        self._wake()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # What the parser uses.

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("a second answer to one request")

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head of the answer is too large")
        (self.trailers if self._head_complete else self.headers).append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the answer never comes to its head")
        if status < 100:
            raise ValueError("no status of HTTP")
        if status < 200:
            self._interim(status)
            return
        self.status = status
        self._frame()
        self._head_complete, self._head_bytes = True, 0
        if self._is_head:
            self._end()

    def on_body(self, body: bytes) -> None:
        if self._is_head:
            self._poison()
            return
        self._body.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > HIGH_WATER_BYTES and not self._reading_paused and self.transport is not None:
            self._reading_paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._head_complete and not self.complete:
            self._end()

    # Steps of the above.

    def _clear(self) -> None:
        self.status, self.reason = 0, b""
        self.is_chunked = False
        self.headers, self.trailers, self._body = [], [], []
        self._body_bytes = self._head_bytes = 0
        self._head_complete = self._continue = self._is_head = self._ends_with_connection = False
        self._read_timeout_s = None
        self._last_byte_at = 0.0
        self.on_interim = None

    def _interim(self, status: int) -> None:
        if status == _SWITCHING_PROTOCOLS:
            raise ValueError("nobody asked for another protocol")
        if status == 100:
            self._continue = True
        elif self.on_interim is not None:
            self.on_interim(status, self.headers)
        self.headers, self.reason = [], b""
        self._head_bytes += _INTERIM_BYTES

    def _frame(self) -> None:
        has_length = is_chunked = False
        for name, value in self.headers:
            if len(name) == 14 and name.lower() == b"content-length":
                has_length = True
            elif len(name) == 17 and name.lower() == b"transfer-encoding":
                if is_chunked or value.strip().lower() != b"chunked":
                    raise ValueError("an encoding that was not asked for")
                is_chunked = True
        self.is_chunked = is_chunked
        self.should_close = not self._parser.should_keep_alive()
        self._ends_with_connection = not (has_length or is_chunked or self.status in _BODILESS)

    def _end(self) -> None:
        self.complete = True
        self._drop_timer()
        self._wake()

    def _stop_reading(self) -> None:
        """What cannot be read is nobody's where it follows the answer, and else it is the end of it."""
        if self.complete:
            self._poison()
        else:
            self._fail(UNREADABLE)

    def _poison(self) -> None:
        """Never to be used again."""
        self.should_close = True
        if self.complete and self.transport is not None:
            self.transport.close()

    def _fail(self, failure: Failure) -> None:
        if self._failure is None:
            self._failure = failure
        self.should_close = True
        self._drop_timer()
        if self.transport is not None:
            self.transport.abort()
        self._wake()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise UpstreamFailed(self._failure, answered=self._head_complete)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look_at_time(self) -> None:
        if self._read_timeout_s is None:
            return
        quiet_s = 0.0 if self._reading_paused else self._loop.time() - self._last_byte_at
        if quiet_s >= self._read_timeout_s:
            self._fail(READ_TIMEOUT)
        else:
            self._timer = self._loop.call_later(self._read_timeout_s - quiet_s, self._look_at_time)

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
