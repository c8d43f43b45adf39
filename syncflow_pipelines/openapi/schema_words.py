"""The words of a schema that hold no schema: their values as JSON Schema 2020-12 wants them, or nothing.

What is left out is what would make a validator refuse the whole schema; where a value can be meant in one way only, it
is taken for that (`maxLength: "10"`).
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

from syncflow_pipelines.openapi.model import Json

LEFT_OUT: Final = object()
TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_OTHER_NAMES: Final = {
    **dict.fromkeys(("int", "long", "int32", "int64"), "integer"),
    **dict.fromkeys(("float", "double", "decimal", "numeric"), "number"),
    **dict.fromkeys(("bool",), "boolean"),
    **dict.fromkeys(("file", "binary", "str", "text", "date", "datetime", "date-time", "uuid", "uri"), "string"),
    **dict.fromkeys(("list", "tuple", "set"), "array"),
    **dict.fromkeys(("dict", "map", "struct", "hash"), "object"),
}
_LARGEST_COUNT: Final = 2**63


def text(value: Json) -> Json:
    """Text, or a number written as text."""
    if isinstance(value, str):
        return value
    return LEFT_OUT if isinstance(value, bool) or not isinstance(value, int | float) else str(value)


def switch(value: Json) -> Json:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).lower(), LEFT_OUT) if isinstance(value, str) else LEFT_OUT


def number(value: Json) -> Json:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return LEFT_OUT
        value = int(value) if value.is_integer() and abs(value) < _LARGEST_COUNT else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return LEFT_OUT
    return value


def _positive(value: Json) -> Json:
    found = number(value)
    return found if found is not LEFT_OUT and found > 0 else LEFT_OUT


def _bound(value: Json) -> Json:
    # before 3.1, a switch that goes with `minimum` or `maximum`
    return value if isinstance(value, bool) else number(value)


def _count(value: Json) -> Json:
    found = number(value)
    if found is LEFT_OUT or not 0 <= found < _LARGEST_COUNT or found != int(found):
        return LEFT_OUT
    return int(found)


def types(value: Json) -> Json:
    """One type, or a list of several different ones."""
    names = value if isinstance(value, list) else [value]
    known = list(dict.fromkeys(name for name in map(_type, names) if name))
    if not known:
        return LEFT_OUT
    return known[0] if len(known) == 1 else known


def _type(name: Json) -> str | None:
    if not isinstance(name, str):
        # `type: [string, null]` without quotes
        return "null" if name is None else None
    if name in TYPES:
        return name
    lowered = name.lower()
    return lowered if lowered in TYPES else _OTHER_NAMES.get(lowered)


def texts(value: Json) -> Json:
    """A list of different texts that is not empty."""
    if not isinstance(value, list):
        return LEFT_OUT
    return list(dict.fromkeys(item for item in value if isinstance(item, str))) or LEFT_OUT


def _values(value: Json) -> Json:
    return value if isinstance(value, list) and value else LEFT_OUT


def _anything(value: Json) -> Json:
    return value


def _dependents(value: Json) -> Json:
    if not isinstance(value, dict):
        return LEFT_OUT
    read = {name: texts(needed) for name, needed in value.items()}
    return {name: needed for name, needed in read.items() if needed is not LEFT_OUT} or LEFT_OUT


def _xml(value: Json) -> Json:
    if not isinstance(value, dict):
        return LEFT_OUT
    words = {**dict.fromkeys(("name", "namespace", "prefix"), text), **dict.fromkeys(("attribute", "wrapped"), switch)}
    return picked(value, words) or LEFT_OUT


def external_docs(value: Json) -> Json:
    """Documentation elsewhere, which has to have an address."""
    if not isinstance(value, dict) or not isinstance(value.get("url"), str):
        return LEFT_OUT
    return picked(value, {"url": text, "description": text})


def picked(value: Mapping[str, Json], words: Mapping[str, Callable[[Json], Json]]) -> dict[str, Json]:
    """The entries under the words, as they are wanted; what is not wanted is left out."""
    read = {word: words[word](item) for word, item in value.items() if word in words}
    return {word: item for word, item in read.items() if item is not LEFT_OUT}


WORDS: Final[dict[str, Callable[[Json], Json]]] = {
    "type": types,
    "enum": _values,
    "const": _anything,
    "default": _anything,
    "required": texts,
    "multipleOf": _positive,
    **dict.fromkeys(("maximum", "minimum"), number),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum"), _bound),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxContains", "minContains"), _count),
    **dict.fromkeys(("maxProperties", "minProperties"), _count),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly", "nullable", "x-nullable"), switch),
    **dict.fromkeys(("title", "description", "format", "pattern", "contentEncoding", "contentMediaType"), text),
    "examples": _values,
    "example": _anything,
    "dependentRequired": _dependents,
    "xml": _xml,
    "externalDocs": external_docs,
}
"""How each word's value is read. `nullable`, `example` and switches among the bounds are then written otherwise."""
