"""What goes through the gateway arrives as it was sent, but for the headers that say which way it came."""

import gc
import random
import socket
import threading

import pytest

from syncflow_pipelines.gateway.proxy.client_exchange import ClientExchange
from syncflow_pipelines.gateway.proxy.passage import Passage
from syncflow_pipelines_tests.server.gateway_asking import route_of, wait_until
from syncflow_pipelines_tests.server.gateway_traffic import (
    ADDED_TO_ANSWERS,
    ADDED_TO_REQUESTS,
    GeneratedAnswer,
    GeneratedRequest,
    generated_answer,
    generated_request,
)
from syncflow_pipelines_tests.server.gateway_world import Answer, Client, endpoint, gateway_to
from syncflow_pipelines_tests.server.recording_backend import PATIENCE_S, Arrival, RecordingBackend

ROUNDS = 3000


def ask(client: Client, request: GeneratedRequest, prefix: str) -> Answer:
    return client.ask(request.text(prefix), is_head=request.method == "HEAD")


def seen(arrival: Arrival) -> tuple[object, ...]:
    fields = [(name, value) for name, value in arrival.headers if name not in ADDED_TO_REQUESTS]
    return arrival.method, arrival.target, sorted(fields), [*fields_in_order(fields)], arrival.body, arrival.trailers


def fields_in_order(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Lengths are written anew and come last: their place says nothing."""
    return [field for field in fields if field[0] not in ("content-length", "transfer-encoding")]


def told(answer: Answer) -> tuple[object, ...]:
    fields = [(name, value) for name, value in answer.headers if name not in ADDED_TO_ANSWERS]
    return answer.status, answer.reason, fields, answer.body


class Script:
    """Answers what the test says next, and reads the whole request before."""

    def __init__(self) -> None:
        self.next = GeneratedAnswer(200, "OK", [], b"", "length")

    def __call__(self, arrival: Arrival) -> None:
        arrival.read()
        answer = self.next
        arrival.send(answer.text(is_head=arrival.method == "HEAD"))
        if answer.framing == "close":
            arrival.socket.shutdown(socket.SHUT_RDWR)


def test_a_path_and_a_query_arrive_byte_for_byte_below_the_configured_path() -> None:
    with (
        RecordingBackend() as backend,
        gateway_to(endpoint(backend.url + "/base")) as gateway,
        gateway.connect() as client,
    ):
        for target in ("/a%2Fb//c;p=%c3%a9", "/%7E/~?x=%20&&y=/?", "/?", "", "?q", "/a/./b...c/..d"):
            request = f"GET /orchestrator/it{target} HTTP/1.1\r\nHost: gateway\r\n\r\n"
            assert client.ask(request.encode()).body == b"ok"
            assert backend.last.target == "/base" + target


@pytest.mark.slow
def test_thousands_of_requests_arrive_as_they_were_sent() -> None:
    draw, script = random.Random(7), Script()
    config_methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE")
    with (
        RecordingBackend(script) as backend,
        gateway_to(endpoint(backend.url, methods=config_methods)) as gateway,
        gateway.connect() as through,
        Client.to(backend.port) as straight,
    ):
        for _ in range(ROUNDS):
            request = generated_request(draw, config_methods)
            ask(straight, request, "")
            expected = seen(backend.last)
            ask(through, request, "/orchestrator/it")
            assert seen(backend.last) == expected, request


@pytest.mark.slow
def test_thousands_of_answers_arrive_as_they_were_given() -> None:
    draw, script = random.Random(8), Script()
    with (
        RecordingBackend(script) as backend,
        gateway_to(endpoint(backend.url)) as gateway,
        gateway.connect() as through,
    ):
        for _ in range(ROUNDS):
            script.next = generated_answer(draw)
            method = draw.choice(("GET", "GET", "HEAD", "POST"))
            request = GeneratedRequest(method, "/x", [], b"", "none")
            with Client.to(backend.port) as straight:
                expected = told(ask(straight, request, ""))
            assert told(ask(through, request, "/orchestrator/it")) == expected, script.next


def test_requests_that_are_over_leave_nothing_for_the_garbage_collector() -> None:
    with (
        RecordingBackend() as backend,
        gateway_to(endpoint(backend.url)) as gateway,
        gateway.connect() as client,
    ):
        gc.collect()
        gc.disable()
        try:
            for _ in range(30):
                client.ask(b"POST /orchestrator/it HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
            kept = [one for one in gc.get_objects() if isinstance(one, (ClientExchange, Passage))]
        finally:
            gc.enable()
    assert len(kept) < 5


def test_no_answer_reaches_another_caller_whoever_goes_away_in_the_middle() -> None:
    def echo(arrival: Arrival) -> None:
        body = arrival.read()
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def call(seed: int) -> None:
        draw = random.Random(seed)
        client = gateway.connect()
        for _ in range(40):
            body = draw.randbytes(draw.choice((1, 100, 100_000)))
            request = b"POST /orchestrator/it HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            if draw.random() < 0.2:
                client.send(request[: draw.randrange(len(request))])
                client.__exit__()
                client = gateway.connect()
            elif client.ask(request).body != body:
                wrong.append(seed)
        client.__exit__()

    wrong: list[int] = []
    with RecordingBackend(echo) as backend, gateway_to(endpoint(backend.url)) as gateway:
        callers = [threading.Thread(target=call, args=(seed,)) for seed in range(12)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(PATIENCE_S)
        route = route_of(gateway)
        wait_until(lambda: gateway.plane.is_idle and route.gate.in_flight == 0)
        snapshot = route.statistics.snapshot()
    assert wrong == []
    assert set(snapshot.by_status) <= {200, 499}
    assert snapshot.requests == sum(snapshot.by_status.values())
