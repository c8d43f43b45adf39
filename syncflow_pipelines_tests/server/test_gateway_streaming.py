"""Bodies pass piece by piece in both directions, at the pace of the slower end, and break off where they broke off."""

import threading
import time
from collections.abc import Callable

import pytest

from syncflow_pipelines.config.gateway import LimitConfig, TimeoutConfig
from syncflow_pipelines_tests.server.gateway_asking import GET, route_of, wait_until
from syncflow_pipelines_tests.server.gateway_world import Client, ServedGateway, endpoint, gateway_to, registered
from syncflow_pipelines_tests.server.recording_backend import PATIENCE_S, Arrival, RecordingBackend

POST = b"POST /orchestrator/it HTTP/1.1\r\nHost: x\r\n"
HEAD_OF_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MEGABYTE = b"x" * 1_000_000


def in_flight(gateway: ServedGateway) -> int:
    return route_of(gateway).gate.in_flight


class Steps:
    """An answer that a test leads from step to step."""

    def __init__(self, answer: Callable[[Arrival, "Steps"], None]) -> None:
        self._answer, self._go = answer, threading.Semaphore(0)
        self.hung_up = threading.Event()

    def __call__(self, arrival: Arrival) -> None:
        self._answer(arrival, self)

    def go_on(self) -> None:
        self._go.release()

    def wait(self) -> None:
        assert self._go.acquire(timeout=PATIENCE_S)


def test_events_pass_one_by_one_and_may_be_long_in_coming() -> None:
    def answer(arrival: Arrival, steps: Steps) -> None:
        arrival.send(HEAD_OF_STREAM)
        for number in range(3):
            steps.wait()
            event = b"data: %d\n\n" % number
            arrival.send(b"%x\r\n%b\r\n" % (len(event), event))
        arrival.send(b"0\r\n\r\n")

    steps = Steps(answer)
    # The read time-out is over long before the first event.
    with (
        RecordingBackend(steps) as backend,
        gateway_to(endpoint(backend.url, read_s=0.2)) as gateway,
        gateway.connect() as client,
    ):
        client.send(GET)
        assert client.head()[0] == 200
        time.sleep(0.5)
        for number in range(3):
            steps.go_on()
            assert client.line() == b"9\r\n"
            assert client.exactly(11) == b"data: %d\n\n\r\n" % number
        assert client.line() == b"0\r\n"


@pytest.mark.slow
def test_a_client_that_does_not_read_holds_back_the_endpoint_and_nobody_else() -> None:
    sent = [0]

    def answer(arrival: Arrival) -> None:
        if arrival.target != "/":
            arrival.send(OK)
            return
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(50):
            arrival.send(MEGABYTE)
            sent[0] += 1

    with (
        RecordingBackend(answer) as backend,
        gateway_to(endpoint(backend.url)) as gateway,
        gateway.connect() as client,
        gateway.connect() as other,
    ):
        client.send(GET)
        client.head()
        assert other.ask(GET.replace(b"/it", b"/it/x")).body == b"ok"
        stalled = _when_it_stalls(sent)
        assert stalled < 20
        assert len(client.exactly(50_000_000)) == 50_000_000


def _when_it_stalls(counter: list[int]) -> int:
    """The count once it has not grown for a while."""
    seen, since = counter[0], time.monotonic()
    while time.monotonic() - since < 0.3:
        if counter[0] != seen:
            seen, since = counter[0], time.monotonic()
        time.sleep(0.01)
    return seen


@pytest.mark.slow
def test_an_endpoint_that_does_not_read_holds_back_the_client() -> None:
    def answer(arrival: Arrival, steps: Steps) -> None:
        steps.wait()
        arrival.read()
        arrival.send(OK)

    steps, sent = Steps(answer), [0]
    with RecordingBackend(steps) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:

        def upload() -> None:
            client.send(POST + b"Content-Length: 50000000\r\n\r\n")
            for _ in range(50):
                client.send(MEGABYTE)
                sent[0] += 1

        uploading = threading.Thread(target=upload)
        uploading.start()
        assert _when_it_stalls(sent) < 20
        steps.go_on()
        assert client.answer().body == b"ok"
        uploading.join(PATIENCE_S)
        assert len(backend.last.body) == 50_000_000


