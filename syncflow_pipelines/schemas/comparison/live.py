"""Schemas compared with the tables that they are for, as these are now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from syncflow_pipelines.database.live_tables import LiveColumn, TableName
from syncflow_pipelines.schemas.model import (
    EnumOf,
    EnumSpec,
    FieldSpec,
    FieldType,
    Kind,
    ListOf,
    ModelSpec,
    Scalar,
    SchemaSource,
)

Mismatch = Literal["table-missing", "column-missing", "column-unknown", "type", "size", "nullability"]

_INTEGERS: Final = frozenset({"int2", "int4", "int8"})
_TEXTS: Final = frozenset({"text", "varchar", "bpchar", "char", "name", "citext", "xml"})
_JSON: Final = frozenset({"json", "jsonb"})
_READ_AS_TEXT: Final = frozenset({
    "macaddr", "macaddr8", "bit", "varbit", "money", "regclass", "regconfig", "tsvector", "tsquery",
})  # fmt: skip
_FITTING: Final[Mapping[Kind, frozenset[str]]] = {
    "int": _INTEGERS | {"oid"},
    "float": frozenset({"float4", "float8"}),
    "decimal": frozenset({"numeric", "money"}),
    "bool": frozenset({"bool"}),
    "str": _TEXTS | _READ_AS_TEXT,
    "bytes": frozenset({"bytea"}),
    "uuid": frozenset({"uuid"}),
    "datetime": frozenset({"timestamptz"}),
    "naive_datetime": frozenset({"timestamp"}),
    "date": frozenset({"date"}),
    "time": frozenset({"time", "timetz"}),
    # Tortoise keeps microseconds
    "timedelta": frozenset({"interval", "int8"}),
    "ip_interface": frozenset({"inet"}),
    "ip_network": frozenset({"cidr", "inet"}),
    "json": _JSON,
    "json_object": _JSON | {"hstore"},
    "json_array": _JSON,
}
"""Names of types in `pg_type`; `any` goes with all."""
_AUDIT: Final = "_bridge_"
"""What the columns begin with that SyncFlow adds to the tables of entities."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a table is not what its schemas say."""

    kind: Mismatch
    where: str
    """`Model` or `Model.field`; of a column that no field is for, `Model.column`."""
    table: str
    in_schema: str
    in_table: str
    is_harmless: bool = False
    """Whether rows are read and written all the same."""


@dataclass(frozen=True, slots=True)
class NullableColumn:
    """A column that may hold null while the schema says that it does not; whether a row does, is to be looked up."""

    model: str
    field: str
    table: TableName
    column: str


@dataclass(frozen=True, slots=True)
class LiveComparison:
    """All models that have a table, compared."""

    differences: tuple[Difference, ...] = ()
    nullable: tuple[NullableColumn, ...] = ()

    def with_nulls(self, held: Mapping[TableName, frozenset[str] | None]) -> tuple[Difference, ...]:
        """All differences, by place. `held`: columns in which a row has null; None where nobody could look."""
        nullable = [_null(one, held.get(one.table)) for one in self.nullable]
        return tuple(sorted([*self.differences, *nullable], key=lambda one: (one.is_harmless, one.where, one.kind)))


def tables_of(source: SchemaSource) -> list[TableName]:
    """The tables of the models that have one."""
    return sorted({table_name(model.table) for model in source.models if model.table})


def table_name(table: str) -> TableName:
    """`schema.table` taken apart; of a name without a schema, that is empty."""
    schema, _, name = table.rpartition(".")
    return schema, name


def compare_live(source: SchemaSource, tables: Mapping[TableName, Sequence[LiveColumn]]) -> LiveComparison:
    """How the tables differ from what the models say; models without a table are passed over."""
    enums = {enum.name: enum for enum in source.enums}
    known = _known_columns(source)
    differences: list[Difference] = []
    nullable: list[NullableColumn] = []
    for model in source.models:
        if not model.table:
            continue
        columns = tables.get(table_name(model.table))
        if columns is None:
            differences.append(Difference("table-missing", model.name, model.table, "a table", "none"))
            continue
        differences += _of_fields(model, columns, enums)
        differences += _of_other_columns(model, columns, known[model.table])
        nullable += _may_hold_null(model, columns)
    return LiveComparison(tuple(differences), tuple(nullable))


def _known_columns(source: SchemaSource) -> dict[str, set[str]]:
    """By table, the columns of all its models, which may share it."""
    known: dict[str, set[str]] = {}
    for model in source.models:
        known.setdefault(model.table or "", set()).update(_with_columns(model))
    return known


def _of_fields(model: ModelSpec, columns: Sequence[LiveColumn], enums: Mapping[str, EnumSpec]) -> Iterator[Difference]:
    by_name = {column.name: column for column in columns}
    for name, field in _with_columns(model).items():
        column = by_name.get(name)
        where = f"{model.name}.{field.name}"
        if column is None:
            yield Difference("column-missing", where, model.table or "", "a column", "none")
        else:
            yield from _of_column(where, model.table or "", field, column, enums)


