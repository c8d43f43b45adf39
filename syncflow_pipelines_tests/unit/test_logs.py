"""A log line is one line, says what it is about, and never holds a secret, however that comes into it."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.logs.fields import bound
from syncflow_pipelines.logs.formats import ConsoleLines, JsonLines
from syncflow_pipelines.logs.handlers import line_format, log_own_lines
from syncflow_pipelines.logs.redaction import LogRedaction, secrets_of

S = "hunter2-Xq9"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fwpM"
SAID_IN_SECRET = [
    f"Authorization: Bearer {S}",
    f"authorization: Basic {S}==, and more",
    f"Proxy-Authorization: Digest username=u, response={S}",
    f"Cookie: a=1; session={S}; b=2",
    f"set-cookie: sid={S}; HttpOnly",
    f"X-Api-Key: {S}",
    f"x-plugin-api-key={S}",
    f"{{'Authorization': 'Bearer {S}', 'Accept': '*/*'}}",
    f"[(b'authorization', b'Bearer {S}'), (b'host', b'x')]",
    f'{{"password": "{S}"}}',
    f'{{"password":"a\\"{S}"}}',
    f'a text in a text: "{{\\"client_secret\\": \\"{S}\\"}}"',
    f"{{'api_key': {S}}}",
    f"password={S}",
    f"PASSWORD = '{S} with blanks {S}'",
    f"host=db user=u password='it\\'s {S}' dbname=x",
    f"db_password: {S}",
    f"POSTGRES_PASSWORD={S} make",
    f"postgresql://u:{S}@db/x",
    f"postgresql://u:pa/ss{S}@db/x",
    f"postgresql://u:p@{S}@db/x",
    f"https://{S}@example.com/",
    f"GET /a?token={S}&b=1",
    f"GET /a?b=1&api_key={S}#x",
    f"GET /a?access_token%3D{S}",
    f"GET https://x/y?X-Amz-Signature={S}&sig={S}",
    f"--password {S}",
    f"--api-token={S}",
    f"Bearer {S}",
    f"bearer%20{S}",
    JWT.replace("SflKxw", S),
    f"syncflow_{S}{'a' * 32}",
    f"ghp_{'a' * 20}{S.replace('-', '')}",
    f"https://hooks.slack.com/services/T0/B0/{S}",
    f"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n{S}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{S}",
    f"password\t=\t{S}",
    f"the_secret_of_it => {S}",
    f"line\r\nAuthorization: Bearer {S}\r\nHost: x",
    f"authorization=Bearer {S}",
    f"cookie=a=1; sid={S}",
    f"{{'tokens': ['{S}']}}",
    f"token=('{S}',)",
    f"<Password>{S}</Password>",
    f"https://discord.com/api/webhooks/1/{S}",
    f"https://a.webhook.office.com/webhookb2/{S}/IncomingWebhook/x",
    f"https://api.telegram.org/bot1:{S}/sendMessage",
    f"gAAAAA{'a' * 60}{S}",
]
SAID_OPENLY = [
    "erp/items: 3 syncs failed in a row",
    "the token in ERP_TOKEN was refused; replace it",
    "GET https://erp.example.com/api/v1/items?page=2&limit=1000 failed after 4 attempts: it answered 500",
    "SYNCFLOW_API_TOKENS is not set",
    "keys site, number of 2 rows",
    "http://127.0.0.1:3000 was asked to reload at 12:30:00",
    "basic checks passed",
    "passwords are encoded",
]


def record(message: object, *args: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("syncflow_pipelines.some", logging.INFO, "", 0, message, args, None)
    vars(made).update(more)
    return made


@pytest.fixture(params=[JsonLines, ConsoleLines])
def lines(request: pytest.FixtureRequest) -> logging.Formatter:
    formatter: logging.Formatter = request.param(LogRedaction())
    return formatter


@pytest.mark.parametrize("said", SAID_IN_SECRET)
def test_a_secret_is_masked_in_messages_arguments_fields_and_tracebacks(said: str, lines: logging.Formatter) -> None:
    try:
        raise ValueError(said) from KeyError(said)
    except ValueError as caught:
        trace = (ValueError, caught, caught.__traceback__)
    records = (
        record(said),
        record("it says: %s", said),
        record("%r", {"said": said}),
        record("told", detail=said),
        record("told", detail={"deep": [said]}),
        record("failed", exc_info=trace),
        record("failed", exc_text=said),
        record("failed", stack_info=said),
    )
    for each in records:
        assert S not in lines.format(each)


@pytest.mark.parametrize("said", SAID_OPENLY)
def test_what_is_no_secret_stays(said: str, lines: logging.Formatter) -> None:
    assert said in lines.format(record(said))


@pytest.mark.parametrize(
    "name", ["password", "db_password", "token", "apiKey", "Authorization", "set-cookie", "SECRET"]
)
def test_a_field_that_is_named_like_a_secret_is_masked_whole(name: str, lines: logging.Formatter) -> None:
    assert S not in lines.format(record("told", **{name: S}))
    assert S not in lines.format(record("told", deep={name: [S]}))


def test_what_the_environment_says_in_secret_is_masked_wherever_it_stands(tmp_path: Path) -> None:
    environ = {"ERP_TOKEN": S, "SYNCFLOW_DATABASE_URL": "postgresql://u:w0rd%2Fpass@h/d", "LOG_LEVEL": "WARNING"}
    settings = Settings(tmp_path, tmp_path, log_format="json", environment=Environment(environ))
    said = line_format(settings).format(record(f"it answered: no such user {S}, nor w0rd%2Fpass; WARNING"))
    assert S not in said
    assert "w0rd" not in said
    assert "WARNING" in said
    assert secrets_of({"SHORT_KEY": "a"}) == {"a"}
    assert LogRedaction({"a"}).mask("a cat") == "a cat"
    named = ("ERP_PASS", "ERP_PWD", "ERP_APIKEY", "ERP_BEARER", "OPS_WEBHOOK", "ERP_PASSPHRASE")
    assert secrets_of(dict(zip(named, named, strict=True)) | {"PATH": "/bin", "KEYBOARD": "x"}) == set(named)
    quoted = 'pa"ss\\w0rd'
    assert "w0rd" not in LogRedaction({quoted}).mask(f"{json.dumps({'v': quoted})} {quoted!r}")


def round_and_round() -> list[Any]:
    """A list that holds itself."""
    made: list[Any] = []
    made.append(made)
    return made


class Odd:
    def __str__(self) -> str:
        raise RuntimeError(S)


def test_whatever_a_record_holds_there_is_a_line_for_it(
    lines: logging.Formatter, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(lines)
    for each in (
        record("%s %s", f"password={S}"),
        record("%d", f"password={S}"),
        record(Odd()),
        record("told", detail=Odd()),
        record("told", detail=[f"password={S}", round_and_round()], number=float("nan")),
        record("\ud800 lone", detail={1: {2, 3}}),
        record("told", exc_info=(ValueError, ValueError(Odd()), None)),
    ):
        handler.handle(each)
    printed = capsys.readouterr().err
    assert S not in printed
    assert "Logging error" not in printed
    if isinstance(lines, JsonLines):
        assert all(json.loads(line, parse_constant=pytest.fail) for line in printed.splitlines())


def test_no_text_ends_its_line_or_drives_a_terminal(lines: logging.Formatter) -> None:
    forged = "told\n2026-01-01 00:00:00.000Z ERROR   root: forged\x1b[2J\u2028\x85"
    said = lines.format(record(forged, detail=forged))
    assert len(said.splitlines()) == 1
    assert "\x1b" not in said


def test_a_line_of_json_has_its_event_and_the_ids_that_are_bound() -> None:
    lines = JsonLines(LogRedaction())
    with bound(entity="erp/items", run=None), bound(run="7a3c"):
        said = json.loads(lines.format(record("the sync of %s failed: %s", "a", "b", event="sync_failed", rows=3)))
    assert (said["event"], said["entity"], said["run"], said["rows"]) == ("sync_failed", "erp/items", "7a3c", 3)
    assert said["message"] == "the sync of a failed: b"
    assert (said["level"], said["logger"]) == ("info", "syncflow_pipelines.some")
    assert said["time"].endswith("Z")
    assert "entity" not in json.loads(lines.format(record("after")))


def test_lines_of_one_kind_have_one_event() -> None:
    lines = JsonLines(LogRedaction())
    said = [json.loads(lines.format(record("the spec of %s: %d findings", name, 3)))["event"] for name in ("a", "b")]
    assert said == ["the_spec_of_findings"] * 2


def test_hostile_texts_are_masked_in_time(lines: logging.Formatter) -> None:
    began = time.process_time()
    for text in ("a" * 200_000, "password" * 20_000, "://" * 50_000, "'" * 100_000, "\\" * 100_000, "Cookie:" * 20_000):
        assert len(lines.format(record(text))) < 300_000
    assert time.process_time() - began < 30


@contextmanager
def bare_logging() -> Iterator[None]:
    """A process in which nobody has set up logging."""
    root, own = logging.getLogger(), logging.getLogger("syncflow_pipelines")
    before, level = root.handlers[:], own.level
    root.handlers[:] = []
    try:
        yield
    finally:
        for handler in own.handlers[:]:
            own.removeHandler(handler)
            handler.close()
        root.handlers[:] = before
        own.setLevel(level)


def test_a_process_of_somebody_else_logs_own_lines_to_the_file_once(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path, log_format="json", log_file=tmp_path / "logs" / "a.log")
    with bare_logging():
        log_own_lines(settings)
        log_own_lines(settings)
        logging.getLogger("syncflow_pipelines.some").info("told")
    (line,) = (tmp_path / "logs" / "a.log").read_text().splitlines()
    assert json.loads(line)["message"] == "told"
