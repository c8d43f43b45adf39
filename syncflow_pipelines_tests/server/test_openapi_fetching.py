"""Where a spec is found, what is taken for one, and what it takes along from elsewhere."""

import gzip
from typing import Any

import pytest

from syncflow_pipelines.config import BearerAuth, Environment, FallbackSpec, HeaderAuth, ServiceConfig, Settings
from syncflow_pipelines.errors import (
    ConfigurationError,
    SourceProtocolError,
    SourceRefused,
    SourceUnreachable,
    SpecTooLarge,
    UnusableSpec,
)
from syncflow_pipelines.openapi.fetching import Fetched, fetch, open_client, unhealthy
from syncflow_pipelines.openapi.limits import Limits
from syncflow_pipelines.openapi.references import Part
from syncflow_pipelines_tests.server.calling import TOKEN, PatientClock
from syncflow_pipelines_tests.server.raw_server import (
    Peer,
    RawServer,
    Request,
    Step,
    hang,
    head,
    reply,
    then_close,
    then_hang,
)
from syncflow_pipelines_tests.server.spec_host import PING, SPEC, SpecHost, document, json_of

YAML = b"""\
openapi: 3.0.3
info: {title: T, version: '1'}
paths:
  /ping:
    get: {responses: {200: {description: ok}}}
"""
HTML = reply(200, b"\n<!doctype html><title>App</title>", {"Content-Type": "text/html"})
BEARER = BearerAuth("CRM_TOKEN", environment=Environment({"CRM_TOKEN": TOKEN}))


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return Settings(config_dir=tmp_path / "config", home=tmp_path / "home")


def look(
    service: ServiceConfig,
    settings: Settings,
    known: tuple[Part, ...] = (),
    clock: PatientClock | None = None,
    **options: Any,
) -> Fetched:
    limits = options.pop("limits", Limits())
    with open_client(service, settings, clock=(clock or PatientClock()).clock, limits=limits, **options) as client:
        return fetch(client, service, known, limits)


def moved(location: str) -> bytes:
    return reply(302, b"", {"Location": location})


@pytest.mark.parametrize(
    "answer",
    [
        SPEC,
        reply(200, SPEC.partition(b"\r\n\r\n")[2], {"Content-Type": "text/plain"}),
        reply(200, b"\xef\xbb\xbf" + SPEC.partition(b"\r\n\r\n")[2], {"Content-Type": "text/html"}),
        reply(200, YAML, {"Content-Type": "application/json"}),
        reply(200, YAML),
        reply(200, gzip.compress(YAML), {"Content-Encoding": "gzip"}),
    ],
    ids=["json", "json-as-text", "json-with-mark-as-html", "yaml-as-json", "yaml", "gzip"],
)
def test_json_and_yaml_are_told_by_what_they_hold(settings: Settings, answer: bytes) -> None:
    with SpecHost({"/openapi.json": answer}) as host:
        fetched = look(host.service(), settings)
    assert fetched.document is not None
    assert list(fetched.document["paths"]) == ["/ping"]
    assert fetched.url == f"{host.url}/openapi.json"


@pytest.mark.parametrize(
    "first",
    [
        reply(404),
        reply(410),
        reply(405),
        reply(500),
        HTML,
        reply(200, b"<?xml version='1.0'?><a/>"),
        reply(200, b'{"name": "no spec"}'),
        reply(200, b"[]"),
        reply(200, b""),
        reply(200, b"just text"),
        reply(200, b'{"openapi": "3.0.0", '),
        reply(200, b'{"swagger": "1.2"}'),
        reply(200, b"x", {"Content-Encoding": "br"}),
        moved("ftp://elsewhere/"),
    ],
)
def test_the_next_candidate_is_tried_where_the_first_is_no_spec(settings: Settings, first: bytes) -> None:
    with SpecHost({"/a": first, "/b": SPEC}) as host:
        fetched = look(host.service(openapi_paths=("/a", "/b", "/c")), settings)
        assert host.targets[-1] == "/b"
    assert fetched.url == f"{host.url}/b"


