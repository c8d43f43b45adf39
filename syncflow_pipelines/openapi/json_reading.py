"""JSON → values. orjson reads what is JSON by the book; a slower reader takes what nearly is."""

import json
import math
import re
from collections import Counter
from typing import Final

import orjson

from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.limits import Limits, hold, too_deep, too_many_values
from syncflow_pipelines.openapi.model import Finding, Json
from syncflow_pipelines.openapi.yaml_reading import MAX_FINDINGS, as_json_integer, read_yaml

_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_DIGITS: Final = 400
"""No float has more before its point."""
_DEPTH_OF_ORJSON: Final = "depth limit"


def read_json(content: bytes, limits: Limits, findings: list[Finding]) -> Json:
    """The value. What is not JSON, but YAML in braces, is read as that.

    Integers beyond 64 bits become floats. Of a key that is there twice the last value is taken, as readers of JSON do.
    """
    bare = _STRING.sub(b'""', content)
    if bare.count(b",") + bare.count(b"[") + bare.count(b"{") > limits.max_values:
        raise too_many_values(limits)
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if _DEPTH_OF_ORJSON in str(error):
            raise too_deep(limits, f", at line {error.lineno}") from error
        return _read_leniently(content, limits, findings)
    if hold(value, limits) < bare.count(b":"):
        return _read_leniently(content, limits, findings)
    return value


def _read_leniently(content: bytes, limits: Limits, findings: list[Finding]) -> Json:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnusableSpec(f"line {line} of the document is not UTF-8; give UTF-8 text") from error
    reader = _Lenient(findings)
    try:
        value = reader.read(text)
    except RecursionError as error:
        raise too_deep(limits) from error
    except json.JSONDecodeError as error:
        return _read_as_yaml(text, error, limits, findings)
    hold(value, limits)
    return value


def _read_as_yaml(text: str, error: json.JSONDecodeError, limits: Limits, findings: list[Finding]) -> Json:
    try:
        return read_yaml(text, limits, findings)
    except UnusableSpec:
        raise UnusableSpec(
            f"line {error.lineno} of the document is no JSON ({error.msg}, column {error.colno}); mend it"
        ) from error


class _Lenient:
    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings

    def read(self, text: str) -> Json:
        return json.loads(
            text,
            strict=False,
            object_pairs_hook=self.mapping,
            parse_constant=self.no_number,
            parse_float=self.real,
            parse_int=self.integer,
        )

    def mapping(self, pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        entries = {self.text(key): self.text(value) if isinstance(value, str) else value for key, value in pairs}
        if len(entries) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice = ", ".join(repr(self.text(key)[:80]) for key in counts if counts[key] > 1)
            self.note(f"keys that are there twice, the last one taken: {twice[:400]}")
        for value in entries.values():
            self.mend(value)
        return entries

    def mend(self, value: Json) -> None:
        # texts of lists have no hook of their own
        if not isinstance(value, list):
            return
        for index, item in enumerate(value):
            if isinstance(item, str):
                value[index] = self.text(item)
            else:
                self.mend(item)

    def text(self, text: str) -> str:
        if text.isascii() or not _SURROGATE.search(text):
            return text
        self.note("half a character (a lone surrogate), replaced by U+FFFD")
        return _SURROGATE.sub("\ufffd", text)

    def real(self, digits: str) -> float | None:
        number = float(digits)
        if math.isfinite(number):
            return number
        self.no_number(digits)
        return None

    def integer(self, digits: str) -> int | float | None:
        if len(digits) > _MAX_DIGITS:
            self.no_number(digits)
            return None
        return as_json_integer(int(digits)) if len(digits) < 310 else self.real(digits)

    def no_number(self, written: str) -> None:
        self.note(f"{written[:40]}, which is no number of JSON, left out")

    def note(self, reason: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding("", f"the document has {reason}", is_fatal=False))
