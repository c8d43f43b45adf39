"""What holds for every file, whatever is in it."""

import json
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from syncflow_pipelines.config import Environment, load_connectors, load_settings, without_secrets
from syncflow_pipelines.config.database_url import build_database_url, plain_database_url
from syncflow_pipelines.config.document import read_document
from syncflow_pipelines.config.interpolation import fill
from syncflow_pipelines.config.yaml_tree import parse_yaml
from syncflow_pipelines.errors import ConfigurationError

SECRET = "s3cret\tvalue"

printable = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False, width=32)
values = st.recursive(
    st.booleans() | numbers | printable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(printable, inner, max_size=4),
    max_leaves=20,
)


@contextmanager
def written(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config", "connectors.yaml")
        path.parent.mkdir()
        path.write_bytes(content)
        yield path


@given(values.filter(lambda value: not _mentions_a_reference(value)), st.booleans(), st.booleans())
def test_what_yaml_wrote_is_read_back(value: Any, flow: bool, unicode: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=unicode)
    with written(text.encode()) as path:
        document = read_document(path, Environment({}))
    assert document is not None
    assert not document.mistakes
    assert document.data == value


@given(values.filter(lambda value: not _mentions_a_reference(value)))
def test_json_is_yaml(value: Any) -> None:
    with written(json.dumps(value, ensure_ascii=False).encode()) as path:
        document = read_document(path, Environment({}))
    assert document is not None
    assert document.data == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    with written(content) as path:
        _read_or_refuse(path, {})


fragments = st.lists(
    st.sampled_from(
        [
            "connectors:",
            "\n",
            "- ",
            "  ",
            "name: a",
            "base_url: http://a",
            "auth: ",
            "{",
            "}",
            "[",
            "]",
            ",",
            "type: ",
            "bearer",
            "${A}",
            "${A:-",
            "$${",
            "}",
            "&x ",
            "*x",
            "!!str ",
            "'",
            '"',
            "|",
            ">",
            "? ",
            ": ",
            "#",
            "---",
            "\t",
            "entities: ",
            "é",
            "page_size: ",
            "5",
            "\r\n",
            "<<: ",
            "%",
            "token_env: ",
        ]
    ),
    max_size=40,
).map("".join)


@given(fragments)
def test_any_yaml_is_read_or_refused(text: str) -> None:
    with written(text.encode()) as path:
        _read_or_refuse(path, {"A": SECRET})


@given(fragments)
def test_lines_are_lines_of_the_file(text: str) -> None:
    root, flaws = parse_yaml(text)
    assert root is not None or flaws
    assert all(1 <= flaw.line <= len(text.splitlines() or [""]) for flaw in flaws)


references = st.sampled_from(["${S}", "'${S}'", "x${S}", "'${S}${S}'", "${S:-x}", "[x, '${S}']", "{type: '${S}'}"])
keys = st.sampled_from(
    [
        "name",
        "base_url",
        "auth",
        "target_schema",
        "page_size",
        "timeout_s",
        "ca_file",
        "service",
        "enabled",
        "entities",
        "sync_interval_seconds",
        "strategy",
        "token_env",
        "token",
        "type",
        "colour",
    ]
)


@given(st.dictionaries(keys, references, min_size=1), st.dictionaries(keys, references))
def test_a_secret_of_the_environment_is_never_told(connector: dict[str, str], entity: dict[str, str]) -> None:
    lines = ["connectors:", "-", *(f"  {key}: {value}" for key, value in connector.items() if key != "entities")]
    lines += ["  entities:", "    items:", *(f"      {key}: {value}" for key, value in entity.items())]
    with written("\n".join(lines).encode()) as path:
        told = _read_or_refuse(path, {"S": SECRET})
    assert told is not None
    assert "s3cret" not in told


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_an_escaped_text_is_filled_with_itself(text: str) -> None:
    if not _ambiguous(text):
        assert fill(text.replace("${", "$${"), dict[str, str]().get) == text


@given(st.text(st.characters(codec="utf-8"), max_size=50), st.text(max_size=20))
def test_a_value_is_filled_in_as_it_is(text: str, value: str) -> None:
    plain = text.replace("$", "").replace("{", "")
    assert fill(plain + "${X}" + plain, {"X": value}.get) == plain + value + plain


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


@given(
    host=st.sampled_from(["db", "10.0.0.1", "::1", "/var/run/postgresql", None]),
    port=st.integers(1, 65_535) | st.none(),
    database=names | st.none(),
    user=names | st.none(),
    password=names | st.none(),
)
def test_libpq_reads_every_part_of_a_url_as_it_was(
    host: str | None, port: int | None, database: str | None, user: str | None, password: str | None
) -> None:
    url = build_database_url(host=host, port=port, database=database, user=user, password=password)
    parts = {"host": host or "localhost", "port": port and str(port), "dbname": database, "user": user}
    parts["password"] = password
    assert plain_database_url(url) == url
    assert conninfo_to_dict(url) == {name: value for name, value in parts.items() if value is not None}


passwords = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=10).map(lambda text: f"{text}S3CR3T")


@given(passwords, st.sampled_from(["postgresql://u:{}@h/d", "postgresql://h/d?password={}", "http://u:{}@proxy:1"]))
def test_a_password_is_never_shown_even_where_it_is_not_quoted(password: str, form: str) -> None:
    assert "S3CR3T" not in without_secrets(form.format(password))


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "MAX_PAGE_SIZE",
                "LOG_LEVEL",
                "SYNCFLOW_DATABASE_URL",
                "POSTGRES_HOST",
                "POSTGRES_PASSWORD",
                "HTTP_PROXY",
                "https_proxy",
                "SYNCFLOW_HOME",
                "LOG_FILE",
                "SYNCFLOW_DAGSTER_URL",
                "NO_PROXY",
            ]
        ),
        st.text(st.characters(exclude_characters="\x00"), max_size=30),
    )
)
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        refused = None
        try:
            repr(load_settings(environ, Path(folder)))
        except ConfigurationError as error:
            refused = error
        assert refused is None or refused.mistakes


def _read_or_refuse(path: Path, environ: dict[str, str]) -> str | None:
    """The refusal as it would be printed with its traceback, or None where the file was read."""
    loaded = load_settings(environ, path.parent.parent)
    refused = None
    try:
        load_connectors(loaded)
    except ConfigurationError as error:
        refused = error
    if refused is None:
        return None
    assert refused.mistakes
    assert refused.__context__ is None
    return "".join(traceback.format_exception(refused))


def _ambiguous(text: str) -> bool:
    return "$${" in text or "$$" in text


def _mentions_a_reference(value: Any) -> bool:
    return "${" in json.dumps(value)
