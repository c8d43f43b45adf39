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

    Close it, or use it as a context manager. Raises `ConfigurationError` where the credentials cannot be read.
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
    client: DocumentReader, service: ServiceConfig, known: Sequence[Part] = (), limits: Limits = LIMITS
) -> Fetched:
    """The service's spec, bundled; without a document where all its parts are as `known`.

    Candidates are tried in their order, then the fallback. Raises `SourceRefused` at the first 401 or 403;
    `SourceUnreachable`, `SourceProtocolError`, `UnusableSpec` or `SpecTooLarge` where none gave an OpenAPI document;
    and one of these where something that the document refers to cannot be read now.
    """
    root = _find(client, service, known, limits)
    if known and root.part.is_same(known[0]):
        parts = _references(client, service, root, limits).looked_at_again(known[1:])
        if parts is not None:
            return Fetched((root.part, *parts), None)
        root = _find(client, service, (), limits)
    assert root.parsed is not None, "whatever is not known is looked into"
    references = _references(client, service, root, limits)
    bundled, findings = bundle(root.parsed.value, root.part.found_at, references.read, references.may_read, limits)
    references.refuse_gaps()
    return Fetched((root.part, *references.parts), bundled, (*root.parsed.findings, *findings))


def _references(client: DocumentReader, service: ServiceConfig, root: _Root, limits: Limits) -> References:
    return References(client, root.part, hosts=service.ref_hosts, is_at_home=root.is_at_home, limits=limits)


def _find(client: DocumentReader, service: ServiceConfig, known: Sequence[Part], limits: Limits) -> _Root:
    """The document itself, where the first candidate gives one."""

    def look(url: str) -> _Root:
        return _look(client, url, known[0] if known else None, limits)

    failures: list[tuple[str, SyncflowError]] = []
    own = [f"{service.base_url}{path}" for path in service.openapi_paths]
    root = _first(own, look, failures)
    if root is None and service.fallback is not None:
        try:
            root = _first([service.fallback.url], look, failures)
        except SourceRefused as error:
            failures.append((service.fallback.url, error))
    if root is None:
        raise _nothing_found(service, failures) from failures[-1][1]
    return root


def _first(
    urls: Sequence[str], look: Callable[[str], _Root], failures: list[tuple[str, SyncflowError]]
) -> _Root | None:
    """What the first URL with an OpenAPI document holds; None where there is none, the reasons in `failures`."""
    for url in urls:
        try:
            return look(url)
        except (ServerFailed, SourceProtocolError, UnusableSpec) as error:
            failures.append((url, error))
        except SourceUnreachable as error:
            # the others are on the same server
            failures.append((url, error))
            return None
    return None


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
    elif UnusableSpec in kinds:
        kind = UnusableSpec
    told = "; ".join(f"{url}: {_reason(error)}" for url, error in failures)
    if kind is SourceUnreachable:
        return kind(
            f"{service.name} does not answer with its spec ({told}); start or mend the service, or its base_url"
        )
    return kind(f"{service.name} shows no OpenAPI document ({told}); mend base_url and openapi_path, or the service")


def _reason(error: SyncflowError) -> str:
    """What went wrong, without the URL, which is told already."""
    if isinstance(error, NotFound):
        return "it answered 404"
    failed = _FAILED.fullmatch(str(error))
    if failed is None:
        return str(error)
    return f"{failed['reason']}, {failed['after']}" if failed["after"] else failed["reason"]
