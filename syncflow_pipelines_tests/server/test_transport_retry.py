"""What is tried again, how often, and how long a client waits in between."""

import json
import pickle
import threading

import pytest

from syncflow_pipelines.errors import SourceError, SourceProtocolError, SourceUnreachable, SyncCancelled
from syncflow_pipelines.transport import SourceClient
from syncflow_pipelines_tests.server.calling import PatientClock, calling
from syncflow_pipelines_tests.server.raw_server import (
    Peer,
    RawServer,
    Request,
    Step,
    hang,
    json_reply,
    reply,
    then_close,
)

BACKOFF_S = [0.375, 0.75, 1.5]
"""The three back-offs, where chance says one half."""


def close(_request: Request, peer: Peer) -> None:
    peer.close()


def reset(_request: Request, peer: Peer) -> None:
    peer.reset()


PASSING: dict[str, Step] = {
    "500": reply(500, b'{"detail": "no"}'),
    "502-html": reply(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}),
    "503-without-retry-after": reply(503),
    "504": reply(504),
    "408": reply(408),
    "closed": close,
    "reset": reset,
    "torn-length": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2"),
    "torn-json": reply(body=b'{"rows": [1, 2'),
    "html": reply(body=b"<html>Log in</html>", headers={"Content-Type": "text/html; charset=utf-8"}),
    "empty": reply(body=b""),
}


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING.keys())
def test_trouble_that_passes_is_overcome(trouble: Step) -> None:
    clock = PatientClock()
    with RawServer(trouble, trouble, trouble, json_reply([1])) as server, calling(server, clock) as source:
        assert source.get("/", validate=json.loads).body == [1]
        assert len(server.requests) == source.requests == 4
    assert clock.slept_s == pytest.approx(sum(BACKOFF_S))


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING.keys())
def test_trouble_that_stays_ends_after_three_retries_with_url_and_cause(trouble: Step) -> None:
    clock = PatientClock()
    with RawServer(trouble) as server, calling(server, clock) as source:
        with pytest.raises(SourceError) as caught:
            source.get("/api/v1/data/items", [("page", "7")], validate=json.loads)
        assert len(server.requests) == 4
    assert str(caught.value).startswith(f"GET {server.url}/api/v1/data/items?page=7 failed after 4 attempts: ")
    assert clock.slept_s == pytest.approx(sum(BACKOFF_S))


@pytest.mark.parametrize(
    ("trouble", "error", "said"),
    [
        ("500", SourceUnreachable, "it answered 500 (it says: no)"),
        ("502-html", SourceUnreachable, "it answered 502"),
        ("closed", SourceUnreachable, "the connection was closed before a reply came"),
        ("reset", SourceUnreachable, "Connection reset by peer"),
        ("torn-length", SourceUnreachable, "the reply was cut off"),
        ("torn-json", SourceProtocolError, "its reply cannot be read: Expecting ',' delimiter"),
        ("html", SourceProtocolError, "its reply cannot be read (text/html instead of JSON): Expecting value"),
    ],
)
def test_error_says_what_went_wrong(trouble: str, error: type[SourceError], said: str) -> None:
    with RawServer(PASSING[trouble]) as server, calling(server) as source, pytest.raises(error) as caught:
        source.get("/", validate=json.loads)
    assert said in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_validate_calls_no_contract_is_tried_again_and_ends_as_that() -> None:
    def refuse(_body: bytes) -> None:
        raise SourceProtocolError("the catalogue is no list")

    with (
        RawServer(reply()) as server,
        calling(server) as source,
        pytest.raises(
            SourceProtocolError, match="after 4 attempts: its reply cannot be read: the catalogue is no list"
        ),
    ):
        source.get("/", validate=refuse)


def test_nobody_listening_is_unreachable() -> None:
    with RawServer(reply()) as server:
        pass
    with calling(server) as source, pytest.raises(SourceUnreachable) as caught:
        source.get("/", validate=bytes)
    assert f"after 4 attempts: cannot connect to 127.0.0.1 port {server.port}: Connection refused" in str(caught.value)


def test_host_that_cannot_be_found_is_unreachable() -> None:
    source = SourceClient(
        "http://[fe80::1%no-such-interface]", {}, timeout_s=5, max_connections=1, clock=PatientClock().clock
    )
    with source, pytest.raises(SourceUnreachable, match="cannot connect to fe80::1%no-such-interface port 80"):
        source.get("/", validate=bytes)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 7.5 "}, 7.5),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:40 GMT"}, 40),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:40 GMT", "Date": "Sun, 01 Mar 2026 12:00:25 GMT"}, 15),
        ({"Retry-After": "Sunday, 01-Mar-26 12:00:40 GMT"}, 40),
        ({"Retry-After": "Sun Mar  1 12:00:40 2026"}, 40),
    ],
)
def test_retry_after_is_waited_for(status: int, headers: dict[str, str], seconds: float) -> None:
    clock = PatientClock()
    with RawServer(reply(status, b"", headers), reply()) as server, calling(server, clock) as source:
        assert source.get("/", validate=bytes).status == 200
        assert len(server.requests) == 2
    assert seconds <= clock.slept_s <= seconds + 1


