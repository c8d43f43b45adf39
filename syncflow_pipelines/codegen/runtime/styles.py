"""Values → the text of a parameter, by its `style` and `explode`.

OpenAPI 3.1.1, "Style Values" and appendix C, which refer to RFC 6570. Where they leave something open (values within
values), brackets are used as most servers read them.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

Json = Any
Escape = Callable[[str], str]
Pairs = list[tuple[str, str]]

_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_RESERVED_IN_QUERY = ":/?@!$'()*,;="
"""The reserved characters of RFC 3986 that may stand in a query and mean nothing to whoever splits one."""
_SEPARATORS = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}


def percent(text: str) -> str:
    """Everything but RFC 3986's unreserved characters escaped."""
    return quote(text, safe="", errors="replace")


def form(text: str) -> str:
    """As `application/x-www-form-urlencoded` has it."""
    return quote_plus(text, safe="*", errors="replace")


def reserved(text: str) -> str:
    """RFC 6570's reserved expansion: escapes pass through, and so do reserved characters that do no harm in a query."""
    parts = (quote(part, safe=_RESERVED_IN_QUERY, errors="replace") for part in _ESCAPED.split(text))
    escapes = iter(_ESCAPED.findall(text))
    return "".join(part + next(escapes, "") for part in parts)


def unescaped(text: str) -> str:
    """As it is: headers are not escaped."""
    return text


def text_of(value: Json) -> str:
    """A single value as text, as JSON spells it; a text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def simple(value: Json, explode: bool, escape: Escape) -> str:
    """`a,b` and `k,v` or, exploded, `k=v`."""
    return _joined(value, ",", "," if not explode else "=", escape)


def label(value: Json, explode: bool, escape: Escape) -> str:
    """`.a` with the parts of a list after a comma or, exploded, a dot each."""
    return "." + (_joined(value, ".", "=", escape) if explode else _joined(value, ",", ",", escape))


def matrix(name: str, value: Json, explode: bool, escape: Escape) -> str:
    """`;name=value`, and just `;name` where the value is empty."""
    pairs = form_pairs(name, value, "form", explode, escape)
    return "".join(f";{key}={text}" if text else f";{key}" for key, text in pairs)


def form_pairs(name: str, value: Json, style: str, explode: bool, escape: Escape) -> Pairs:
    """Escaped names and values of a query, a form or a cookie; none where the value is an empty list or object."""
    key = percent(name) if escape is reserved else escape(name)
    if style == "deepObject" and isinstance(value, dict | list):
        return [(_name_of(path, escape), escape(text_of(part))) for path, part in _deep((name,), value)]
    if isinstance(value, dict) and explode and style == "form":
        return [(percent(k) if escape is reserved else escape(k), escape(text_of(v))) for k, v in _members(value)]
    if isinstance(value, list) and explode:
        return [(key, escape(text_of(item))) for item in _items(value)]
    separator = _SEPARATORS.get(style, ",")
    joined = _joined(value, separator, separator, escape)
    return [] if isinstance(value, dict | list) and not value else [(key, joined)]


def _joined(value: Json, between: str, within: str, escape: Escape) -> str:
    if isinstance(value, dict):
        return between.join(f"{escape(key)}{within}{escape(text_of(member))}" for key, member in _members(value))
    if isinstance(value, list):
        return between.join(escape(text_of(item)) for item in _items(value))
    return escape(text_of(value))


def _members(value: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Null is RFC 6570's undefined: it leaves no trace."""
    return ((str(key), member) for key, member in value.items() if member is not None)


def _items(value: list[Json]) -> Iterator[Json]:
    return (item for item in value if item is not None)


def _deep(path: tuple[str, ...], value: Json) -> Iterator[tuple[tuple[str, ...], Json]]:
    if isinstance(value, dict):
        for key, member in _members(value):
            yield from _deep((*path, key), member)
    elif isinstance(value, list):
        holds_values = not any(isinstance(item, dict | list) for item in value)
        for index, item in enumerate(_items(value)):
            yield from _deep((*path, "" if holds_values else str(index)), item)
    else:
        yield path, value


def _name_of(path: tuple[str, ...], escape: Escape) -> str:
    inner = "".join(f"[{part}]" for part in path[1:])
    return (percent if escape is reserved else escape)(path[0] + inner)
