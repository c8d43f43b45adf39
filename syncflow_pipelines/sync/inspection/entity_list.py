"""The entities that are known, filtered, sorted and in parts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.model import Strategy

EntitySort = Literal[
    "entity", "-entity", "last_sync_at", "-last_sync_at", "live_rows", "-live_rows", "consecutive_failures",
    "-consecutive_failures", "sync_interval_seconds", "-sync_interval_seconds", "updated_at", "-updated_at",
]  # fmt: skip
"""By what entities can be sorted; `-`: the largest first."""
SORTS: Final[tuple[EntitySort, ...]] = get_args(EntitySort)

_IS_DUE = """
(c.is_active AND e.sync_enabled AND e.is_present AND e.schema_error IS NULL
  AND (e.last_sync_at IS NULL OR e.last_sync_at + make_interval(secs => e.sync_interval_seconds) <= now())
  AND (e.next_attempt_at IS NULL OR e.next_attempt_at <= now()))
"""
_FIELDS = f"""
e.uid, c.name || '/' || e.slug AS entity, c.name AS connector, c.uid AS connector_uid, e.slug, e.api_name,
e.description, e.delta_strategy, e.strategy, e.business_keys, e.rowversion_column, e.target_schema, e.target_table,
e.sync_enabled, e.sync_interval_seconds, e.is_present, e.gone_at, e.schema_error, e.last_sync_at, e.last_sync_status,
e.last_rowversion, e.last_run_uid, e.consecutive_failures, e.next_attempt_at, e.live_rows, {_IS_DUE} AS is_due,
e.created_at, e.updated_at
"""
_FROM = "FROM entities e JOIN connectors c ON c.uid = e.connector_uid"
_WHERE = f"""
WHERE (%(connector)s::text IS NULL OR c.name = %(connector)s)
  AND (%(status)s::text IS NULL OR coalesce(e.last_sync_status, 'never') = %(status)s)
  AND (%(strategy)s::text IS NULL OR e.strategy = %(strategy)s)
  AND (%(enabled)s::bool IS NULL OR e.sync_enabled = %(enabled)s)
  AND (%(present)s::bool IS NULL OR e.is_present = %(present)s)
  AND (%(due)s::bool IS NULL OR {_IS_DUE} = %(due)s)
  AND (%(q)s::text IS NULL OR strpos(lower(concat_ws(' ', c.name || '/' || e.slug, e.api_name, e.description,
    e.target_schema || '.' || e.target_table)), lower(%(q)s)) > 0)
"""
_FIND = f"SELECT {_FIELDS} {_FROM} WHERE e.uid = %s"
_COUNT = f"SELECT count(*) {_FROM} {_WHERE}"
_ORDERS: Final[Mapping[EntitySort, str]] = {
    "entity": "c.name, e.slug",
    "-entity": "c.name DESC, e.slug DESC",
    "last_sync_at": "e.last_sync_at NULLS FIRST, c.name, e.slug",
    "-last_sync_at": "e.last_sync_at DESC NULLS LAST, c.name, e.slug",
    "live_rows": "e.live_rows NULLS FIRST, c.name, e.slug",
    "-live_rows": "e.live_rows DESC NULLS LAST, c.name, e.slug",
    "consecutive_failures": "e.consecutive_failures, c.name, e.slug",
    "-consecutive_failures": "e.consecutive_failures DESC, c.name, e.slug",
    "sync_interval_seconds": "e.sync_interval_seconds, c.name, e.slug",
    "-sync_interval_seconds": "e.sync_interval_seconds DESC, c.name, e.slug",
    "updated_at": "e.updated_at, c.name, e.slug",
    "-updated_at": "e.updated_at DESC, c.name, e.slug",
}
_LISTS: Final = {
    sort: f"SELECT count(*) OVER (), {_FIELDS} {_FROM} {_WHERE} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s"
    for sort, order in _ORDERS.items()
}


@dataclass(frozen=True, slots=True)
class EntityLine:
    """An entity without its columns, in the words of `bridge.entities`."""

    uid: UUID
    entity: str
    """`connector/slug`."""
    connector: str
    connector_uid: UUID
    slug: str
    api_name: str
    description: str | None
    delta_strategy: Strategy
    """What the source asks for."""
    strategy: Strategy
    """What is in force."""
    business_keys: list[str]
    rowversion_column: str | None
    target_schema: str
    target_table: str
    sync_enabled: bool
    sync_interval_seconds: int
    is_present: bool
    gone_at: datetime | None
    schema_error: str | None
    last_sync_at: datetime | None
    last_sync_status: str | None
    last_rowversion: str | None
    last_run_uid: UUID | None
    consecutive_failures: int
    next_attempt_at: datetime | None
    live_rows: int | None
    is_due: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class EntityFilter:
    """Which entities are asked for; what is None does not matter."""

    connector: str | None = None
    status: str | None = None
    """Of the last sync; `never`: there was none."""
    strategy: Strategy | None = None
    enabled: bool | None = None
    present: bool | None = None
    """Whether the source still offers it."""
    due: bool | None = None
    """Whether the next sync is to begin now."""
    q: str | None = None
    """Part of its name, its table or its description, in any case."""


@dataclass(frozen=True, slots=True)
class EntityPart:
    """A part of a list of entities."""

    lines: tuple[EntityLine, ...]
    total: int
    """How many the whole list has."""


def list_entity_lines(
    connection: psycopg.Connection, wanted: EntityFilter, *, sort: EntitySort = "entity", limit: int, offset: int = 0
) -> EntityPart:
    """The entities in that order, those that are alike in it by name."""
    values = {**asdict(wanted), "limit": limit, "offset": offset}
    with connection.cursor(row_factory=args_row(_counted)) as cursor:
        found = cursor.execute(_LISTS[sort], values).fetchall()
    if not found and offset:
        return EntityPart((), _count(connection, wanted))
    return EntityPart(tuple(line for _, line in found), found[0][0] if found else 0)


def find_entity_line(connection: psycopg.Connection, uid: UUID) -> EntityLine:
    """The entity of that uid. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=args_row(EntityLine)) as cursor:
        found = cursor.execute(_FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(f"no entity {uid} is known; /api/v1/entities lists them")
    return found


def _counted(total: int, *fields: Any) -> tuple[int, EntityLine]:
    return total, EntityLine(*fields)


def _count(connection: psycopg.Connection, wanted: EntityFilter) -> int:
    row = connection.execute(_COUNT, asdict(wanted)).fetchone()
    return int(row[0]) if row else 0
