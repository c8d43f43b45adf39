"""Who may ask the control plane."""

import asyncio
import base64
import logging
from typing import Any

import pytest

from syncflow_pipelines.config.api_tokens import ApiTokens, Role, new_api_token
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.gateway.control.access import Access, Caller, is_loopback, refuse_open_binding
from syncflow_pipelines.gateway.control.access_log import AccessLog
from syncflow_pipelines.gateway.model import Problem
from syncflow_pipelines.logs.formats import ConsoleLines
from syncflow_pipelines.logs.redaction import LogRedaction

READER, _reader = new_api_token("reader", Role.READ)
ADMIN, _admin = new_api_token("admin", Role.ADMIN)
TOKENS = ApiTokens((_reader, _admin))


def judged(
    access: Access, method: str = "GET", path: str = "/registry/endpoints", query: str = "", **headers: str
) -> Caller | Problem:
    given = {"host": "127.0.0.1:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return access.judge(
        {
            "type": "http",
            "scheme": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        }
    )


def refusal(access: Access, *arguments: str, **headers: str) -> tuple[int, str]:
    found = judged(access, *arguments, **headers)
    assert isinstance(found, Problem), found
    return found.status, found.kind


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.8.8.8:1", "[::1]:8000", "a.localhost"]
)
def test_without_tokens_this_machine_may_do_everything(host: str) -> None:
    assert judged(Access(), "DELETE", host=host) == Caller(None, Role.ADMIN)


@pytest.mark.parametrize(
    "host", ["rebound.example.com", "10.0.0.1:8000", "", "localhost.example.com", "[::ffff", "0.0.0.0"]
)
def test_without_tokens_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    assert refusal(Access(), host=host) == (403, "foreign-host")


@pytest.mark.parametrize("access", [Access(), Access(TOKENS)], ids=["without tokens", "with tokens"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9"},
        {"sec_fetch_site": "cross-site"},
    ],
    ids=str,
)
def test_a_page_of_somebody_else_changes_nothing(access: Access, headers: dict[str, str]) -> None:
    assert refusal(access, "POST", authorization=f"Bearer {ADMIN}", **headers) == (403, "foreign-origin")


def test_a_page_of_the_gateway_itself_may_change_something() -> None:
    assert judged(Access(), "POST", origin="http://127.0.0.1:8000", sec_fetch_site="same-origin") == Caller(
        None, Role.ADMIN
    )


def test_with_tokens_nobody_is_let_in_without_one_and_a_host_that_is_not_local_is() -> None:
    access = Access(TOKENS)
    assert refusal(access) == (401, "token-needed")
    assert refusal(access, authorization=READER) == (401, "token-needed")
    assert refusal(access, authorization="Bearer ") == (401, "token-needed")
    assert refusal(access, authorization=f"Bearer {READER}x") == (401, "unknown-token")
    assert refusal(access, authorization="Bearer \xff\xfe") == (401, "unknown-token")
    assert judged(access, host="gateway.example.com", authorization=f"bearer {READER}") == Caller("reader", Role.READ)


def test_two_credentials_are_none() -> None:
    headers = [(b"authorization", f"Bearer {token}".encode()) for token in (READER, ADMIN)]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    found = Access(TOKENS).judge(scope)
    assert isinstance(found, Problem)
    assert found.status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_who_may_read_changes_nothing(method: str) -> None:
    access = Access(TOKENS)
    assert refusal(access, method, authorization=f"Bearer {READER}") == (403, "role-too-low")
    assert judged(access, method, authorization=f"Bearer {ADMIN}") == Caller("admin", Role.ADMIN)
    assert judged(access, "HEAD", authorization=f"Bearer {READER}") == Caller("reader", Role.READ)


def test_a_token_is_taken_as_a_password_for_reading_alone() -> None:
    # a browser sends a password that it knows with every request, whoever's page asks for it
    password = f"Basic {base64.b64encode(f'me:{ADMIN}'.encode()).decode()}"
    assert judged(Access(TOKENS), path="/status", authorization=password) == Caller("admin", Role.ADMIN)
    assert refusal(Access(TOKENS), "POST", authorization=password) == (401, "token-needed")
    assert refusal(Access(TOKENS), authorization="Basic %%%") == (401, "token-needed")


def test_a_refusal_says_how_to_be_let_in() -> None:
    found = judged(Access(TOKENS), "POST")
    assert isinstance(found, Problem)
    assert found.headers == ((b"www-authenticate", b'Bearer realm="syncflow"'),)


def test_liveness_is_open_to_all() -> None:
    for path in ("/health", "/health/ready"):
        assert judged(Access(TOKENS), path=path, host="10.1.1.1") == Caller(None, Role.READ)
        assert judged(Access(), path=path, host="10.1.1.1") == Caller(None, Role.READ)
    assert refusal(Access(TOKENS), path="/health/status") == (401, "token-needed")
    assert refusal(Access(TOKENS), "POST", "/health") == (401, "token-needed")


@pytest.mark.parametrize(
    "query",
    ["token=x", "ACCESS_TOKEN=x", "a=1&api_key=x", "authorization=", f"q=a{READER}", "to%6ben=x"],
    ids=["token", "in capitals", "behind another", "empty", "one of ours", "encoded"],
)
def test_a_credential_in_the_url_is_refused_whoever_sends_it(query: str) -> None:
    assert refusal(Access(TOKENS), "GET", "/", query, authorization=f"Bearer {ADMIN}") == (400, "token-in-url")
    assert refusal(Access(), "GET", f"/registry/endpoints/{READER}") == (400, "token-in-url")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gateway.example.com", "localhost.example.com"])
def test_a_host_that_others_reach_is_bound_with_tokens_only(host: str) -> None:
    assert not is_loopback(host)
    refuse_open_binding(host, TOKENS)
    with pytest.raises(
        ConfigurationError, match=r"will not listen on .*: without tokens .* `syncflow serve token NAME"
    ):
        refuse_open_binding(host, ApiTokens())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_is_bound_without_tokens(host: str) -> None:
    refuse_open_binding(host, ApiTokens())


async def _answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})


def test_the_log_holds_neither_a_query_nor_a_token_nor_a_broken_line(caplog: pytest.LogCaptureFixture) -> None:
    async def sent(_message: Any) -> None:
        return None

    scope = {"type": "http", "method": "GET", "path": f"/a\nb{ADMIN}", "query_string": b"q=secret", "headers": []}
    with caplog.at_level(logging.INFO):
        asyncio.run(AccessLog(_answer)(scope, None, sent))  # type: ignore[arg-type]
    (record,) = caplog.records
    line = ConsoleLines(LogRedaction()).format(record)
    assert "access: GET /a\\nb*** " in line
    assert line.endswith(" ms [status=204]")
    assert "secret" not in line
