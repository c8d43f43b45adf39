"""What a source's schemas promise, as JSON Schema: to those who read with them, and to those who write with them.

A contract is made from the inner form, without importing what was generated, and says no more than two versions are
compared by. Formats are stricter than JSON's: text and numbers that Python reads as another type have another one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.schemas.model import (
    EnumOf,
    EnumSpec,
    FieldSpec,
    FieldType,
    Kind,
    ListOf,
    ModelOf,
    ModelSpec,
    Scalar,
    SchemaSource,
)
from syncflow_pipelines.schemas.rendering.admission import admit
from syncflow_pipelines.schemas.rendering.naming import Names, name_all

_MOST_DIGITS: Final = 300
PREFIX: Final = "#/components/schemas/"

_KINDS: Final[Mapping[Kind, dict[str, Json]]] = {
    "int": {"type": "integer"},
    "float": {"type": "number", "format": "float"},
    "decimal": {"type": "number", "format": "decimal"},
    "bool": {"type": "boolean"},
    "str": {"type": "string", "format": "text"},
    "bytes": {"type": "string", "format": "bytes"},
    "uuid": {"type": "string", "format": "uuid"},
    "datetime": {"type": "string", "format": "date-time"},
    "naive_datetime": {"type": "string", "format": "date-time without zone"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "timedelta": {"type": "string", "format": "duration"},
    "ip_interface": {"type": "string", "format": "ip interface"},
    "ip_network": {"type": "string", "format": "ip network"},
    "json": {},
    "json_object": {"type": "object"},
    "json_array": {"type": "array"},
    "any": {},
}


class Contract(msgspec.Struct, frozen=True):
    """The schemas of one source, as they are compared."""

    readers: tuple[str, ...] = ()
    """Names of the schemas that rows are read with, sorted."""
    writers: tuple[str, ...] = ()
    """Names of the schemas that rows are written with, sorted."""
    schemas: dict[str, Any] = {}
    """JSON Schema of each of them, and of what they refer to as `#/components/schemas/NAME`."""


def contract_of(source: SchemaSource, exports: Collection[str] | None = None) -> Contract:
    """What the schemas of the models promise: those that the module exports, or all that there can be."""
    source = admit(source)
    promises = _Promises(name_all(source), {enum.name for enum in source.enums})
    readers = dict(schema for model in source.models for schema in promises.to_readers(model))
    writers = dict(schema for model in source.models for schema in promises.to_writers(model))
    enums = {promises.names.enums[enum.name]: _enum(enum) for enum in source.enums}
    return Contract(_exported(readers, exports), _exported(writers, exports), enums | readers | writers)


def contract_of_components(components: Mapping[str, Json]) -> Contract:
    """What the components of an OpenAPI document in the inner form promise; each may be read, and written."""
    names = tuple(sorted(components))
    return Contract(names, names, dict(components))


def _exported(schemas: Iterable[str], exports: Collection[str] | None) -> tuple[str, ...]:
    return tuple(sorted(name for name in schemas if exports is None or name in exports))


@dataclass(frozen=True, slots=True)
class _Promises:
    """The schemas of the models, by the same rules as the classes of `Variants`."""

    names: Names
    enums: set[str]

    def to_readers(self, model: ModelSpec) -> Iterator[tuple[str, Json]]:
        fields = [field for field in model.fields if not field.write_only]
        columns = [field for field in fields if not field.relation]
        yield self._name(model, "Response"), self._read(columns)
        if len(columns) < len(fields):
            yield self._name(model, "WithRelations"), self._read(fields)

    def to_writers(self, model: ModelSpec) -> Iterator[tuple[str, Json]]:
        created = [field for field in model.fields if not field.generated and not field.relation]
        updated = [field for field in created if not field.primary_key]
        required = [field.name for field in created if field.default is None and not field.nullable]
        values = {field.name: self._value(field) | _default(field) for field in created}
        yield self._name(model, "Create"), _object(values, required)
        yield self._name(model, "Update"), _object({field.name: self._value(field) for field in updated}, [])

    def _name(self, model: ModelSpec, variant: str) -> str:
        return f"{self.names.models[model.name]}{variant}"

    def _read(self, fields: Sequence[FieldSpec]) -> Json:
        return _object({field.name: self._value(field) for field in fields}, [field.name for field in fields])

    def _value(self, field: FieldSpec) -> dict[str, Json]:
        schema = self._type(field.type)
        return {"anyOf": [schema, {"type": "null"}]} if field.nullable and schema else schema

    def _type(self, kind: FieldType) -> dict[str, Json]:
        match kind:
            case Scalar():
                return _scalar(kind)
            case ListOf(item, max_items):
                most = {} if max_items is None else {"maxItems": max_items}
                return {"type": "array", "items": self._type(item), **most}
            case EnumOf(name) if name in self.enums:
                return {"$ref": PREFIX + self.names.enums[name]}
            case ModelOf(name) if name in self.names.models:
                return {"$ref": f"{PREFIX}{self.names.models[name]}Response"}
            case _:  # what is not in the source is taken for anything
                return {}


def _object(properties: dict[str, Json], required: list[str]) -> Json:
    return {"type": "object", "properties": properties, "required": sorted(required)}


def _default(field: FieldSpec) -> dict[str, Json]:
    if field.default is None or field.default.how != "constant":
        return {}
    return {"default": field.default.value}


def _scalar(scalar: Scalar) -> dict[str, Json]:
    limits = {
        "minLength": scalar.min_length,
        "maxLength": scalar.max_length,
        "minimum": _number(scalar.ge),
        "maximum": _number(scalar.le),
        "exclusiveMinimum": _number(scalar.gt),
        "exclusiveMaximum": _number(scalar.lt),
        "pattern": scalar.pattern,
    }
    stated = {name: limit for name, limit in limits.items() if limit is not None}
    return {**_KINDS[scalar.kind], **stated, **_digits(scalar)}


def _number(limit: float | str | None) -> int | float | None:
    if not isinstance(limit, str):
        return limit
    number = Decimal(limit)
    return int(number) if number == number.to_integral_value() else float(number)


def _digits(scalar: Scalar) -> dict[str, Json]:
    """Precision and scale as what they mean: the size of the number, and its smallest step."""
    found: dict[str, Json] = {}
    if any(abs(digits or 0) > _MOST_DIGITS for digits in (scalar.max_digits, scalar.decimal_places)):
        return found  # no database has such numbers, and nobody need count them
    if scalar.max_digits is not None:
        largest = 10 ** max(scalar.max_digits - (scalar.decimal_places or 0), 0)
        edges = {"exclusiveMaximum": (scalar.lt, min), "exclusiveMinimum": (scalar.gt, max)}
        for name, (limit, tighter) in edges.items():
            edge = largest if tighter is min else -largest
            known = _number(limit)
            found[name] = edge if known is None else tighter(known, edge)
    if scalar.decimal_places is not None:
        found["multipleOf"] = float(Decimal(1).scaleb(-scalar.decimal_places)) if scalar.decimal_places else 1
    return found


def _enum(enum: EnumSpec) -> Json:
    values = sorted((value for _, value in enum.members), key=lambda value: (isinstance(value, str), value))
    types = sorted({"integer" if isinstance(value, int) else "string" for value in values})
    text = {"format": "text"} if types == ["string"] else {}
    return {"type": types, **text, "enum": values}
