"""uvicorn's HTTP protocol, stricter: what could be read in two ways is refused, and ends the connection.

The parser, llhttp, refuses nearly all of it by itself; decision 40 lists what it lets through.
"""

import asyncio
from typing import Any, ClassVar, Final
from urllib.parse import unquote_to_bytes

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from syncflow_pipelines.gateway.model import PROBLEM_MARK, Problem
from syncflow_pipelines.gateway.proxy.client_exchange import ClientExchange, status_line
from syncflow_pipelines.gateway.proxy.framing import BODY_OF_UPGRADE, TOO_LARGE, TOO_SLOW, UNREADABLE, refusal_of
from syncflow_pipelines.gateway.proxy.paths import PREFIX
from syncflow_pipelines.gateway.proxy.sockets import send_at_once

_OF_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
LINGER_S: Final = 2.0
"""How long bytes of a refused request are still taken, so that its sender reads why."""


class _Refused(Exception):
    pass


class StrictHttpProtocol(HttpToolsProtocol):
    """One connection of a client."""

    max_header_bytes: ClassVar[int] = 65_536
    head_timeout_s: ClassVar[float] = 30.0
    """From the first byte of a request's head to its last, and from the connection to the first byte."""
    body_timeout_s: ClassVar[float] = 60.0
    """Between two pieces of a request's body, while somebody waits for the next."""
    cycle: ClientExchange | None  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        send_at_once(transport)
        self._in_head = self._is_deaf = self._skips_upgrade = False
        self._head_bytes = self._trailer_bytes = 0
        self._refusal: Problem | None = None
        self._active: ClientExchange | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._last_data_at = 0.0
        self.timeout_keep_alive_task = self.loop.call_later(self.head_timeout_s, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_head_timer()
        if self._body_timer is not None:
            self._body_timer.cancel()
        super().connection_lost(exc)
        for exchange in (self._active, *(waiting for waiting, _ in self.pipeline)):
            if isinstance(exchange, ClientExchange):
                exchange.lose_client()
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        was_in_head = self._in_head
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_after_head(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._refusal or UNREADABLE)
        else:
            self._look_at_pace(len(data) if was_in_head else 0)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.cycle is not None and not self.cycle.keep_alive:
            self._is_deaf = True  # the connection ends with what was asked before
            raise _Refused
        super().on_message_begin()
        self._in_head, self._head_bytes, self._trailer_bytes = True, 0, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
            return
        self._trailer_bytes += len(name) + len(value) + 4
        if self._trailer_bytes > self.max_header_bytes:
            self._reject(TOO_LARGE)
        if self.cycle is not None:
            self.cycle.request_trailers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._drop_head_timer()
        self._check_head()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        if self.parser.should_upgrade():
            self._skips_upgrade = not self._should_upgrade()
            if not self._skips_upgrade:
                self._refuse_body_of_upgrade()
                return
            if self.scope["method"] == "CONNECT":
                self._reject(UNREADABLE)
            return
        self._describe_target()
        self._begin(self._exchange())

    def on_body(self, body: bytes) -> None:
        if self.cycle is None or self.parser.should_upgrade() or self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self.cycle is None or self.parser.should_upgrade():
            return
        self.cycle.more_body = False
        if not self.cycle.response_complete:
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        if self._active is not None:
            # A circle that the garbage collector would have to find.
            self._active.scope.pop("syncflow.exchange", None)  # type: ignore[typeddict-item]
        self._active = None
        super().on_response_complete()

    # Steps of the above.

    def _check_head(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.max_header_bytes:
            self._reject(TOO_LARGE)
        version = self.parser.get_http_version()
        refusal = refusal_of(self.url, self.headers, version)
        if refusal is not None:
            self._reject(refusal)
        if version != "1.1":
            self.scope["http_version"] = version

    def _refuse_body_of_upgrade(self) -> None:
        """What serves WebSockets would neither answer nor end the connection."""
        if {name: value for name, value in self.headers if name in _OF_BODY} not in ({}, {b"content-length": b"0"}):
            self._reject(BODY_OF_UPGRADE)

    def _describe_target(self) -> None:
        target = self.url
        if not target.startswith(b"/"):
            parsed = httptools.parse_url(target)
            target = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        raw_path, _, query = target.partition(b"?")
        path = unquote_to_bytes(raw_path).decode("utf-8", "replace") if b"%" in raw_path else raw_path.decode("latin-1")
        self.scope["path"] = self.root_path + path
        self.scope["raw_path"] = self.root_path.encode("latin-1") + raw_path
        self.scope["query_string"] = query
        self.scope["syncflow.target"] = target  # type: ignore[typeddict-unknown-key]

    def _exchange(self) -> ClientExchange:
        exchange = ClientExchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            # What an endpoint answers gets no other Server and Date.
            default_headers=[] if self.url.startswith(PREFIX) else self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        exchange.on_end = self._end_connection
        self.scope["syncflow.exchange"] = exchange  # type: ignore[typeddict-unknown-key]
        return exchange

    def _begin(self, exchange: ClientExchange) -> None:
        before, self.cycle = self.cycle, exchange
        if before is None or before.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def _go_on_after_head(self, rest: bytes) -> None:
        if not self._skips_upgrade:
            self.handle_websocket_upgrade()
            return
        # The parser takes what follows an upgrade for another protocol. Nobody changes to it: read it as a request.
        ignored = (b"connection", b"upgrade", b"http2-settings")
        head = [self.scope["method"].encode(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            head += [] if name in ignored else [name, b": ", value, b"\r\n"]
        self._skips_upgrade = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join([*head, b"\r\n", rest]))

    def _look_at_pace(self, size: int) -> None:
        """A head has to come to its end, and so has a body of which nobody wants the rest any more."""
        exchange = self.cycle
        if self._in_head:
            self._note_partial_head(size)
        elif exchange is None:
            return
        elif exchange.response_complete:
            if self.timeout_keep_alive_task is None:
                timer = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
                self.timeout_keep_alive_task = timer
        elif exchange.more_body:
            self._last_data_at = self.loop.time()
            if self._body_timer is None:
                self._body_timer = self.loop.call_later(self.body_timeout_s, self._look_at_body)

    def _look_at_body(self) -> None:
        self._body_timer = None
        exchange = self.cycle
        if exchange is None or exchange.response_complete or not exchange.more_body:
            return
        if self.flow.read_paused:  # it is the endpoint that takes its time
            self._last_data_at = self.loop.time()
        left_s = self._last_data_at + self.body_timeout_s - self.loop.time()
        if left_s <= 0:
            self._refuse(TOO_SLOW)
        else:
            self._body_timer = self.loop.call_later(left_s, self._look_at_body)

    def _note_partial_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.max_header_bytes:
            self._refuse(TOO_LARGE)
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _drop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _reject(self, problem: Problem) -> None:
        self._refusal = problem
        raise _Refused

    def _refuse(self, problem: Problem) -> None:
        """Ends the connection once what was asked before is answered."""
        if self._is_deaf:
            return
        self._is_deaf = True
        self._drop_head_timer()
        exchange = self.cycle
        if exchange is None or exchange.response_complete:
            self._say(problem)
        elif not exchange.more_body:
            exchange.keep_alive = False
        elif exchange.response_started or self._active is not exchange:
            self.transport.close()
        else:
            exchange.disconnected = True
            exchange.message_event.set()
            exchange.lose_client()
            self._say(problem)

    def _say(self, problem: Problem) -> None:
        body = problem.body()
        headers = (
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            PROBLEM_MARK,
            *problem.headers,
        )
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(status_line(problem.status) + lines + b"\r\n" + body)
        self._end_connection()

    def _end_connection(self) -> None:
        """Lets the client read the answer before what it still sends is met by a reset."""
        self._is_deaf = True
        if self.transport.is_closing():
            return
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER_S, self.transport.close)


def http_protocol(
    max_header_bytes: int, *, head_timeout_s: float = 30.0, body_timeout_s: float = 60.0
) -> type[StrictHttpProtocol]:
    """For `uvicorn.Config(http=…)`."""
    limits = {"max_header_bytes": max_header_bytes, "head_timeout_s": head_timeout_s, "body_timeout_s": body_timeout_s}
    return type("GatewayHttpProtocol", (StrictHttpProtocol,), limits)
