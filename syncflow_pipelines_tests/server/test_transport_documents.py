"""Documents from anywhere: what is asked of whom, what goes along, and when it ends."""

import gzip
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.errors import SourceProtocolError, SourceRefused, SourceUnreachable, SyncCancelled
from syncflow_pipelines.transport import (
    DocumentClient,
    NotFound,
    Proxies,
    ReplyTooLarge,
    ServerFailed,
    Validators,
    Visit,
    locate,
)
from syncflow_pipelines_tests.server.calling import AUTHORIZATION, TOKEN, PatientClock
from syncflow_pipelines_tests.server.raw_server import (
    Peer,
    RawServer,
    Request,
    chunked,
    hang,
    head,
    reply,
    then_close,
    then_hang,
)

CERTIFICATES = Path(__file__).parent / "certificates"
LIMIT = 100_000


def client(home: RawServer, clock: PatientClock | None = None, **options: Any) -> DocumentClient:
    given = {
        "home": home.url,
        "headers": AUTHORIZATION,
        "timeout_s": 10.0,
        "deadline_s": 20.0,
        "max_body_bytes": LIMIT,
        "refused": "the token in CRM_TOKEN; replace it",
        "clock": (clock or PatientClock()).clock,
    }
    return DocumentClient(**{**given, **options})


def redirect(location: str, status: int = 302) -> bytes:
    return reply(status, b"moved", {"Location": location})


def server_tls() -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATES / "server.pem")
    return tls


def test_a_document_comes_with_its_validators_and_where_it_was_found() -> None:
    headers = {"ETag": '"1"', "Last-Modified": "Sat, 28 Nov 2026 10:00:00 GMT", "Date": "Sat, 28 Nov 2026 10:00:05 GMT"}
    with RawServer(redirect("/v2?x=1"), reply(body=b"spec", headers=headers)) as home, client(home) as reader:
        document = reader.get(f"{home.url}/openapi.json")
    assert (document.content, document.url, document.is_at_home) == (b"spec", f"{home.url}/v2?x=1", True)
    assert document.validators == Validators('"1"', "Sat, 28 Nov 2026 10:00:00 GMT")
    assert [request.headers["authorization"] for request in home.requests] == [f"Bearer {TOKEN}"] * 2


def test_a_document_that_shows_who_asks_comes_without_the_credential() -> None:
    shown = b'{"example": "curl -H \'Authorization: Bearer %b\'", "key": "%b"}' % (TOKEN.encode(), TOKEN.encode())
    with RawServer(reply(body=shown)) as home, client(home) as reader:
        document = reader.get(f"{home.url}/openapi.json")
    assert document.content == b'{"example": "curl -H \'Authorization: ***\'", "key": "***"}'


def test_a_short_credential_is_no_reason_to_alter_words_of_a_document() -> None:
    with RawServer(reply(body=b'{"paths": {}}')) as home, client(home, headers={"X-Key": "paths"}) as reader:
        assert reader.get(home.url).content == b'{"paths": {}}'


def test_validators_go_to_the_url_that_gave_them_and_to_no_other() -> None:
    modified = "Sat, 28 Nov 2026 10:00:00 GMT"
    with RawServer(redirect("/v2"), reply(304, b"")) as home, client(home) as reader:
        known = {f"{home.url}/v2": Validators('"2"', modified)}
        document = reader.get(f"{home.url}/v1", Visit(known))
        assert (document.content, document.url) == (None, f"{home.url}/v2")
        assert document.validators == Validators('"2"', modified)
        first, second = home.requests
    assert "if-none-match" not in first.headers
    assert "if-modified-since" not in first.headers
    assert (second.headers["if-none-match"], second.headers["if-modified-since"]) == ('"2"', modified)


def test_validators_that_are_no_header_values_are_left_out() -> None:
    with RawServer(reply()) as home, client(home) as reader:
        reader.get(home.url, Visit({f"{home.url}/": Validators('"1"\r\nX-Evil: 1', "é")}))
        (request,) = home.requests
    assert not {"if-none-match", "if-modified-since", "x-evil"} & request.headers.keys()


