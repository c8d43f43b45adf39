"""Connections: how many there are, when they are used again, and when they are better not."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from syncflow_pipelines.errors import SourceUnreachable, SyncCancelled
from syncflow_pipelines.transport import NotFound
from syncflow_pipelines.transport.pool import Pool
from syncflow_pipelines_tests.server.calling import PatientClock, calling
from syncflow_pipelines_tests.server.raw_server import (
    Peer,
    RawServer,
    Request,
    chunked,
    hang,
    head,
    json_reply,
    reply,
    then_close,
)


def test_connection_is_used_again() -> None:
    with RawServer(reply(), reply(404), reply(304), reply(500), reply()) as server, calling(server) as source:
        for _ in range(3):
            source.get("/", validate=bytes, etag="x") if len(server.requests) != 1 else None
    assert server.connections == 1


def test_threads_share_no_more_connections_than_allowed() -> None:
    crowd = threading.Barrier(3)

    def answer(_request: Request, peer: Peer) -> None:
        # Nobody gets an answer before three are asking: fewer than three connections would never come here.
        crowd.wait(10)
        peer.send(json_reply([1]))

    with RawServer(answer) as server, calling(server, max_connections=3) as source, ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda page: source.get(f"/{page}", validate=json.loads).body, range(60)))
    assert answers == [[1]] * 60
    assert len({request.target for request in server.requests}) == source.requests == 60
    assert (server.connections, server.most_open) == (3, 3)


def test_connection_closed_by_the_server_while_idle_is_no_failure() -> None:
    clock = PatientClock()
    with RawServer(then_close(reply())) as server, calling(server, clock) as source:
        for _ in range(10):
            source.get("/", validate=bytes)
        assert (server.connections, source.requests) == (10, 10)
    assert clock.slept_s == 0


@pytest.mark.parametrize("how", ["close", "reset"])
def test_connection_closed_under_the_next_request_is_replaced_without_costing_an_attempt(how: str) -> None:
    """The race that a look at the idle connection cannot see: the server hangs up when the request arrives."""
    clock = PatientClock()

    def answer(request: Request, peer: Peer) -> None:
        is_first_on_connection = sum(r.connection == request.connection for r in server.requests) == 1
        if is_first_on_connection:
            peer.send(reply())
        else:
            getattr(peer, how)()

    with RawServer(answer) as server, calling(server, clock) as source:
        for _ in range(5):
            source.get("/", validate=bytes)
        assert (server.connections, source.requests) == (5, 5)
    assert clock.slept_s == 0


def test_stale_connection_is_replaced_once_and_then_it_is_a_failure() -> None:
    clock = PatientClock()

    def close(_request: Request, peer: Peer) -> None:
        peer.close()

    with RawServer(reply(), close) as server, calling(server, clock) as source:
        source.get("/", validate=bytes)
        with pytest.raises(SourceUnreachable, match="after 4 attempts: the connection was closed before a reply came"):
            source.get("/", validate=bytes)
        assert len(server.requests) == 1 + 1 + 4
    assert clock.slept_s > 0


def test_connection_that_broke_within_a_reply_costs_an_attempt() -> None:
    clock = PatientClock()
    torn = then_close(head(headers={"Content-Length": "10"}) + b"12345")
    with RawServer(reply(), torn, reply()) as server, calling(server, clock) as source:
        source.get("/", validate=bytes)
        source.get("/", validate=bytes)
        assert len(server.requests) == 3
    assert clock.slept_s > 0


def test_connection_reset_within_a_reply_costs_an_attempt_even_when_it_was_used_before() -> None:
    clock = PatientClock()
    begun, read = threading.Event(), threading.Event()
    looks = iter((False, True))

    def look_around() -> bool:
        # The client does this before each wait for bytes: before the second since they were sent, it has some.
        if begun.is_set() and next(looks, True):
            read.set()
        return False

    def break_off(_request: Request, peer: Peer) -> None:
        peer.send(head(headers={"Content-Length": "10"}) + b"12345")
        begun.set()
        read.wait(10)
        peer.reset()

    with RawServer(reply(), break_off, reply()) as server, calling(server, clock, cancelled=look_around) as source:
        source.get("/", validate=bytes)
        source.get("/", validate=bytes)
        assert len(server.requests) == 3
    assert clock.slept_s > 0


def test_bytes_that_follow_a_reply_are_never_taken_for_the_next() -> None:
    clock = PatientClock()
    sent = threading.Event()

    def chatter(_request: Request, peer: Peer) -> None:
        peer.send(json_reply("first") + json_reply("forged") * 10_000)
        sent.set()

    with RawServer(chatter, json_reply("second")) as server, calling(server, clock) as source:
        assert source.get("/", validate=json.loads).body == "first"
        assert sent.wait(10)
        assert source.get("/", validate=json.loads).body == "second"
        assert (server.connections, clock.slept_s) == (2, 0)


def test_reply_that_was_not_read_to_its_end_is_not_followed_by_another_on_its_connection() -> None:
    endless = head(404, {"Content-Length": "1000000"})
    with RawServer(endless, reply()) as server, calling(server) as source:
        with pytest.raises(NotFound):
            source.get("/", validate=bytes)
        assert source.get("/", validate=bytes).body == b"{}"
        assert server.connections == 2


def test_pool_gives_nothing_to_those_who_are_cancelled() -> None:
    cancelled = threading.Event()
    pool = Pool(1, cancelled.is_set)
    with pool.slot():
        cancelled.set()
        with pytest.raises(SyncCancelled), pool.slot():
            pass
    with pytest.raises(SyncCancelled), pool.slot():
        pass


def test_connection_that_the_server_wants_closed_is_closed() -> None:
    with RawServer(reply(headers={"Connection": "close"})) as server, calling(server) as source:
        source.get("/", validate=bytes)
        source.get("/", validate=bytes)
        assert server.connections == 2


def test_closed_client_closes_its_connections() -> None:
    closed = threading.Event()

    def answer(_request: Request, peer: Peer) -> None:
        peer.send(reply())
        if not peer.socket.recv(1):
            closed.set()
        peer.close()

    with RawServer(answer) as server:
        with calling(server) as source:
            source.get("/", validate=bytes)
        assert closed.wait(10)


def test_silence_before_the_first_byte_times_out() -> None:
    clock = PatientClock(runs=True)
    with RawServer(hang) as server, calling(server, clock, timeout_s=0.1) as source:
        with pytest.raises(SourceUnreachable, match=r"after 4 attempts: no answer within 0\.1 s"):
            source.get("/", validate=bytes)
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        head(headers={"Content-Length": "10"}) + b"12345",
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(b"12345", end=b""),
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(b"12345", end=b"0\r\n"),
    ],
    ids=["headers", "length", "chunked", "trailer"],
)
def test_silence_within_a_reply_times_out(beginning: bytes) -> None:
    clock = PatientClock(runs=True)

    def stall(request: Request, peer: Peer) -> None:
        peer.send(beginning)
        hang(request, peer)

    with (
        RawServer(stall) as server,
        calling(server, clock, timeout_s=0.1) as source,
        pytest.raises(SourceUnreachable, match=r"no more bytes within 0\.1 s"),
    ):
        source.get("/", validate=bytes)


@pytest.mark.parametrize(
    ("start", "drop"), [(head(headers={"Content-Length": "100000"}), b"x"), (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n")]
)
def test_reply_that_drips_for_ever_meets_the_deadline(start: bytes, drop: bytes) -> None:
    clock = PatientClock(runs=True)

    def drip(_request: Request, peer: Peer) -> None:
        peer.send(start)
        while not peer.stopped.wait(0.02) and not hung_up(peer):
            peer.send(drop)
        peer.close()

    def hung_up(peer: Peer) -> bool:
        peer.socket.settimeout(0.001)
        try:
            return not peer.socket.recv(1)
        except TimeoutError:
            return False

    with (
        RawServer(drip) as server,
        calling(server, clock, timeout_s=10, deadline_s=0.3) as source,
        pytest.raises(SourceUnreachable, match=r"the reply was not complete after 0\.3 s"),
    ):
        source.get("/", validate=bytes)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/3.14 200 OK\r\n\r\n",
        b"\x00\xff\x16\x03\x01" * 20,
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n",
        head(headers={"Transfer-Encoding": "chunked"}) + b"zz\r\nabc\r\n0\r\n\r\n",
        head(headers={"Transfer-Encoding": "chunked"}) + b"-5\r\nabc\r\n0\r\n\r\n",
        head(headers={"Transfer-Encoding": "chunked"}) + b"5\r\nab",
        head(headers={"Transfer-Encoding": "chunked"}) + b"ffffffffffff\r\nab",
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(b"ab", end=b""),
        head(headers={"Content-Length": "3"}) + b"ab",
    ],
)
def test_garbage_instead_of_http_is_unreachable_in_one_sentence(garbage: bytes) -> None:
    with RawServer(then_close(garbage)) as server, calling(server) as source:
        with pytest.raises(SourceUnreachable, match=r"failed after 4 attempts: the (reply|connection) ") as caught:
            source.get("/", validate=bytes)
        assert len(server.requests) == 4
    assert "\n" not in str(caught.value)
    assert "SSH" not in str(caught.value)
