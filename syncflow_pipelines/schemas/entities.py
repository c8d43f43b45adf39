"""Entities of a connector → the inner form, from what the last discovery left: no network, no database."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.schemas.model import (
    Default,
    FieldSpec,
    FieldType,
    ListOf,
    ModelSpec,
    Scalar,
    SchemaSource,
)
from syncflow_pipelines.schemas.secrets import SECRET_NAMES, keep_secrets
from syncflow_pipelines.sync.state import EntityState, StateColumn, read_catalogue_state

_INTEGERS: Final = {"smallint": 16, "integer": 32, "bigint": 64}
_KINDS: Final[dict[str, Scalar]] = {
    "text": Scalar("str"),
    "real": Scalar("float"),
    "double precision": Scalar("float"),
    "numeric": Scalar("decimal"),
    "boolean": Scalar("bool"),
    "date": Scalar("date"),
    "time without time zone": Scalar("time"),
    "time with time zone": Scalar("time"),
    "timestamp without time zone": Scalar("naive_datetime"),
    "timestamp with time zone": Scalar("datetime"),
    "interval": Scalar("timedelta"),
    "bytea": Scalar("bytes"),
    "json": Scalar("json"),
    "jsonb": Scalar("json"),
    "uuid": Scalar("uuid"),
    "inet": Scalar("ip_interface"),
    "cidr": Scalar("ip_network"),
    **{name: Scalar("int", ge=-(1 << bits - 1), le=(1 << bits - 1) - 1) for name, bits in _INTEGERS.items()},
}
_AUDIT: Final = (
    FieldSpec("_bridge_id", Scalar("uuid"), generated=True, description="Of the row, made by SyncFlow."),
    FieldSpec("_bridge_created_at", Scalar("datetime"), generated=True, description="When the row came."),
    FieldSpec("_bridge_updated_at", Scalar("datetime"), generated=True, description="When the row changed last."),
    FieldSpec("_bridge_hash", Scalar("uuid"), nullable=True, generated=True, description="Of the row's values."),
    FieldSpec("_bridge_deleted", Scalar("bool"), generated=True, description="Whether the source has it no more."),
    FieldSpec("_bridge_rowversion", Scalar("str"), nullable=True, generated=True, description="Of the source."),
)
_SHAPE: Final = re.compile(r"(?P<base>[a-z ]+?)(?:\((?P<first>\d+)(?:,(?P<second>-?\d+))?\))?(?P<tail>[a-z ]*)")


def read_entities(
    home: Path, connector: str, *, with_audit: bool = False, secret_names: Sequence[str] = SECRET_NAMES
) -> SchemaSource:
    """Every entity that the connector offers, as its table keeps it.

    Raises `UnknownEntity` where nothing of the connector was ever discovered.
    """
    entities = read_catalogue_state(home).get(connector)
    if entities is None:
        raise UnknownEntity(f"nothing is known of {connector}; `syncflow discover {connector}` asks it what it offers")
    return entity_schemas(connector, entities, with_audit=with_audit, secret_names=secret_names)


def entity_schemas(
    connector: str,
    entities: Sequence[EntityState],
    *,
    with_audit: bool = False,
    secret_names: Sequence[str] = SECRET_NAMES,
) -> SchemaSource:
    """The entities that are still offered; those that are gone are left out without a word."""
    names = _model_names([entity.slug for entity in entities if entity.is_present])
    models = [
        _model(connector, entity, names[entity.slug], with_audit=with_audit) for entity in entities if entity.is_present
    ]
    source = SchemaSource(tuple(sorted(models, key=lambda model: model.name)))
    return keep_secrets(source, secret_names)


def _model_names(slugs: Sequence[str]) -> dict[str, str]:
    """`order_lines` → `OrderLines`; where two slugs give one name, the later ones get a number, by their order."""
    names: dict[str, str] = {}
    for slug in sorted(slugs):
        made = "".join(part[:1].upper() + part[1:] for part in re.split(r"[\W_]+", slug) if part) or "Entity"
        name, number = made, 1
        while name in names.values():
            number += 1
            name = f"{made}{number}"
        names[slug] = name
    return names


def _model(connector: str, entity: EntityState, name: str, *, with_audit: bool) -> ModelSpec:
    keys = frozenset(entity.business_keys)
    columns = tuple(_field(column, column.identifier in keys) for column in entity.columns)
    return ModelSpec(
        name,
        columns + (_AUDIT if with_audit else ()),
        description=entity.description or entity.name,
        table=entity.table,
        origin=f"{connector}/{entity.slug}",
    )


def _field(column: StateColumn, is_key: bool) -> FieldSpec:
    nullable = column.is_nullable and not is_key
    field_type = type_of_column(column.pg_type)
    return FieldSpec(
        column.identifier,
        field_type or Scalar("any"),
        nullable=nullable,
        default=Default("constant", None) if nullable else None,
        description=column.description or "",
        primary_key=is_key,
        note="" if field_type is not None else f"the type {column.pg_type} is not known",
    )


def type_of_column(pg_type: str) -> FieldType | None:
    """What a column of that type holds, spelled as `format_type()` does; None where it is not known."""
    if pg_type.endswith("[]"):
        item = type_of_column(pg_type.removesuffix("[]"))
        return None if item is None else ListOf(item)
    parts = _SHAPE.fullmatch(pg_type)
    if parts is None:
        return None
    first = int(parts["first"]) if parts["first"] else None
    base = f"{parts['base']}{parts['tail']}"
    if base in ("character varying", "character"):
        return Scalar("str", max_length=first)
    if base == "numeric" and first is not None:
        places = int(parts["second"] or 0)
        return Scalar("decimal", max_digits=first, decimal_places=places) if 0 <= places <= first else Scalar("decimal")
    return _KINDS.get(base)
