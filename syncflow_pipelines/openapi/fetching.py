"""A service's spec, read from where its configuration says, together with all that it refers to."""

import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from syncflow_pipelines.config import ServiceConfig, Settings
from syncflow_pipelines.config.via import via_of
from syncflow_pipelines.errors import (
    SourceProtocolError,
    SourceRefused,
    SourceUnreachable,
    SpecTooLarge,
    SyncflowError,
    UnusableSpec,
)
from syncflow_pipelines.openapi.bundling import bundle
from syncflow_pipelines.openapi.given import DocumentReader
from syncflow_pipelines.openapi.limits import LIMITS, Limits
from syncflow_pipelines.openapi.model import Finding, Json
from syncflow_pipelines.openapi.parsing import Parsed, parse_document
from syncflow_pipelines.openapi.references import Part, References, hold_whole, is_markup, knowing, part_of
from syncflow_pipelines.openapi.spec_files import (
    QUIET_AT_LEAST_S,
    FileReferences,
    NoSuchFile,
    file_part,
    read_file,
    unsettled,
)
from syncflow_pipelines.transport import (
    NO_BOUND,
    Clock,
    DocumentClient,
    NotFound,
    Proxies,
    ReplyTooLarge,
    ServerFailed,
    Visit,
    in_words,
    tls_context,
)

ACCEPT: Final = "application/json, application/vnd.oai.openapi+json, application/yaml, text/yaml, */*;q=0.5"
DEADLINE_FACTOR: Final = 2
"""A spec may take so many times `timeout_s`, which is how long a server may be silent."""
MAX_RETRY_AFTER_S: Final = 60.0

_FAILED: Final = re.compile(r"GET \S+ failed(?: (?P<after>after \d+ attempts))?: (?P<reason>.*)", re.DOTALL)
"""How the transport says that a request failed."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a look at a service's spec gave."""

    parts: tuple[Part, ...]
    """The document first, then all that it refers to."""
    document: dict[str, Json] | None
    """The document with all that it refers to; None where every part is as it was known to be."""
    findings: tuple[Finding, ...] = ()

    @property
    def url(self) -> str:
        return self.parts[0].found_at


@dataclass(frozen=True, slots=True)
class _Root:
    """The document itself, as it was found."""

    part: Part
    is_at_home: bool
    parsed: Parsed | None
    """None where it is as it was known to be, and was not looked into."""
    file: Path | None = None
    """Absolute; None where it is of a server."""

    @property
    def location(self) -> str:
        """From where its references are meant."""
        return self.part.found_at if self.file is None else str(self.file)


def open_client(
    service: ServiceConfig,
    settings: Settings,
    *,
    tls: Callable[[Path | None], ssl.SSLContext] = tls_context,
    slots: AbstractContextManager[object] = NO_BOUND,
    cancelled: Callable[[], bool] = lambda: False,
    clock: Clock = Clock(),  # noqa: B008 - it is frozen
    limits: Limits = LIMITS,
) -> DocumentClient:
    """A client with the service's credentials as they are now, which it sends to `base_url` alone.

    Close it, or use it as a context manager. Raises `ConfigurationError` where the credentials cannot be read, or
    the gateway has no endpoint that leads to the service.
    """
    headers = service.auth.headers()
    return DocumentClient(
        service.base_url,
        headers,
        timeout_s=service.timeout_s,
        deadline_s=DEADLINE_FACTOR * service.timeout_s,
        max_body_bytes=limits.max_bytes,
        refused=f"{in_words(service.auth)}; replace it"
        if headers
        else "a request without credentials; set the service's auth",
        accept=ACCEPT,
        ca_file=service.ca_file,
        proxies=Proxies(settings.http_proxy, settings.https_proxy, settings.no_proxy),
        via=via_of(service, settings),
        max_retry_after_s=MAX_RETRY_AFTER_S,
        tls=tls,
        slots=slots,
        cancelled=cancelled,
        clock=clock,
    )


def unhealthy(client: DocumentReader, service: ServiceConfig) -> str | None:
    """Why the service is not healthy, in a sentence; None where `health_path` is answered with less than 500."""
    url = f"{service.base_url}{service.health_path}"
    try:
        status = client.status(url)
    except SourceUnreachable as error:
        return str(error)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    return f"{url} answered {status}; look after the service, or set health_check_before_sync to false"


def fetch(
    client: DocumentReader,
    service: ServiceConfig,
    known: Sequence[Part] = (),
    limits: Limits = LIMITS,
    *,
    quiet_s: float = QUIET_AT_LEAST_S,
) -> Fetched:
    """The service's spec, bundled; without a document where all its parts are as `known`.

    Candidates are tried in their order, then the fallback; a file that is there and cannot be used ends that.
    Raises `SourceRefused` at the first 401 or 403; `SourceUnreachable`, `SourceProtocolError`, `UnusableSpec` or
    `SpecTooLarge` where none gave an OpenAPI document; and one of these where something that the document refers to
    cannot be read now. Where files are meant that have not been quiet for `quiet_s`, it is `Unsettled`.
    """
    root = _find(client, service, known, limits, quiet_s)
    if known and root.part.is_same(known[0]):
        parts = _references(client, service, root, limits, quiet_s).looked_at_again(known[1:])
        if parts is not None:
            return Fetched((root.part, *parts), None)
        root = _find(client, service, (), limits, quiet_s)
    assert root.parsed is not None, "whatever is not known is looked into"
    references = _references(client, service, root, limits, quiet_s)
    bundled, findings = bundle(root.parsed.value, root.location, references.read, references.may_read, limits)
    references.refuse_gaps()
    return Fetched((root.part, *references.parts), bundled, (*root.parsed.findings, *findings))


