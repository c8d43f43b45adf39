"""What the database is told of specs; without one, everything here does nothing."""

import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from syncflow_pipelines.database import Database
from syncflow_pipelines.database.specs import (
    SpecContent,
    SpecRecord,
    record_failure,
    record_looks,
    record_spec,
    recorded_specs,
)
from syncflow_pipelines.errors import DatabaseError, SyncCancelled
from syncflow_pipelines.openapi.inner_form import dump_spec
from syncflow_pipelines.openapi.model import Finding, Spec
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore

_LOG = logging.getLogger(__name__)


class Recorder:
    """Keeps the tables of specs in step with the store. Raises `DatabaseError` where it cannot."""

    def __init__(self, database: Database | None, store: SpecStore) -> None:
        self._database = database
        self._store = store
        self._checksums = self._recorded()

    def changed(self, service: str, spec: Spec, kept: KeptSpec, document: bytes, form: bytes) -> None:
        """Records a spec that is new, or that the database does not know; `document` and `form` are its bytes."""
        if self._database is None:
            return
        record = SpecRecord(
            service=service,
            checksum=kept.checksum,
            contract=kept.contract,
            changed_at=kept.changed_at or datetime.now(UTC),
            spec_file=kept.spec_file,
            url=kept.url,
            written_as=_text(spec.written_as),
            operations=len(spec.operations),
            findings=[_storable(finding) for finding in spec.findings],
        )
        with self._database.connection() as connection:
            record_spec(connection, record, SpecContent(form, document))

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
                record_failure(connection, service, _text(text), type(error).__name__)
        except DatabaseError as trouble:
            _LOG.warning("that the spec of %s failed is not in the database: %s", service, trouble)

    def _recorded(self) -> Mapping[str, str | None]:
        if self._database is None:
            return {}
        with self._database.connection() as connection:
            return {service: record.checksum for service, record in recorded_specs(connection).items()}


def _storable(finding: Finding) -> dict[str, str | bool]:
    return {"pointer": _text(finding.pointer), "reason": _text(finding.reason), "is_fatal": finding.is_fatal}


def _text(text: str) -> str:
    """The text without what PostgreSQL cannot hold: NUL, and halves of characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
