"""The text of a parameter → the value that it stands for, by its `style` and `explode`, and by what its schema takes.

OpenAPI 3.1.1, "Style Values". What is split is split before its escapes are undone, so that an escaped comma belongs to
its item.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, unquote_plus

import orjson

from syncflow_pipelines.codegen.runtime.requests import Parameter
from syncflow_pipelines.codegen.runtime.schema_checks import SchemaChecks

Json = Any
Pairs = Sequence[tuple[str, str]]
"""Names, and values that are still escaped."""

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NUMBER = 400
_SPACE = re.compile(r"%20|\+| ")
_PIPE = re.compile(r"%7C|\|", re.IGNORECASE)
_COMMA = re.compile(r",")
_SEPARATORS = {"spaceDelimited": _SPACE, "pipeDelimited": _PIPE}
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_MAX_DEPTH = 20

ABSENT = object()
"""In place of a value: the request does not have the parameter."""
UNCHECKED = object()
"""In place of a value: whatever it is, nobody can tell it from other parameters."""


class Unreadable(ValueError):
    """A parameter that is not written in its style; the text says what it lacks, and not its value."""


class ParameterReader:
    """Reads parameters by the schemas of one document."""

    def __init__(self, checks: SchemaChecks) -> None:
        self._checks = checks

    def from_pairs(self, parameter: Parameter, pairs: Pairs, *, plus: bool = True) -> Json:
        """The parameter's value in a query, a form or the cookies, `ABSENT` or `UNCHECKED`. Raises `Unreadable`.

        `plus` says whether a `+` is a blank.
        """
        decode = unquote_plus if plus else unquote
        kind = self.kind(parameter.schema)
        if parameter.style == "deepObject":
            return self._deep(parameter, pairs, decode)
        if kind == "object" and parameter.explode and parameter.media_type is None:
            return self._members(parameter, pairs, decode)
        given = [value for name, value in pairs if name == parameter.name]
        if not given:
            return ABSENT
        if kind == "array" and parameter.media_type is None and (parameter.explode or len(given) > 1):
            return self._items(parameter.schema, [decode(value) for value in given])
        if len(given) > 1:
            raise Unreadable("stands there more than once")
        separator = _SEPARATORS.get(parameter.style, _COMMA)
        return self._value(parameter, given[0], separator, separator, decode)

    def from_text(self, parameter: Parameter, text: str, *, escaped: bool = True) -> Json:
        """The value of a parameter in a path or a header. Raises `Unreadable`."""
        decode = unquote if escaped else str
        if parameter.style == "label":
            rest = _after(text, ".")
            between = re.compile(r"\.") if parameter.explode else re.compile(r"[.,]")
            return self._value(parameter, rest, between, re.compile("[.,]"), decode)
        if parameter.style == "matrix":
            return self._matrix(parameter, _after(text, ";"))
        between = _COMMA if escaped else re.compile(r"[ \t]*,[ \t]*")
        return self._value(parameter, text, between, between, decode)

    def item_schema(self, schema: Json) -> Json:
        """What each item of a list has to be."""
        return self._checks.item_schema(schema)

    def coerce(self, text: str, schema: Json) -> Json:
        """The text as the first of the types that the schema has and that it can be read as; else the text itself."""
        types = self._checks.types(schema)
        readings = (read(text) for kind, read in _READINGS.items() if kind in types)
        found = [reading for reading in readings if reading is not _NOTHING]
        if "string" in types and not self._checks.mistakes(text, schema):
            return text
        return found[0] if found else text

    def kind(self, schema: Json) -> str:
        """`array`, `object`, or `string` for a single value."""
        types = self._checks.types(schema) - {"null"}
        if "string" in types and len(types) > 1:
            return "object" if "object" in types else "array" if "array" in types else "string"
        return next((kind for kind in ("array", "object") if kind in types), "string")

    def _value(
        self, parameter: Parameter, text: str, between: re.Pattern[str], within: re.Pattern[str], decode: Any
    ) -> Json:
        if parameter.media_type is not None:
            return _content(parameter.media_type, decode(text))
        kind = self.kind(parameter.schema)
        if kind == "array":
            return self._items(parameter.schema, [decode(part) for part in between.split(text)] if text else [])
        if kind == "object":
            pairs = _exploded(between.split(text)) if parameter.explode else _alternating(within.split(text))
            return self._object(parameter.schema, ((decode(name), decode(value)) for name, value in pairs))
        return self.coerce(decode(text), parameter.schema)

    def _matrix(self, parameter: Parameter, text: str) -> Json:
        pairs = [(unquote(name), value) for name, _, value in (part.partition("=") for part in text.split(";"))]
        as_form = replace(parameter, style="form")
        value = self.from_pairs(as_form, pairs, plus=False)
        if value is ABSENT:
            raise Unreadable("lacks its name after the semicolon")
        return value

    def _items(self, schema: Json, texts: Sequence[str]) -> list[Json]:
        item = self._checks.item_schema(schema)
        return [self.coerce(text, item) for text in texts]

    def _object(self, schema: Json, pairs: Iterator[tuple[str, str]]) -> dict[str, Json]:
        properties = self._checks.property_schemas(schema)
        return {name: self.coerce(text, properties.get(name, True)) for name, text in pairs}

    def _members(self, parameter: Parameter, pairs: Pairs, decode: Any) -> Json:
        """Each property is a parameter of its own; an object without any leaves no trace."""
        properties = self._checks.property_schemas(parameter.schema)
        if not properties:
            return UNCHECKED
        given = {name: decode(value) for name, value in pairs if name in properties}
        if not given and not parameter.is_required:
            return ABSENT
        return {name: self.coerce(text, properties[name]) for name, text in given.items()}

    def _deep(self, parameter: Parameter, pairs: Pairs, decode: Any) -> Json:
        """`name[key]=value`, and brackets within brackets as most servers read them."""
        tree: dict[str, Json] = {}
        for name, value in pairs:
            path = _BRACKETS.findall(name)[:_MAX_DEPTH]
            if path and name == parameter.name + "".join(f"[{part}]" for part in path):
                _plant(tree, path, decode(value))
        return self._grown(tree, parameter.schema) if tree else ABSENT

    def _grown(self, tree: Json, schema: Json) -> Json:
        if isinstance(tree, str):
            return self.coerce(tree, schema)
        if isinstance(tree, list):
            texts = self._items(schema, tree)
            return texts if len(texts) != 1 or self.kind(schema) == "array" else self.coerce(tree[0], schema)
        if self.kind(schema) == "array":
            item = self._checks.item_schema(schema)
            return [self._grown(tree[key], item) for key in tree]
        properties = self._checks.property_schemas(schema)
        return {key: self._grown(branch, properties.get(key, True)) for key, branch in tree.items()}


def split_pairs(text: str, separator: str = "&", *, plus: bool = True) -> list[tuple[str, str]]:
    """Names, their escapes undone, and values, still escaped."""
    decode = unquote_plus if plus else unquote
    pairs = (part.strip().partition("=") for part in text.split(separator) if part.strip())
    return [(decode(name), value) for name, _, value in pairs]


def _plant(tree: dict[str, Json], path: Sequence[str], text: str) -> None:
    """Leaves are lists of texts, for a name may stand there several times."""
    *branches, leaf = [part for part in path if part] or [""]
    for part in branches:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise Unreadable("has a key that is a value, too")
    texts = tree.setdefault(leaf, [])
    if not isinstance(texts, list):
        raise Unreadable("has a key that is a value, too")
    texts.append(text)


def _after(text: str, mark: str) -> str:
    if not text.startswith(mark):
        raise Unreadable(f"has to begin with `{mark}`")
    return text[1:]


def _exploded(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            raise Unreadable("has to be written `name=value`")
        yield name, value


def _alternating(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(parts) % 2:
        raise Unreadable("has to have a value for each name")
    yield from zip(parts[::2], parts[1::2], strict=True)


def _content(media_type: str, text: str) -> Json:
    if not is_json(media_type):
        return text
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise Unreadable("is not JSON") from error


def is_json(media_type: str) -> bool:
    """Whether it is JSON, by its name."""
    name = media_type.partition(";")[0].strip().lower()
    return name in ("application/json", "text/json") or name.endswith("+json")


_NOTHING = object()


def _integer(text: str) -> Json:
    number = _number(text)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _number(text: str) -> Json:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return _NOTHING
    return int(text) if text.lstrip("-").isdigit() else float(text)


_READINGS: dict[str, Callable[[str], Json]] = {
    "boolean": lambda text: {"true": True, "false": False}.get(text, _NOTHING),
    "integer": _integer,
    "number": _number,
    "null": lambda text: None if text in ("", "null") else _NOTHING,
}
