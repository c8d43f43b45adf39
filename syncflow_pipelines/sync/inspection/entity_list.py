"""The entities that are known, filtered, sorted and in parts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.inspection.listing import Listing
from syncflow_pipelines.sync.model import EntityChoices, Strategy

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
_FIND = f"""
SELECT e.columns, e.choices, (SELECT count(*) FROM rejected_rows r WHERE r.entity_uid = e.uid AND r.status = 'open'),
  {_FIELDS} {_FROM} WHERE e.uid = %s
"""  # noqa: S608 - of constants
_EXISTS = "SELECT FROM entities WHERE uid = %s"
_LISTING = Listing(
    f"SELECT count(*) OVER (), {_FIELDS} {_FROM}",
    {
        "connector": "c.name = %(connector)s",
        "status": "coalesce(e.last_sync_status, 'never') = %(status)s",
        "strategy": "e.strategy = %(strategy)s",
        "enabled": "e.sync_enabled = %(enabled)s",
        "present": "e.is_present = %(present)s",
        "due": f"{_IS_DUE} = %(due)s",
        "q": "strpos(lower(concat_ws(' ', c.name || '/' || e.slug, e.api_name, e.description, "
        "e.target_schema || '.' || e.target_table)), lower(%(q)s)) > 0",
    },
)
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
    asked = asdict(wanted)
    found = _LISTING.rows(connection, _counted, asked, order=_ORDERS[sort], limit=limit, offset=offset)
    if not found and offset:
        return EntityPart((), _LISTING.count(connection, asked))
    return EntityPart(tuple(line for _, line in found), found[0][0] if found else 0)


@dataclass(frozen=True, slots=True)
class EntityDetail:
    """An entity with what a list of many leaves out."""

    line: EntityLine
    columns: list[dict[str, Any]]
    """By the names of `Column`."""
    choices: EntityChoices
    open_rejects: int


def find_entity_detail(connection: psycopg.Connection, uid: UUID) -> EntityDetail:
    """The entity of that uid. Raises `UnknownEntity`."""
    with connection.cursor(row_factory=args_row(_detail)) as cursor:
        found = cursor.execute(_FIND, (uid,)).fetchone()
    if found is None:
        raise UnknownEntity(_unknown(uid))
    return found


def require_entity(connection: psycopg.Connection, uid: UUID) -> None:
    """Raises `UnknownEntity` where no entity has that uid."""
    if connection.execute(_EXISTS, (uid,)).fetchone() is None:
        raise UnknownEntity(_unknown(uid))


def _unknown(uid: UUID) -> str:
    return f"no entity {uid} is known; GET /api/v1/entities lists them"


def _detail(columns: list[dict[str, Any]], choices: dict[str, Any], open_rejects: int, *fields: Any) -> EntityDetail:
    return EntityDetail(EntityLine(*fields), columns, EntityChoices(**choices), open_rejects)


def _counted(total: int, *fields: Any) -> tuple[int, EntityLine]:
    return total, EntityLine(*fields)
