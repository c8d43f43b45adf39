"""What a tool gives back of a service's answer: all of it, within its bounds, and never a credential."""

import base64
import gzip
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config.auth import BearerAuth, HeaderAuth
from syncflow_pipelines.config.services import McpOptions
from syncflow_pipelines_tests.server.mcp_world import call, generated, operation, service_at, spec_of, text, tools
from syncflow_pipelines_tests.server.recording_backend import Answer, Arrival, RecordingBackend

SECRET = "s3cr3t-token-of-the-service"


def http(status: str, content: bytes = b"", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", "")
    return "\r\n".join(lines).encode("latin-1") + content


def result_of(
    folder: Path,
    answer: Answer | bytes,
    *,
    fails: bool = False,
    method: str = "get",
    responses: Any = None,
    **options: Any,
) -> Any:
    """What a caller is given of such an answer."""
    definition = {} if responses is None else {"responses": responses}
    with RecordingBackend(answer) as backend:
        service = service_at(backend.url, mcp=McpOptions(**options))
        with generated(folder, spec_of(operation(method, "/pets", definition)), service) as module:
            return call(module.mcp, "op", fails=fails)


def test_a_json_object_is_given_as_text_and_as_what_it_means(tmp_path: Path) -> None:
    content = b'{"price": 1.10, "big": 12345678901234567890}'
    result = result_of(tmp_path, http("200 OK", content, "Content-Type: application/json"))
    assert text(result) == content.decode()
    assert result.structured_content == {"price": 1.1, "big": 12345678901234567890}


def test_other_json_is_wrapped(tmp_path: Path) -> None:
    result = result_of(tmp_path, http("200 OK", b"[1,2]", "Content-Type: application/json"))
    assert (result.structured_content, result.data) == ({"result": [1, 2]}, [1, 2])


@pytest.mark.parametrize("content", [b'{"a": NaN}', b"[" * 100_000, b'{"a":', b"1e", b"plain"])
def test_what_is_no_json_is_text(tmp_path: Path, content: bytes) -> None:
    result = result_of(tmp_path, http("200 OK", content, "Content-Type: application/json"))
    assert (text(result), result.structured_content) == (content.decode(), None)


def test_text_is_read_in_its_charset(tmp_path: Path) -> None:
    answer = http("200 OK", "ü".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1")
    assert text(result_of(tmp_path, answer)) == "ü"


def test_an_answer_without_content_says_its_status(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert text(result_of(tmp_path, answer, method="delete")) == "HTTP 204 No Content"


def test_head_gives_the_headers(tmp_path: Path) -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\nETag: "x"\r\nSet-Cookie: a=b\r\n\r\n'
    assert text(result_of(tmp_path, answer, method="head")) == 'HTTP 200 OK\ncontent-length: 17\netag: "x"'


def test_an_image_is_an_image_and_other_bytes_are_a_resource(tmp_path: Path) -> None:
    image = result_of(tmp_path, http("200 OK", b"\x89PNG", "Content-Type: image/png")).content[0]
    assert (image.type, image.mime_type, base64.b64decode(image.data)) == ("image", "image/png", b"\x89PNG")
    (tmp_path / "other").mkdir()
    other = result_of(tmp_path / "other", http("200 OK", b"PK\0\1", "Content-Type: application/zip")).content[0]
    assert (other.resource.mime_type, base64.b64decode(other.resource.blob)) == ("application/zip", b"PK\0\1")


def test_a_long_answer_is_cut_while_it_streams_and_says_so(tmp_path: Path) -> None:
    sent = []

    def endless(arrival: Arrival) -> None:
        arrival.read()
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        while True:  # until the caller hangs up
            arrival.send(chunk)
            sent.append(len(chunk))

    result = result_of(tmp_path, endless, max_answer_bytes=100_000)
    assert result.content[0].text == "x" * 100_000
    assert "longer than 100,000 bytes" in result.content[1].text
    assert result.structured_content is None


def test_a_bomb_of_gzip_is_cut(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    result = result_of(tmp_path, http("200 OK", bomb, "Content-Type: text/plain", "Content-Encoding: gzip"))
    assert len(result.content[0].text) == 1_000_000


def test_bytes_that_are_too_many_are_not_shown(tmp_path: Path) -> None:
    answer = http("200 OK", b"\0" * 2_000, "Content-Type: application/zip")
    assert "longer than 1,000 bytes" in text(result_of(tmp_path, answer, max_answer_bytes=1_000))


def test_a_slow_answer_ends_at_the_time_out(tmp_path: Path) -> None:
    def drip(arrival: Arrival) -> None:
        arrival.read()
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nx")
        arrival.is_hung_up()

    assert "did not answer within 0.3 s" in text(result_of(tmp_path, drip, fails=True, timeout_s=0.3))


def test_a_service_that_is_down_is_said_so(tmp_path: Path) -> None:
    with RecordingBackend() as backend:
        service = service_at(backend.url)
    with generated(tmp_path, spec_of(operation("get", "/pets")), service) as module:
        assert "pets cannot be asked (ConnectError" in text(call(module.mcp, "op", fails=True))


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    def torn(arrival: Arrival) -> None:
        arrival.read()
        arrival.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        arrival.socket.shutdown(socket.SHUT_RDWR)

    assert "pets cannot be asked" in text(result_of(tmp_path, torn, fails=True))


def test_an_error_is_told_within_a_bound(tmp_path: Path) -> None:
    answer = http("422 Unprocessable Content", b'{"detail": "' + b"x" * 100_000, "Content-Type: application/json")
    told = text(result_of(tmp_path, answer, fails=True))
    assert told.startswith("HTTP 422 Unprocessable")
    assert len(told) < 1_100


def test_a_page_of_an_error_is_left_out(tmp_path: Path) -> None:
    answer = http("502 Bad Gateway", b"<html>nginx</html>", "Content-Type: text/html")
    assert text(result_of(tmp_path, answer, fails=True)) == "HTTP 502 Bad Gateway"


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    answer = http("302 Found", b"", "Location: https://elsewhere.example/x")
    told = text(result_of(tmp_path, answer, fails=True))
    assert told == "HTTP 302 Found (Location: https://elsewhere.example/x)"


def test_a_redirect_that_the_spec_declares_is_the_answer(tmp_path: Path) -> None:
    answer = http("302 Found", b"", "Location: https://elsewhere.example/x")
    told = text(result_of(tmp_path, answer, responses={"302": {"description": "there"}}))
    assert "location: https://elsewhere.example/x" in told


def test_cookies_of_one_call_do_not_come_with_the_next(tmp_path: Path) -> None:
    with RecordingBackend(http("200 OK", b"", "Set-Cookie: session=1")) as backend:
        with generated(tmp_path, spec_of(operation("get", "/pets")), service_at(backend.url)) as module:
            call(module.mcp, "op")
            call(module.mcp, "op")
        assert [arrival.header("cookie") for arrival in backend.arrivals] == [None, None]


def test_the_credential_is_read_at_every_call(tmp_path: Path) -> None:
    token = tmp_path / "token"
    auth = BearerAuth(token_file=token)
    with RecordingBackend() as backend:
        service = service_at(backend.url, auth=auth)
        with generated(tmp_path, spec_of(operation("get", "/pets")), service) as module:
            told = text(call(module.mcp, "op", fails=True))
            assert "token cannot be read" in told
            for secret in ("first-secret", "second-secret"):
                token.write_text(secret)
                call(module.mcp, "op")
            sources = [file.read_text() for file in Path(str(module.__file__)).parent.glob("*.*")]
        assert [arrival.header("authorization") for arrival in backend.arrivals] == [
            "Bearer first-secret",
            "Bearer second-secret",
        ]
    assert not any("secret" in source or str(tmp_path) in source for source in sources)


def test_a_variable_that_is_not_set_is_an_error_of_the_call_alone(tmp_path: Path) -> None:
    with RecordingBackend() as backend:
        service = service_at(backend.url, auth=HeaderAuth("X-Key", value_env="SYNCFLOW_TEST_NOT_SET"))
        with generated(tmp_path, spec_of(operation("get", "/pets")), service) as module:
            assert list(tools(module.mcp)) == ["op"]
            assert "SYNCFLOW_TEST_NOT_SET is not set" in text(call(module.mcp, "op", fails=True))
        assert backend.arrivals == []


def test_a_variable_may_stand_in_a_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from syncflow_pipelines.config.environment import Environment

    dotenv = tmp_path / "settings" / ".env"
    dotenv.parent.mkdir()
    dotenv.write_text("SYNCFLOW_TEST_KEY=from-the-file\n")
    auth = HeaderAuth(
        "X-Key", value_env="SYNCFLOW_TEST_KEY", prefix="Key ", environment=Environment(dotenv_files=(dotenv,))
    )
    with RecordingBackend() as backend:
        with generated(tmp_path, spec_of(operation("get", "/pets")), service_at(backend.url, auth=auth)) as module:
            call(module.mcp, "op")
            monkeypatch.setenv("SYNCFLOW_TEST_KEY", "from-the-process")
            call(module.mcp, "op")
        assert [arrival.header("x-key") for arrival in backend.arrivals] == [
            "Key from-the-file",
            "Key from-the-process",
        ]


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
def test_a_credential_that_the_service_echoes_is_masked(tmp_path: Path, status: str) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)

    def echo(arrival: Arrival) -> None:
        arrival.read()
        content = json.dumps({"you sent": arrival.header("authorization")}).encode()
        arrival.send(http(status, content, "Content-Type: application/json"))

    with RecordingBackend(echo) as backend:
        service = service_at(backend.url, auth=BearerAuth(token_file=token))
        with generated(tmp_path, spec_of(operation("get", "/pets")), service) as module:
            result = call(module.mcp, "op", fails=not status.startswith("2"))
    assert "you sent" in text(result)
    assert SECRET not in f"{result}"


def test_output_is_held_against_the_spec_only_if_asked(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    responses = {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}
    spec = spec_of(operation("get", "/pets", {"responses": responses}))
    service = service_at("http://127.0.0.1:9", mcp=McpOptions(validate_output=True))
    with generated(tmp_path, spec, service) as module:
        assert tools(module.mcp)["op"].output_schema == schema
    (tmp_path / "other").mkdir()
    with generated(tmp_path / "other", spec, service_at("http://127.0.0.1:9")) as module:
        assert tools(module.mcp)["op"].output_schema is None