@pytest.mark.parametrize(
    ("modified", "sent", "kept"),
    [
        ("Sat, 28 Nov 2026 10:00:00 GMT", "Sat, 28 Nov 2026 10:00:01 GMT", True),
        ("Sat, 28 Nov 2026 10:00:00 GMT", "Sat, 28 Nov 2026 10:00:00 GMT", False),
        ("Sat, 28 Nov 2026 10:00:09 GMT", "Sat, 28 Nov 2026 10:00:00 GMT", False),
        ("yesterday", "Sat, 28 Nov 2026 10:00:00 GMT", False),
        ("Sat, 28 Nov 2026 10:00:00 GMT", "now", False),
    ],
)
def test_a_document_of_this_very_second_may_change_once_more(modified: str, sent: str, kept: bool) -> None:
    headers = {"Last-Modified": modified, "Date": sent}
    with RawServer(reply(headers=headers)) as home, client(home) as reader:
        assert reader.get(home.url).validators == Validators(None, modified if kept else None)


def test_a_304_that_nobody_asked_for_is_no_document() -> None:
    with RawServer(reply(304, b"")) as home, client(home) as reader, pytest.raises(SourceProtocolError, match="304"):
        reader.get(home.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_followed_without_the_credentials(status: int) -> None:
    with RawServer(reply(body=b"elsewhere")) as other, RawServer(redirect(f"{other.url}/spec", status)) as home:
        with client(home, headers={**AUTHORIZATION, "X-Api-Key": TOKEN}) as reader:
            document = reader.get(f"{home.url}/openapi.json")
        (arrived,) = other.requests
    assert (document.content, document.is_at_home) == (b"elsewhere", False)
    assert TOKEN not in str(arrived)
    assert not {"authorization", "x-api-key", "cookie"} & arrived.headers.keys()


def test_credentials_do_not_come_back_once_a_redirect_has_led_away() -> None:
    def back(_request: Request, peer: Peer) -> None:
        peer.send(redirect(f"{home.url}/admin/secrets"))

    with RawServer(back) as other, RawServer(redirect(f"{other.url}/"), reply(body=b"[]")) as home:
        with client(home) as reader:
            document = reader.get(f"{home.url}/openapi.json")
        first, second = home.requests
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert second.target == "/admin/secrets"
    assert "authorization" not in second.headers
    assert not document.is_at_home


def test_documents_of_other_hosts_are_asked_for_without_the_credentials() -> None:
    with RawServer(reply()) as home, RawServer(reply()) as other, client(home) as reader:
        reader.get(f"{other.url}/x")
        reader.get(f"{home.url}/x", Visit(with_credentials=False))
        requests = [*home.requests, *other.requests]
    assert len(requests) == 2
    assert not any("authorization" in request.headers for request in requests)


def test_another_port_is_another_host() -> None:
    with RawServer(reply()) as other, RawServer(redirect(f"//127.0.0.1:{other.port}/")) as home, client(home) as reader:
        assert not reader.get(home.url).is_at_home
        assert "authorization" not in other.requests[0].headers


def test_a_401_elsewhere_says_that_nothing_was_sent_there() -> None:
    with RawServer(reply(401)) as other, RawServer(redirect(other.url)) as home, client(home) as reader:
        with pytest.raises(SourceRefused) as caught:
            reader.get(home.url)
        assert len(home.requests) == 1
    told = f"those for {home.url} are not sent to {other.url}; set base_url to where the document is"
    assert told in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_credential_and_is_final(status: int) -> None:
    clock = PatientClock()
    with RawServer(reply(status)) as home, client(home, clock) as reader:
        with pytest.raises(SourceRefused, match=f"it answered {status} and refused the token in CRM_TOKEN; replace it"):
            reader.get(home.url)
        assert (len(home.requests), clock.slept_s) == (1, 0)


def test_two_hosts_that_send_callers_to_each_other_are_left_after_five_redirects() -> None:
    def back(_request: Request, peer: Peer) -> None:
        peer.send(redirect(home.url))

    clock = PatientClock()
    with RawServer(back) as other, RawServer(redirect(other.url)) as home, client(home, clock) as reader:
        with pytest.raises(SourceProtocolError, match="it redirects more than 5 times"):
            reader.get(home.url)
        assert (len(home.requests), len(other.requests), clock.slept_s) == (3, 3, 0)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://x/", "javascript:alert(1)", "http://[::1/", "http://a b/", ""]
)
def test_a_redirect_that_leads_nowhere_is_refused(location: str) -> None:
    with RawServer(redirect(location)) as home, client(home) as reader:
        if location == "":
            home.script = (reply(302),)
        with pytest.raises(SourceProtocolError, match="redirects to nowhere that can be read"):
            reader.get(home.url)


