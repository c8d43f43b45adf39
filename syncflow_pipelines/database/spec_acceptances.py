"""Which versions of the OpenAPI specs were accepted, and by whom: `bridge.spec_acceptances`."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.database.specs import SpecVersion

_ACCEPT = """
INSERT INTO spec_acceptances (version, service, contract, accepted_by, note) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (version) DO UPDATE SET contract = excluded.contract, accepted_at = now(),
  accepted_by = excluded.accepted_by, note = excluded.note
"""
_LATEST = """
SELECT a.version, a.contract, a.accepted_at, a.accepted_by, a.note
FROM spec_acceptances a JOIN spec_versions v ON v.id = a.version
WHERE a.service = %s ORDER BY a.version DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A version that was accepted."""

    version: int
    contract: str
    accepted_at: datetime
    accepted_by: str | None
    """None where it breaks nothing that was accepted before."""
    note: str | None


def accept(
    connection: psycopg.Connection, version: SpecVersion, by: str | None = None, note: str | None = None
) -> None:
    """Records that the version is accepted."""
    connection.execute(_ACCEPT, (version.id, version.service, version.contract, by, note))


def latest_acceptance(connection: psycopg.Connection, service: str) -> Acceptance | None:
    """The newest version that was accepted and is still kept."""
    with connection.cursor(row_factory=class_row(Acceptance)) as cursor:
        return cursor.execute(_LATEST, (service,)).fetchone()