@pytest.mark.parametrize("asked", ["0", "-5", "Sun, 01 Mar 2020 12:00:00 GMT", "0.0"])
def test_retry_after_without_a_wait_backs_off_and_costs_no_retry(asked: str) -> None:
    clock = PatientClock()
    busy = reply(503, b"", {"Retry-After": asked})
    with (
        RawServer(*[busy] * 9, reply(500), reply(500), reply(500), reply()) as server,
        calling(server, clock) as source,
    ):
        assert source.get("/", validate=bytes).status == 200
        assert len(server.requests) == 13
    assert clock.slept_s > 10


@pytest.mark.parametrize("asked", ["soon", "", "5, 5", "٣", "1e3", "31 Feb 2026", "Sun, 99 Mar 2026 99:99:99 GMT"])
def test_429_with_a_retry_after_that_makes_no_sense_backs_off(asked: str) -> None:
    clock = PatientClock()
    headers = {"Retry-After": asked.encode().decode("latin-1")}
    with RawServer(reply(429, b"", headers), reply()) as server, calling(server, clock) as source:
        assert source.get("/", validate=bytes).status == 200
    assert clock.slept_s == pytest.approx(BACKOFF_S[0])


@pytest.mark.parametrize("asked", ["121", "1000000000", "9" * 400, "Sun, 01 Mar 2099 12:00:00 GMT"])
def test_retry_after_beyond_the_limit_is_not_waited_for(asked: str) -> None:
    clock = PatientClock()
    with RawServer(reply(429, b"", {"Retry-After": asked})) as server, calling(server, clock) as source:
        with pytest.raises(SourceUnreachable, match=r"asks to wait .* s; max_retry_after_s allows 120 s"):
            source.get("/", validate=bytes)
        assert len(server.requests) == 1
    assert clock.slept_s == 0


def test_source_that_only_ever_asks_to_wait_is_given_up_at_last() -> None:
    clock = PatientClock()
    with RawServer(reply(429, b"", {"Retry-After": "60"})) as server, calling(server, clock) as source:
        with pytest.raises(SourceUnreachable, match="after 11 attempts: it answered 429 and asks to wait"):
            source.get("/", validate=bytes)
        assert len(server.requests) == 11
    assert 600 <= clock.slept_s <= 620


def test_429_holds_back_the_other_threads_too() -> None:
    clock = PatientClock()
    first_waits, second_is_there = threading.Event(), threading.Event()
    arrived_at: list[float] = []

    def answer(_request: Request, peer: Peer) -> None:
        arrived_at.append(clock.slept_s)
        is_first = len(arrived_at) == 1
        peer.send(reply(429, b"", {"Retry-After": "30"}) if is_first else reply())
        if not is_first:
            second_is_there.set()

    def wait_for_the_second() -> None:
        if threading.current_thread() is threads[1]:
            second_is_there.set()
        first_waits.set()
        second_is_there.wait(10)

    clock.on_sleep = wait_for_the_second
    with RawServer(answer) as server, calling(server, clock) as source:
        threads = [threading.Thread(target=source.get, args=("/",), kwargs={"validate": bytes}) for _ in range(2)]
        threads[0].start()
        assert first_waits.wait(10)
        threads[1].start()
        for thread in threads:
            thread.join(10)
    assert len(arrived_at) == 3
    assert min(arrived_at[1:]) >= 30


def test_waiting_for_retry_after_can_be_cancelled() -> None:
    clock = PatientClock()
    stop = threading.Event()
    with (
        RawServer(reply(429, b"", {"Retry-After": "100"})) as server,
        calling(server, clock, cancelled=stop.is_set) as source,
    ):
        clock.on_sleep = lambda: stop.set() if clock.slept_s > 5 else None
        with pytest.raises(SyncCancelled):
            source.get("/", validate=bytes)
        assert len(server.requests) == 1
    assert clock.slept_s <= 6


def test_cancelled_client_sends_nothing() -> None:
    with RawServer(reply()) as server, calling(server, cancelled=lambda: True) as source:
        with pytest.raises(SyncCancelled):
            source.get("/", validate=bytes)
        assert server.requests == []


def test_waiting_for_a_first_byte_can_be_cancelled() -> None:
    stop = threading.Event()

    def cancel(request: Request, peer: Peer) -> None:
        stop.set()
        hang(request, peer)

    with (
        RawServer(cancel) as server,
        calling(server, timeout_s=300, cancelled=stop.is_set) as source,
        pytest.raises(SyncCancelled),
    ):
        source.get("/", validate=bytes)


def test_waiting_for_a_free_connection_can_be_cancelled() -> None:
    stop = threading.Event()
    busy = threading.Event()

    def hold(request: Request, peer: Peer) -> None:
        busy.set()
        hang(request, peer)

    errors: list[BaseException] = []

    def call(source: SourceClient) -> None:
        try:
            source.get("/", validate=bytes)
        except SyncCancelled as error:
            errors.append(error)

    with RawServer(hold) as server, calling(server, max_connections=1, cancelled=stop.is_set) as source:
        threads = [threading.Thread(target=call, args=(source,)) for _ in range(2)]
        threads[0].start()
        assert busy.wait(10)
        threads[1].start()
        stop.set()
        for thread in threads:
            thread.join(10)
        assert len(server.requests) == 1
    assert len(errors) == 2