def test_a_redirect_to_a_host_that_may_not_be_read_is_refused() -> None:
    with RawServer(reply()) as other, RawServer(redirect(other.url)) as home, client(home) as reader:
        with pytest.raises(SourceProtocolError, match="is not among the hosts that may be read"):
            reader.get(home.url, Visit(may_read=lambda url: url.startswith(home.url)))
        assert other.requests == []


def test_nothing_is_read_unencrypted_that_was_asked_for_with_tls() -> None:
    with RawServer(reply()) as plain, RawServer(redirect(plain.url), tls=server_tls()) as home:
        with (
            client(home, ca_file=CERTIFICATES / "ca.pem") as reader,
            pytest.raises(SourceProtocolError, match=f"redirects from https to {plain.url}, where anybody could"),
        ):
            reader.get(home.url)
        assert plain.requests == []


def test_the_services_own_authorities_are_trusted_for_the_service_alone() -> None:
    with (
        RawServer(reply(), tls=server_tls()) as other,
        RawServer(redirect(other.url), reply(), tls=server_tls()) as home,
    ):
        with client(home, ca_file=CERTIFICATES / "ca.pem") as reader:
            with pytest.raises(SourceUnreachable, match="its certificate is not trusted"):
                reader.get(home.url)
            assert reader.get(home.url).content == b"{}"
        assert other.requests == []


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (410, SourceProtocolError), (500, ServerFailed), (502, ServerFailed)]
)
def test_every_other_status_has_its_error(status: int, error: type[Exception]) -> None:
    with RawServer(reply(status)) as home, client(home) as reader:
        with pytest.raises(error) as caught:
            reader.get(home.url)
        assert type(caught.value) is error
        assert len(home.requests) == (4 if status >= 500 else 1)


def test_a_server_that_recovers_is_asked_again() -> None:
    clock = PatientClock()
    torn = then_close(head(headers={"Content-Length": "9"}) + b"half")
    with RawServer(reply(503), torn, reply(body=b"whole")) as home, client(home, clock) as reader:
        assert reader.get(home.url).content == b"whole"
    assert clock.slept_s > 0


BOMB = gzip.compress(b"\0" * 50_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        head(headers={"Content-Length": str(2 * 1024**3)}),
        head(headers={"Transfer-Encoding": "chunked"}) + chunked(b"x" * LIMIT, b"y"),
        reply(body=BOMB, headers={"Content-Encoding": "gzip"}),
        reply(body=gzip.compress(BOMB), headers={"Content-Encoding": "gzip, gzip"}),
    ],
    ids=["length", "chunked", "bomb", "bomb-in-bomb"],
)
def test_a_document_larger_than_the_limit_is_refused_at_once(answer: bytes) -> None:
    clock = PatientClock()
    with RawServer(then_hang(answer)) as home, client(home, clock) as reader:
        with pytest.raises(ReplyTooLarge, match=f"its reply is larger than {LIMIT} bytes"):
            reader.get(home.url)
        assert (len(home.requests), clock.slept_s) == (1, 0)