def test_candidates_keep_their_order_and_their_query(settings: Settings) -> None:
    with SpecHost({"/api/schema/?format=json": SPEC, "/x": SPEC}) as host:
        look(host.service(openapi_paths=("/nothing", "/api/schema/?format=json", "/x")), settings)
        assert host.targets == ["/nothing", "/api/schema/?format=json"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_ends_the_search_and_is_named(settings: Settings, status: int) -> None:
    clock = PatientClock()
    with SpecHost({"/a": reply(status), "/b": SPEC}) as host:
        service = host.service(openapi_paths=("/a", "/b"), auth=BEARER, fallback=FallbackSpec(f"{host.url}/b"))
        with pytest.raises(
            SourceRefused, match=rf"answered {status} and refused the token in CRM_TOKEN; replace it"
        ) as e:
            look(service, settings, clock=clock)
        assert (host.targets, clock.slept_s) == (["/a"], 0)
    assert TOKEN not in str(e.value)


def test_a_refusal_without_credentials_says_where_to_put_some(settings: Settings) -> None:
    with SpecHost({"/openapi.json": reply(401)}) as host, pytest.raises(SourceRefused, match="set the service's auth"):
        look(host.service(), settings)


def test_credentials_that_are_not_there_are_told_before_anything_is_asked(settings: Settings) -> None:
    auth = HeaderAuth("X-Key", "NO_SUCH_KEY", environment=Environment({}))
    with SpecHost() as host:
        with pytest.raises(ConfigurationError, match="NO_SUCH_KEY is not set"):
            look(host.service(auth=auth), settings)
        assert host.requests == []


def test_credentials_are_sent_to_the_service_and_not_to_the_fallback(settings: Settings) -> None:
    with SpecHost({"/spec.json": SPEC}) as other, SpecHost({}) as host:
        service = host.service(auth=BEARER, fallback=FallbackSpec(f"{other.url}/spec.json"))
        fetched = look(service, settings)
        assert host.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in other.requests[0].headers
    assert fetched.url == f"{other.url}/spec.json"


def test_a_service_that_is_down_is_not_asked_for_its_other_candidates(settings: Settings) -> None:
    with SpecHost() as other:
        with RawServer() as gone:
            pass
        service = other.service(base_url=gone.url, openapi_paths=("/a", "/b"))
        with pytest.raises(SourceUnreachable) as caught:
            look(service, settings)
        told = str(caught.value)
        assert told.startswith(f"crm does not answer with its spec ({gone.url}/a: cannot connect to 127.0.0.1 port ")
        assert told.endswith(", after 4 attempts); start or mend the service, or its base_url")
        assert "/b" not in told
        fallen_back = look(
            other.service(base_url=gone.url, fallback=FallbackSpec(f"{other.url}/openapi.json", "yaml")), settings
        )
    assert fallen_back.url == f"{other.url}/openapi.json"


def test_what_each_candidate_said_is_told_when_none_is_a_spec(settings: Settings) -> None:
    with SpecHost({"/b": HTML, "/c": reply(200, b'{"a": 1}')}) as host:
        service = host.service(openapi_paths=("/a", "/b", "/c"), fallback=FallbackSpec(f"{host.url}/d"))
        with pytest.raises(UnusableSpec) as caught:
            look(service, settings)
    told = str(caught.value)
    assert told.startswith(
        f"crm shows no OpenAPI document ({host.url}/a: it answered 404; {host.url}/b: it is a page for"
    )
    assert f"{host.url}/c: " in told
    assert f"{host.url}/d: it answered 404); mend base_url and openapi_path" in told


@pytest.mark.parametrize(
    ("answer", "error"),
    [(reply(404), SourceProtocolError), (HTML, UnusableSpec), (reply(500), SourceUnreachable)],
)
def test_the_kind_of_error_says_whose_turn_it_is(settings: Settings, answer: bytes, error: type[Exception]) -> None:
    with SpecHost({"/openapi.json": answer}) as host, pytest.raises(error):
        look(host.service(), settings)


@pytest.mark.parametrize(
    "step",
    [
        then_hang(head(headers={"Content-Length": str(2 * 1024**3)})),
        reply(200, gzip.compress(b" " * 200_001), {"Content-Encoding": "gzip"}),
    ],
)
def test_a_document_beyond_the_limit_ends_the_search(settings: Settings, step: Step) -> None:
    with SpecHost({"/a": step, "/b": SPEC}) as host:
        with pytest.raises(SpecTooLarge, match=r"/a has more than 200,000 bytes; split it or shorten it"):
            look(host.service(openapi_paths=("/a", "/b")), settings, limits=Limits(max_bytes=200_000))
        assert host.targets == ["/a"]


def test_a_document_beyond_a_limit_of_its_contents_is_told_with_its_url(settings: Settings) -> None:
    deep = reply(200, b'{"openapi": "3.1.0", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}")
    with (
        SpecHost({"/openapi.json": deep}) as host,
        pytest.raises(SpecTooLarge, match=r"/openapi.json: .* nested deeper"),
    ):
        look(host.service(), settings)


def test_a_torn_body_is_asked_for_again(settings: Settings) -> None:
    torn = then_close(head(headers={"Content-Length": "500"}) + b'{"openapi": "3.1.0"')
    answers: list[Step] = [torn, then_close(b"HTTP/1.1 200 OK\r\nContent-Len"), SPEC]

    def next_answer(request: Request, peer: Peer) -> None:
        step = answers.pop(0)
        peer.send(step) if isinstance(step, bytes) else step(request, peer)

    with SpecHost({"/openapi.json": next_answer}) as host:
        assert look(host.service(), settings).document == document()


def test_a_server_that_never_answers_is_left_in_time(settings: Settings) -> None:
    with SpecHost({"/openapi.json": hang}) as host, pytest.raises(SourceUnreachable, match=r"no answer within 0\.2 s"):
        look(host.service(timeout_s=0.2), settings, clock=PatientClock(runs=True))


# What is known already


def test_an_unchanged_document_is_recognised_by_its_etag(settings: Settings) -> None:
    with SpecHost({"/openapi.json": json_of(document(), {"ETag": '"1"'})}) as host:
        first = look(host.service(), settings)
        again = look(host.service(), settings, first.parts)
        assert (again.document, again.parts) == (None, first.parts)
        assert host.requests[1].headers["if-none-match"] == '"1"'
        host.routes["/openapi.json"] = json_of(document(servers=[]), {"ETag": '"2"'})
        changed = look(host.service(), settings, first.parts)
    assert changed.document == document(servers=[])


def test_an_unchanged_document_is_recognised_by_its_bytes(settings: Settings) -> None:
    with SpecHost() as host:
        first = look(host.service(), settings)
        assert look(host.service(), settings, first.parts) == Fetched(first.parts, None)


def test_the_same_bytes_at_another_place_are_another_document(settings: Settings) -> None:
    with SpecHost({"/a": SPEC, "/b": SPEC}) as host:
        first = look(host.service(openapi_paths=("/b",)), settings)
        assert look(host.service(openapi_paths=("/a", "/b")), settings, first.parts).document == document()
        host.routes["/a"] = moved("/b")
        assert look(host.service(openapi_paths=("/a", "/b")), settings, first.parts).document is None


def test_a_candidate_that_comes_back_is_preferred_to_what_was_known(settings: Settings) -> None:
    old = json_of(document(), {"ETag": '"1"'})
    with SpecHost({"/b": old}) as host:
        service = host.service(openapi_paths=("/a", "/b"))
        first = look(service, settings)
        host.routes["/a"] = json_of(document(servers=[{"url": "/new"}]))
        assert look(service, settings, first.parts).url == f"{host.url}/a"


def test_validators_of_one_candidate_are_not_sent_to_another(settings: Settings) -> None:
    with SpecHost({"/b": json_of(document(), {"ETag": '"1"'})}) as host:
        service = host.service(openapi_paths=("/a", "/b"))
        first = look(service, settings)
        host.forget()
        assert look(service, settings, first.parts).document is None
        a, b = host.requests
    assert "if-none-match" not in a.headers
    assert b.headers["if-none-match"] == '"1"'


# What a document refers to


def parts(paths: str, schema: str = "schemas.json") -> dict[str, Any]:
    ok = {"content": {"application/json": {"schema": {"$ref": schema}}}, "description": "ok"}
    return document(paths={"/ping": {"$ref": paths}, "/pong": {"get": {"responses": {"200": ok}}}})


def test_what_a_document_refers_to_on_its_own_host_is_brought_in(settings: Settings) -> None:
    routes: dict[str, Step] = {
        "/api/openapi.json": json_of(parts("paths/ping.yaml")),
        "/api/paths/ping.yaml": reply(200, b"get: {operationId: ping, responses: {200: {description: pong}}}"),
        "/api/schemas.json": json_of({"type": "string"}),
    }
    with SpecHost(routes) as host:
        fetched = look(host.service(openapi_paths=("/api/openapi.json",), auth=BEARER), settings)
        assert sorted(host.targets) == sorted(routes)
        assert {request.headers["authorization"] for request in host.requests} == {f"Bearer {TOKEN}"}
    assert fetched.document is not None
    assert fetched.document["paths"]["/ping"]["get"]["operationId"] == "ping"
    assert [part.url.removeprefix(host.url) for part in fetched.parts[:1]] == ["/api/openapi.json"]
    assert len(fetched.parts) == 3


def test_other_hosts_are_read_only_where_they_are_named_and_without_credentials(settings: Settings) -> None:
    with SpecHost({"/s.json": json_of({"type": "string"})}) as other, SpecHost() as host:
        host.routes["/openapi.json"] = json_of(parts("/ping.json", f"{other.url}/s.json"))
        host.routes["/ping.json"] = json_of(PING)
        refused = look(host.service(auth=BEARER), settings)
        assert other.requests == []
        assert any(other.url in finding.reason or "allowed" in finding.reason for finding in refused.findings)
        named = host.service(auth=BEARER, ref_hosts=(other.url.removeprefix("http://"),))
        assert look(named, settings).findings == ()
        (arrived,) = other.requests
    assert TOKEN not in str(arrived)


@pytest.mark.parametrize(
    "schema", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//127.0.0.1:1/x", "http://127.0.0.1:1/x"]
)
def test_nothing_else_is_ever_read(settings: Settings, schema: str) -> None:
    with SpecHost() as host:
        host.routes["/openapi.json"] = json_of(parts("/ping.json", schema))
        host.routes["/ping.json"] = json_of(PING)
        fetched = look(host.service(ref_hosts=("passwd", "127.0.0.2")), settings)
        assert sorted(host.targets) == ["/openapi.json", "/ping.json"]
    assert len(fetched.findings) == 1


def test_a_reference_that_redirects_to_a_foreign_host_is_not_followed(settings: Settings) -> None:
    with SpecHost() as other, SpecHost() as host:
        host.routes |= {"/openapi.json": json_of(parts("/ping.json")), "/ping.json": json_of(PING)}
        host.routes["/schemas.json"] = moved(f"{other.url}/openapi.json")
        assert len(look(host.service(), settings).findings) == 1
        assert other.requests == []


def test_a_document_from_elsewhere_cannot_make_the_service_show_what_it_hides(settings: Settings) -> None:
    with SpecHost() as evil, SpecHost({"/openapi.json": moved(f"{evil.url}/openapi.json")}) as host:
        evil.routes["/openapi.json"] = json_of(parts(f"{host.url}/admin", f"{host.url}/secrets"))
        host.routes |= {"/admin": json_of(PING), "/secrets": json_of({"const": "s3cret"})}
        service = host.service(auth=BEARER, ref_hosts=(host.url.removeprefix("http://"),))
        look(service, settings)
        sent = {request.target: request.headers.get("authorization") for request in host.requests}
    assert sent == {"/openapi.json": f"Bearer {TOKEN}", "/admin": None, "/secrets": None}


@pytest.mark.parametrize("answer", [reply(500), reply(403), then_close(b""), reply(429, b"", {"Retry-After": "3600"})])
def test_a_part_that_cannot_be_read_now_fails_the_fetch(settings: Settings, answer: Step) -> None:
    with SpecHost({"/openapi.json": json_of(parts("/ping.json")), "/ping.json": json_of(PING)}) as host:
        host.routes["/schemas.json"] = answer
        with pytest.raises((SourceUnreachable, SourceRefused), match=r"/schemas.json failed"):
            look(host.service(), settings)


def test_once_a_part_cannot_be_read_no_other_is_asked_for(settings: Settings) -> None:
    schemas = {f"S{number}": {"$ref": f"/part/{number}"} for number in range(40)}
    whole = document(components={"schemas": schemas}, paths={"/ping": PING, "/x": {"$ref": "/part/0"}})
    found: dict[str, Step] = {f"/part/{number}": json_of({"type": "string"}) for number in range(40)}
    with SpecHost({"/openapi.json": json_of(whole), **found}) as host:
        first = look(host.service(), settings)
        assert len(first.parts) == 41
        for number in range(40):
            host.routes[f"/part/{number}"] = reply(500)
        host.forget()
        with pytest.raises(SourceUnreachable):
            look(host.service(), settings)
        assert len(host.requests) == 1 + 4
        host.forget()
        with pytest.raises(SourceUnreachable):
            look(host.service(), settings, first.parts)
        # those of the other threads that were under way
        assert len(host.requests) <= 1 + 8 * 4


def test_a_part_that_is_not_there_is_a_finding_until_it_is(settings: Settings) -> None:
    with SpecHost({"/openapi.json": json_of(parts("/ping.json")), "/ping.json": json_of(PING)}) as host:
        first = look(host.service(), settings)
        assert len(first.findings) == 1
        assert look(host.service(), settings, first.parts).document is None
        host.routes["/schemas.json"] = json_of({"type": "string"})
        assert look(host.service(), settings, first.parts).findings == ()


def test_a_change_of_any_part_is_a_change(settings: Settings) -> None:
    routes: dict[str, Step] = {
        "/openapi.json": json_of(parts("/ping.json"), {"ETag": '"r"'}),
        "/ping.json": json_of(PING, {"ETag": '"p"'}),
        "/schemas.json": json_of({"type": "string"}),
    }
    with SpecHost(routes) as host:
        first = look(host.service(), settings)
        host.forget()
        assert look(host.service(), settings, first.parts).document is None
        assert sorted(host.targets) == sorted(routes)
        host.routes["/schemas.json"] = json_of({"type": "integer"})
        changed = look(host.service(), settings, first.parts)
        assert changed.document is not None
        assert "integer" in str(changed.document)
        del host.routes["/ping.json"]
        assert look(host.service(), settings, changed.parts).document is not None


def test_all_parts_together_are_bounded_in_bytes_and_number(settings: Settings) -> None:
    with SpecHost({"/openapi.json": json_of(parts("/ping.json")), "/ping.json": json_of(PING)}) as host:
        host.routes["/schemas.json"] = json_of({"type": "string", "description": "x" * 3000})
        with pytest.raises(SpecTooLarge, match="more than 3,000 bytes"):
            look(host.service(), settings, limits=Limits(max_bytes=3000))
        with pytest.raises(SpecTooLarge, match="refers to more than 1 files"):
            look(host.service(), settings, limits=Limits(max_documents=1))


def test_parts_that_refer_to_each_other_without_end_are_bounded(settings: Settings) -> None:
    def next_one(request: Request, peer: Peer) -> None:
        number = int(request.target.rpartition("=")[2])
        peer.send(json_of({"properties": {"next": {"$ref": f"/schemas.json?n={number + 1}"}}}))

    routes: dict[str, Step] = {f"/schemas.json?n={number}": next_one for number in range(100)}
    with SpecHost({**routes, "/openapi.json": json_of(parts("/ping.json", "/schemas.json?n=0"))}) as host:
        host.routes["/ping.json"] = json_of(PING)
        with pytest.raises(SpecTooLarge):
            look(host.service(), settings, limits=Limits(max_documents=20))
        assert len(host.requests) < 30


# Health


@pytest.mark.parametrize("status", [200, 302, 404, 401])
def test_below_500_is_healthy(settings: Settings, status: int) -> None:
    with SpecHost({"/up": reply(status)}) as host, open_client(host.service(auth=BEARER), settings) as client:
        assert unhealthy(client, host.service(health_path="/up")) is None
        assert "authorization" not in host.requests[0].headers


def test_500_and_silence_are_not(settings: Settings) -> None:
    with SpecHost({"/health": reply(500), "/slow": hang}) as host:
        service = host.service(timeout_s=0.2)
        with open_client(service, settings) as client:
            told = unhealthy(client, service)
            assert told is not None
            assert told.startswith(f"{host.url}/health answered 500; look after the service")
            silent = unhealthy(client, host.service(health_path="/slow"))
            assert silent is not None
            assert "no answer within 0.2 s" in silent
