"""A JSON Schema, as Pydantic writes it → a value that it lets in."""

import math
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

Json = Any

_DEEPEST: Final = 12
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
                return math.ceil(_number(schema, 1))
            case "number":
                return _number(schema, 0.5)
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
    """The sample, its moments without a zone where they were refused for having one: JSON Schema does not tell."""
    for each in error.errors(include_url=False):
        if each["type"] == "timezone_naive":
            *path, last = each["loc"]
            place = sample
            for step in path:
                place = place[step]
            place[last] = place[last].removesuffix("Z")
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


def _number(schema: Json, step: float) -> float:
    """One within the bounds, near the lower one, or near the upper one where there is no other."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None or above is not None:
        return max(low if low is not None else -math.inf, above + step if above is not None else -math.inf)
    if high is not None or below is not None:
        return min(high if high is not None else math.inf, below - step if below is not None else math.inf)
    return 1
