"""YAML → values, from the parser's events: nothing is constructed, and no tag means anything.

Plain scalars follow the core schema of YAML 1.2, as OpenAPI wants it: `no` is text, dates are the text that is there,
and a key is the text that is there: `200`, `true`. Depth and size are limited while the text is read, an alias
counting as much as what it stands for; `<<` merges.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import yaml

from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.limits import Limits, too_deep, too_many_bytes, too_many_values
from syncflow_pipelines.openapi.model import Finding, Json

_LOADER: Final[type] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED: Final = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_STARTS: Final = frozenset("-+.0123456789")
_MAX_DIGITS: Final = 300
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_KNOWN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq", "int", "float", "bool", "null")
)
MAX_FINDINGS: Final = 100


def read_yaml(text: str, limits: Limits, findings: list[Finding]) -> Json:
    """The value of the first document in the text.

    Raises `UnusableSpec` where it is no YAML, `SpecTooLarge` beyond a limit.
    """
    builder = _Builder(limits, findings)
    try:
        builder.build(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise UnusableSpec(_told(error, text)) from error
    return builder.root


def _told(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.problem, error.context))).replace("\n", " ")
        # the end of the text is on the line after the last
        line = min(mark.line if mark else 0, text.count("\n")) + 1
        return f"line {line} of the document is no YAML ({problem[:200]}); mend it"
    reason = getattr(error, "reason", None) or "it cannot be read"
    return f"the document is no YAML ({str(reason)[:200]}); mend it"


class _Key(Enum):
    MERGE = "<<"
    NONE = "no text"


@dataclass(slots=True)
class _Measured:
    """A value that an anchor names."""

    value: Json
    values: int
    size: int
    height: int


@dataclass(slots=True)
class _Open:
    """A list or a mapping whose end has not come yet."""

    value: Json
    anchor: str | None
    values_before: int
    size_before: int
    height: int = 0
    key: str | _Key = _Key.NONE
    is_key_next: bool = True
    merged: list[Json] = field(default_factory=list)


class _Builder:
    def __init__(self, limits: Limits, findings: list[Finding]) -> None:
        self.limits = limits
        self.findings = findings
        self.root: Json = None
        self.open: list[_Open] = []
        self.anchors: dict[str, _Measured] = {}
        self.values = 0
        self.size = 0

    def build(self, events: Iterator[yaml.Event]) -> None:
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                self.scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self.start(event, {} if isinstance(event, yaml.MappingStartEvent) else [])
            elif isinstance(event, yaml.CollectionEndEvent):
                self.end(event)
            elif isinstance(event, yaml.AliasEvent):
                self.alias(event)
            elif isinstance(event, yaml.DocumentEndEvent) and self.has_more(events):
                self.note(event, "a second document (---), left out")
                return

    def has_more(self, events: Iterator[yaml.Event]) -> bool:
        return isinstance(next(events, None), yaml.DocumentStartEvent)

    def scalar(self, event: yaml.ScalarEvent) -> None:
        text = event.value
        self.weigh(1, len(text), event)
        holder = self.open[-1] if self.open else None
        if event.tag is not None:
            self.look_at_tag(event)
        is_key = holder is not None and holder.is_key_next and type(holder.value) is dict
        value = text if is_key else self.meaning(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Measured(value, 1, len(text), 1)
        if holder is not None and is_key:
            self.key(holder, _Key.MERGE if text == _Key.MERGE.value and event.style in (None, "") else text, event)
        else:
            self.put(value, 1, event)

    def meaning(self, event: yaml.ScalarEvent) -> Json:
        text = event.value
        if event.style not in (None, "") or event.tag == _TEXT_TAG:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in _NUMBER_STARTS and len(text) <= _MAX_DIGITS:
            return self.number(text, event)
        return text

    def number(self, text: str, event: yaml.ScalarEvent) -> Json:
        if _INTEGER.fullmatch(text):
            return as_json_integer(int(text))
        if _BASED.fullmatch(text):
            return as_json_integer(int(text, 0))
        if not _FLOAT.fullmatch(text):
            return text
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if math.isfinite(number):
            return number
        self.note(event, f"{text[:40]}, which is no number of JSON, left out")
        return None

    def start(self, event: yaml.CollectionStartEvent, value: Json) -> None:
        if event.tag is not None:
            self.look_at_tag(event)
        before = self.values, self.size
        self.weigh(1, 0, event)
        if len(self.open) >= self.limits.max_depth:
            raise too_deep(self.limits, f", at line {_line(event)}")
        # an anchor that is given again means the new value, and none while that is being read
        self.anchors.pop(event.anchor or "", None)
        self.open.append(_Open(value, event.anchor, *before))

    def end(self, event: yaml.Event) -> None:
        done = self.open.pop()
        value = _merged(done.value, done.merged) if done.merged else done.value
        height = done.height + 1
        if done.anchor is not None:
            values, size = self.values - done.values_before, self.size - done.size_before
            self.anchors[done.anchor] = _Measured(value, values, size, height)
        self.put(value, height, event)

    def alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor or ""
        found = self.anchors.get(name)
        if found is None:
            raise UnusableSpec(
                f"line {_line(event)} of the document has the alias *{name[:40]} of nothing that is complete above it; "
                "put it in quotes, if it is text"
            )
        self.weigh(found.values, found.size, event)
        if len(self.open) + found.height > self.limits.max_depth + 1:
            raise too_deep(self.limits, f", at line {_line(event)}, with an alias written out")
        holder = self.open[-1] if self.open else None
        if holder is not None and holder.is_key_next and type(holder.value) is dict:
            self.key(holder, found.value if isinstance(found.value, str) else _Key.NONE, event)
        else:
            self.put(found.value, found.height, event)

    def key(self, holder: _Open, key: str | _Key, event: yaml.Event) -> None:
        if key is _Key.NONE:
            self.note(event, "a key that is no text, left out with its value")
        elif isinstance(key, str) and key in holder.value:
            self.note(event, f"the key {key[:80]!r} again, the last one taken")
        holder.key, holder.is_key_next = key, False

    def put(self, value: Json, height: int, event: yaml.Event) -> None:
        if not self.open:
            self.root = value
            return
        holder = self.open[-1]
        holder.height = max(holder.height, height)
        if type(holder.value) is list:
            holder.value.append(value)
        elif holder.is_key_next:
            self.key(holder, _Key.NONE, event)
        else:
            self.entry(holder, value)

    def entry(self, holder: _Open, value: Json) -> None:
        key, holder.is_key_next = holder.key, True
        if key is _Key.MERGE:
            parts = value if isinstance(value, list) else [value]
            holder.merged.extend(part for part in parts if isinstance(part, dict))
        elif isinstance(key, str):
            holder.value[key] = value

    def weigh(self, values: int, size: int, event: yaml.Event) -> None:
        self.values += values
        self.size += size
        if self.values > self.limits.max_values:
            raise too_many_values(self.limits, f", at line {_line(event)}")
        if self.size > self.limits.max_bytes:
            raise too_many_bytes(self.limits, f"the document with its aliases written out, at line {_line(event)},")

    def look_at_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag not in _KNOWN_TAGS and event.tag != "!":
            self.note(event, f"the tag {str(event.tag)[:60]!r}, which is passed over")

    def note(self, event: yaml.Event, reason: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding("", f"line {_line(event)} of the document has {reason}", is_fatal=False))


def _merged(own: dict[str, Json], others: list[dict[str, Json]]) -> dict[str, Json]:
    """The entries with those of the others that it has not got itself; the first of the others goes first."""
    return {key: value for entries in (*reversed(others), own) for key, value in entries.items()}


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1


def as_json_integer(number: int) -> int | float:
    """The number as writers of JSON can write it."""
    return number if -(2**63) <= number < 2**64 else float(number)
