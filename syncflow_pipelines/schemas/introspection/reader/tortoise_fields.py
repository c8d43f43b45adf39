"""Fields of Tortoise ORM → fields of the inner form."""

import re
from typing import Any

from tortoise import fields, validators

from .description import (
    Collected,
    Json,
    constant,
    default,
    integer,
    json_of,
    list_of,
    of_python,
    pattern_of,
    scalar,
    text,
)

_LISTED = r"^-?\d+(?:,-?\d+)*$"
_PARTS = re.compile(r"([A-Z0-9 ]+?)\s*(?:\((\d+)(?:\s*,\s*(\d+))?\))?\s*((?:\[\d*\])*)")
_SQL = {
    **dict.fromkeys(("INT", "INTEGER", "INT4", "SERIAL"), integer(32)),
    **dict.fromkeys(("SMALLINT", "INT2"), integer(16)),
    **dict.fromkeys(("BIGINT", "INT8"), integer(64)),
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR", "CHARACTER", "CHARACTER VARYING", "CITEXT"), scalar("str")),
    **dict.fromkeys(("REAL", "FLOAT", "FLOAT4", "FLOAT8", "DOUBLE PRECISION"), scalar("float")),
    **dict.fromkeys(("NUMERIC", "DECIMAL"), scalar("decimal")),
    **dict.fromkeys(("BOOL", "BOOLEAN"), scalar("bool")),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), scalar("datetime")),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE"), scalar("naive_datetime")),
    **dict.fromkeys(("JSON", "JSONB"), scalar("json")),
    "DATE": scalar("date"),
    "TIME": scalar("time"),
    "INTERVAL": scalar("timedelta"),
    "UUID": scalar("uuid"),
    "BYTEA": scalar("bytes"),
}
"""What the elements of an array are, by the name of their type."""


class FieldReader:
    """The columns of one source."""

    def __init__(self, collected: Collected) -> None:
        self._collected = collected

    def column(self, name: str, field: Any, where: str, hint: Any = None) -> Json:
        """A field that has a column; `hint` is what its annotation says, if any."""
        field_type = self._bounded(self._type(field, where, hint), field, where)
        made_by_orm = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
        return {
            "name": name,
            "type": field_type,
            "nullable": bool(field.null),
            "default": _default(field),
            "description": _description(field),
            "primary_key": bool(field.pk),
            "generated": bool(field.generated or made_by_orm),
            "column": text(field.source_field) if field.source_field not in (None, name) else None,
            "note": self._collected.notes.get(where, ""),
        }

    def _type(self, field: Any, where: str, hint: Any) -> Json:
        enum_type = getattr(field, "enum_type", None)
        if enum_type is not None:
            return self._collected.enum_class(enum_type, where)
        if hasattr(field, "element_type"):
            return self._array(str(field.element_type), where)
        if isinstance(field, fields.JSONField):
            return self._json(field.field_type, where) if "field_type" in vars(field) else json_of(hint)
        if isinstance(field, fields.DecimalField):
            return scalar("decimal", max_digits=int(field.max_digits), decimal_places=int(field.decimal_places))
        if isinstance(field, fields.IntField):
            return scalar("int", **{name: field.constraints.get(name) for name in ("ge", "le")})
        if isinstance(field, fields.CharField):
            return scalar("str", max_length=field.max_length)
        return self._simple(field, where)

    def _simple(self, field: Any, where: str) -> Json:
        """Of a field that is of a type of Python, or inherits from one."""
        for cls in (field.field_type, *getattr(field.field_type, "__mro__", ())):
            known = of_python(cls)
            if known is not None:
                return known
        return self._collected.unknown(where, type(field).__name__)

    def _json(self, field_type: Any, where: str) -> Json:
        known = of_python(field_type)
        if known is not None and known["kind"].startswith("json_"):
            return known
        name = getattr(field_type, "__name__", str(field_type))
        self._collected.notes[where] = f"JSON as {name} reads it"
        return scalar("any")

    def _array(self, element: str, where: str) -> Json:
        parts = _PARTS.fullmatch(element.upper())
        item = _SQL.get(parts[1]) if parts else None
        if parts is None or item is None:
            return list_of(self._collected.unknown(where, f"ArrayField of {element}"))
        if item["kind"] == "str" and parts[2]:
            item = item | {"max_length": int(parts[2])}
        elif item["kind"] == "decimal" and parts[2]:
            item = item | {"max_digits": int(parts[2]), "decimal_places": int(parts[3] or 0)}
        for _ in range(1 + parts[4].count("[")):
            item = list_of(item)
        return item

    def _bounded(self, field_type: Json, field: Any, where: str) -> Json:
        """The type within what the validators ask for, as far as a schema can say that."""
        if field_type["type"] != "scalar":
            return field_type
        for validator in field.validators:
            bounds = _bounds(validator)
            if bounds is None:
                name = getattr(validator, "__name__", type(validator).__name__)
                self._collected.note(
                    where, f"its validator {name} cannot be said in a schema, and is not checked there"
                )
                continue
            field_type = field_type | {key: _tighter(key, bound, field_type.get(key)) for key, bound in bounds.items()}
        return field_type


def _bounds(validator: Any) -> Json | None:
    if isinstance(validator, validators.MaxLengthValidator):
        return {"max_length": validator.max_length}
    if isinstance(validator, validators.MinLengthValidator):
        return {"min_length": validator.min_length}
    if isinstance(validator, validators.MinValueValidator):
        return {"ge": constant(validator.min_value)}
    if isinstance(validator, validators.MaxValueValidator):
        return {"le": constant(validator.max_value)}
    if isinstance(validator, validators.CommaSeparatedIntegerListValidator):
        return {"pattern": _LISTED if "-" in validator.regex.regex.pattern else _LISTED.replace("-?", "")}
    if isinstance(validator, validators.RegexValidator):
        return {"pattern": pattern_of(validator.regex)}
    return None


def _tighter(name: str, bound: Json, known: Json) -> Json:
    if known is None or name == "pattern":
        return bound
    choose = max if name in ("ge", "min_length") else min
    return choose(bound, known, key=float)


def _default(field: Any) -> Json | None:
    if field.default is not None:
        return default(field.default)
    if field.has_db_default():
        return {"how": "server"}
    return {"how": "constant", "value": None} if field.null else None


def _description(field: Any) -> str:
    """What is said of the field; a comment of several lines whole."""
    said, comment = field.description or "", field.docstring or ""
    if said == _members(getattr(field, "enum_type", None)):
        return text(comment)
    return text(comment if comment.startswith(said) else said)


def _members(enum_type: Any) -> str | None:
    """What Tortoise says of an enumeration that nobody has described."""
    return "\n".join(f"{member.name}: {member.value}" for member in enum_type)[:2048] if enum_type else None
