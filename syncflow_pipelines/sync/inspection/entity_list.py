"""The entities that are known as JSON, in the words of `bridge.entities`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import psycopg

from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.inspection.listing import CountedPart, Listing
from syncflow_pipelines.sync.model import Strategy

EntitySort = Literal[
    "entity", "-entity", "last_sync_at", "-last_sync_at", "live_rows", "-live_rows", "consecutive_failures",
    "-consecutive_failures", "sync_interval_seconds", "-sync_interval_seconds", "updated_at", "-updated_at",
]  # fmt: skip
"""By what entities can be sorted; `-`: the largest first."""

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
_DETAILS = """
, e.columns, json_build_object('sync_enabled', e.choices -> 'enabled',
  'sync_interval_seconds', e.choices -> 'interval_s', 'strategy', e.choices -> 'strategy') AS choices,
(SELECT count(*) FROM rejected_rows r WHERE r.entity_uid = e.uid AND r.status = 'open') AS open_rejects
"""
_SOURCE = "FROM entities e JOIN connectors c ON c.uid = e.connector_uid"
_LIST = Listing(
    _FIELDS,
    _SOURCE,
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
_WHOLE = Listing(_FIELDS + _DETAILS, _SOURCE, {})
_EXISTS = "SELECT FROM entities WHERE uid = %s"
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

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def list_entity_documents(
    connection: psycopg.Connection, wanted: EntityFilter, *, sort: EntitySort = "entity", limit: int, offset: int = 0
) -> CountedPart:
    """The entities without their columns, in that order, those that are alike in it by name."""
    return _LIST.sorted(connection, wanted.values(), _ORDERS[sort], limit=limit, offset=offset)


def entity_document(connection: psycopg.Connection, uid: UUID) -> str:
    """The entity of that uid, with its columns, what was chosen for it, and `open_rejects`. Raises `UnknownEntity`."""
    found = _WHOLE.one(connection, "e.uid", uid)
    if found is None:
        raise UnknownEntity(_unknown(uid))
    return found


def require_entity(connection: psycopg.Connection, uid: UUID) -> None:
    """Raises `UnknownEntity` where no entity has that uid."""
    if connection.execute(_EXISTS, (uid,)).fetchone() is None:
        raise UnknownEntity(_unknown(uid))


def _unknown(uid: UUID) -> str:
    return f"no entity {uid} is known; GET /api/v1/entities lists them"