def endlessly(piece: bytes, pause_s: float) -> Callable[[Request, Peer], None]:
    """A body without an end, that much at a time."""

    def step(_request: Request, peer: Peer) -> None:
        peer.is_open = False
        with suppress(OSError):
            peer.socket.sendall(head(headers={"Transfer-Encoding": "chunked"}))
            while not peer.stopped.wait(pause_s):
                peer.socket.sendall(chunked(piece, end=b""))

    return step


def test_a_body_without_an_end_is_left_at_the_limit() -> None:
    with RawServer(endlessly(b"x" * 10_000, 0)) as home, client(home) as reader, pytest.raises(ReplyTooLarge):
        reader.get(home.url)


def test_a_body_that_drips_is_left_at_the_deadline() -> None:
    with RawServer(endlessly(b"x", 0.01)) as home:
        reader = client(home, PatientClock(runs=True), deadline_s=0.3)
        with (
            reader,
            pytest.raises(SourceUnreachable, match=r"after 4 attempts: the reply was not complete after 0.3 s"),
        ):
            reader.get(home.url)


def test_a_cancelled_wait_ends() -> None:
    with RawServer(hang) as home:
        reader = client(home, cancelled=lambda: bool(home.requests))
        with reader, pytest.raises(SyncCancelled):
            reader.get(home.url)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/y", "//x/y", "x.json", "http://", "http://[::1", "http://x:y"]
)
def test_only_http_can_be_read(url: str) -> None:
    with RawServer(reply()) as home, client(home) as reader, pytest.raises(ValueError, match=r"^a URL that "):
        reader.get(url)


def test_a_url_is_taken_apart_as_browsers_do() -> None:
    origin, target = locate("HTTPS://user:s3cret@Bücher.example:443/a b?q=ü#fragment")
    assert (str(origin), target) == ("https://xn--bcher-kva.example", "/a%20b?q=%C3%BC")


@pytest.mark.parametrize("status", [200, 204, 302, 401, 404, 499, 500, 503])
def test_health_is_the_status_alone_asked_once_without_credentials(status: int) -> None:
    with RawServer(then_hang(head(status, {"Content-Length": "1000000000"}))) as home, client(home) as reader:
        assert reader.status(f"{home.url}/health") == status
        (request,) = home.requests
    assert request.target == "/health"
    assert "authorization" not in request.headers


def test_a_server_that_is_down_has_no_health() -> None:
    with RawServer(reply()) as gone:
        pass
    with (
        client(gone) as reader,
        pytest.raises(SourceUnreachable, match="/health failed: cannot connect"),
    ):
        reader.status(f"{gone.url}/health")


def test_neither_credentials_nor_proxies_are_shown() -> None:
    with RawServer(reply(407, TOKEN.encode())) as proxy:
        home = RawServer()
        home.port = 80
        home.host = "crm.example.com"
        proxies = Proxies(f"http://me:p4ssw0rd@127.0.0.1:{proxy.port}")
        with client(home, proxies=proxies) as reader, pytest.raises(SourceProtocolError) as caught:
            reader.get("http://crm.example.com/x")
        assert proxy.requests[0].target == "http://crm.example.com/x"
    assert "p4ssw0rd" not in f"{caught.value!r} {caught.value.__cause__!r} {proxies!r}"


def test_clients_that_share_slots_never_ask_more_at_once() -> None:
    slots = threading.BoundedSemaphore(2)
    with RawServer(after_a_pause(0.02)) as home, client(home, slots=slots) as reader:
        threads = [threading.Thread(target=reader.get, args=(home.url,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(home.requests) == 8
        assert home.most_open <= 2


def after_a_pause(pause_s: float) -> Callable[[Request, Peer], None]:
    def step(_request: Request, peer: Peer) -> None:
        peer.stopped.wait(pause_s)
        peer.send(reply())

    return step
