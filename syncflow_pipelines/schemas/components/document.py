"""The components of a spec as the generator reads them: under names of classes, and without what it trips over."""

import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncflow_pipelines.schemas.model import Finding
from syncflow_pipelines.schemas.rendering.naming import BUILT_IN_CLASSES
from syncflow_pipelines.schemas.secrets import is_secret

Json = Any

MARK: Final = "Zq9"
"""What the generator's names of components begin with, to tell them from the classes that it makes itself."""
PREFIX: Final = "#/components/schemas/"

_LEFT_OUT: Final = frozenset({"examples", "example", "xml", "externalDocs", "$comment", "deprecated"})
_CLASSES: Final = frozenset({"date", "date-time", "time", "duration", "uuid", "ipv4", "ipv6", "decimal"})
_FORMATS: Final = _CLASSES | {"byte", "binary"}
"""Of texts, those that become classes. What Pydantic makes of others is not what it was given (`uri`, `password`), or
needs what may not be installed (`email`)."""
_HOLDERS: Final = frozenset({"patternProperties", "$defs", "dependentSchemas"})
_VALUES: Final = frozenset({"const", "enum", "default", "required"})
_PYTHON: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (),
}
_RESERVED: Final = BUILT_IN_CLASSES | frozenset(keyword.kwlist) | {
    "Annotated", "Any", "AnyUrl", "AwareDatetime", "BaseModel", "ByteSize", "Component", "ConfigDict", "Decimal",
    "EmailStr", "Enum", "Field", "IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network", "IntEnum", "Json",
    "Literal", "NaiveDatetime", "Optional", "Path", "RootModel", "SecretStr", "StrEnum", "UUID", "Union",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ComponentsDocument:
    """What the generator is given."""

    document: Mapping[str, Json]
    names: Mapping[str, str]
    """The class of each component, without the mark."""
    findings: tuple[Finding, ...] = ()


def components_document(components: Mapping[str, Json], write_only: Collection[str] = ()) -> ComponentsDocument:
    """The document of those components alone, in the order of their names.

    Properties whose names match a pattern of `write_only` are so, whatever the document says.
    """
    names = class_names(components)
    writing = _Writing({PREFIX + name: f"{PREFIX}{MARK}{made}" for name, made in names.items()}, write_only)
    schemas = {f"{MARK}{names[name]}": writing.schema(components[name], name) for name in sorted(components)}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "components", "version": "1"},
        "paths": {},
        "components": {"schemas": schemas},
    }
    return ComponentsDocument(document, names, tuple(writing.findings))


def class_names(components: Iterable[str]) -> dict[str, str]:
    """A class's name for each, all different: `v1.pod-spec` → `V1PodSpec`. One that is such a name already keeps it."""
    wanted = {name: class_name(name) for name in components}
    given: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(wanted, key=lambda name: (wanted[name] != name, name)):
        given[name] = free_name(wanted[name], taken)
        taken.add(given[name])
    return given


def class_name(name: str) -> str:
    """The words of the name, each with a capital letter, in ASCII."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    made = "".join(word[0].upper() + word[1:] for word in words) or "Component"
    return made if made[0].isalpha() else f"Model{made}"


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name, with a number where it is taken or means something else in the module."""
    name, number = wanted, 1
    while name in taken or name in _RESERVED:
        number += 1
        name = f"{wanted}{number}"
    return name


def _unusable_default(schema: Mapping[str, Json]) -> str | None:
    """Why no type checker takes the default for what its field becomes; None where one does."""
    value, said = schema["default"], schema.get("type", ())
    if (isinstance(value, dict | list) and value) or schema.get("format") in _CLASSES:
        return "no plain value of Python"
    types = (said,) if isinstance(said, str) else said
    known = isinstance(types, list | tuple) and types and all(each in _PYTHON for each in types)
    return None if value is None or not known or any(_is_of(each, value) for each in types) else "not of its type"


def _is_of(said: str, value: Json) -> bool:
    return isinstance(value, _PYTHON[said]) and isinstance(value, bool) == (said == "boolean")


class _Writing:
    def __init__(self, references: Mapping[str, str], write_only: Collection[str]) -> None:
        self.findings: list[Finding] = []
        self._references = references
        self._write_only = write_only

    def schema(self, schema: Json, where: str) -> Json:
        """The schema with the components' new names."""
        if not isinstance(schema, dict):
            return schema
        kept = (key for key in schema if self._kept(key, schema, where))
        return {key: self._word(key, schema[key], f"{where}.{key}") for key in kept}

    def _kept(self, key: str, schema: dict[str, Json], where: str) -> bool:
        value = schema[key]
        if key == "format":
            return not isinstance(value, str) or value in _FORMATS or schema.get("type") in ("integer", "number")
        if key == "default" and (reason := _unusable_default(schema)) is not None:
            self.findings.append(Finding(where, f"its default is {reason}, and left out"))
            return False
        return key not in _LEFT_OUT and not key.startswith("x-")

    def _word(self, key: str, value: Json, where: str) -> Json:
        if key == "$ref":
            return self._references.get(value, value)
        if key in _VALUES:
            return value
        if key == "properties" and isinstance(value, dict):
            return {name: self._property(name, each, f"{where}.{name}") for name, each in value.items()}
        if key in _HOLDERS and isinstance(value, dict):
            return {name: self.schema(each, f"{where}.{name}") for name, each in value.items()}
        if key == "mapping" and isinstance(value, dict):
            return {name: self._references.get(target, target) for name, target in value.items()}
        if isinstance(value, list):
            return [self.schema(each, where) for each in value]
        return self.schema(value, where)

    def _property(self, name: str, schema: Json, where: str) -> Json:
        written = self.schema(schema, where)
        if isinstance(written, dict) and is_secret(name, self._write_only):
            return {**written, "writeOnly": True}
        return written
