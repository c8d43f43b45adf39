"""What could be read in two ways is refused, and nothing of it reaches an endpoint."""

import json
import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from syncflow_pipelines_tests.server.gateway_world import ServedGateway, endpoint, gateway_to
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend

POST = "POST /orchestrator/it HTTP/1.1\r\nHost: x\r\n"
GET = "GET /orchestrator/it HTTP/1.1\r\nHost: x\r\n"
AMBIGUOUS = {
    "both, length first": POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both, encoding first": POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "the same length twice": POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + "Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + "Content-Length: +5\r\n\r\nhello",
    "a length in hex": POST + "Content-Length: 0x5\r\n\r\nhello",
    "a length beyond all numbers": POST + "Content-Length: 99999999999999999999999\r\n\r\n",
    "another encoding": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "an encoding twice": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding before chunked": POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an encoding after chunked": POST + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "an encoding behind a control character": POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": "POST /orchestrator/it HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded header": GET + "X-A: a\r\n b\r\n\r\n",
    "a bare line feed": "GET /orchestrator/it HTTP/1.1\nHost: x\n\n",
    "a bare carriage return": GET + "X-A: a\rX-B: b\r\n\r\n",
    "a NUL": GET + "X-A: a\0b\r\n\r\n",
    "a control character": GET + "X-A: a\x01b\r\n\r\n",
    "a space before the colon": GET + "X-A : a\r\n\r\n",
    "a header without a name": GET + ": a\r\n\r\n",
    "a header without a colon": GET + "X-A\r\n\r\n",
    "a name that is no token": GET + "X(A): a\r\n\r\n",
    "no host": "GET /orchestrator/it HTTP/1.1\r\n\r\n",
    "two hosts": GET + "Host: y\r\n\r\n",
    "a host that is none": "GET /orchestrator/it HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a host that ends a quoted string": 'GET /orchestrator/it HTTP/1.1\r\nHost: x";by=evil\r\n\r\n',
    "a fragment": "GET /orchestrator/it#x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target beyond ASCII": "GET /orchestrator/it/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target with a control character": "GET /orchestrator/it/\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2.0 in words": "GET /orchestrator/it HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/0.9": "GET /orchestrator/it\r\n\r\n",
    "a tunnel": "CONNECT /orchestrator/it HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method that is none": "GE\0T /orchestrator/it HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
BROKEN_CHUNKS = {
    "a size in another notation": "0x5\r\nhello\r\n0\r\n\r\n",
    "a negative size": "-5\r\nhello\r\n0\r\n\r\n",
    "a size beyond all numbers": "fffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a bare line feed": "5\nhello\r\n0\r\n\r\n",
    "a line feed in an extension": "5;a\nhello\r\n0\r\n\r\n",
    "more than it said": "5\r\nhello!\r\n0\r\n\r\n",
    "a length in the trailers": "5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n",
}
LET_THROUGH = b"GET /orchestrator/it/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def backend() -> Iterator[RecordingBackend]:
    with RecordingBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def gateway(backend: RecordingBackend) -> Iterator[ServedGateway]:
    with gateway_to(endpoint(backend.url + "/base"), max_header_bytes=8000) as gateway:
        yield gateway


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_head_that_could_be_read_in_two_ways_is_refused(
    case: str, gateway: ServedGateway, backend: RecordingBackend
) -> None:
    before = len(backend.arrivals)
    with gateway.connect() as client:
        got = client.ask(AMBIGUOUS[case].encode("latin-1") + LET_THROUGH)
        assert client.is_hung_up()
    assert (got.status, got.value("x-syncflow-problem"), got.value("connection")) == (400, "1", "close")
    assert json.loads(got.body)["type"] == "urn:syncflow:problem:bad-request"
    assert len(backend.arrivals) == before


@pytest.mark.parametrize("case", BROKEN_CHUNKS)
def test_a_body_that_cannot_be_read_ends_the_connection_and_the_request(
    case: str, gateway: ServedGateway, backend: RecordingBackend
) -> None:
    with gateway.connect() as client:
        client.send((POST + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").encode())
        client.send(BROKEN_CHUNKS[case].encode() + LET_THROUGH)
        got = client.answer()
        assert client.is_hung_up()
    assert got.status == 400
    assert "smuggled" not in str([arrival.target for arrival in backend.arrivals])
    assert b"hello" not in b"".join(arrival.body for arrival in backend.arrivals[-1:]) or not backend.arrivals


@pytest.mark.parametrize("sent_by", ["lines", "one long line", "the target", "drops"])
def test_a_head_that_is_too_large_is_refused_before_it_has_come(sent_by: str, gateway: ServedGateway) -> None:
    text = {
        "lines": GET + "X-A: aaaaaaaaaaaaaaaaaaa\r\n" * 400,
        "one long line": GET + "X-A: " + "a" * 9000,
        "the target": "GET /orchestrator/it/" + "a" * 9000,
        "drops": GET + "X-A: " + "a" * 9000,
    }[sent_by]
    with gateway.connect() as client:
        client.send(text[: len(GET)].encode())
        for start in range(len(GET), len(text), 500 if sent_by == "drops" else 100_000):
            with suppress(ConnectionError):
                client.send(text[start : start + (500 if sent_by == "drops" else 100_000)].encode())
        with suppress(ConnectionError):
            client.send(b"\r\n\r\n")
        got = client.answer()
    assert (got.status, json.loads(got.body)["type"]) == (431, "urn:syncflow:problem:headers-too-large")


@pytest.mark.parametrize("sent", [b"", b"GET /orchestrator/it HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(sent: bytes) -> None:
    with ServedGateway(head_timeout_s=0.2) as gateway, gateway.connect() as client:
        client.send(sent)
        assert client.is_hung_up()


def test_endless_trailers_are_refused(gateway: ServedGateway) -> None:
    with gateway.connect() as client:
        client.send((POST + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + "X-A: aaaaaaaaaaaaaaaa\r\n" * 500).encode())
        assert client.answer().status == 431


def test_requests_that_follow_one_another_without_waiting_are_answered_in_their_order(
    gateway: ServedGateway, backend: RecordingBackend
) -> None:
    before = len(backend.arrivals)
    with gateway.connect() as client:
        client.send(
            (GET + "\r\n" + POST + "Content-Length: 3\r\n\r\nabc" + GET.replace("/it", "/no") + "\r\n").encode()
        )
        client.send((GET + "Connection: close\r\n\r\n").encode() + LET_THROUGH)
        assert [client.answer().status for _ in range(4)] == [200, 200, 404, 200]
        assert client.is_hung_up()
    assert [arrival.method for arrival in backend.arrivals[before:]] == ["GET", "POST", "GET"]


def test_a_bad_request_behind_good_ones_waits_for_their_answers(gateway: ServedGateway) -> None:
    with gateway.connect() as client:
        client.send((GET + "\r\n").encode() * 3 + b"NONSENSE\r\n\r\n")
        assert [client.answer().status for _ in range(3)] == [200, 200, 200]
        assert client.is_hung_up()


def test_an_offer_of_http_2_is_let_be_and_the_body_behind_it_is_a_body(
    gateway: ServedGateway, backend: RecordingBackend
) -> None:
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    body = LET_THROUGH.decode()
    with gateway.connect() as client:
        client.send((POST + offer + f"Content-Length: {len(body)}\r\n\r\n").encode())
        client.send(body.encode())
        assert client.answer().status == 200
        assert client.ask((GET + "\r\n").encode()).status == 200
    assert [arrival.body for arrival in backend.arrivals[-2:]] == [body.encode(), b""]
    assert not {"upgrade", "http2-settings", "connection"} & {name for name, _ in backend.arrivals[-2].headers}


@pytest.mark.parametrize("framing", ["Content-Length: 2", "Transfer-Encoding: chunked"])
def test_a_request_for_a_websocket_with_a_body_is_refused(framing: str, gateway: ServedGateway) -> None:
    offer = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MTIz\r\n"
    with gateway.connect() as client:
        got = client.ask(f"GET /orchestrator/it/ HTTP/1.1\r\nHost: x\r\n{offer}{framing}\r\n\r\nhi".encode())
    assert (got.status, json.loads(got.body)["detail"]) == (400, "The request for a WebSocket has a body")


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "a/../b",
        "%2e%2e/x",
        "a/%2E./b",
        ".%2e",
        "a\\..\\b",
        "a%5c..%5Cb",
        "a/..%2fb",
        "a/..;x/b",
        "%2f../x",
        "..?q",
        "%252e%252E/x",
        "a%252f..%255cb",
        "..%00/x",
    ],
)
def test_a_path_that_leads_upwards_is_refused(path: str, gateway: ServedGateway, backend: RecordingBackend) -> None:
    before = len(backend.arrivals)
    with gateway.connect() as client:
        got = client.ask(f"GET /orchestrator/it/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (got.status, len(backend.arrivals)) == (400, before)
    assert json.loads(got.body)["type"] == "urn:syncflow:problem:path-leaves-base"


@pytest.mark.slow
def test_nothing_that_a_fuzzer_sends_stops_the_gateway_or_reaches_an_endpoint_unasked(
    gateway: ServedGateway, backend: RecordingBackend
) -> None:
    seconds = float(os.environ.get("SYNCFLOW_FUZZ_SECONDS", "4"))
    draw, ends = random.Random(11), time.monotonic() + seconds
    before = len(backend.arrivals)
    while time.monotonic() < ends:
        fuzz_one(draw, gateway)
    with gateway.connect() as client:
        assert client.ask((GET + "\r\n").encode()).status == 200
    # What an endpoint took for a request without the gateway's having sent it has neither its path nor its marks.
    arrivals = backend.arrivals[before:]
    assert [arrival.head for arrival in arrivals if not arrival.target.startswith("/base")] == []
    assert {arrival.header("via") for arrival in arrivals} == {"1.1 syncflow"}
    assert len({arrival.header("x-request-id") for arrival in arrivals}) == len(arrivals) > 1


SEEDS = [
    *AMBIGUOUS.values(),
    *(POST + "Transfer-Encoding: chunked\r\n\r\n" + text for text in BROKEN_CHUNKS.values()),
    POST + "Content-Length: 70\r\n\r\n" + LET_THROUGH.decode() + "x" * 20,
    POST + f"Transfer-Encoding: chunked\r\n\r\n{len(LET_THROUGH):x}\r\n" + LET_THROUGH.decode() + "\r\n0\r\n\r\n",
    GET + "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
    GET + "Expect: 100-continue\r\n\r\n",
]
SCRAPS = [
    *("\r\n", "\n", "\r", "\0", " ", "\t", ":", "#", "..", "%2e", "\xff", "0\r\n\r\n", "HTTP/1.1"),
    *("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Host: y\r\n", "Connection: close\r\n"),
    *("Expect: 100-continue\r\n", "Upgrade: x\r\n"),
]


def fuzz_one(draw: random.Random, gateway: ServedGateway) -> None:
    """Sends something broken, and waits until the gateway has hung up."""
    text = draw.choice(SEEDS)
    for _ in range(draw.randrange(1, 4)):
        at = draw.randrange(len(text) + 1)
        scrap = draw.choice([*SCRAPS, text[at : at + draw.randrange(9)]])
        text = text[:at] + scrap + text[at + draw.choice((0, 0, 1, 5)) :]
    data = text.encode("latin-1")
    with gateway.connect() as client, suppress(ConnectionError):
        cut = draw.randrange(len(data) + 1)
        client.send(data[:cut])
        client.send(data[cut:])
        with suppress(OSError):  # hung up already
            client.socket.shutdown(socket.SHUT_WR)
        client.reader.read()
