"""Redirects and proxies: where a request may go, and what it carries there."""

import base64
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from syncflow_pipelines.errors import ConfigurationError, SourceProtocolError, SourceUnreachable
from syncflow_pipelines.transport import SourceClient, pick_proxy
from syncflow_pipelines_tests.server.calling import TOKEN, PatientClock, calling
from syncflow_pipelines_tests.server.raw_server import Peer, RawServer, Request, Step, hang, reply, then_close

CERTIFICATES = Path(__file__).parent / "certificates"


def relay(request: Request, peer: Peer, pause_s: float = 0) -> None:
    """A step of a proxy: opens the tunnel and passes on what comes from either side, until one of them closes."""
    host, _, port = request.target.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as source:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pass_on, args=(source, peer.socket))
        peer.stopped.wait(pause_s)
        back.start()
        _pass_on(peer.socket, source)
        back.join()
    peer.close()


def _pass_on(sender: socket.socket, receiver: socket.socket) -> None:
    with suppress(OSError):
        while data := sender.recv(65536):
            receiver.sendall(data)
        receiver.shutdown(socket.SHUT_WR)


def sluggish_relay(request: Request, peer: Peer) -> None:
    """The same, but it takes its time to pass on the first bytes."""
    relay(request, peer, pause_s=0.6)


def redirect(location: str, status: int = 302) -> bytes:
    return reply(status, b"moved", {"Location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/items?page=2", "/v2/items?page=2"),
        ("items2", "/api/items2"),
        ("?page=3", "/api/items?page=3"),
        ("/a b\x7f/ü?q=\x01 x", "/a%20b%7F/%C3%83%C2%BC?q=%01%20x"),
    ],
)
def test_redirect_within_the_origin_is_followed(status: int, location: str, target: str) -> None:
    location = location.encode().decode("latin-1")
    with RawServer(redirect(location, status), reply()) as server, calling(server) as source:
        assert source.get("/api/items", [("page", "1")], validate=bytes).status == 200
        assert server.requests[1].target == target
        assert server.requests[1].headers["authorization"] == f"Bearer {TOKEN}"
        assert server.connections == 1


def test_absolute_redirect_within_the_origin_is_followed() -> None:
    def move(_request: Request, peer: Peer) -> None:
        peer.send(redirect(f"HTTP://127.0.0.1:{server.port}/v2"))

    with RawServer(move, reply()) as server, calling(server) as source:
        source.get("/", validate=bytes)
        assert server.requests[1].target == "/v2"


def test_credentials_never_follow_a_redirect_to_another_origin() -> None:
    clock = PatientClock()
    with RawServer(reply()) as elsewhere, RawServer(redirect(f"{elsewhere.url}/?token=1#x")) as server:
        with calling(server, clock) as source, pytest.raises(SourceProtocolError) as caught:
            source.get("/", validate=bytes)
        assert elsewhere.connections == 0
    assert f"it answered 302 and redirects to {elsewhere.url}; credentials are not sent" in str(caught.value)
    assert clock.slept_s == 0


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1/",
        "http://127.0.0.1:1/",
        "//user:password@127.0.0.1/",
        "ftp://x/",
        "http://[::1/",
        "http://a b/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://127.0.0.1:99999/",
    ],
)
def test_redirect_to_anywhere_else_is_refused_in_a_sentence(location: str) -> None:
    with RawServer(redirect(location)) as server, calling(server) as source:
        with pytest.raises(SourceProtocolError, match=r"redirects to .* set base_url to where the API is") as caught:
            source.get("/", validate=bytes)
        assert len(server.requests) == 1
    assert "password" not in str(caught.value)


def test_redirect_to_nowhere_is_refused() -> None:
    with (
        RawServer(reply(302)) as server,
        calling(server) as source,
        pytest.raises(SourceProtocolError, match="nowhere"),
    ):
        source.get("/", validate=bytes)


def test_redirects_in_a_circle_are_followed_five_times() -> None:
    with RawServer(redirect("/a")) as server, calling(server) as source:
        with pytest.raises(SourceProtocolError, match="failed: it redirects more than 5 times"):
            source.get("/a", validate=bytes)
        assert len(server.requests) == 6


def test_plain_request_goes_to_the_proxy_whole() -> None:
    with RawServer(reply()) as proxy:
        source = SourceClient(
            "http://erp.example.com:8007/erp",
            {"Authorization": f"Bearer {TOKEN}"},
            timeout_s=5,
            max_connections=1,
            proxy=f"http://me:p%40ss@127.0.0.1:{proxy.port}",
        )
        with source:
            source.get("/api", [("page", "1")], validate=bytes)
            source.get("/api", [("page", "2")], validate=bytes)
        assert [request.target for request in proxy.requests] == [
            "http://erp.example.com:8007/erp/api?page=1",
            "http://erp.example.com:8007/erp/api?page=2",
        ]
        assert proxy.requests[0].headers["host"] == "erp.example.com:8007"
        assert proxy.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert proxy.requests[0].headers["proxy-authorization"] == _basic("me:p@ss")
        assert proxy.connections == 1