def test_both_bodies_pass_at_the_same_time() -> None:
    def echo(arrival: Arrival) -> None:
        arrival.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while chunk := arrival.read_chunk():
            arrival.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        arrival.send(b"0\r\n\r\n")

    with RecordingBackend(echo) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        client.send(b"1\r\na\r\n")
        assert client.head()[0] == 200
        for text in (b"a", b"b", b"c"):
            assert client.exactly(6) == b"1\r\n" + text + b"\r\n"
            client.send(b"1\r\n" + bytes([text[0] + 1]) + b"\r\n" if text != b"c" else b"0\r\n\r\n")
        assert client.line() == b"0\r\n"


def test_a_body_is_asked_for_only_once_the_endpoint_wants_it() -> None:
    def answer(arrival: Arrival) -> None:
        if arrival.target == "/no":
            arrival.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
            arrival.is_hung_up()
            return
        arrival.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        arrival.read()
        arrival.send(OK)

    expecting = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with RecordingBackend(answer) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        client.send(POST + expecting)
        assert client.head()[0] == 100
        client.send(b"abc")
        assert client.answer().body == b"ok"
        assert (backend.last.body, backend.last.header("expect")) == (b"abc", "100-continue")
        refused = client.ask((POST + expecting).replace(b"/it", b"/it/no"))
        assert (refused.status, refused.value("connection")) == (401, "close")
        assert client.is_hung_up()


