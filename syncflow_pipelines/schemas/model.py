"""The inner form of a source of schemas: its models, their fields, and the enumerations that they share.

It says what a model means, whichever ORM or catalogue it comes from; what Create, Update and Response are made of it is
decided by `variants`. It crosses processes as JSON, and its digest tells whether anything has changed.
"""

from typing import Any, Literal

import msgspec

Kind = Literal[
    "int", "float", "decimal", "bool", "str", "bytes", "uuid", "datetime", "naive_datetime", "date", "time",
    "timedelta", "ip_interface", "ip_network", "json", "json_object", "json_array", "any",
]  # fmt: skip
"""`datetime` is aware. `ip_interface` is PostgreSQL's inet and `ip_network` its cidr, of either version. `json` is any
JSON value, `json_object` a mapping, `json_array` a list of them."""


class Scalar(msgspec.Struct, frozen=True, tag="scalar"):
    """One of the kinds, within its bounds."""

    kind: Kind
    min_length: int | None = None
    max_length: int | None = None
    ge: int | float | str | None = None
    """A string is a decimal number that a float cannot hold."""
    gt: int | float | str | None = None
    le: int | float | str | None = None
    lt: int | float | str | None = None
    max_digits: int | None = None
    decimal_places: int | None = None
    pattern: str | None = None
    """As Python's `re` reads it, and searched for."""


class EnumOf(msgspec.Struct, frozen=True, tag="enum"):
    """One of the source's enumerations, by the name that it has in `SchemaSource.enums`."""

    name: str


class ListOf(msgspec.Struct, frozen=True, tag="list"):
    item: "FieldType"
    max_items: int | None = None


class ModelOf(msgspec.Struct, frozen=True, tag="model"):
    """A related model, by the name that it has in `SchemaSource.models`."""

    name: str


FieldType = Scalar | EnumOf | ListOf | ModelOf


class Default(msgspec.Struct, frozen=True):
    """What a field is when nothing is said.

    `constant`: `value` is it, as JSON has it (decimals, times and UUIDs as text, bytes as base64, members of
    enumerations as their value). `factory`: something made anew for each row, which the ORM knows and we do not: the
    field may be left out. `server`: the database makes it.
    """

    how: Literal["constant", "factory", "server"]
    value: Any = None


class FieldSpec(msgspec.Struct, frozen=True):
    """One field of a model."""

    name: str
    """As the source spells it. Whether it is an identifier of Python is settled by `naming`."""
    type: FieldType
    nullable: bool = False
    default: Default | None = None
    description: str = ""
    primary_key: bool = False
    generated: bool = False
    """The database or the ORM makes the value: identities, computed columns, `auto_now`. Not in Create and Update."""
    write_only: bool = False
    """A secret, such as the hash of a password. Not in Response."""
    references: str | None = None
    """`Model.field`, where this is a foreign key."""
    relation: bool = False
    """A related model or a list of them, not a column; in Response, and only when asked for."""
    column: str | None = None
    """Its column, where that has another name; empty where the model's own table has none for it."""
    converted: bool = False
    """Whether the ORM makes a value of another type of what the column holds, such as a float of a decimal."""
    note: str = ""
    """Why the type is `any`: a type that is not known."""


class ModelSpec(msgspec.Struct, frozen=True):
    """One model."""

    name: str
    """Unique in its source; the prefix of its schemas."""
    fields: tuple[FieldSpec, ...]
    description: str = ""
    table: str | None = None
    """`schema.table` or `table`, where it has one."""
    origin: str = ""
    """Where it is written: `module.Class`, `connector/slug`, `file:line`."""


class EnumSpec(msgspec.Struct, frozen=True):
    """An enumeration, shared by the fields that name it."""

    name: str
    members: tuple[tuple[str, int | str], ...]
    """Names and values, in order."""
    description: str = ""


class Finding(msgspec.Struct, frozen=True):
    """Something of a source that cannot be used, or only with care."""

    where: str
    reason: str
    is_fatal: bool = False
    """Whether the model or field is left out."""


class SchemaSource(msgspec.Struct, frozen=True):
    """All that a source offers. Models and enumerations are in the order of their names."""

    models: tuple[ModelSpec, ...] = ()
    enums: tuple[EnumSpec, ...] = ()
    findings: tuple[Finding, ...] = ()
