"""What a caller is told where an endpoint gives no answer, and what is done before it is told so."""

import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.config.gateway import (
    BreakerConfig,
    EndpointConfig,
    FallbackConfig,
    LimitConfig,
    RetryConfig,
    TargetRules,
    TimeoutConfig,
)
from syncflow_pipelines.gateway.model import Status
from syncflow_pipelines.gateway.registry.targets import checked_connector
from syncflow_pipelines.gateway.routing import Route, Routes
from syncflow_pipelines_tests.server import raw_server
from syncflow_pipelines_tests.server.gateway_world import Answer, ServedGateway, endpoint, gateway_to, registered
from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, hang, reply, then_close, then_hang
from syncflow_pipelines_tests.server.recording_backend import OK, PATIENCE_S, Arrival, RecordingBackend

GET = b"GET /orchestrator/it HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /orchestrator/it HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
CERTIFICATES = Path(__file__).parent / "certificates"


def ask(gateway: ServedGateway, request: bytes = GET) -> Answer:
    with gateway.connect() as client:
        return client.ask(request)


def kind_of(answer: Answer) -> tuple[int, str]:
    assert answer.value("x-syncflow-problem") == "1"
    document = json.loads(answer.body)
    assert (document["status"], document["instance"]) == (answer.status, answer.value("x-request-id"))
    assert answer.value("content-type") == "application/problem+json"
    return answer.status, document["type"].removeprefix("urn:syncflow:problem:")


def route(gateway: ServedGateway, name: str = "it") -> Route:
    found = gateway.plane.routes.find(name)
    assert found is not None
    return found


def wait_for(is_so: Callable[[], bool]) -> None:
    settled = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        if is_so():
            return
        settled.wait(0.005)
    raise AssertionError("it never came")


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
        assert route(gateway).breaker.consecutive_failures == 1
        wait_for(lambda: route(gateway).statistics.snapshot().by_status == {status: 1})


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
        assert route(gateway).breaker.consecutive_failures == 1


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
    assert route(gateway).statistics.snapshot().retries == 0


