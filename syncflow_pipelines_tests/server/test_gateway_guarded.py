"""Breakers, fallbacks, retries and limits, as the callers of a gateway meet them."""

import socket
import threading
from dataclasses import replace

from syncflow_pipelines.config.gateway import BreakerConfig, FallbackConfig, LimitConfig, RetryConfig
from syncflow_pipelines_tests.server import raw_server
from syncflow_pipelines_tests.server.gateway_asking import GET, POST, ask, kind_of, route_of, wait_until
from syncflow_pipelines_tests.server.gateway_world import endpoint, gateway_to
from syncflow_pipelines_tests.server.raw_server import RawServer, reply, then_close
from syncflow_pipelines_tests.server.recording_backend import OK, PATIENCE_S, Arrival, RecordingBackend


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
        snapshot = route_of(gateway).statistics.snapshot()
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
        wait_until(lambda: route_of(gateway).statistics.snapshot().refused == {"breaker": 1})


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
        wait_until(lambda: bool(backend.arrivals))
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
