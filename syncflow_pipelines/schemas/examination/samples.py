"""A JSON Schema, as Pydantic writes it → a value that it lets in."""

import math
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

Json = Any
_Number = TypeVar("_Number", int, float)

_DEEPEST: Final = 12
_LITTLE: Final = 1e-9
_OF_FORMAT: Final[Mapping[str, str]] = {
    "base64url": "YQ==",
    "date": "2001-02-03",
    "date-time": "2001-02-03T04:05:06Z",
    "duration": "PT1S",
    "email": "a@example.com",
    "ipv4": "127.0.0.1",
    "ipv4interface": "127.0.0.1/32",
    "ipv4network": "127.0.0.0/8",
    "ipv6": "::1",
    "ipv6interface": "::1/128",
    "ipv6network": "::/8",
    "ipvanyaddress": "127.0.0.1",
    "ipvanyinterface": "127.0.0.1/32",
    "ipvanynetwork": "127.0.0.0/8",
    "json-string": "1",
    "time": "04:05:06",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uuid4": "00000000-0000-4000-8000-000000000001",
}


class NoSample(Exception):
    """None can be made of what the JSON Schema says."""


class Samples:
    """Samples of what the definitions define."""

    def __init__(self, definitions: Mapping[str, Json]) -> None:
        self._definitions = definitions

    def of(self, schema: Json, depth: int = 0, *, is_outermost: bool = False) -> Json:
        """A sample; of an object all properties where it is the outermost, and the required ones otherwise.

        Raises `NoSample`.
        """
        if depth > _DEEPEST:
            raise NoSample
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            return self.of(self._definitions[name], depth + 1, is_outermost=is_outermost)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for choices in ("anyOf", "oneOf", "allOf"):
            if choices in schema:
                return self._first(schema[choices], depth)
        return self._of_type(schema, depth, is_outermost)

    def _first(self, choices: list[Json], depth: int) -> Json:
        for choice in sorted(choices, key=lambda each: each.get("type") == "null"):
            try:
                return self.of(choice, depth + 1)
            except NoSample:
                continue
        raise NoSample

    def _of_type(self, schema: Json, depth: int, is_outermost: bool) -> Json:
        match schema.get("type"):
            case "object":
                return self._object(schema, depth, is_outermost)
            case "array":
                return self._array(schema, depth)
            case "string":
                return _text(schema)
            case "integer":
                return _integer(schema)
            case "number":
                return _number(schema)
            case "boolean":
                return True
            case "null":
                return None
        return 1

    def _object(self, schema: Json, depth: int, is_outermost: bool) -> Json:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        found = {}
        for name in properties if is_outermost else required:
            try:
                found[name] = self.of(properties[name], depth + 1)
            except NoSample:
                if name in required:
                    raise
        return found

    def _array(self, schema: Json, depth: int) -> Json:
        if "prefixItems" in schema:
            return [self.of(item, depth + 1) for item in schema["prefixItems"]]
        number = schema.get("minItems", 0)
        if number > 1 and schema.get("uniqueItems"):
            raise NoSample
        return [self.of(schema.get("items", {}), depth + 1)] * number


def mended(sample: Json, error: ValidationError) -> Json:
    """The sample without what was refused in it for a reason that JSON Schema does not tell.

    That is the zone of a moment, and the whole part of a number whose digits are all behind the point.
    """
    for each in error.errors(include_url=False):
        *path, last = each["loc"]
        place = sample
        for step in path:
            place = place[step]
        if each["type"] == "timezone_naive":
            place[last] = place[last].removesuffix("Z")
        elif each["type"] == "decimal_whole_digits":
            place[last] = 0.0 if place[last] == 0 else 0.9
    return sample


def _text(schema: Json) -> str:
    if schema.get("contentEncoding") == "base64":
        return b64encode(b"a" * schema.get("minLength", 1)).decode()
    if schema.get("format") in _OF_FORMAT:
        return _OF_FORMAT[schema["format"]]
    if "pattern" in schema:
        raise NoSample
    length: int = max(schema.get("minLength", 0), min(1, schema.get("maxLength", 1)))
    return "a" * length


def _integer(schema: Json) -> int:
    low, high = _bounds(schema, 1)
    return _within(schema, (1, 0, math.ceil(low) if low > -math.inf else 0, math.floor(high) if high < math.inf else 0))


def _number(schema: Json) -> float:
    low, high = _bounds(schema, 0)
    middle = (low + high) / 2 if low > -math.inf and high < math.inf else 0
    # a little within a bound, which may be more exact than a float
    return _within(schema, (1, 0, middle, low + abs(low) * _LITTLE + 1, high - abs(high) * _LITTLE - 1, low, high))


def _bounds(schema: Json, step: int) -> tuple[float, float]:
    lows = [schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + step]
    highs = [schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - step]
    return max(lows), min(highs)


def _within(schema: Json, candidates: tuple[_Number, ...]) -> _Number:
    for each in candidates:
        is_above = each >= schema.get("minimum", -math.inf) and each > schema.get("exclusiveMinimum", -math.inf)
        if is_above and each <= schema.get("maximum", math.inf) and each < schema.get("exclusiveMaximum", math.inf):
            return each
    raise NoSample
