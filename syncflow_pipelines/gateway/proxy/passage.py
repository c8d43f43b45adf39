"""One request on its way to an endpoint and back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp.connector import Connection

from syncflow_pipelines.gateway.breaker import Permit
from syncflow_pipelines.gateway.fallbacks import Recording
from syncflow_pipelines.gateway.model import Problem
from syncflow_pipelines.gateway.proxy import problems
from syncflow_pipelines.gateway.proxy.failures import DISCONNECTED, TOTAL_TIMEOUT, UpstreamFailed
from syncflow_pipelines.gateway.proxy.headers import response_headers, trailers
from syncflow_pipelines.gateway.proxy.request import Request
from syncflow_pipelines.gateway.proxy.upstream import Upstream
from syncflow_pipelines.gateway.proxy.upstream_connection import UpstreamConnection
from syncflow_pipelines.gateway.retries import IDEMPOTENT_METHODS, MAX_KEPT_BODY_BYTES, RETRIED_STATUSES
from syncflow_pipelines.gateway.routing import Route

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_CONTINUE_TIMEOUT_S: Final = 1.0
"""How long an endpoint is waited for to say that it wants the body; some never do."""
_STALE_CONNECTIONS: Final = 2
"""Kept connections that may turn out to be closed, before a request is taken to have failed."""
_DISCONNECT: Final = {"type": "http.disconnect"}
_GONE: Final = 499
"""The status of a request whose client went away, in figures alone."""


class Torn(Exception):
    """An answer broke off: raised to a server that knows no other way to end the connection without ending it well."""


class Passage:
    """Used once: `run` comes back when the client was told all that it will be told."""

    __slots__ = (
        "_attempts",
        "_connection",
        "_deadline",
        "_is_sending",
        "_kept",
        "_lease",
        "_loop",
        "_permit",
        "_pump",
        "_receive",
        "_recording",
        "_request",
        "_route",
        "_send",
        "_size",
        "_stale",
        "_started",
        "_task",
        "_unread",
        "_upstream",
        "_verdict",
        "error",
        "status",
    )

    def __init__(self, route: Route, upstream: Upstream, request: Request, receive: Receive, send: Send) -> None:
        self._route, self._upstream, self._request = route, upstream, request
        self._receive, self._send = receive, send
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self._connection: UpstreamConnection | None = None
        self._lease: Connection | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._pump: asyncio.Task[None] | None = None
        self._recording: Recording | None = None
        self._kept: bytes | None = None if request.head.has_body else b""
        self._verdict: Problem | None = None
        self._permit: Permit
        self._attempts = self._stale = self._size = 0
        self._started = self._unread = self._is_sending = False
        self.status = 0
        """What the client was told; 0 where it was told nothing."""
        self.error: str | None = None

    async def run(self, permit: Permit, marks: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Passes the request on and its answer back, with `marks` added to the headers."""
        self._permit = permit
        exchange, total_s = self._request.exchange, self._route.config.timeouts.total_s
        if total_s is not None:
            self._deadline = self._loop.call_later(total_s, self._expire)
        if exchange is not None:
            exchange.on_client_lost = self._lose_client
        elif self._kept is not None:
            self._watch_client()
        try:
            if exchange is not None and exchange.disconnected:
                self._verdict = _CLIENT_GONE
            else:
                await self._ask()
                await self._answer(marks)
        except UpstreamFailed as failed:
            await self._fail(failed)
        except asyncio.CancelledError:
            if self._verdict is None or self._task is None:
                raise
            self._task.uncancel()
        finally:
            self._clear_up()
        if self._verdict is not None:
            await self._say_verdict(self._verdict)

    # To the endpoint.

    async def _ask(self) -> UpstreamConnection:
        """Until an answer begins that is to be passed on. Raises `UpstreamFailed` where none does."""
        while True:
            try:
                connection = await self._attempt()
            except UpstreamFailed as failed:
                if self._was_stale(failed):
                    continue
                self._permit.failed()
                if not self._may_retry():
                    raise
            else:
                self._judge(connection.status)
                if connection.status not in RETRIED_STATUSES or not self._may_retry():
                    return connection
            self._hang_up()

    def _judge(self, status: int) -> None:
        if status in self._route.failure_statuses:
            self._permit.failed()
        else:
            self._permit.succeeded()

    async def _attempt(self) -> UpstreamConnection:
        self._attempts += 1
        self._lease, connection = await self._upstream.connect()
        self._connection = connection
        exchange = self._request.exchange
        connection.begin(
            self._request.method,
            self._route.config.timeouts.read_s,
            exchange.inform if exchange is not None else None,
        )
        await self._send_request(connection)
        await connection.wait_for_head()
        return connection

    async def _send_request(self, connection: UpstreamConnection) -> None:
        request, route = self._request, self._route
        authority = request.head.host if route.config.preserve_host and request.head.host else route.authority
        head = request.head_bytes(route.target(request.rest), authority)
        if self._kept is not None:
            body = request.piece(self._kept) + request.end() if request.head.has_body else b""
            connection.write(head + body)
            connection.expect_answer()
            return
        if request.head.expects:
            connection.write(head)
            head = b""
            await connection.wait_to_continue(_CONTINUE_TIMEOUT_S)
            if connection.has_answered:
                self._unread = True
                return
        await self._send_body(connection, head)

    async def _send_body(self, connection: UpstreamConnection, head: bytes) -> None:
        """The first of the body with the head; the rest by itself while the answer is waited for."""
        body, more = await self._next()
        while more and self._is_worth_keeping() and len(body) <= MAX_KEPT_BODY_BYTES:
            piece, more = await self._next()
            body += piece
        if more:
            connection.write(head + self._request.piece(body))
            self._is_sending = True
            self._pump = self._loop.create_task(self._pump_body(connection))
            return
        self._kept = body if len(body) <= MAX_KEPT_BODY_BYTES else None
        connection.write(head + self._request.piece(body) + self._request.end())
        connection.expect_answer()
        if self._request.exchange is None:
            self._watch_client()

    async def _pump_body(self, connection: UpstreamConnection) -> None:
        more = True
        try:
            while more:
                await connection.drain()
                body, more = await self._next()
                connection.write(self._request.piece(body))
        except UpstreamFailed:
            return  # whoever waits for the answer hears of it
        connection.write(self._request.end())
        connection.expect_answer()
        self._is_sending = False
        if self._request.exchange is None:
            await self._see_client_off()

    async def _next(self) -> tuple[bytes, bool]:
        try:
            message = await self._receive()
        except Exception:  # noqa: BLE001 - servers say in ways of their own that a body broke off
            message = _DISCONNECT
        if message["type"] == "http.disconnect":
            self._lose_client()
            await asyncio.sleep(0)  # where it is heard
            return b"", False
        body: bytes = message.get("body", b"")
        self._size += len(body)
        most = self._route.config.limits.max_body_bytes
        if most is not None and self._size > most:
            self._route.statistics.refused("body")
            self._give_up(problems.body_too_large(self._route.key, most))
            await asyncio.sleep(0)
        return body, message.get("more_body", False)

    def _is_worth_keeping(self) -> bool:
        return self._route.config.retries.attempts > 1 and self._request.method in IDEMPOTENT_METHODS

    def _was_stale(self, failed: UpstreamFailed) -> bool:
        """A kept connection that the endpoint had closed meanwhile says nothing about it: another one is used."""
        connection = self._connection
        if failed.failure is not DISCONNECTED or failed.answered or connection is None or connection.exchanges < 2:
            return False
        self._stale += 1
        can = self._request.method in IDEMPOTENT_METHODS and self._kept is not None
        self._hang_up()
        return can and self._stale <= _STALE_CONNECTIONS

    def _may_retry(self) -> bool:
        route = self._route
        if self._attempts - self._stale >= route.config.retries.attempts or self._kept is None:
            return False
        if self._request.method not in IDEMPOTENT_METHODS or not route.budget.may_retry():
            return False
        permit = route.breaker.acquire()
        if permit is None:
            return False
        self._permit = permit
        route.statistics.retried()
        return True

    # Back to the client.

    async def _answer(self, marks: tuple[tuple[bytes, bytes], ...]) -> None:
        connection = self._connection
        assert connection is not None
        status = connection.status
        headers = response_headers(connection.headers, self._request.id, status)
        self._record(status, headers)
        headers += marks
        if self._unread:
            headers.append((b"connection", b"close"))
        with_trailers = self._passes_trailers(connection)
        self.status, self._started = status, True
        start = {"type": "http.response.start", "status": status, "headers": headers, "reason": connection.reason}
        await self._send({**start, "trailers": True} if with_trailers else start)
        if not connection.complete:
            await self._stream(connection, headers)
        await self._send_piece(connection.take(), more=False)
        if with_trailers:
            await self._send({"type": "http.response.trailers", "headers": trailers(connection.trailers)})
        if self._recording is not None:
            self._recording.finish()

    async def _stream(self, connection: UpstreamConnection, headers: list[tuple[bytes, bytes]]) -> None:
        if any(name == b"content-type" and value[:17].lower() == b"text/event-stream" for name, value in headers):
            connection.be_patient()
        await self._send_piece(connection.take(), more=True)
        while not connection.complete:
            await self._send_piece(await connection.read(), more=True)

    async def _send_piece(self, body: bytes, *, more: bool) -> None:
        if self._recording is not None:
            self._recording.add(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _passes_trailers(self, connection: UpstreamConnection) -> bool:
        exchange = self._request.exchange
        return exchange is not None and self._request.head.accepts_trailers and connection.is_chunked

    def _record(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        cache = self._route.fallback.cache
        if cache is not None and self._request.method == "GET":
            self._recording = cache.record(self._request.rest, self._request.headers, status, headers)

    async def _fail(self, failed: UpstreamFailed) -> None:
        problem = failed.failure.problem(self._route.key)
        self.error = f"{problem.kind}: {problem.detail}"
        if self._started:
            self._tear()
        else:
            await self._say(problem)

    async def _say_verdict(self, verdict: Problem) -> None:
        if verdict is _CLIENT_GONE:
            self.status = self.status or _GONE
            return
        self.error = f"{verdict.kind}: {verdict.detail}"
        if self._started:
            self._tear()
        else:
            await self._say(verdict)

    async def _say(self, problem: Problem) -> None:
        self.status = problem.status
        await problems.say(problem, self._request.id, self._send)

    def _tear(self) -> None:
        if self._request.exchange is None:
            raise Torn(self.error)
        self._request.exchange.tear()

    # Ends.

    def _give_up(self, verdict: Problem) -> None:
        """Ends the passage wherever it is; the first reason counts."""
        if self._verdict is None and self._task is not None:
            self._verdict = verdict
            self._task.cancel()

    def _lose_client(self) -> None:
        self._give_up(_CLIENT_GONE)

    def _expire(self) -> None:
        self._permit.failed()
        self._give_up(TOTAL_TIMEOUT.problem(self._route.key))

    def _watch_client(self) -> None:
        """Where the server does not tell by itself that its client has gone."""
        self._pump = self._loop.create_task(self._see_client_off())

    async def _see_client_off(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._lose_client()

    def _clear_up(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._request.exchange is not None:
            self._request.exchange.on_client_lost = None
        if self._pump is not None:
            self._pump.cancel()
        self._permit.released()
        self._hang_up()

    def _hang_up(self) -> None:
        lease, self._lease = self._lease, None
        if lease is None or self._connection is None:
            return
        if self._connection.complete and not (self._unread or self._is_sending):
            lease.release()
        else:
            lease.close()


_CLIENT_GONE: Final = Problem(_GONE, "client-gone", "The client went away", "Nobody waits for the answer any more")
