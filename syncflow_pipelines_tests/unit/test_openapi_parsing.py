"""Bytes become a document, or are refused with a reason, whatever they hold."""

import json
import time
import tracemalloc
from contextlib import suppress

import pytest

from syncflow_pipelines.errors import SpecError, SpecTooLarge, UnusableSpec
from syncflow_pipelines.openapi.limits import LIMITS, Limits
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.parsing import parse, parse_document, parse_value

HEAD = "openapi: 3.0.0\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]\n" for before, this in zip("abcdefgh", "bcdefghi", strict=True)
)


def yaml_value(text: str) -> Json:
    return parse((HEAD + f"a: {text}\n").encode())["a"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"openapi": "3.0.0"}',
        b'\xef\xbb\xbf{"openapi": "3.0.0"}',
        b'\n\t {"openapi": "3.0.0"}',
        b"openapi: 3.0.0",
        b"# a comment\n---\nopenapi: '3.0.0'",
        b"%YAML 1.2\n---\nopenapi: 3.0.0\n...\n",
        b"{openapi: 3.0.0}",
        b"{openapi: 3.0.0,}",
        b'{\t"openapi": "3.0.0",\n}',
        b'# JSON with a comment\n{"openapi": "3.0.0"}',
        *('{"openapi": "3.0.0"}'.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32-be")),
        *("openapi: 3.0.0".encode(encoding) for encoding in ("utf-8-sig", "utf-16", "utf-32", "utf-32-le")),
    ],
)
def test_a_document_is_told_by_what_it_holds(body: bytes) -> None:
    assert parse(body) == {"openapi": "3.0.0"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'null'", "null"),
        ("2020-01-31", "2020-01-31"),
        ("2001-12-14 21:59:43.10 -5", "2001-12-14 21:59:43.10 -5"),
        ("12:30", "12:30"),
        ("12", 12),
        ("-1_000", "-1_000"),
        ("007", "007"),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.2.3", "1.2.3"),
        ("!!str 200", "200"),
        ("!!binary aGk=", "aGk="),
        ("!!python/object/apply:os.system [x]", ["x"]),
        ("!Sub '${A}'", "${A}"),
        ('"\\0\\u263a"', "\0☺"),
        ("=", "="),
    ],
)
def test_plain_text_of_yaml_means_what_yaml_1_2_says(text: str, value: Json) -> None:
    found = yaml_value(text)
    assert (found, type(found)) == (value, type(value))


def test_keys_of_yaml_are_the_text_that_is_there() -> None:
    keys = "200: a\ntrue: b\nnull: c\n~: d\n1.0: e\n2020-01-01: f\n0x10: g\non: h\n"
    assert list(parse((HEAD + keys).encode()))[1:] == ["200", "true", "null", "~", "1.0", "2020-01-01", "0x10", "on"]


def test_merge_keys_are_merged_and_the_mappings_own_keys_go_first() -> None:
    body = HEAD + "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {y: 3, <<: [*b, *a]}\nd: {'<<': 4}\n"
    document = parse(body.encode())
    assert (document["c"], document["d"]) == ({"x": 1, "y": 3, "z": 2}, {"<<": 4})


def test_an_alias_is_the_object_that_it_stands_for() -> None:
    document = parse((HEAD + "a: &a {x: 1}\nb: [*a, *a]\n").encode())
    assert document["b"][0] is document["b"][1] is document["a"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (HEAD + "a: 1\nb: 1\na: 2", "line 4 of the document has the key 'a' again, the last one taken"),
        (HEAD + "? [a]\n: 1", "line 2 of the document has a key that is no text, left out with its value"),
        (HEAD + "a: !x 1", "line 2 of the document has the tag '!x', which is passed over"),
        (HEAD + "a: .inf", "line 2 of the document has .inf, which is no number of JSON, left out"),
        (HEAD + "---\na: 1", "line 2 of the document has a second document (---), left out"),
        ('{"openapi": "3.0.0", "a": 1, "a": 2}', "the document has keys that are there twice, the last one taken: 'a'"),
        ('{"openapi": "3.0.0", "a": NaN}', "the document has NaN, which is no number of JSON, left out"),
        ('{"openapi": "3.0.0", "a": 1e999}', "the document has 1e999, which is no number of JSON, left out"),
        ('{"openapi": "3.0.0", "a": ["\\ud800"]}', "the document has half a character (a lone surrogate), replaced by"),
    ],
)
def test_what_json_cannot_say_is_told_and_mended(body: str, found: str) -> None:
    parsed = parse_document(body.encode())
    assert any(found in finding.reason and not finding.is_fatal for finding in parsed.findings)
    json.dumps(parsed.value, allow_nan=False).encode()
    assert parsed.value.get("a") in (1, 2, None, ["\ufffd"])


