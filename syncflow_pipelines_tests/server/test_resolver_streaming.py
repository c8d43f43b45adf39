"""Bodies stream through a generated resolver, both ways; who hangs up is noticed on the other side."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syncflow_pipelines_tests.server.recording_backend import OK, PATIENCE_S, Answer, Arrival, RecordingBackend
from syncflow_pipelines_tests.server.resolver_world import connected, load_resolver, serving, status
from syncflow_pipelines_tests.stored_specs import document

PATHS: dict[str, Any] = {"/events": {"get": {}, "post": {}}}
GET = b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"
POST_CHUNKED = b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LOTS = 256
"""Pieces of a megabyte: far more than all buffers between two ends hold."""
MEGABYTE = bytes(1_048_576)


@contextmanager
def world(tmp_path: Path, answer: Answer) -> Iterator[tuple[RecordingBackend, socket.socket]]:
    with RecordingBackend(answer) as backend:
        module = load_resolver(tmp_path, document(PATHS), backend.url)
        with serving(module.create_app()) as port, connected(port) as client:
            yield backend, client


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def until(client: socket.socket, ending: bytes) -> bytes:
    """Reads until what came ends so."""
    came = b""
    while not came.endswith(ending):
        piece = client.recv(65_536)
        assert piece, came
        came += piece
    return came


def test_each_event_arrives_before_the_next_is_sent(tmp_path: Path) -> None:
    seen = threading.Semaphore(0)

    def answer(arrival: Arrival) -> None:
        arrival.send(EVENTS)
        for number in range(5):
            arrival.send(chunk(b"data: %d\n\n" % number))
            assert seen.acquire(timeout=PATIENCE_S)
        arrival.send(b"0\r\n\r\n")

    with world(tmp_path, answer) as (_, client):
        client.sendall(GET)
        assert b"content-type: text/event-stream" in until(client, chunk(b"data: 0\n\n"))
        seen.release()
        for number in range(1, 5):
            assert until(client, b"\n\n\r\n") == chunk(b"data: %d\n\n" % number)
            seen.release()
        assert until(client, b"0\r\n\r\n") == b"0\r\n\r\n"


def test_the_head_of_an_answer_arrives_before_its_body_begins(tmp_path: Path) -> None:
    seen = threading.Event()

    def answer(arrival: Arrival) -> None:
        arrival.send(EVENTS)
        assert seen.wait(PATIENCE_S)
        arrival.send(b"0\r\n\r\n")

    with world(tmp_path, answer) as (_, client):
        client.sendall(GET)
        assert status(until(client, b"\r\n\r\n")) == 200
        seen.set()
        until(client, b"0\r\n\r\n")


def test_each_piece_of_a_body_arrives_before_the_next_is_sent(tmp_path: Path) -> None:
    arrived = threading.Semaphore(0)

    def answer(arrival: Arrival) -> None:
        arrived.release()  # the head, before any piece
        while arrival.read_chunk():
            arrived.release()
        arrival.send(OK)

    with world(tmp_path, answer) as (backend, client):
        client.sendall(POST_CHUNKED)
        for piece in (b"one", b"two", b"three"):
            assert arrived.acquire(timeout=PATIENCE_S)
            client.sendall(chunk(piece))
        assert arrived.acquire(timeout=PATIENCE_S)
        client.sendall(b"0\r\n\r\n")
        assert status(until(client, b"ok")) == 200
    assert backend.last.pieces == [b"one", b"two", b"three"]


def test_both_ways_stream_at_the_same_time(tmp_path: Path) -> None:
    def echo(arrival: Arrival) -> None:
        arrival.send(EVENTS)
        while piece := arrival.read_chunk():
            arrival.send(chunk(piece.upper()))
        arrival.send(b"0\r\n\r\n")

    with world(tmp_path, echo) as (_, client):
        client.sendall(POST_CHUNKED)
        until(client, b"\r\n\r\n")
        for piece in (b"one", b"two"):
            client.sendall(chunk(piece))
            assert until(client, piece.upper() + b"\r\n") == chunk(piece.upper())
        client.sendall(b"0\r\n\r\n")
        assert until(client, b"0\r\n\r\n") == b"0\r\n\r\n"


def test_a_caller_who_does_not_read_makes_the_service_wait(tmp_path: Path) -> None:
    has_waited = threading.Event()

    def answer(arrival: Arrival) -> None:
        arrival.socket.settimeout(2)
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LOTS * len(MEGABYTE)))
        try:
            for _ in range(LOTS):
                arrival.send(MEGABYTE)
        except TimeoutError:
            has_waited.set()
            raise

    with world(tmp_path, answer) as (_, client):
        client.sendall(GET)
        assert has_waited.wait(PATIENCE_S)


def test_a_service_that_does_not_read_makes_the_caller_wait(tmp_path: Path) -> None:
    is_over = threading.Event()

    def answer(_arrival: Arrival) -> None:
        is_over.wait(PATIENCE_S)

    with world(tmp_path, answer) as (_, client):
        client.settimeout(2)
        client.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LOTS * len(MEGABYTE)))
        has_waited = False
        try:
            for _ in range(LOTS):
                client.sendall(MEGABYTE)
        except TimeoutError:
            has_waited = True
        is_over.set()
    assert has_waited


def test_a_caller_who_hangs_up_while_waiting_ends_the_request_of_the_service(tmp_path: Path) -> None:
    asked, ended = threading.Event(), threading.Event()

    def answer(arrival: Arrival) -> None:
        asked.set()
        assert arrival.is_hung_up()
        ended.set()

    with world(tmp_path, answer) as (_, client):
        client.sendall(GET)
        assert asked.wait(PATIENCE_S)
        client.close()
        assert ended.wait(PATIENCE_S)


def test_a_caller_who_hangs_up_in_the_answer_ends_the_request_of_the_service(tmp_path: Path) -> None:
    ended = threading.Event()

    def answer(arrival: Arrival) -> None:
        arrival.send(EVENTS + chunk(b"data: 1\n\n"))
        assert arrival.is_hung_up()
        ended.set()

    with world(tmp_path, answer) as (_, client):
        client.sendall(GET)
        until(client, b"\n\n\r\n")
        client.close()
        assert ended.wait(PATIENCE_S)


def test_a_caller_who_hangs_up_in_the_body_leaves_it_torn(tmp_path: Path) -> None:
    begun, torn = threading.Event(), threading.Event()

    def answer(arrival: Arrival) -> None:
        arrival.read_chunk()
        begun.set()
        try:
            arrival.read_chunk()
        except ConnectionError:
            torn.set()

    with world(tmp_path, answer) as (_, client):
        client.sendall(POST_CHUNKED + chunk(b"one"))
        assert begun.wait(PATIENCE_S)
        client.close()
        assert torn.wait(PATIENCE_S)


def test_an_answer_that_comes_before_the_body_is_read_goes_through(tmp_path: Path) -> None:
    def answer(arrival: Arrival) -> None:
        arrival.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")

    with world(tmp_path, answer) as (_, client):
        client.sendall(POST_CHUNKED + chunk(b"one"))
        answered = until(client, b"big")
    assert status(answered) == 413


def test_who_waits_for_100_continue_gets_it_once_the_service_is_reached(tmp_path: Path) -> None:
    def answer(arrival: Arrival) -> None:
        arrival.read()
        arrival.send(OK)

    with world(tmp_path, answer) as (backend, client):
        client.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert status(until(client, b"ok")) == 200
    assert backend.last.body == b"abc"
    assert backend.last.header("expect") is None


def test_who_waits_for_100_continue_is_not_asked_for_the_body_of_a_service_that_is_down(tmp_path: Path) -> None:
    with RecordingBackend() as gone:
        pass
    module = load_resolver(tmp_path, document(PATHS), gone.url)
    with serving(module.create_app()) as port, connected(port) as client:
        client.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert until(client, b"}").startswith(b"HTTP/1.1 502 ")


def test_shutting_down_closes_the_connections_to_the_service(tmp_path: Path) -> None:
    ended = threading.Event()

    def answer(arrival: Arrival) -> None:
        arrival.send(OK)
        assert arrival.is_hung_up()
        ended.set()

    with RecordingBackend(answer) as backend:
        module = load_resolver(tmp_path, document(PATHS), backend.url)
        with serving(module.create_app()) as port, connected(port) as client:
            client.sendall(GET)
            until(client, b"ok")
        assert ended.wait(PATIENCE_S)
