"""Schemas of a spec → what a tool shows of them: JSON Schema without the parts that only OpenAPI reads."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

Json = Any

COMPONENTS = "#/components/schemas/"
DESCRIPTION_LENGTH = 600
"""Characters of a schema's description that a tool shows."""

_MAPS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_SCHEMAS = frozenset(
    {
        *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
        *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
    }
)
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_LEFT_OUT = frozenset(
    {
        *("example", "examples", "xml", "externalDocs", "discriminator", "deprecated", "title", "$comment", "$id"),
        *("$schema", "$anchor", "$dynamicAnchor", "readOnly", "writeOnly"),
    }
)
_ASCII_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


@lru_cache(maxsize=8_192)
def readable(text: str, length: int = DESCRIPTION_LENGTH) -> str:
    """The text without control, direction and other invisible characters, and not longer than that."""
    if text.isascii():
        text = _ASCII_CONTROLS.sub("", text)
    elif not text.isprintable():
        text = "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in _HIDDEN)
    text = text.strip()
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


@dataclass(slots=True)
class Definitions:
    """The schemas of one spec, each converted once, when something first refers to it."""

    schemas: Mapping[str, Json]
    left_out: str = "readOnly"
    """Properties that say this of themselves are not shown: the service sets what is `readOnly` in a request, and never
    answers what is `writeOnly`."""
    _converted: dict[str, Json] = field(default_factory=dict)
    _referred: dict[str, frozenset[str]] = field(default_factory=dict)

    def convert(self, schema: Json) -> tuple[Json, frozenset[str]]:
        """The schema as a tool shows it, its references into `$defs`, and the names that it refers to itself."""
        names: set[str] = set()
        return self._schema(schema, names), frozenset(names)

    def closure(self, names: Iterable[str]) -> dict[str, Json]:
        """`$defs` of those names and of all that they refer to, sorted."""
        found: dict[str, Json] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self._component(name)
                waiting += self._referred[name]
        return dict(sorted(found.items()))

    def target(self, schema: Json) -> Json:
        """The schema, or what it refers to, if it refers to another and says nothing beside that counts."""
        seen: set[str] = set()
        while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
            name = component_name(schema["$ref"])
            if name is None or name in seen:
                return True
            seen.add(name)
            schema = self.schemas.get(name, True)
        return schema

    def _component(self, name: str) -> Json:
        if name not in self._converted:
            self._converted[name], self._referred[name] = self.convert(self.schemas.get(name, True))
        return self._converted[name]

    def _schema(self, schema: Json, names: set[str]) -> Json:
        if not isinstance(schema, Mapping):
            return schema if isinstance(schema, bool) else True
        return dict(self._keywords(self._without_left_out(schema), names))

    def _keywords(self, schema: Mapping[str, Json], names: set[str]) -> Iterator[tuple[str, Json]]:
        for keyword, value in schema.items():
            if keyword in _LEFT_OUT or keyword.startswith("x-"):
                continue
            if keyword == "$ref" and isinstance(value, str):
                name = component_name(value)
                if name is not None:
                    names.add(name)
                    yield "$ref", f"#/$defs/{value.removeprefix(COMPONENTS)}"
            elif keyword == "description":
                yield keyword, readable(str(value))
            else:
                yield keyword, self._value(keyword, value, names)

    def _value(self, keyword: str, value: Json, names: set[str]) -> Json:
        if keyword in _MAPS and isinstance(value, Mapping):
            return {key: self._schema(each, names) for key, each in value.items()}
        if keyword in _LISTS and isinstance(value, list):
            return [self._schema(each, names) for each in value]
        return self._schema(value, names) if keyword in _SCHEMAS else value

    def _without_left_out(self, schema: Mapping[str, Json]) -> Mapping[str, Json]:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return schema
        dropped = {name for name, each in properties.items() if self.is_left_out(each)}
        if not dropped:
            return schema
        kept = {name: each for name, each in properties.items() if name not in dropped}
        required = [name for name in schema.get("required") or () if name not in dropped]
        return {**schema, "properties": kept, "required": required}

    def is_left_out(self, schema: Json) -> bool:
        """Whether a property is not shown."""
        if isinstance(schema, Mapping) and schema.get(self.left_out) is True:
            return True
        found = self.target(schema)
        return isinstance(found, Mapping) and found.get(self.left_out) is True


def component_name(reference: str) -> str | None:
    """The name that `#/components/schemas/NAME` refers to."""
    if not reference.startswith(COMPONENTS):
        return None
    return unquote(reference.removeprefix(COMPONENTS)).replace("~1", "/").replace("~0", "~")
