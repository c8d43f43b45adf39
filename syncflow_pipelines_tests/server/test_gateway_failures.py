"""What a caller is told where an endpoint gives no answer, and what is done before it is told so."""

import os
import random
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from syncflow_pipelines.config.gateway import (
    BreakerConfig,
    EndpointConfig,
    TargetRules,
    TimeoutConfig,
)
from syncflow_pipelines.gateway.model import Status
from syncflow_pipelines.gateway.registry.targets import checked_connector
from syncflow_pipelines.gateway.routing import Routes
from syncflow_pipelines_tests.server import raw_server
from syncflow_pipelines_tests.server.gateway_asking import GET, ask, kind_of, route_of, wait_until
from syncflow_pipelines_tests.server.gateway_world import ServedGateway, endpoint, gateway_to, registered
from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, hang, reply, then_close, then_hang
from syncflow_pipelines_tests.server.recording_backend import OK, PATIENCE_S, Arrival, RecordingBackend

CERTIFICATES = Path(__file__).parent / "certificates"


def reset(_request: Request, peer: Peer) -> None:
    peer.reset()


BROKEN: dict[str, tuple[raw_server.Step, int, str]] = {
    "hangs": (hang, 504, "upstream-timeout"),
    "hangs in the head": (then_hang(b"HTTP/1.1 200 OK\r\nX-A"), 504, "upstream-timeout"),
    "closes": (then_close(b""), 502, "upstream-disconnected"),
    "closes in the head": (then_close(b"HTTP/1.1 200 OK\r\nX-A: 1"), 502, "upstream-disconnected"),
    "resets": (reset, 502, "upstream-disconnected"),
    "speaks something else": (b"SSH-2.0-OpenSSH_9.6\r\n", 502, "upstream-protocol"),
    "switches protocols": (
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        502,
        "upstream-protocol",
    ),
    "has a status below 100": (b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", 502, "upstream-protocol"),
    "says two lengths": (reply(headers={"content-length": "1"}), 502, "upstream-protocol"),
    "says a length and chunks": (reply(headers={"Transfer-Encoding": "chunked"}), 502, "upstream-protocol"),
    "uses another encoding": (raw_server.head(200, {"Transfer-Encoding": "gzip"}), 502, "upstream-protocol"),
    "puts a NUL into a header": (reply(headers={"X-A": "a\0b"}), 502, "upstream-protocol"),
    "breaks a header": (reply(headers={"X-A": "a\rSet-Cookie: b"}), 502, "upstream-protocol"),
    "never comes to its answer": (then_hang(b"HTTP/1.1 102 Processing\r\n\r\n" * 2000), 502, "upstream-protocol"),
    "never ends its head": (then_hang(b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 90_000), 502, "upstream-protocol"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_endpoint_that_gives_no_answer_is_told_from_one_that_takes_too_long(case: str) -> None:
    step, status, kind = BROKEN[case]
    with RawServer(step) as server, gateway_to(endpoint(server.url, read_s=0.3)) as gateway:
        assert kind_of(ask(gateway)) == (status, kind)
        assert route_of(gateway).breaker.consecutive_failures == 1
        wait_until(lambda: route_of(gateway).statistics.snapshot().by_status == {status: 1})


def test_the_words_of_a_status_pass_where_they_are_text() -> None:
    odd = b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\n\r\n"
    with (
        RawServer(odd % (200, b"Tr\xe8s bien"), odd % (404, b"N\x01o")) as server,
        gateway_to(endpoint(server.url)) as gateway,
        gateway.connect() as client,
    ):
        assert [client.ask(GET).reason for _ in range(2)] == ["Tr\xe8s bien", "Not Found"]


def test_an_endpoint_that_cannot_be_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    unknown = endpoint("http://nowhere.invalid", name="unknown")
    with gateway_to(endpoint(f"http://127.0.0.1:{port}"), unknown) as gateway:
        assert kind_of(ask(gateway)) == (502, "upstream-unreachable")
        assert kind_of(ask(gateway, GET.replace(b"/it", b"/unknown"))) == (502, "upstream-unresolved")


def test_an_endpoint_that_does_not_accept_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for filler in (first, second):
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(full.getsockname())
        timeouts = TimeoutConfig(connect_s=0.2, read_s=5)
        with gateway_to(endpoint(f"http://127.0.0.1:{full.getsockname()[1]}", timeouts=timeouts)) as gateway:
            assert kind_of(ask(gateway)) == (504, "upstream-connect-timeout")


def test_an_endpoint_whose_whole_answer_takes_too_long_has_failed() -> None:
    timeouts = TimeoutConfig(connect_s=5, read_s=5, total_s=0.2)
    with RawServer(hang) as server, gateway_to(endpoint(server.url, timeouts=timeouts)) as gateway:
        assert kind_of(ask(gateway)) == (504, "upstream-total-timeout")
        assert route_of(gateway).breaker.consecutive_failures == 1


def test_an_endpoint_is_trusted_by_its_certificate_alone(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    with RawServer(reply(), tls=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        known = endpoint(url, ca_file=CERTIFICATES / "ca.pem")
        absent = endpoint(url, name="absent", ca_file=tmp_path / "none.pem")
        with gateway_to(known, endpoint(url, name="unknown"), absent) as gateway:
            assert ask(gateway).status == 200
            assert kind_of(ask(gateway, GET.replace(b"/it", b"/unknown"))) == (502, "upstream-tls")
            assert kind_of(ask(gateway, GET.replace(b"/it", b"/absent"))) == (502, "upstream-tls")


def test_an_endpoint_that_leads_to_where_the_gateway_may_not_connect_is_not_connected_to() -> None:
    with RawServer(reply()) as server, gateway_to(endpoint(server.url)) as gateway:
        forbidding = lambda one: checked_connector(one.config.url, TargetRules())  # noqa: E731
        gateway.call(lambda: setattr(gateway.plane, "_connect", forbidding))
        assert kind_of(ask(gateway)) == (502, "upstream-forbidden")
        assert server.connections == 0


EXTRA = {
    "a second answer": reply(body=b"good") + reply(body=b"evil"),
    "a second head alone": reply(body=b"good") + b"HTTP/1.1 500 Evil\r\nX-",
    "anything": reply(body=b"good") + b"evil",
    "after the last chunk": raw_server.head(200, {"Transfer-Encoding": "chunked"})
    + raw_server.chunked(b"good")
    + b"evil",
    "after a closing answer": reply(body=b"good", headers={"Connection": "close"}) + b"evil",
    "a body of a bodiless answer": b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
}


@pytest.mark.parametrize("case", EXTRA)
def test_what_follows_an_answer_reaches_nobody(case: str) -> None:
    with RawServer(EXTRA[case], reply(body=b"next")) as server, gateway_to(endpoint(server.url)) as gateway:
        with gateway.connect() as client:
            first = client.ask(GET)
            assert (first.status, first.body) == ((304, b"") if "bodiless" in case else (200, b"good"))
            assert client.ask(GET).body == b"next"
        assert server.connections == 2


def test_what_follows_the_head_of_an_answer_to_head_reaches_nobody() -> None:
    with RawServer(reply(body=b"evil"), reply(body=b"next")) as server, gateway_to(endpoint(server.url)) as gateway:
        with gateway.connect() as client:
            assert client.ask(GET.replace(b"GET", b"HEAD"), is_head=True).value("content-length") == "4"
            assert client.ask(GET).body == b"next"
        assert server.connections == 2


def test_a_kept_connection_that_the_endpoint_has_closed_costs_nobody_an_answer() -> None:
    closing = threading.Semaphore(0)

    def answer(arrival: Arrival) -> None:
        if len(arrival.target) == 5:  # the second request of a connection
            arrival.socket.shutdown(socket.SHUT_RDWR)
        else:
            arrival.send(OK)
        closing.release()

    with RecordingBackend(answer) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        assert client.ask(GET).status == 200
        # Read, then hung up on: as a server does that closes an idle connection just as a request comes.
        stale = client.ask(GET.replace(b"/it", b"/it/late"))
        assert kind_of(stale) == (502, "upstream-disconnected")
        assert client.ask(GET).status == 200
    targets = [arrival.target for arrival in backend.arrivals]
    assert targets == ["/", "/late", "/late", "/"]
    assert route_of(gateway).statistics.snapshot().retries == 0


def test_methods_that_are_not_configured_are_not_passed_on() -> None:
    with RecordingBackend() as backend, gateway_to(endpoint(backend.url, methods=("GET", "POST"))) as gateway:
        answer = ask(gateway, GET.replace(b"GET", b"DELETE"))
        assert (*kind_of(answer), answer.value("allow")) == (405, "method-not-allowed", "GET, HEAD, POST")
        assert kind_of(ask(gateway, GET.replace(b"GET", b"TRACE")))[0] == 405
        assert backend.arrivals == []


def test_names_lead_to_the_version_that_is_current_and_nowhere_while_switched_off() -> None:
    with RecordingBackend() as first, RecordingBackend() as second:
        old, new = endpoint(first.url, version="v1"), endpoint(second.url, version="v2")
        off = endpoint(first.url, name="off")
        disabled = endpoint(first.url, name="dis", disabled=True)
        rows = (
            registered(old, is_current=False),
            registered(new),
            registered(off, Status.INACTIVE),
            registered(disabled, Status.DISABLED),
        )
        with ServedGateway(endpoints=rows) as gateway:
            for name, backend in (("it", second), ("it@v1", first), ("it%40v2", second)):
                before = len(backend.arrivals)
                assert ask(gateway, GET.replace(b"/it", b"/" + name.encode())).status == 200
                assert len(backend.arrivals) == before + 1
            told = [kind_of(ask(gateway, GET.replace(b"/it", name))) for name in (b"/off", b"/dis", b"/it@v3", b"/")]
    assert told == [
        (503, "endpoint-inactive"),
        (503, "endpoint-disabled"),
        (404, "unknown-endpoint"),
        (404, "unknown-endpoint"),
    ]


def test_a_request_ends_on_the_route_that_it_began_on_and_an_equal_endpoint_keeps_its_route() -> None:
    going_on = threading.Event()

    def answer(arrival: Arrival) -> None:
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        going_on.wait(PATIENCE_S)
        arrival.send(b"k")

    with RecordingBackend(answer) as backend, gateway_to(endpoint(backend.url)) as gateway:
        old = route_of(gateway)

        def register(config: EndpointConfig) -> None:
            gateway.plane.routes = Routes.build([registered(config)], gateway.config, gateway.plane.routes)

        with gateway.connect() as client:
            client.send(GET)
            _, _, headers = client.head()
            gateway.call(lambda: register(endpoint(backend.url)))
            assert route_of(gateway) is old
            gateway.call(lambda: register(endpoint(backend.url, description="new")))
            assert route_of(gateway) is not old
            going_on.set()
            assert client.body(dict(headers))[0] == b"ok"
        assert old.upstream is not None
        wait_until(lambda: bool(old.upstream and old.upstream.connector.closed))
        assert ask(gateway).status == 200


ANSWERS = [
    *EXTRA.values(),
    raw_server.head(200, {"Transfer-Encoding": "chunked", "Trailer": "X-A"}) + raw_server.chunked(b"a" * 9, b"bc"),
    b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 204 No\r\nSet-Cookie: a\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    reply(206, b"x" * 300, {"Connection": "close, X-A", "X-A": "1"}),
]
SCRAPS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"0\r\n\r\n",
    b"HTTP/1.1 100 C\r\n\r\n",
    b"Content-Length: 2\r\n",
    b"\xff",
]


@pytest.mark.slow
def test_nothing_that_an_endpoint_says_stops_the_gateway_or_is_taken_for_another_answer() -> None:
    draw, ends = random.Random(13), time.monotonic() + float(os.environ.get("SYNCFLOW_FUZZ_SECONDS", "3"))
    good, never = reply(body=b"good", headers={"X-Good": "1"}), BreakerConfig(failure_threshold=1_000_000)
    with RawServer(good) as server, gateway_to(endpoint(server.url, breaker=never, read_s=1.0)) as gateway:
        while time.monotonic() < ends:
            broken = draw.choice(ANSWERS)
            for _ in range(draw.randrange(1, 4)):
                at = draw.randrange(len(broken) + 1)
                broken = broken[:at] + draw.choice(SCRAPS) + broken[at + draw.choice((0, 0, 1, 5)) :]
            server.script = (then_close(broken) if draw.random() < 0.7 else broken + b"\0",)
            with gateway.connect() as client, suppress(ConnectionError, ValueError):
                method = draw.choice((b"GET", b"HEAD"))
                client.ask(GET.replace(b"GET", method), is_head=method == b"HEAD")
            server.script = (good,)
            answer = ask(gateway)
            assert (answer.status, answer.body, answer.value("x-good")) == (200, b"good", "1"), broken
