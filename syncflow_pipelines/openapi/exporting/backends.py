"""A running backend's spec, written to a file: once it answers, and again whenever it answers something else."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from syncflow_pipelines.config import Settings
from syncflow_pipelines.errors import (
    ConfigurationError,
    SourceError,
    SourceUnreachable,
    SpecError,
    SpecTooLarge,
    SyncflowError,
    UnusableSpec,
)
from syncflow_pipelines.openapi.exporting.documents import Exported, export_document
from syncflow_pipelines.openapi.fetching import ACCEPT
from syncflow_pipelines.openapi.limits import LIMITS
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.parsing import parse_document
from syncflow_pipelines.openapi.references import hold_whole, is_markup
from syncflow_pipelines.transport import (
    DocumentClient,
    NotFound,
    Proxies,
    ReplyTooLarge,
    ServerFailed,
    Validators,
    Visit,
)

INTERVAL_S: Final = 1.0
"""Between two looks at a backend that has shown its spec."""
WAIT_S: Final = 60.0
"""How long a backend may take until it shows its spec."""
USUAL_PATHS: Final = (
    "/openapi.json", "/api/openapi.json", "/swagger.json", "/api-docs", "/v3/api-docs", "/api/schema/?format=json",
)  # fmt: skip
"""Where frameworks show their spec, FastAPI's first."""

_STARTING_S: Final = 0.2
"""Between two looks at a backend that has not."""
_RESTART_S: Final = 3.0
_TIMEOUT_S: Final = 10.0


class NoSpecShown(SourceUnreachable):
    """The backend did not show its spec within the time that it was given."""


@dataclass(frozen=True, slots=True)
class News:
    """What has become of a backend since it was looked at before: one of the two."""

    exported: Exported | None = None
    """At first, whenever the file was written, and when a trouble is over."""
    trouble: str | None = None
    """Why it shows no spec; told once for as long as it is the same, and not while it may just be restarting."""


@dataclass(slots=True)
class Backend:
    """A running backend. `urls` are tried in their order, and the first that shows a spec is asked from then on."""

    urls: Sequence[str]
    path: Path
    """Of the file that is written."""
    client: DocumentClient
    _known: dict[str, Validators] = field(default_factory=dict)
    _content: bytes | None = None
    trouble: str | None = None
    """Why it shows no spec now."""
    _last: Exported | None = None
    _told: str | None = None
    _since_s: float = 0.0

    def look(self) -> News | None:
        """Looks once, and writes what is new; None where nothing is.

        Raises `ConfigurationError` where the file cannot be written and never was, and `SyncCancelled`.
        """
        if self._last is not None and not self.path.exists():
            self._known, self._content = {}, None
        try:
            document = self._asked()
            exported = None if document is None else export_document(self.path, document)
        except (SourceError, SpecError) as error:
            return self._in_trouble(error)
        except ConfigurationError as error:
            if self._last is None:
                raise
            self._known, self._content = {}, None
            return self._in_trouble(error)
        return self._well(exported)

    def _in_trouble(self, error: SyncflowError) -> News | None:
        """A trouble to tell; whoever restarts is down for a moment."""
        self.trouble, self._since_s = str(error), self._since_s or time.monotonic()
        may_pass = isinstance(error, SourceUnreachable) and not isinstance(error, ServerFailed)
        lasts = time.monotonic() - self._since_s > _RESTART_S
        if self.trouble == self._told or (may_pass and not lasts):
            return None
        self._told = self.trouble
        return News(trouble=self.trouble)

    def _well(self, exported: Exported | None) -> News | None:
        is_over, self._told, self.trouble, self._since_s = self._told is not None, None, None, 0.0
        is_news = is_over or self._last is None or (exported is not None and exported.changed)
        self._last = exported or (self._last and replace(self._last, changed=False))
        return News(self._last) if is_news else None

    def _asked(self) -> Json | None:
        """What the backend shows; None where that is what it showed before."""
        failures: list[SourceError | SpecError] = []
        for url in self.urls:
            try:
                return self._at(url)
            except (NotFound, ServerFailed, UnusableSpec) as error:
                failures.append(error)
        # something that is no spec, or an error, tells more than a path that is not known
        raise next((error for error in failures if not isinstance(error, NotFound)), failures[0])

    def _at(self, url: str) -> Json | None:
        try:
            document = self.client.get(url, Visit(self._known, check=lambda content: hold_whole(content, LIMITS)))
        except ReplyTooLarge as error:
            raise SpecTooLarge(f"{url} has more than {LIMITS.max_bytes:,} bytes") from error
        if document.content is None or document.content == self._content:
            return None
        if is_markup(document.content):
            raise UnusableSpec(f"{url} shows a page for people or XML, and no OpenAPI document")
        try:
            parsed = parse_document(document.content, LIMITS)
        except UnusableSpec as error:
            raise UnusableSpec(f"{url}: {error}") from error
        self.urls, self._known, self._content = (url,), {document.url: document.validators}, document.content
        return parsed.value


def open_backend(
    urls: Sequence[str], path: Path, settings: Settings, cancelled: Callable[[], bool] = lambda: False
) -> Backend:
    """The backend that shows its spec at one of the URLs, for a file; close its `client`."""
    client = DocumentClient(
        urls[0],
        {},
        timeout_s=_TIMEOUT_S,
        deadline_s=2 * _TIMEOUT_S,
        max_body_bytes=LIMITS.max_bytes,
        refused="a request without credentials; let it show its spec to this machine",
        accept=ACCEPT,
        proxies=Proxies(settings.http_proxy, settings.https_proxy, settings.no_proxy),
        max_retry_after_s=INTERVAL_S,
        cancelled=cancelled,
        retries=0,
    )
    return Backend(urls, path, client)


def followed(
    backend: Backend,
    *,
    interval_s: float = INTERVAL_S,
    wait_s: float | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[News]:
    """What becomes of a backend, for as long as somebody asks; it may restart, and be down in between.

    Raises `NoSpecShown` where it shows no spec within `wait_s` (None: it may take as long as it likes), and what `look`
    does.
    """
    ends_at = None if wait_s is None else time.monotonic() + wait_s
    is_shown = False
    while True:
        if news := backend.look():
            is_shown = is_shown or news.exported is not None
            yield news
        if not is_shown and ends_at is not None and time.monotonic() > ends_at:
            raise NoSpecShown(f"no spec was shown within {wait_s:g} s: {backend.trouble}; start or mend the backend")
        sleep(interval_s if is_shown else min(interval_s, _STARTING_S))


def exported_once(backend: Backend, *, wait_s: float = WAIT_S) -> Exported:
    """The spec's file, once the backend has shown its spec. Raises as `followed` does."""
    return next(news.exported for news in followed(backend, wait_s=wait_s) if news.exported is not None)
