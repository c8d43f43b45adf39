"""Looks at the specs of many services at once, and keeps what has changed."""

import functools
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from syncflow_pipelines.config import BearerAuth, HeaderAuth, NoAuth, ServiceConfig, Services, Settings
from syncflow_pipelines.config.auth import Auth
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import (
    ConfigurationError,
    SourceUnreachable,
    SpecError,
    SyncCancelled,
    SyncflowError,
    UnusableSpec,
)
from syncflow_pipelines.openapi.digests import checksum
from syncflow_pipelines.openapi.fetching import Fetched, fetch, open_client, unhealthy
from syncflow_pipelines.openapi.given import DocumentReader, GivenDocument, GivenSpec
from syncflow_pipelines.openapi.ids import Claim, claim, unique_ids
from syncflow_pipelines.openapi.inner_form import FORMAT
from syncflow_pipelines.openapi.model import Finding, Json, Operation, Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.pointers import look_up, steps_of
from syncflow_pipelines.openapi.recording import Recorder
from syncflow_pipelines.openapi.references import Part
from syncflow_pipelines.openapi.spec_files import Unsettled, is_file, quiet_s
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore
from syncflow_pipelines.transport import tls_context

Status = Literal["changed", "unchanged", "failed", "unhealthy", "unsettled"]

PATIENCE_FACTOR: Final = 5
"""A file that does not become quiet is waited for that many times as long as it has to be quiet."""

