"""OpenAPI specs in the metadata tables: how each service's stands, and the versions that it has had.

Nothing here knows what a spec is: documents and inner forms are bytes. Every function works in the transaction of the
connection that it is given.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
import zstandard
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

KEPT_VERSIONS: Final = 50
"""Of each service."""

_MOST_BYTES: Final = 1_000_000_000
_COLUMNS = """
service, checksum, contract, fetched_at, changed_at, spec_file, url, written_as, operations, findings,
error, error_type, failed_at
"""
_RECORD = """
INSERT INTO specs
  (service, checksum, contract, fetched_at, changed_at, spec_file, url, written_as, operations, findings)
VALUES (%(service)s, %(checksum)s, %(contract)s, now(), %(changed_at)s, %(spec_file)s, %(url)s, %(written_as)s,
  %(operations)s, %(findings)s)
ON CONFLICT (service) DO UPDATE SET checksum = excluded.checksum, contract = excluded.contract,
  fetched_at = excluded.fetched_at, changed_at = excluded.changed_at, spec_file = excluded.spec_file,
  url = excluded.url, written_as = excluded.written_as, operations = excluded.operations, findings = excluded.findings,
  error = NULL, error_type = NULL, failed_at = NULL
"""
_RENEW_VERSION = """
UPDATE spec_versions SET contract = %(contract)s, form = %(form)s, document = %(document)s
WHERE id = (SELECT max(id) FROM spec_versions WHERE service = %(service)s) AND checksum = %(checksum)s
"""
_ADD_VERSION = """
INSERT INTO spec_versions (service, checksum, contract, at, form, document)
VALUES (%(service)s, %(checksum)s, %(contract)s, %(changed_at)s, %(form)s, %(document)s)
"""
_DROP_OLD_VERSIONS = """
DELETE FROM spec_versions WHERE service = %(service)s AND id < (
  SELECT min(id) FROM
    (SELECT id FROM spec_versions WHERE service = %(service)s ORDER BY id DESC LIMIT %(keep)s) AS kept)
"""
_LOOKED = """
UPDATE specs SET fetched_at = now(), error = NULL, error_type = NULL, failed_at = NULL WHERE service = ANY(%s)
"""
_FAILED = """
INSERT INTO specs (service, error, error_type, failed_at) VALUES (%s, %s, %s, now())
ON CONFLICT (service) DO UPDATE SET error = excluded.error, error_type = excluded.error_type,
  failed_at = excluded.failed_at
"""
_LIST = f"SELECT {_COLUMNS} FROM specs ORDER BY service"  # noqa: S608 - of constants
_VERSIONS = """
SELECT id, service, checksum, contract, at FROM spec_versions WHERE service = %s ORDER BY id DESC
"""
_CONTENT = "SELECT form, document FROM spec_versions WHERE id = %s"


@dataclass(frozen=True, slots=True)
class SpecRecord:
    """How a service's spec stands; all but the name is None as long as no look at it has succeeded."""

    service: str
    checksum: str | None = None
    contract: str | None = None
    fetched_at: datetime | None = None
    """When it was last looked at with success, changed or not. Set by the database."""
    changed_at: datetime | None = None
    spec_file: str | None = None
    url: str | None = None
    written_as: str | None = None
    operations: int | None = None
    findings: Sequence[Any] = ()
    """JSON values."""
    error: str | None = None
    """Why the last look failed. Set by `record_failure`."""
    error_type: str | None = None
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SpecVersion:
    """A version that a spec has had."""

    id: int
    """Grows with time."""
    service: str
    checksum: str
    contract: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SpecContent:
    """What a version says."""

    form: bytes
    """The inner form."""
    document: bytes
    """The document as it was fetched and bundled, in JSON."""


def record_spec(
    connection: psycopg.Connection, spec: SpecRecord, content: SpecContent, keep: int = KEPT_VERSIONS
) -> bool:
    """Records how the spec stands, and its content as the newest version, unless the newest has that checksum already.

    Of the versions, the newest `keep` stay. Whether there is a new one.
    """
    values = {
        "service": spec.service,
        "checksum": spec.checksum,
        "contract": spec.contract,
        "changed_at": spec.changed_at,
        "spec_file": spec.spec_file,
        "url": spec.url,
        "written_as": spec.written_as,
        "operations": spec.operations,
        "findings": Jsonb(list(spec.findings)),
        "form": zstandard.compress(content.form),
        "document": zstandard.compress(content.document),
        "keep": keep,
    }
    # first, so that two processes wait for each other at this row
    connection.execute(_RECORD, values)
    is_new = connection.execute(_RENEW_VERSION, values).rowcount == 0
    if is_new:
        connection.execute(_ADD_VERSION, values)
    connection.execute(_DROP_OLD_VERSIONS, values)
    return is_new


def record_looks(connection: psycopg.Connection, services: Collection[str]) -> None:
    """Records that these specs were looked at just now, and had not changed."""
    connection.execute(_LOOKED, (list(services),))


def record_failure(connection: psycopg.Connection, service: str, error: str, error_type: str) -> None:
    """Records that a look at the spec failed; what is known of it stands."""
    connection.execute(_FAILED, (service, error, error_type))


def recorded_specs(connection: psycopg.Connection) -> dict[str, SpecRecord]:
    """How every spec stands, by service."""
    with connection.cursor(row_factory=class_row(SpecRecord)) as cursor:
        return {record.service: record for record in cursor.execute(_LIST)}


def spec_versions(connection: psycopg.Connection, service: str) -> list[SpecVersion]:
    """The versions that are kept of a service's spec, the newest first."""
    with connection.cursor(row_factory=class_row(SpecVersion)) as cursor:
        return list(cursor.execute(_VERSIONS, (service,)))


def spec_content(connection: psycopg.Connection, version: int) -> SpecContent | None:
    """What a version says; None where it is no longer kept."""
    row = connection.execute(_CONTENT, (version,)).fetchone()
    if row is None:
        return None
    form, document = (zstandard.decompress(column, max_output_size=_MOST_BYTES) for column in row)
    return SpecContent(form, document)
