"""The recorded changes of rows, read and removed; `recording.py` writes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.history.recording import Operation
from syncflow_pipelines.sync.model import Entity

PURGED_AT_ONCE = 10_000

_LIMITS = re.compile(r"\(.*?\)")

_LIST = sql.SQL(
    "SELECT id, run_uid, changed_at, operation, business_key::text, old_values::text, new_values::text "
    "FROM record_changes WHERE {conditions} ORDER BY changed_at DESC, id DESC LIMIT %(limit)s"
)
_OF_ENTITY = sql.SQL("entity_uid = %(entity)s")
# All changes of a run have one time, by which the primary key finds them.
_OF_RUN = sql.SQL(
    "run_uid = %(run)s AND changed_at = (SELECT max(changed_at) FROM record_changes WHERE run_uid = %(run)s)"
)
_OF_OPERATION = sql.SQL("operation = %(operation)s")
_SINCE = sql.SQL("changed_at >= %(since)s")
_BEFORE = sql.SQL("(changed_at, id) < (%(before_time)s, %(before_id)s)")
# The hash is what the index holds; the containment is what is meant.
_OF_KEY = sql.SQL("jsonb_hash_extended(business_key, 0) = jsonb_hash_extended(%(key)s::jsonb, 0)")
_OF_PART_OF_KEY = sql.SQL("business_key @> %(key)s::jsonb")
_KEY = sql.SQL("SELECT to_jsonb(_row.*)::text FROM (SELECT {columns}) _row")
_COUNT = "SELECT count(*) FROM (SELECT FROM record_changes WHERE entity_uid = %s LIMIT 1) found"
_PURGE = """
DELETE FROM record_changes WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM record_changes WHERE changed_at < now() - make_interval(days => %s) ORDER BY changed_at LIMIT %s))
"""


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One change of one row. Key and values are JSON text as PostgreSQL keeps it, so no digit is lost."""

    id: int
    run_uid: UUID
    changed_at: datetime
    """When the sync began its transaction; the row's `_bridge_updated_at`."""
    operation: Operation
    business_key: str
    old_values: str | None
    new_values: str | None


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes of an entity are asked for; what is None does not matter."""

    key: Mapping[str, str] | None = None
    """Values of business-key columns as text, of all of them or some."""
    run_uid: UUID | None = None
    since: datetime | None = None
    operation: Operation | None = None
    before: tuple[datetime, int] | None = None
    """Time and id of the change after which to go on."""


def list_changes(
    connection: psycopg.Connection, entity: Entity, wanted: ChangeFilter, *, limit: int
) -> tuple[RecordChange, ...]:
    """The newest changes first. Raises `UnknownEntity` where the key is none that the entity's rows could have."""
    values: dict[str, Any] = {"entity": entity.uid, "limit": limit}
    conditions = [_OF_ENTITY]
    if wanted.key:
        values["key"] = _typed_key(connection, entity, wanted.key)
        conditions.append(_OF_PART_OF_KEY)
        if wanted.key.keys() == set(entity.spec.business_keys):
            conditions.append(_OF_KEY)
    for name, condition, value in (
        ("run", _OF_RUN, wanted.run_uid),
        ("since", _SINCE, wanted.since),
        ("operation", _OF_OPERATION, wanted.operation),
    ):
        if value is not None:
            values[name] = value
            conditions.append(condition)
    if wanted.before is not None:
        values["before_time"], values["before_id"] = wanted.before
        conditions.append(_BEFORE)
    statement = _LIST.format(conditions=sql.SQL(" AND ").join(conditions))
    with connection.cursor(row_factory=class_row(RecordChange)) as cursor:
        return tuple(cursor.execute(statement, values).fetchall())


def has_changes(connection: psycopg.Connection, entity: Entity) -> bool:
    """Whether any change of the entity is on record."""
    row = connection.execute(_COUNT, (entity.uid,)).fetchone()
    return bool(row and row[0])


def purge_changes(database: Database, older_than_days: int, *, batch: int = PURGED_AT_ONCE) -> int:
    """Deletes the changes that are older, `batch` at a time, each batch for itself; returns how many."""
    purged = 0
    with database.dedicated("syncflow retention") as connection:
        while deleted := connection.execute(_PURGE, (older_than_days, batch)).rowcount:
            purged += deleted
    return purged


def _typed_key(connection: psycopg.Connection, entity: Entity, key: Mapping[str, str]) -> str:
    """The key as it is recorded: each text read as its column's type."""
    for name in key:
        if name not in entity.spec.business_keys:
            keys = ", ".join(entity.spec.business_keys)
            raise UnknownEntity(f"{name} is no business key of {entity.key}; its key is {keys}")
    columns = [
        sql.SQL("{}::text::{} AS {}").format(
            sql.Literal(value), _unlimited(entity.spec.column(name).pg_type), sql.Identifier(name)
        )
        for name, value in key.items()
    ]
    try:
        row = connection.execute(_KEY.format(columns=sql.SQL(", ").join(columns))).fetchone()
    except psycopg.DataError as cause:
        types = ", ".join(f"{name} is {entity.spec.column(name).pg_type}" for name in key)
        raise UnknownEntity(f"no row of {entity.key} can have that key; {types}") from cause
    assert row is not None
    return str(row[0])


def _unlimited(pg_type: str) -> sql.SQL:
    """The type without its length or scale: to these a cast would cut and round, and find another row."""
    # A type's name comes from `types.py`, never from the source.
    return sql.SQL(_LIMITS.sub("", pg_type))
