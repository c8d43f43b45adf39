"""Bytes → a document, JSON or YAML by what they hold; nothing that a document holds is ever carried out.

What comes out holds texts, numbers of 64 bits, switches, None, lists and mappings whose keys are texts, and can always
be written as JSON. Aliases of YAML are shared objects: a document must not be altered.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.json_reading import read_json
from syncflow_pipelines.openapi.limits import LIMITS, Limits, too_many_bytes
from syncflow_pipelines.openapi.model import Finding, Json
from syncflow_pipelines.openapi.versions import version_of
from syncflow_pipelines.openapi.yaml_reading import read_yaml

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LEADING: Final = re.compile(rb"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What some bytes hold."""

    value: Json
    findings: tuple[Finding, ...]
    """Keys that are there twice, numbers and tags that JSON does not have; each with what was made of it."""


def parse(body: bytes, limits: Limits = LIMITS) -> dict[str, Json]:
    """The OpenAPI document of the bytes.

    Raises `SpecTooLarge` beyond a limit, and `UnusableSpec` where they are neither JSON nor YAML, no OpenAPI document,
    or one of a version that is not supported.
    """
    document: dict[str, Json] = parse_document(body, limits).value
    return document


def parse_document(body: bytes, limits: Limits = LIMITS) -> Parsed:
    """As `parse`, with what was found on the way."""
    parsed = parse_value(body, limits)
    version_of(parsed.value)
    return parsed


def parse_value(body: bytes, limits: Limits = LIMITS) -> Parsed:
    """Whatever the bytes hold: also a file that an OpenAPI document refers to."""
    if len(body) > limits.max_bytes:
        raise too_many_bytes(limits, "the document")
    content = _utf8(body)
    findings: list[Finding] = []
    first = content[_LEADING.match(content).end() :][:1]  # type: ignore[union-attr]  # it matches nothing, too
    if first in (b"{", b"["):
        value = read_json(content, limits, findings)
    elif first:
        value = read_yaml(_text(content), limits, findings)
    else:
        raise UnusableSpec("the document is empty; give one in JSON or YAML")
    return Parsed(value, tuple(findings))


def _utf8(body: bytes) -> bytes:
    """The bytes in UTF-8 without a byte order mark; a document of nothing but UTF-8 is not copied."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :] if encoding == "utf-8" else _recoded(body[len(mark) :], encoding)
    # a document begins with two characters of ASCII
    if body[1:2] == b"\0" and body[:1] != b"\0":
        return _recoded(body, "utf-32-le" if body[2:4] == b"\0\0" else "utf-16-le")
    if body[:1] == b"\0":
        return _recoded(body, "utf-32-be" if body[1:2] == b"\0" else "utf-16-be")
    return body


def _recoded(body: bytes, encoding: str) -> bytes:
    try:
        return body.decode(encoding).encode()
    except UnicodeDecodeError as error:
        raise UnusableSpec(f"byte {error.start} of the document is not {encoding.upper()}; give UTF-8") from error


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnusableSpec(f"line {line} of the document is not UTF-8; give UTF-8 text") from error
