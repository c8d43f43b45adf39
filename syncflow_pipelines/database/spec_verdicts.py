"""Which versions of the OpenAPI specs were accepted, and by whom: `bridge.spec_verdicts`."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from syncflow_pipelines.database.specs import SpecVersion

_DECIDE = """
INSERT INTO spec_verdicts (version, service, contract, is_accepted, decided_by, note)
VALUES (%(version)s, %(service)s, %(contract)s, %(is_accepted)s, %(by)s, %(note)s)
ON CONFLICT (version) DO UPDATE SET contract = excluded.contract, is_accepted = excluded.is_accepted,
  decided_at = now(), decided_by = excluded.decided_by, note = excluded.note
WHERE excluded.is_accepted
"""
_LIST = """
SELECT version, is_accepted, decided_at, decided_by, note FROM spec_verdicts WHERE service = %s
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a version is accepted."""

    version: int
    is_accepted: bool
    decided_at: datetime
    decided_by: str | None
    """None where the comparison with the last accepted version decided."""
    note: str | None


def decide(
    connection: psycopg.Connection,
    version: SpecVersion,
    *,
    is_accepted: bool,
    by: str | None = None,
    note: str | None = None,
) -> None:
    """Records whether the version is accepted; what somebody has accepted meanwhile stays so."""
    values = {"version": version.id, "service": version.service, "contract": version.contract}
    connection.execute(_DECIDE, {**values, "is_accepted": is_accepted, "by": by, "note": note})


def spec_verdicts(connection: psycopg.Connection, service: str) -> dict[int, Verdict]:
    """The verdicts on a service's specs, by version; also on versions that are not kept any more."""
    with connection.cursor(row_factory=class_row(Verdict)) as cursor:
        return {verdict.version: verdict for verdict in cursor.execute(_LIST, (service,))}