_LOOK_AGAIN_S: Final = 0.1
NOTHING: Mapping[str, GivenSpec] = {}

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of the look at one service's spec."""

    service: str
    status: Status
    """`unhealthy`: its health check failed, and its spec was not asked for. `unsettled`: a file that cannot be used has
    changed just now, and is not called wrong yet. Old state stands then, and on failure."""
    checksum: str | None = None
    """Of the spec that is kept now; None where none is."""
    previous_checksum: str | None = None
    """Of the one that was kept before."""
    contract: str | None = None
    spec_file: Path | None = None
    """Where it is kept."""
    url: str | None = None
    """Where it was found: a URL, or the path of a file."""
    files: tuple[Path, ...] = ()
    """The files that it was made of, its own document first; also those that are missing."""
    is_of_files: bool = False
    """Whether it was made of files alone."""
    changed_at: datetime | None = None
    """When it changed last, to the second."""
    error: str | None = None
    """A sentence for people."""
    error_type: str | None = None
    """The name of the error's class."""
    seconds: float = 0.0
    load: Callable[[], Spec] | None = field(default=None, repr=False, compare=False)

    @property
    def spec(self) -> Spec:
        """The spec that is kept now, read from disk each time it is asked for. Raises `SpecError` where none is."""
        if self.load is None:
            raise SpecError(f"no spec of {self.service} is kept; fetch it first")
        return self.load()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What of the spec cannot be used, or only with care. As slow as `spec`."""
        return self.spec.findings


def ignore(_refreshed: Refreshed) -> None:
    """Nobody looks on."""


def never() -> bool:
    """Nobody cancels."""
    return False


def refresh(
    services: Services,
    settings: Settings,
    *,
    only: Collection[str] = (),
    database: Database | None = None,
    force: bool = False,
    patient: bool = True,
    given: Mapping[str, GivenSpec] = NOTHING,
    cancelled: Callable[[], bool] = never,
    progress: Callable[[Refreshed], None] = ignore,
) -> list[Refreshed]:
    """Looks at the specs of the enabled services, or of those named in `only`, and keeps those that have changed.

    The services come back in the order of the configuration; `progress` is called here, as each of them is done. One
    that fails does not keep the others from being looked at, and what is kept of it stands. With `force`, no spec is
    recognised by what a server says of it: all are fetched and written anew. A service of `given` is not asked for its
    document, which is at hand there. A file that may be half written is waited for, unless `patient` is false: it is
    `unsettled` then. Once `cancelled()` says so, the rest fails with `SyncCancelled`.

    Raises `ConfigurationError` where `only` names an unknown service, and `DatabaseError` where the database cannot be
    read at the beginning.
    """
    chosen = _chosen(services, only)
    stopped = threading.Event()
    run = _Run(services, settings, database, force, patient, given, lambda: stopped.is_set() or cancelled())
    done: dict[str, Refreshed] = {}
    with ThreadPoolExecutor(services.settings.concurrency, "syncflow-specs") as threads:
        futures: dict[Future[Refreshed], str] = {threads.submit(run.look, one): one.name for one in chosen}
        try:
            for future in as_completed(futures):
                done[futures[future]] = future.result()
                progress(future.result())
        except BaseException:
            stopped.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    run.finish(list(done.values()))
    return [done[one.name] for one in chosen]


def configuration_digest(service: ServiceConfig, project: Path | None = None) -> str:
    """Of all that decides what is fetched: where it changes, what was fetched before counts for nothing.

    The folder of a file counts by its path from the project's, which may be anywhere.
    """
    said = [
        service.base_url,
        service.openapi_paths,
        asdict(service.fallback) if service.fallback else None,
        _described(service.auth),
        sorted(service.ref_hosts),
        _name(service.ca_file),
    ]
    if service.spec_files:
        said.append(os.path.relpath(service.path, project))
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _described(auth: Auth) -> list[str]:
    """Where the credentials come from, not what they are."""
    match auth:
        case BearerAuth():
            return ["bearer", str(auth.token_env), _name(auth.token_file)]
        case HeaderAuth():
            return ["header", auth.name, str(auth.value_env), _name(auth.value_file), auth.prefix]
        case _:
            return []


def _name(path: Path | None) -> str:
    """Of a file: where it is differs from machine to machine."""
    return "" if path is None else path.name


def _chosen(services: Services, only: Collection[str]) -> Sequence[ServiceConfig]:
    known = {service.name for service in services.services}
    if unknown := sorted(set(only) - known):
        told = f"the services are {', '.join(sorted(known))}" if known else "there are none"
        raise ConfigurationError(f"no service is called {', '.join(unknown)}; {told} (auto_sync_services.yaml)")
    return [service for service in services.services if (service.name in only if only else service.enabled)]


class _Run:
    """One look at many specs."""

    def __init__(
        self,
        services: Services,
        settings: Settings,
        database: Database | None,
        force: bool,
        is_patient: bool,
        given: Mapping[str, GivenSpec],
        cancelled: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._is_patient = is_patient
        self._quiet_s = quiet_s(services.settings.debounce_ms)
        self._services = services.settings
        self._force = force
        self._given = given
        self._cancelled = cancelled
        self._store = SpecStore(services.settings, settings)
        self._kept = self._store.kept()
        self._recorder = Recorder(database, self._store, publishes=services.settings.enable_event_bus)
        self._tls = functools.cache(tls_context)
        self._slots = threading.BoundedSemaphore(services.settings.concurrency)
        # one at a time: threads make it no faster, and each takes memory of its own
        self._thinking = threading.Lock()

    def look(self, service: ServiceConfig) -> Refreshed:
        """Looks at one service's spec; whatever goes wrong is in the result."""
        started = time.monotonic()
        try:
            refreshed = self._look(service)
        except Unsettled as error:
            refreshed = self._unsettled(service, error)
        except SyncflowError as error:
            refreshed = self._failed(service, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours with one spec must not stop the others
            _LOG.exception("looking at the spec of %s", service.name)
            refreshed = self._failed(service, error)
        return replace(refreshed, seconds=time.monotonic() - started)

    def finish(self, refreshed: Collection[Refreshed]) -> None:
        """Records the looks that found nothing new, all at once."""
        self._recorder.looks([one.service for one in refreshed if one.status == "unchanged"])

    def _look(self, service: ServiceConfig) -> Refreshed:
        if self._cancelled():
            raise SyncCancelled(f"stopped before the spec of {service.name} was looked at")
        kept = self._kept.get(service.name)
        with self._client(service) as client:
            if self._asks_for_health(service) and (why := unhealthy(client, service)) is not None:
                return self._unhealthy(service, kept, why)
            known = kept.documents if kept is not None and self._is_trusted(service, kept) else ()
            fetched = self._fetched(client, self._asked(service), known)
        if kept is not None and fetched.document is None:
            return self._nothing_new(service, kept, fetched)
        return self._something_new(service, kept, fetched)

    def _asks_for_health(self, service: ServiceConfig) -> bool:
        return self._services.health_check_before_sync and not service.spec_files

    def _fetched(self, client: DocumentReader, service: ServiceConfig, known: Sequence[Part]) -> Fetched:
        """The spec. Raises `Unsettled` where nobody is patient; after some time of that, an unsettled file is wrong."""
        ends_at = time.monotonic() + PATIENCE_FACTOR * self._quiet_s
        while True:
            is_late = time.monotonic() > ends_at
            try:
                return fetch(client, service, known, quiet_s=0.0 if is_late else self._quiet_s)
            except Unsettled:
                if not self._is_patient or self._cancelled():
                    raise
                time.sleep(_LOOK_AGAIN_S)

    def _client(self, service: ServiceConfig) -> DocumentReader:
        if all(isinstance(candidate, Path) for candidate in service.candidates) and service.fallback is None:
            service = replace(service, auth=NoAuth())  # nobody is asked who would take credentials
        client = open_client(service, self._settings, tls=self._tls, slots=self._slots, cancelled=self._cancelled)
        given = self._given.get(service.name)
        return client if given is None else GivenDocument(client, f"{service.base_url}{given.path}", given.content)

    def _asked(self, service: ServiceConfig) -> ServiceConfig:
        """The service with the candidates that are to be asked for."""
        given = self._given.get(service.name)
        return service if given is None else replace(service, openapi_paths=(given.path,))

    def _is_trusted(self, service: ServiceConfig, kept: KeptSpec) -> bool:
        """Whether what is kept is what would be made of the same bytes now."""
        return (
            not self._force
            and (kept.configuration, kept.form) == (self._digest(service), FORMAT)
            and self._store.is_whole(service.name, kept)
        )

    def _digest(self, service: ServiceConfig) -> str:
        return configuration_digest(service, self._settings.project_dir)

    def _nothing_new(self, service: ServiceConfig, kept: KeptSpec, fetched: Fetched) -> Refreshed:
        if kept.documents != fetched.parts:
            kept = msgspec.structs.replace(kept, documents=fetched.parts)
            self._store.note(service.name, kept, self._cancelled)
        self._recorder.unchanged(service.name, kept)
        return self._outcome(service, "unchanged", kept, kept.checksum)

    def _something_new(self, service: ServiceConfig, kept: KeptSpec | None, fetched: Fetched) -> Refreshed:
        """Other bytes than before, which may still say the same."""
        assert fetched.document is not None
        if kept is not None and self._is_trusted(service, kept) and checksum(fetched.document) == kept.checksum:
            return self._nothing_new(service, kept, fetched)
        with self._thinking:
            spec = normalise(fetched.document, self._known_ids(service), findings=fetched.findings)
        before = kept.checksum if kept is not None else None
        is_same = before == spec.checksum
        entry = KeptSpec(
            checksum=spec.checksum,
            timestamp=(kept is not None and is_same and kept.timestamp) or _now(),
            contract=spec.contract,
            configuration=self._digest(service),
            documents=fetched.parts,
            ids=_ids(spec, fetched.document),
        )
        record = functools.partial(self._recorder.changed, service.name, spec)
        entry = self._store.keep(service.name, entry, fetched.document, spec, record, self._cancelled)
        return self._outcome(service, "unchanged" if is_same else "changed", entry, before)

    def _known_ids(self, service: ServiceConfig) -> dict[tuple[str, str], str]:
        with suppress(SpecError):
            return {operation.key: operation.id for operation in self._store.spec(service.name).operations}
        return {}

    def _unhealthy(self, service: ServiceConfig, kept: KeptSpec | None, why: str) -> Refreshed:
        error = SourceUnreachable(why)
        self._recorder.failed(service.name, error, why)
        return self._outcome(service, "unhealthy", kept, error=why, error_type=type(error).__name__)

    def _unsettled(self, service: ServiceConfig, error: Unsettled) -> Refreshed:
        kept = self._kept.get(service.name)
        return self._outcome(service, "unsettled", kept, error=str(error), error_type=UnusableSpec.__name__)

    def _failed(self, service: ServiceConfig, error: Exception) -> Refreshed:
        text = str(error) if isinstance(error, SyncflowError) else f"a fault of SyncFlow itself: {type(error).__name__}"
        self._recorder.failed(service.name, error, text)
        kept = self._kept.get(service.name)
        return self._outcome(service, "failed", kept, error=text, error_type=type(error).__name__)

    def _outcome(
        self,
        service: ServiceConfig,
        status: Status,
        kept: KeptSpec | None,
        before: str | None = None,
        *,
        error: str | None = None,
        error_type: str | None = None,
    ) -> Refreshed:
        if kept is None:
            return Refreshed(service.name, status, error=error, error_type=error_type)
        return Refreshed(
            service.name,
            status,
            checksum=kept.checksum,
            previous_checksum=before if status in ("changed", "unchanged") else kept.checksum,
            contract=kept.contract or None,
            spec_file=self._store.spec_file(service.name),
            url=_found_at(service, kept),
            files=tuple(service.path.absolute() / part.url for part in kept.documents if is_file(part)),
            is_of_files=bool(kept.documents) and all(map(is_file, kept.documents)),
            changed_at=kept.changed_at,
            error=error,
            error_type=error_type,
            load=functools.partial(self._store.spec, service.name),
        )


def _found_at(service: ServiceConfig, kept: KeptSpec) -> str | None:
    if kept.documents and is_file(kept.documents[0]):
        return str(absolute(kept.documents[0].url, service.path.absolute()))
    return kept.url


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ids(spec: Spec, document: dict[str, Json]) -> dict[str, str]:
    """The ids that the operations have only because they had them before: the others come out the same any time."""
    fresh = unique_ids([_claim(operation, document) for operation in spec.operations], {})
    return {
        f"{operation.method} {operation.path}": operation.id
        for operation in spec.operations
        if fresh[operation.key] != operation.id
    }


def _claim(operation: Operation, document: dict[str, Json]) -> Claim:
    written = look_up(document, steps_of(operation.pointer))
    operation_id = written.get("operationId") if isinstance(written, dict) else None
    return claim(operation.path, operation.method, operation_id)