def test_host_with_letters_of_any_alphabet_is_named_in_ascii() -> None:
    with RawServer(reply()) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with SourceClient("http://Bücher.example/", {}, timeout_s=5, max_connections=1, proxy=url) as source:
            source.get("/x", validate=bytes)
        assert proxy.requests[0].target == "http://xn--bcher-kva.example/x"
        assert proxy.requests[0].headers["host"] == "xn--bcher-kva.example"


@pytest.mark.parametrize("proxying", [relay, sluggish_relay])
def test_tls_goes_through_a_tunnel_that_the_proxy_cannot_read(proxying: Step) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATES / "server.pem")
    with RawServer(reply(), tls=tls) as server, RawServer(proxying) as proxy:
        clock = PatientClock()
        given = {"ca_file": CERTIFICATES / "ca.pem", "proxy": f"http://me:secret@127.0.0.1:{proxy.port}"}
        with calling(server, clock, **given) as source:
            assert source.get("/", validate=bytes).status == 200
            assert source.get("/", validate=bytes).status == 200
        (connect,) = proxy.requests
        assert (connect.method, connect.target) == ("CONNECT", f"127.0.0.1:{server.port}")
        assert connect.headers["proxy-authorization"] == _basic("me:secret")
        assert "authorization" not in connect.headers
        assert all("proxy-authorization" not in request.headers for request in server.requests)
        assert (server.connections, clock.slept_s) == (1, 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(407), "the proxy 127.0.0.1:{port} answered 407 when asked for erp.example.com"),
        (reply(502), "the proxy 127.0.0.1:{port} answered 502 when asked for erp.example.com"),
        (b"nonsense\r\n\r\n", "the reply is not HTTP"),
        (b"", "the connection was closed before a reply came"),
    ],
)
def test_proxy_that_opens_no_tunnel_is_unreachable(answer: bytes, said: str) -> None:
    with RawServer(then_close(answer)) as proxy:
        source = _through(proxy, PatientClock())
        with source, pytest.raises(SourceUnreachable) as caught:
            source.get("/", validate=bytes)
    assert said.format(port=proxy.port) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_proxy_that_stays_silent_times_out() -> None:
    with RawServer(hang) as proxy:
        source = _through(proxy, PatientClock(runs=True), timeout_s=0.1)
        with (
            source,
            pytest.raises(SourceUnreachable, match=f"cannot connect to 127.0.0.1 port {proxy.port}: no answer"),
        ):
            source.get("/", validate=bytes)


@pytest.mark.parametrize(
    "proxy",
    ["socks5://me:secret@proxy:1080", "https://me:secret@proxy", "http://me:secret@:1", "http://me:sec#ret@proxy", "["],
)
def test_proxy_that_cannot_be_used_is_a_mistake_of_the_configuration(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="the proxy's URL") as caught:
        SourceClient("https://erp.example.com", {}, timeout_s=1, max_connections=1, proxy=proxy)
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "no_proxy", "picked"),
    [
        ("http://erp.example.com", None, "http://plain:1"),
        ("https://erp.example.com", None, "http://tls:2"),
        ("https://erp.example.com", "*", None),
        ("https://erp.example.com", "other.com, erp.example.com", None),
        ("https://ERP.example.com", "Example.COM", None),
        ("https://erp.example.com", ".example.com", None),
        ("https://erp.example.com", "*.example.com", None),
        ("https://example.com", "*.example.com", None),
        ("https://notexample.com", "example.com", "http://tls:2"),
        ("https://erp.example.com:8443", "example.com:8443", None),
        ("https://erp.example.com", "example.com:443", None),
        ("https://erp.example.com", "example.com:8443", "http://tls:2"),
        ("https://10.1.2.3", "10.0.0.0/8", None),
        ("https://10.1.2.3", "10.1.2.3", None),
        ("https://110.1.2.3", "10.1.2.3, 1.2.3", "http://tls:2"),
        ("https://11.1.2.3", "10.0.0.0/8, nonsense/99", "http://tls:2"),
        ("https://[fd00::1]", "fd00::/8", None),
        ("https://[fd00::1]", "[fd00::1]", None),
        ("https://[fd00::1]", "fd00::1", None),
        ("https://erp.example.com", "10.0.0.0/8", "http://tls:2"),
        ("https://erp.example.com", " , ", "http://tls:2"),
        ("http://localhost:8007", None, None),
        ("http://127.0.0.1:8007", None, None),
        ("http://[::1]:8007", None, None),
    ],
)
def test_proxy_is_picked_by_scheme_and_host(base_url: str, no_proxy: str | None, picked: str | None) -> None:
    given = {"http_proxy": "http://plain:1", "https_proxy": "http://tls:2", "no_proxy": no_proxy}
    assert pick_proxy(base_url, **given) == picked


def test_no_proxy_is_picked_where_there_is_none() -> None:
    assert pick_proxy("https://erp.example.com", http_proxy="http://plain:1") is None


def _basic(account: str) -> str:
    return f"Basic {base64.b64encode(account.encode()).decode()}"


def _through(proxy: RawServer, clock: PatientClock, timeout_s: float = 5) -> SourceClient:
    url = f"http://me:secret@127.0.0.1:{proxy.port}"
    return SourceClient(
        "https://erp.example.com", {}, timeout_s=timeout_s, max_connections=1, proxy=url, clock=clock.clock
    )