def _references(
    client: DocumentReader, service: ServiceConfig, root: _Root, limits: Limits, quiet_s: float
) -> References | FileReferences:
    of_servers = References(client, root.part, hosts=service.ref_hosts, is_at_home=root.is_at_home, limits=limits)
    if root.file is None:
        return of_servers
    return FileReferences(service.path.absolute(), root.file, of_servers, quiet_s, limits)


def _find(
    client: DocumentReader, service: ServiceConfig, known: Sequence[Part], limits: Limits, quiet_s: float
) -> _Root:
    """The document itself, where the first candidate gives one."""
    before = known[0] if known else None

    def look(candidate: str | Path) -> _Root:
        if isinstance(candidate, Path):
            return _look_into_file(service, candidate, before, limits, quiet_s)
        return _look(client, candidate, before, limits)

    failures: list[tuple[str, SyncflowError]] = []
    root = _first(service.candidates, look, failures)
    if root is None and service.fallback is not None:
        try:
            root = _first([service.fallback.url], look, failures)
        except SourceRefused as error:
            failures.append((service.fallback.url, error))
    if root is None:
        nothing = _nothing_found(service, failures)
        if service.spec_files:
            # what was deleted may come back at once
            nothing = unsettled(service.spec_files[-1], nothing, quiet_s)
        raise nothing from failures[-1][1]
    return root


def _first(
    candidates: Sequence[str | Path], look: Callable[[str | Path], _Root], failures: list[tuple[str, SyncflowError]]
) -> _Root | None:
    """What the first place with an OpenAPI document holds; None where there is none, the reasons in `failures`."""
    waiting = list(candidates)
    while waiting:
        candidate = waiting.pop(0)
        try:
            return look(candidate)
        except (ServerFailed, SourceProtocolError, NoSuchFile) as error:
            failures.append((str(candidate), error))
        except SourceUnreachable as error:
            # the other endpoints are on the same server
            failures.append((str(candidate), error))
            waiting = [other for other in waiting if isinstance(other, Path)]
        except UnusableSpec as error:
            if isinstance(candidate, Path):
                raise
            failures.append((candidate, error))
    return None


def _look_into_file(service: ServiceConfig, path: Path, known: Part | None, limits: Limits, quiet_s: float) -> _Root:
    """The document in a file. Raises `NoSuchFile`, `SpecTooLarge`, and `UnusableSpec` or `Unsettled`."""
    try:
        content = read_file(path, limits)
        part = file_part(path, service.path.absolute(), content)
        if known is not None and part.is_same(known):
            return _Root(part, False, None, path)
        return _Root(part, False, _parsed(str(path), content, limits), path)
    except NoSuchFile:
        raise
    except UnusableSpec as error:
        told = error if str(path) in str(error) else UnusableSpec(f"{path}: {error}")
        raise unsettled(path, told, quiet_s) from error


def _look(client: DocumentReader, url: str, known: Part | None, limits: Limits) -> _Root:
    try:
        document = client.get(url, Visit(knowing(known), check=lambda content: hold_whole(content, limits)))
    except ReplyTooLarge as error:
        raise SpecTooLarge(f"{url} has more than {limits.max_bytes:,} bytes; split it or shorten it") from error
    part = part_of(url, document, known)
    if document.content is None or (known is not None and part.is_same(known)):
        return _Root(part, document.is_at_home, None)
    return _Root(part, document.is_at_home, _parsed(url, document.content, limits))


def _parsed(url: str, content: bytes, limits: Limits) -> Parsed:
    if is_markup(content):
        raise UnusableSpec("it is a page for people or XML, and no OpenAPI document")
    try:
        return parse_document(content, limits)
    except SpecTooLarge as error:
        raise SpecTooLarge(f"{url}: {error}") from error


def _nothing_found(service: ServiceConfig, failures: Sequence[tuple[str, SyncflowError]]) -> SyncflowError:
    kinds = [type(error) for _, error in failures]
    kind: type[SyncflowError] = SourceProtocolError
    if any(issubclass(found, SourceUnreachable) for found in kinds):
        kind = SourceUnreachable
    elif UnusableSpec in kinds or NoSuchFile in kinds:
        kind = UnusableSpec
    told = "; ".join(f"{url}: {_reason(error)}" for url, error in failures)
    if all(issubclass(found, NoSuchFile) for found in kinds):
        return kind(f"{service.name} has no OpenAPI document ({told}); write it, or mend path and openapi_path")
    if kind is SourceUnreachable:
        return kind(
            f"{service.name} does not answer with its spec ({told}); start or mend the service, or its base_url"
        )
    return kind(f"{service.name} shows no OpenAPI document ({told}); mend base_url and openapi_path, or the service")


def _reason(error: SyncflowError) -> str:
    """What went wrong, without the URL, which is told already."""
    if isinstance(error, NotFound):
        return "it answered 404"
    if isinstance(error, NoSuchFile):
        return "there is no such file"
    failed = _FAILED.fullmatch(str(error))
    if failed is None:
        return str(error)
    return f"{failed['reason']}, {failed['after']}" if failed["after"] else failed["reason"]
