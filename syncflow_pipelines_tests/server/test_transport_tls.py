"""TLS: which certificates are trusted, and what is said of those that are not."""

import socket
import ssl
from pathlib import Path

import pytest

from syncflow_pipelines.errors import ConfigurationError, SourceUnreachable
from syncflow_pipelines.transport import SourceClient
from syncflow_pipelines_tests.server.calling import TOKEN, PatientClock, calling
from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, head, reply, then_close

CERTIFICATES = Path(__file__).parent / "certificates"
CA_FILE = CERTIFICATES / "ca.pem"


@pytest.fixture
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    return context


def test_source_with_a_certificate_of_our_own_authority_is_trusted(tls: ssl.SSLContext) -> None:
    with RawServer(reply(), tls=tls) as server, calling(server, ca_file=CA_FILE) as source:
        assert source.get("/x", validate=bytes).body == b"{}"
        assert source.get("/x", validate=bytes).body == b"{}"
        assert server.connections == 1
        assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_certificate_that_nobody_vouches_for_is_refused_at_once(tls: ssl.SSLContext) -> None:
    clock = PatientClock()
    with RawServer(reply(), tls=tls) as server, calling(server, clock) as source:
        with pytest.raises(SourceUnreachable, match=r"failed: its certificate is not trusted \(.*\); .*ca_file"):
            source.get("/", validate=bytes)
        assert server.requests == []
    assert clock.slept_s == 0


def test_certificate_for_another_name_is_refused(tls: ssl.SSLContext) -> None:
    with RawServer(reply(), tls=tls, host="127.0.0.2") as server, calling(server, ca_file=CA_FILE) as source:
        with pytest.raises(SourceUnreachable, match=r"its certificate is not trusted \(.*127\.0\.0\.2"):
            source.get("/", validate=bytes)
        assert server.requests == []


def test_source_that_speaks_no_tls_is_unreachable() -> None:
    with RawServer(reply(), greeting=b"220 no TLS here\r\n") as server:
        source = calling(server, base_url=f"https://127.0.0.1:{server.port}", ca_file=CA_FILE)
        with source, pytest.raises(SourceUnreachable, match=r"after 4 attempts: cannot connect to .*: TLS failed \("):
            source.get("/", validate=bytes)


def test_silence_within_the_handshake_times_out() -> None:
    clock = PatientClock(runs=True)
    with socket.create_server(("127.0.0.1", 0)) as nobody_accepts:
        base_url = f"https://127.0.0.1:{nobody_accepts.getsockname()[1]}"
        source = SourceClient(base_url, {}, timeout_s=0.1, max_connections=1, ca_file=CA_FILE, clock=clock.clock)
        with source, pytest.raises(SourceUnreachable, match=r"cannot connect to .*: it timed out"):
            source.get("/", validate=bytes)


def test_stale_and_torn_connections_are_handled_as_without_tls(tls: ssl.SSLContext) -> None:
    clock = PatientClock()

    def close_under_the_second(request: Request, peer: Peer) -> None:
        if sum(r.connection == request.connection for r in server.requests) == 1:
            peer.send(reply())
        else:
            peer.close()

    with RawServer(close_under_the_second, tls=tls) as server, calling(server, clock, ca_file=CA_FILE) as source:
        for _ in range(3):
            source.get("/", validate=bytes)
        assert (server.connections, clock.slept_s) == (3, 0)
    torn = then_close(head(headers={"Content-Length": "10"}) + b"12345")
    with RawServer(torn, reply(), tls=tls) as server, calling(server, clock, ca_file=CA_FILE) as source:
        source.get("/", validate=bytes)
    assert clock.slept_s > 0


def test_slow_reply_over_tls_is_waited_for_longer_than_one_look_at_cancellation(tls: ssl.SSLContext) -> None:
    def pause(_request: Request, peer: Peer) -> None:
        for part in (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 4\r\n\r\n12", b"34"):
            peer.stopped.wait(0.3)
            peer.send(part)

    with RawServer(pause, tls=tls) as server, calling(server, ca_file=CA_FILE) as source:
        assert source.get("/", validate=bytes).body == b"1234"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "no certificate"), (b"-----BEGIN NONSENSE", "no certificate")]
)
def test_ca_file_that_cannot_be_used_is_a_mistake_of_the_configuration(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    ca_file = tmp_path / "own ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"ca_file .*own ca.pem cannot be used: .*{said}"):
        SourceClient("https://localhost", {}, timeout_s=1, max_connections=1, ca_file=ca_file)
