"""How tables and their sources came apart and together, the newest first, in parts."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from syncflow_pipelines.sync.inspection.listing import Listing

_LISTING = Listing(
    """
SELECT s.uid, e.uid, c.name || '/' || s.slug, s.happened_at, s.kind, s.column_name, s.before_type, s.after_type,
  s.applied, s.message
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
)
_NEWEST_FIRST = "s.happened_at DESC, s.uid DESC"


@dataclass(frozen=True, slots=True)
class SchemaChangeLine:
    """One change, in the words of `bridge.schema_changes`."""

    uid: UUID
    entity_uid: UUID | None
    """None where the entity was removed since."""
    entity: str
    """`connector/slug`."""
    happened_at: datetime
    kind: str
    column_name: str | None
    before_type: str | None
    after_type: str | None
    applied: bool
    """False where it was refused."""
    message: str | None


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


def list_schema_change_lines(
    connection: psycopg.Connection, wanted: SchemaChangeFilter, *, limit: int
) -> list[SchemaChangeLine]:
    """The newest changes first."""
    return _LISTING.rows(connection, SchemaChangeLine, asdict(wanted), order=_NEWEST_FIRST, limit=limit)