def test_an_endpoint_that_never_says_continue_gets_the_body_all_the_same() -> None:
    with RecordingBackend() as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        got = client.ask(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
    assert (got.body, backend.last.body) == (b"ok", b"abc")


def test_an_answer_that_comes_before_the_whole_body_is_passed_on_and_the_connection_goes_on() -> None:
    def answer(arrival: Arrival) -> None:
        if arrival.method == "POST":
            arrival.send(b"HTTP/1.1 403 Too soon\r\nContent-Length: 2\r\n\r\nno")
            arrival.is_hung_up()
        else:
            arrival.send(OK)

    with RecordingBackend(answer) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        client.send(POST + b"Content-Length: 2000000\r\n\r\n" + MEGABYTE)
        got = client.answer()
        assert (got.status, got.reason, got.body) == (403, "Too soon", b"no")
        client.send(MEGABYTE)
        assert client.ask(GET).body == b"ok"


TORN = {
    "a body shorter than its length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabcdefgh",
    "a body without its last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "a chunk that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n",
}


@pytest.mark.parametrize("case", TORN)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_that_breaks_off_breaks_off_for_the_client(case: str, version: str) -> None:
    def answer(arrival: Arrival, steps: Steps) -> None:
        arrival.send(TORN[case][:-5])
        steps.wait()
        arrival.send(TORN[case][-5:])
        arrival.socket.shutdown(2)

    steps = Steps(answer)
    with RecordingBackend(steps) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        client.send(f"GET /orchestrator/it HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        _, _, headers = client.head()
        steps.go_on()
        with pytest.raises(ConnectionError):
            client.body(dict(headers))
        wait_until(lambda: in_flight(gateway) == 0)
        found = route_of(gateway)
        wait_until(lambda: bool(found.statistics.snapshot().by_status))
        (error,) = found.statistics.snapshot().last_errors
        assert error.error.startswith("upstream-")


@pytest.mark.parametrize("while_", ["the head is waited for", "an answer streams", "a body is sent"])
def test_a_client_that_goes_away_takes_the_request_to_the_endpoint_with_it(while_: str) -> None:
    hung_up = threading.Event()

    def answer(arrival: Arrival) -> None:
        if while_ == "an answer streams":
            arrival.send(HEAD_OF_STREAM)
        if while_ == "a body is sent":
            arrival.reader.read(10)
        if arrival.is_hung_up():
            hung_up.set()

    request = POST + b"Content-Length: 1000000\r\n\r\n0123456789" if while_ == "a body is sent" else GET
    with RecordingBackend(answer) as backend, gateway_to(endpoint(backend.url)) as gateway:
        with gateway.connect() as client:
            client.send(request)
            wait_until(lambda: bool(backend.arrivals))
            if while_ == "an answer streams":
                client.head()
        assert hung_up.wait(PATIENCE_S)
        wait_until(lambda: in_flight(gateway) == 0)
        found = route_of(gateway)
        assert found.breaker.consecutive_failures == 0
        told = {200 if while_ == "an answer streams" else 499: 1}
        wait_until(lambda: found.statistics.snapshot().by_status == told)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_is_too_large_is_refused_and_its_sender_can_read_why(framing: str) -> None:
    limits = LimitConfig(max_body_bytes=100_000)
    head = b"Content-Length: 2000000\r\n\r\n" if framing == "length" else b"Transfer-Encoding: chunked\r\n\r\n"
    pieces = [b"%x\r\n%b\r\n" % (len(MEGABYTE), MEGABYTE)] * 2 if framing == "chunked" else [MEGABYTE] * 2
    with RecordingBackend() as backend, gateway_to(endpoint(backend.url, limits=limits)) as gateway:
        with gateway.connect() as client:
            client.send(POST + head)
            for piece in pieces:
                client.send(piece)
            got = client.answer()
            assert (got.status, got.value("x-syncflow-problem")) == (413, "1")
            assert client.is_hung_up()
        assert len(b"".join(arrival.body for arrival in backend.arrivals)) < 400_000
        found = route_of(gateway)
        assert found.statistics.snapshot().refused == {"body": 1}
        with gateway.connect() as client:
            assert client.ask(POST + b"Content-Length: 100000\r\n\r\n" + MEGABYTE[:100_000]).status == 200


@pytest.mark.parametrize("pace", ["the client stops", "the endpoint does not read", "the endpoint has answered"])
def test_a_body_that_stops_coming_is_given_up_but_not_while_the_endpoint_does_not_read(pace: str) -> None:
    def answer(arrival: Arrival, steps: Steps) -> None:
        if pace == "the endpoint has answered":
            arrival.send(OK)
        steps.wait()
        arrival.read()
        arrival.send(OK)

    steps = Steps(answer)
    # Long enough for a client that sends all the time, on a machine that is busy with other things.
    timeout_s = 2.0 if pace == "the endpoint does not read" else 0.2
    with RecordingBackend(steps) as backend:
        rows = (registered(endpoint(backend.url)),)
        with (
            ServedGateway(endpoints=rows, body_timeout_s=timeout_s, keep_alive_s=1) as gateway,
            gateway.connect() as client,
        ):
            client.send(POST + b"Content-Length: 20000000\r\n\r\n" + MEGABYTE)
            if pace == "the endpoint does not read":
                sending = threading.Thread(target=lambda: client.send(MEGABYTE * 19))
                sending.start()
                time.sleep(1.25 * timeout_s)
                steps.go_on()
                assert client.answer().body == b"ok"
                sending.join(PATIENCE_S)
            else:
                got = client.answer()
                assert got.status == (408 if pace == "the client stops" else 200)
                assert client.is_hung_up()
            steps.go_on()


def test_requests_in_flight_end_well_when_the_server_is_asked_to_end() -> None:
    def answer(arrival: Arrival, steps: Steps) -> None:
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
        steps.wait()
        arrival.send(b"ay")

    steps = Steps(answer)
    with RecordingBackend(steps) as backend, gateway_to(endpoint(backend.url)) as gateway, gateway.connect() as client:
        client.send(GET)
        _, _, headers = client.head()
        gateway.server.should_exit = True
        wait_until(lambda: _refuses(gateway))
        steps.go_on()
        assert client.body(dict(headers))[0] == b"okay"
        assert client.is_hung_up()


def _refuses(gateway: ServedGateway) -> bool:
    try:
        with Client.to(gateway.port) as client:
            return client.is_hung_up()
    except ConnectionError:
        return True


def test_all_of_a_request_has_to_be_over_in_time_where_that_is_said() -> None:
    timeouts = TimeoutConfig(connect_s=5, read_s=5, total_s=0.3)

    def drip(arrival: Arrival) -> None:
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not gone.wait(0.05):
            arrival.send(b"x")

    gone = threading.Event()
    try:
        with RecordingBackend(drip) as backend, gateway_to(endpoint(backend.url, timeouts=timeouts)) as gateway:
            with gateway.connect() as client:
                client.send(GET)
                _, _, headers = client.head()
                with pytest.raises(ConnectionError):
                    client.body(dict(headers))
            gone.set()
    finally:
        gone.set()
