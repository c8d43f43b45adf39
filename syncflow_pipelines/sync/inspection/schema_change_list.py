"""How tables and their sources came apart and together as JSON, in the words of `bridge.schema_changes`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from syncflow_pipelines.sync.inspection.listing import Listing, Part

_LISTING = Listing(
    """
s.uid, e.uid AS entity_uid, c.name || '/' || s.slug AS entity, s.happened_at, s.kind, s.column_name, s.before_type,
s.after_type, s.applied, s.message
""",
    """
FROM schema_changes s JOIN connectors c ON c.uid = s.connector_uid
LEFT JOIN entities e ON e.connector_uid = s.connector_uid AND e.slug = s.slug
""",
    {
        "connector": "c.name = %(connector)s",
        "entity_uid": "e.uid = %(entity_uid)s",
        "kind": "s.kind = %(kind)s",
        "applied": "s.applied = %(applied)s",
        "since": "s.happened_at >= %(since)s",
        "before_uid": "(s.happened_at, s.uid) < (%(before_time)s, %(before_uid)s)",
    },
    newest_first=("s.happened_at", "s.uid"),
)


@dataclass(frozen=True, slots=True)
class SchemaChangeFilter:
    """Which changes are asked for; what is None does not matter."""

    connector: str | None = None
    entity_uid: UUID | None = None
    kind: str | None = None
    applied: bool | None = None
    since: datetime | None = None
    before_time: datetime | None = None
    before_uid: UUID | None = None
    """Both: the change after which to go on."""

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def list_schema_change_documents(connection: psycopg.Connection, wanted: SchemaChangeFilter, *, limit: int) -> Part:
    """The newest changes first."""
    return _LISTING.newest(connection, wanted.values(), limit)