def _of_other_columns(model: ModelSpec, columns: Sequence[LiveColumn], known: set[str]) -> Iterator[Difference]:
    for column in columns:
        if column.name in known or column.name.startswith(_AUDIT):
            continue
        is_harmless = column.is_nullable or column.is_filled
        told = column.pg_type if is_harmless else f"{column.pg_type}, and a row needs a value"
        where = f"{model.name}.{column.name}"
        yield Difference("column-unknown", where, model.table or "", "no field", told, is_harmless)


def _of_column(
    where: str, table: str, field: FieldSpec, column: LiveColumn, enums: Mapping[str, EnumSpec]
) -> Iterator[Difference]:
    fits = field.converted or _fits(field.type, column, enums)
    if not fits:
        yield Difference("type", where, table, _spelled(field.type), column.pg_type)
    elif not (field.generated or field.converted) and (size := _beyond(field.type, column)) is not None:
        yield Difference("size", where, table, size, column.pg_type)
    if field.nullable and not column.is_nullable:
        # of a generated field nobody sends null, and none is read
        yield Difference("nullability", where, table, "may be null", "NOT NULL", field.generated)


def _may_hold_null(model: ModelSpec, columns: Sequence[LiveColumn]) -> Iterator[NullableColumn]:
    by_name = {column.name: column for column in columns}
    for name, field in _with_columns(model).items():
        column = by_name.get(name)
        # `any` lets null in
        is_strict = not field.nullable and field.type != Scalar("any")
        if column is not None and column.is_nullable and is_strict:
            yield NullableColumn(model.name, field.name, table_name(model.table or ""), name)


def _null(one: NullableColumn, held: frozenset[str] | None) -> Difference:
    holds = held is not None and one.column in held
    told = "holds null" if holds else "may hold null" if held is not None else "may hold null; nobody could look"
    table = ".".join(filter(None, one.table))
    return Difference("nullability", f"{one.model}.{one.field}", table, "never null", told, not holds)


def _with_columns(model: ModelSpec) -> dict[str, FieldSpec]:
    """The fields that have a column in the model's table, by its name."""
    named = ((field.name if field.column is None else field.column, field) for field in model.fields)
    return {name: field for name, field in named if name and not field.relation}


def _fits(kind: FieldType, column: LiveColumn, enums: Mapping[str, EnumSpec]) -> bool:
    match kind:
        case Scalar(kind="any"):
            return True
        case Scalar(kind="json_array") if column.is_array:
            return True
        case ListOf(item=item):
            return _item_fits(item, column, enums) if column.is_array else column.base in _JSON
        case _:
            return not column.is_array and _item_fits(kind, column, enums)


def _item_fits(kind: FieldType, column: LiveColumn, enums: Mapping[str, EnumSpec]) -> bool:
    """Whether one value fits; arrays of PostgreSQL have no dimensions."""
    match kind:
        case ListOf(item=item):
            return _item_fits(item, column, enums)
        case EnumOf(name=name):
            return _enum_fits(enums.get(name), column)
        case Scalar(kind="any"):
            return True
        case Scalar(kind="int") if column.base == "numeric":
            return column.pg_type.endswith(",0)")
        case Scalar(kind="str") if column.labels:
            return True
        case Scalar():
            return column.base in _FITTING[kind.kind]
        case _:
            return False


def _enum_fits(enum: EnumSpec | None, column: LiveColumn) -> bool:
    """Whether the column holds the members' values, or, as SQLAlchemy keeps them, the names of the first of each."""
    names = {value: name for name, value in reversed(enum.members)} if enum else {}
    if column.labels:
        return {*column.labels} in ({str(value) for value in names}, {*names.values()})
    is_numeric = bool(names) and all(isinstance(value, int) for value in names)
    return column.base in (_TEXTS | _INTEGERS if is_numeric else _TEXTS)


def _beyond(kind: FieldType, column: LiveColumn) -> str | None:
    """What the schema lets through and the column does not hold."""
    if not isinstance(kind, Scalar):
        return None
    sizes = _sizes(column.pg_type)
    is_text = kind.kind == "str" and column.base in _TEXTS
    if is_text and len(sizes) == 1 and (kind.max_length is None or kind.max_length > sizes[0]):
        return "any length" if kind.max_length is None else f"{kind.max_length} characters"
    if kind.kind == "decimal" and len(sizes) == 2 and _is_larger(kind, *sizes):
        return _spelled(kind)
    return None


def _sizes(pg_type: str) -> list[int]:
    """`numeric(10,2)` → 10 and 2."""
    inner = pg_type.partition("(")[2].partition(")")[0]
    return [int(part) for part in inner.split(",") if part.strip().lstrip("-").isdecimal()]


def _is_larger(decimal: Scalar, precision: int, scale: int) -> bool:
    """Whether a number may have more digits before the point than the column, which rounds those behind it."""
    if decimal.max_digits is None:
        return True
    return decimal.max_digits - (decimal.decimal_places or 0) > precision - scale


def _spelled(kind: FieldType) -> str:
    match kind:
        case Scalar(kind="decimal", max_digits=int(digits)):
            return f"decimal({digits},{kind.decimal_places or 0})"
        case Scalar(kind=name, max_length=int(length)):
            return f"{name}({length})"
        case Scalar(kind=name):
            return name
        case ListOf(item=item):
            return f"list of {_spelled(item)}"
        case _:
            return kind.name