@pytest.mark.parametrize("digits", ["123456789012345678901234567890", "9" * 300])
def test_an_integer_that_writers_of_json_cannot_write_becomes_a_float(digits: str) -> None:
    assert parse(f'{{"openapi": "3.0.0", "a": {digits}, "b": NaN}}'.encode())["a"] == float(digits)
    assert yaml_value(digits) == float(digits)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the document is empty"),
        (b" \n", "the document is empty"),
        (b"[]", "the document is a list rather than a mapping"),
        (b"12", "the document is a number rather than a mapping"),
        (b"<html><body>Sign in</body></html>", "the document is text rather than a mapping"),
        (b'{"type": "object"}', "no key 'openapi' or 'swagger' (its keys: 'type')"),
        (b'{"swagger": "1.2"}', "swagger is '1.2', a version that is not supported"),
        (b'{"openapi": "4.0.0"}', "openapi is '4.0.0'"),
        (b'{"openapi": "2.0"}', "openapi is '2.0'"),
        (b'{"openapi": {"a": 1}}', "a version that is not supported"),
        (b"openapi: 3.0.0\na: [1,\nb", "line 3 of the document is no YAML"),
        (b"openapi: 3.0.0\n\tb: 1", "line 2 of the document is no YAML"),
        (b'{"openapi": "3.0.0",\n"a" 1}', "line 2 of the document is no JSON"),
        (b'{"openapi": "3.0.0"', "is no JSON"),
        (b"openapi: 3.0.0\na: \x00", "the document is no YAML"),
        (b"openapi: 3.0.0\na: *b", "line 2 of the document has the alias *b of nothing"),
        (b"openapi: 3.0.0\na: &a [*a]", "line 2 of the document has the alias *a of nothing"),
        ("openapi: 3.0.0\na: é".encode("latin-1"), "line 2 of the document is not UTF-8"),
        (b'{"openapi": "\xed\xa0\x80"}', "line 1 of the document is not UTF-8"),
        (b"\x1f\x8b\x08\x00\x00", "is not UTF-8"),
        (b"\xff\xfe\x00\xd8", "byte 0 of the document is not UTF-16-LE"),
    ],
)
def test_what_is_no_document_is_refused_with_the_reason(body: bytes, told: str) -> None:
    with pytest.raises(UnusableSpec) as refused:
        parse(body)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (LAUGHS, "more than 2,000,000 values, aliases written out, at line 7"),
        (
            HEAD + "a: &a " + "x" * 1_000_000 + "\nb: [" + "*a," * 1_000 + "]",
            "aliases written out, at line 3, has more than",
        ),
        ("[" * 10_000, "nested deeper than 120 levels"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "nested deeper than 120 levels"),
        ('{"a": NaN, "b":' + "[" * 100_000, "nested deeper than 120 levels"),
        ("{a: " * 10_000, "nested deeper than 120 levels"),
        ("- " * 10_000, "nested deeper than 120 levels"),
        ("? " * 10_000, "nested deeper than 120 levels"),
        ("".join(" " * level + "a:\n" for level in range(5_000)), "nested deeper than 120 levels"),
        ("\n".join(f"a{n}: &a{n} [*a{n - 1}]" if n else "a0: &a0 []" for n in range(9_000)), "nested deeper than 120"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_beyond_a_limit_is_refused_in_bounded_time_and_memory(body: str, told: str) -> None:
    content = body.encode()
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(SpecTooLarge) as refused:
        parse(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told in str(refused.value)
    assert peak < 400_000_000
    assert time.process_time() - start < 60


@pytest.mark.parametrize("body", ['{"a": [' + "1," * 20_000 + "1]}", "a: [" + "1," * 20_000 + "1]", "- 1\n" * 20_001])
def test_more_values_than_allowed_are_refused(body: str) -> None:
    with pytest.raises(SpecTooLarge, match="more than 20,000 values"):
        parse(body.encode(), Limits(max_values=20_000))


def test_signs_in_texts_are_no_values() -> None:
    assert parse(('{"openapi": "3.0.0", "a": "' + ",[{:" * 1_000 + '"}').encode(), Limits(max_values=10))


def test_more_bytes_than_allowed_are_not_looked_at() -> None:
    with pytest.raises(SpecTooLarge, match="more than 10 bytes"):
        parse(b'{"openapi": "3.0.0"}', Limits(max_bytes=10))


@pytest.mark.parametrize("levels", [119, 120])
def test_as_many_levels_as_allowed_are_read(levels: int) -> None:
    assert parse_value(b"[" * levels + b"]" * levels, LIMITS).value
    assert parse_value(b"- " * levels + b"1", LIMITS).value


@pytest.mark.parametrize(
    "unit", [b'\\"', b'"', b"[\n", b"&a ", b"*a ", b"- ", b"!x ", b"? ", b": ", b"'", b"%", b"#", b"\\"]
)
@pytest.mark.parametrize("head", [b"", b'{"openapi": "', b"openapi: "])
def test_a_long_repetition_of_anything_ends(head: bytes, unit: bytes) -> None:
    start = time.process_time()
    with suppress(SpecError):
        parse(head + unit * 200_000)
    assert time.process_time() - start < 60
