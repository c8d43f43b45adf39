"""Under a server that knows nothing beyond ASGI, the data plane passes on all that ASGI can say."""

import threading
from collections.abc import Iterator

import pytest

from syncflow_pipelines_tests.server.gateway_world import ServedGateway, endpoint, registered
from syncflow_pipelines_tests.server.raw_server import RawServer, then_close
from syncflow_pipelines_tests.server.recording_backend import PATIENCE_S, Arrival, RecordingBackend

GET = b"GET /orchestrator/it/a%2Fb?x HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /orchestrator/it HTTP/1.1\r\nHost: x\r\n"
SERVERS = ("httptools", "h11")


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    with RecordingBackend() as backend:
        yield backend


def gateway_under(server: str, url: str) -> ServedGateway:
    return ServedGateway(endpoints=(registered(endpoint(url)),), http=server)


@pytest.mark.parametrize("server", SERVERS)
def test_requests_pass_with_bodies_of_all_kinds(server: str, backend: RecordingBackend) -> None:
    large = b"x" * 300_000
    with gateway_under(server, backend.url) as gateway, gateway.connect() as client:
        assert client.ask(GET).body == b"ok"
        assert backend.last.target == "/a%2Fb?x"
        assert client.ask(POST + b"Content-Length: 300000\r\n\r\n" + large).body == b"ok"
        assert backend.last.body == large
        assert client.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").body == b"ok"
        assert backend.last.body == b"hi"
    assert len({id(arrival.socket) for arrival in backend.arrivals}) == 1


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "request_", [GET, POST + b"Content-Length: 2\r\n\r\nhi", POST + b"Content-Length: 9\r\n\r\nhi"]
)
def test_a_client_that_goes_away_takes_its_request_with_it(server: str, request_: bytes) -> None:
    arrived, hung_up = threading.Event(), threading.Event()

    def answer(arrival: Arrival) -> None:
        arrival.reader.read(2 if arrival.method == "POST" else 0)
        arrived.set()
        if arrival.is_hung_up():
            hung_up.set()

    with RecordingBackend(answer) as backend, gateway_under(server, backend.url) as gateway:
        with gateway.connect() as client:
            client.send(request_)
            assert arrived.wait(PATIENCE_S)
        assert hung_up.wait(PATIENCE_S)


@pytest.mark.parametrize("server", SERVERS)
def test_an_answer_that_breaks_off_breaks_off_for_the_client(server: str) -> None:
    torn = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    with (
        RawServer(then_close(torn)) as source,
        gateway_under(server, source.url) as gateway,
        gateway.connect() as client,
        pytest.raises(ConnectionError),
    ):
        client.ask(GET)


@pytest.mark.parametrize("server", SERVERS)
def test_a_head_that_the_server_lets_through_is_still_looked_at(server: str, backend: RecordingBackend) -> None:
    with gateway_under(server, backend.url) as gateway, gateway.connect() as client:
        assert client.ask(b"GET /orchestrator/it HTTP/1.1\r\nHost: x/y\r\n\r\n").status == 400
    assert backend.arrivals == []