def test_a_request_is_sent_again_only_where_that_is_said_and_may_be_done() -> None:
    failing = iter([b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"] * 2)

    def answer(arrival: Arrival) -> None:
        arrival.read()
        arrival.send(next(failing, OK))

    with (
        RecordingBackend(answer) as backend,
        gateway_to(endpoint(backend.url, retries=RetryConfig(attempts=3))) as gateway,
    ):
        assert ask(gateway, POST).status == 503
        assert ask(gateway, POST.replace(b"POST", b"PUT")).status == 200
        snapshot = route(gateway).statistics.snapshot()
    assert [arrival.method for arrival in backend.arrivals] == ["POST", "PUT", "PUT"]
    assert [arrival.body for arrival in backend.arrivals[1:]] == [b"hi", b"hi"]
    assert (snapshot.retries, snapshot.requests) == (1, 2)


def test_a_large_body_is_sent_once() -> None:
    unavailable = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    with (
        RecordingBackend(unavailable) as backend,
        gateway_to(endpoint(backend.url, retries=RetryConfig(attempts=3))) as gateway,
    ):
        large = b"PUT /orchestrator/it HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000
        assert ask(gateway, large).status == 503
    assert len(backend.arrivals) == 1


BREAKER = BreakerConfig(failure_threshold=3, reset_timeout_s=60)


def test_a_broken_endpoint_is_not_asked_after_exactly_its_threshold() -> None:
    with RawServer(then_close(b"")) as server, gateway_to(endpoint(server.url, breaker=BREAKER)) as gateway:
        for _ in range(3):
            assert kind_of(ask(gateway)) == (502, "upstream-disconnected")
        answer = ask(gateway)
        assert (*kind_of(answer), answer.value("retry-after")) == (503, "breaker-open", "60")
        assert len(server.requests) == 3
        wait_for(lambda: route(gateway).statistics.snapshot().refused == {"breaker": 1})


def test_answers_that_say_failure_open_the_breaker_and_those_to_blame_the_caller_do_not() -> None:
    with RawServer(reply(404)) as server, gateway_to(endpoint(server.url, breaker=BREAKER)) as gateway:
        for _ in range(5):
            assert ask(gateway).status == 404
        server.script = (reply(500),)
        for _ in range(5):
            assert ask(gateway).status == 500
        server.script = (reply(503),)
        assert [ask(gateway).status for _ in range(4)] == [503] * 4
        assert len(server.requests) == 13


def test_a_fixed_answer_is_given_while_an_endpoint_is_not_asked() -> None:
    fallback = FallbackConfig("static", status=203, body='{"sorry": true}')
    breaker = replace(BREAKER, failure_threshold=1, fallback=fallback)
    with RawServer(then_close(b"")) as server, gateway_to(endpoint(server.url, breaker=breaker)) as gateway:
        assert ask(gateway).status == 502
        answer = ask(gateway)
    assert (answer.status, answer.body, answer.value("x-syncflow-fallback")) == (203, b'{"sorry": true}', "static")
    assert (answer.value("x-syncflow-problem"), answer.value("via")) == (None, "1.1 syncflow")


def test_the_last_good_answer_is_given_while_an_endpoint_is_not_asked() -> None:
    breaker = replace(BREAKER, failure_threshold=1, fallback=FallbackConfig("cached"))
    good = raw_server.head(200, {"Transfer-Encoding": "chunked", "ETag": '"1"'}) + raw_server.chunked(b"go", b"od")
    with RawServer(good, then_close(b"")) as server, gateway_to(endpoint(server.url, breaker=breaker)) as gateway:
        assert ask(gateway).body == b"good"
        assert ask(gateway, GET.replace(b"/it", b"/it/other")).status == 502
        answer = ask(gateway)
        assert (answer.status, answer.body, answer.value("etag")) == (200, b"good", '"1"')
        assert (answer.value("x-syncflow-fallback"), answer.value("age")) == ("cached", "0")
        assert ask(gateway, GET.replace(b"/it", b"/it/other")).status == 503


def test_another_endpoint_is_asked_instead_and_only_once() -> None:
    breaker = replace(BREAKER, failure_threshold=1, fallback=FallbackConfig("alternate", alternate="other"))
    back = replace(breaker, fallback=FallbackConfig("alternate", alternate="it"))
    with RawServer(then_close(b"")) as server, RecordingBackend() as other:
        both = (endpoint(server.url, breaker=breaker), endpoint(other.url + "/v2", name="other", breaker=back))
        with gateway_to(*both) as gateway:
            assert ask(gateway, POST.replace(b"/it", b"/it/x?y")).status == 502
            answer = ask(gateway, POST.replace(b"/it", b"/it/x?y"))
            assert (answer.body, answer.value("x-syncflow-fallback")) == (b"ok", "alternate")
            assert (other.last.target, other.last.body) == ("/v2/x?y", b"hi")
            other.answer = lambda arrival: arrival.socket.shutdown(socket.SHUT_RDWR)
            assert ask(gateway).status == 502
            assert kind_of(ask(gateway)) == (503, "breaker-open")


def test_more_than_an_endpoint_takes_is_refused_at_once() -> None:
    going_on = threading.Event()

    def answer(arrival: Arrival) -> None:
        going_on.wait(PATIENCE_S)
        arrival.send(OK)

    limits = LimitConfig(max_concurrent=1)
    with (
        RecordingBackend(answer) as backend,
        gateway_to(endpoint(backend.url, limits=limits)) as gateway,
        gateway.connect() as client,
    ):
        client.send(GET)
        wait_for(lambda: bool(backend.arrivals))
        refused = ask(gateway)
        assert (*kind_of(refused), refused.value("retry-after")) == (503, "limit-concurrency", "1")
        going_on.set()
        assert client.answer().body == b"ok"
    assert len(backend.arrivals) == 1


def test_more_than_an_endpoint_takes_a_second_is_refused_at_once() -> None:
    limits = LimitConfig(requests_per_second=0.01, burst=2)
    with RecordingBackend() as backend, gateway_to(endpoint(backend.url, limits=limits)) as gateway:
        assert [ask(gateway).status for _ in range(2)] == [200, 200]
        refused = ask(gateway)
        assert kind_of(refused) == (429, "limit-rate")
        assert int(refused.value("retry-after") or 0) > 50


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
        old = route(gateway)

        def register(config: EndpointConfig) -> None:
            gateway.plane.routes = Routes.build([registered(config)], gateway.config, gateway.plane.routes)

        with gateway.connect() as client:
            client.send(GET)
            _, _, headers = client.head()
            gateway.call(lambda: register(endpoint(backend.url)))
            assert route(gateway) is old
            gateway.call(lambda: register(endpoint(backend.url, description="new")))
            assert route(gateway) is not old
            going_on.set()
            assert client.body(dict(headers))[0] == b"ok"
        assert old.upstream is not None
        wait_for(lambda: bool(old.upstream and old.upstream.connector.closed))
        assert ask(gateway).status == 200
