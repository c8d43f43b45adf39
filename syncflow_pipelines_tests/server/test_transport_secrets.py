"""Whatever a source says back, no error shows the credentials."""

import base64
import json
import pickle
import traceback
from urllib.parse import quote

import pytest

from syncflow_pipelines.errors import SourceError, SyncflowError
from syncflow_pipelines.transport.redaction import Redaction
from syncflow_pipelines_tests.server.calling import AUTHORIZATION, TOKEN, calling
from syncflow_pipelines_tests.server.raw_server import RawServer, head, reply, then_close

ECHOES = {
    "detail": reply(401, json.dumps({"detail": f"no: Bearer {TOKEN}"}).encode()),
    "detail-lower-case": reply(403, json.dumps({"detail": TOKEN.lower()}).encode()),
    "detail-encoded": reply(422, json.dumps({"detail": f"/login?next={quote(TOKEN, safe='')}"}).encode()),
    "detail-long": reply(500, json.dumps({"detail": "x" * 350 + TOKEN}).encode()),
    "detail-on-lines": reply(500, json.dumps({"detail": f"a\nb\x1b[31m{TOKEN}"}).encode()),
    "body": reply(body=TOKEN.encode()),
    "reason": f"HTTP/1.1 500 {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode(),
    "status-line": f"{TOKEN}\r\n\r\n".encode(),
    "version": f"HTTP/{TOKEN} 200 OK\r\n\r\n".encode(),
    "encoding": reply(headers={"Content-Encoding": TOKEN}),
    "media-type": reply(body=b"", headers={"Content-Type": TOKEN}),
    "location": reply(302, b"", {"Location": f"https://elsewhere.example.com/{TOKEN}?{TOKEN}"}),
    "retry-after": reply(429, b"", {"Retry-After": TOKEN}),
    "chunk": head(headers={"Transfer-Encoding": "chunked"}) + f"{TOKEN}\r\n".encode(),
    "header": f"HTTP/1.1 200 OK\r\n{TOKEN}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
def test_no_error_repeats_a_token_that_the_source_sends_back(echo: bytes) -> None:
    def refuse(body: bytes) -> None:
        raise ValueError(f"unexpected: {body.decode()}")

    with RawServer(then_close(echo)) as server, calling(server) as source, pytest.raises(SourceError) as caught:
        source.get("/", validate=refuse)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(pickle.dumps(caught.value))
    assert TOKEN.lower() not in told.lower()
    assert caught.value.__context__ in (None, caught.value.__cause__)
    assert TOKEN[:12].lower() not in str(caught.value).lower()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_cause_is_kept_where_it_shows_no_secret() -> None:
    with RawServer(reply(body=b"[1,")) as server, calling(server) as source, pytest.raises(SourceError) as caught:
        source.get("/", validate=json.loads)
    assert isinstance(caught.value.__cause__, json.JSONDecodeError)


def test_very_long_url_is_cut() -> None:
    with RawServer(reply(404)) as server, calling(server) as source, pytest.raises(SyncflowError) as caught:
        source.get("/", [("rowversion_gt", "9" * 5000)], validate=bytes)
    assert len(str(caught.value)) < 500


def test_redaction_knows_a_value_behind_its_scheme() -> None:
    account = base64.b64encode(b"me:secret").decode()
    redaction = Redaction({"Authorization": f"Basic {account}", "X-Key": "abc", "X-Empty": ""})
    assert redaction.clean(f"{account} and Basic {account}, but not abc") == "*** and ***, but not abc"


def test_redaction_of_nothing_leaves_the_text() -> None:
    assert Redaction({}).clean("a  b\tc") == "a b c"


def test_client_shows_no_credentials_of_its_own() -> None:
    with RawServer(reply()) as server, calling(server, proxy="http://me:hunter22@127.0.0.1:1") as source:
        assert AUTHORIZATION["Authorization"] not in repr(source)
        assert "hunter22" not in repr(vars(source))
