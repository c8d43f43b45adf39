"""What the database is told of specs; without one, everything here does nothing."""

import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from syncflow_pipelines.database import Connection, Database
from syncflow_pipelines.database.specs import (
    SpecContent,
    SpecRecord,
    record_failure,
    record_looks,
    record_spec,
    recorded_specs,
    spec_content,
    spec_versions,
)
from syncflow_pipelines.database.texts import storable
from syncflow_pipelines.errors import DatabaseError, SpecError, SyncCancelled
from syncflow_pipelines.events.happenings import openapi_spec_changed
from syncflow_pipelines.events.publishing import publish
from syncflow_pipelines.openapi.diff import SpecDiff, compare
from syncflow_pipelines.openapi.history import spec_in
from syncflow_pipelines.openapi.inner_form import dump_spec
from syncflow_pipelines.openapi.model import Finding, Spec
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore

_LOG = logging.getLogger(__name__)


class Recorder:
    """Keeps the tables of specs in step with the store. Raises `DatabaseError` where it cannot."""

    def __init__(self, database: Database | None, store: SpecStore, *, publishes: bool) -> None:
        self._database = database
        self._store = store
        self._publishes = publishes
        self._checksums = self._recorded()

    def changed(self, service: str, spec: Spec, kept: KeptSpec, document: bytes, form: bytes) -> None:
        """Records a spec that is new, or that the database does not know; `document` and `form` are its bytes.

        What is another version to the database is published in the same transaction.
        """
        if self._database is None:
            return
        record = SpecRecord(
            service=service,
            checksum=kept.checksum,
            contract=kept.contract,
            changed_at=kept.changed_at or datetime.now(UTC),
            spec_file=kept.spec_file,
            url=kept.url,
            written_as=storable(spec.written_as),
            operations=len(spec.operations),
            findings=[_told(finding) for finding in spec.findings],
        )
        with self._database.connection() as connection:
            is_new = record_spec(connection, record, SpecContent(form, document))
            if is_new and self._publishes:
                summary = _summary(connection, service, spec)
                publish(connection, [openapi_spec_changed(service, kept.spec_file, kept.checksum, summary)])

    def unchanged(self, service: str, kept: KeptSpec) -> None:
        """Records the spec where it was fetched without the database, or for another one."""
        if self._database is None or self._checksums.get(service) == kept.checksum:
            return
        spec = self._store.spec(service)
        self.changed(service, spec, kept, self._store.content(service), dump_spec(spec))

    def looks(self, services: Collection[str]) -> None:
        """Records that these were looked at and had not changed; the log says where that cannot be done."""
        if self._database is None or not services:
            return
        try:
            with self._database.connection() as connection:
                record_looks(connection, services)
        except DatabaseError as trouble:
            _LOG.warning("that %d specs were looked at is not in the database: %s", len(services), trouble)

    def failed(self, service: str, error: Exception, text: str) -> None:
        """Records a look that failed. Where that cannot be done, the log says so: the error is told already."""
        if self._database is None or isinstance(error, SyncCancelled | DatabaseError):
            return
        try:
            with self._database.connection() as connection:
                record_failure(connection, service, storable(text), type(error).__name__)
        except DatabaseError as trouble:
            _LOG.warning("that the spec of %s failed is not in the database: %s", service, trouble)

    def _recorded(self) -> Mapping[str, str | None]:
        if self._database is None:
            return {}
        with self._database.connection() as connection:
            return {service: record.checksum for service, record in recorded_specs(connection).items()}


def _summary(connection: Connection, service: str, spec: Spec) -> dict[str, Any] | None:
    """What the newest version brings to callers of the one before; None for the first."""
    versions = spec_versions(connection, service)
    content = spec_content(connection, versions[1].id) if len(versions) > 1 else None
    if content is None:
        return None
    is_same = versions[0].contract == versions[1].contract
    try:
        diff = SpecDiff() if is_same else compare(spec_in(content), spec)
    except SpecError as error:  # nothing that this SyncFlow can read
        _LOG.warning("the version of %s before cannot be compared: %s", service, error)
        return None
    return {"summary": diff.summary(), "is_breaking": diff.is_breaking, "counts": dict(diff.counts)}


def _told(finding: Finding) -> dict[str, str | bool]:
    return {"pointer": storable(finding.pointer), "reason": storable(finding.reason), "is_fatal": finding.is_fatal}
