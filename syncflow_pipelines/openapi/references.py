"""The documents that a spec is made of, and the reading of those that its own document refers to."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.errors import (
    SourceProtocolError,
    SourceRefused,
    SourceUnreachable,
    SpecTooLarge,
    SyncCancelled,
    SyncflowError,
)
from syncflow_pipelines.openapi.given import DocumentReader
from syncflow_pipelines.openapi.limits import LIMITS, Limits
from syncflow_pipelines.openapi.parsing import parse_value
from syncflow_pipelines.transport import Document, ReplyTooLarge, Validators, Visit, locate

MAX_SECONDS: Final = 600.0
"""For all that one document refers to."""

_TOGETHER: Final = 8
"""Documents that are looked at again at the same time."""


@dataclass(frozen=True, slots=True)
class Part:
    """One document of a spec, as it was when it was read."""

    url: str
    """As it was asked for."""
    found_at: str = ""
    """Where it was found, redirects followed; empty where there was none. Without the query where a redirect led to
    another server: that is how storage is signed for."""
    sha256: str = ""
    size: int = 0
    """Bytes, decompressed."""
    etag: str | None = None
    last_modified: str | None = None

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, self.last_modified)

    def is_same(self, other: "Part") -> bool:
        """Whether both are of the same place and hold the same bytes."""
        return (self.found_at, self.sha256) == (other.found_at, other.sha256)


def part_of(url: str, document: Document, known: Part | None) -> Part:
    """The part that was read; where the server said that `known` is still right, with its digest."""
    given = document.validators
    is_signed = not document.is_at_home and document.url != url
    found_at = document.url.partition("?")[0] if is_signed else document.url
    if document.content is None:
        assert known is not None, "nobody answers 304 to a request without validators"
        return Part(url, found_at, known.sha256, known.size, known.etag, known.last_modified)
    digest = hashlib.sha256(document.content).hexdigest()
    return Part(url, found_at, digest, len(document.content), given.etag, given.last_modified)


def knowing(known: Part | None) -> dict[str, Validators]:
    """What to send along, so that a part that did not change is not sent again."""
    return {known.found_at: known.validators} if known is not None and known.found_at else {}


def is_markup(content: bytes) -> bool:
    """Whether it is a page for people, or XML."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def hold_whole(content: bytes, limits: Limits) -> None:
    """Raises `UnusableSpec` where the content may be JSON or YAML that was cut off."""
    if not is_markup(content):
        with suppress(SpecTooLarge):
            parse_value(content, limits)


class References:
    """Reads what a document refers to: from its own origin or the hosts that were named, bounded in all.

    The credentials go to the service's own origin, and only where the document itself came from there.
    """

    def __init__(
        self,
        client: DocumentReader,
        root: Part,
        *,
        hosts: Sequence[str] = (),
        is_at_home: bool,
        limits: Limits = LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._named = root.found_at
        # a file has none: what it refers to is on hosts that were named
        self._origin = locate(root.found_at)[0] if "://" in root.found_at else None
        self._hosts = frozenset(hosts)
        self._is_at_home = is_at_home
        self._limits = limits
        self._monotonic = monotonic
        self._ends_at = monotonic() + MAX_SECONDS
        self._bytes = root.size
        self._gap: SyncflowError | None = None
        self.parts: list[Part] = []
        """What was read, in that order; also what was not there."""

    def may_read(self, url: str) -> bool:
        """Whether a document may be read from there; never a file, and nothing unencrypted into what was encrypted."""
        try:
            origin, _ = locate(url)
        except ValueError:
            return False
        if origin == self._origin:
            return True
        is_safe = self._origin is None or origin.scheme == "https" or self._origin.scheme == "http"
        return is_safe and bool(self._hosts & {origin.authority, f"{origin.authority}:{origin.port}"})

    def read(self, url: str) -> bytes:
        """The document at a URL that may be read. Raises `SyncflowError`."""
        try:
            with self._gap_kept():
                return self._read(url)
        except SourceProtocolError:
            self.parts.append(Part(url))
            raise

    def refuse_gaps(self) -> None:
        """Raises what kept a document from being read that may well be there: without it, the spec is not whole."""
        if self._gap is not None:
            raise self._gap

    def looked_at_again(self, known: Sequence[Part]) -> list[Part] | None:
        """The parts as they are now, or None where one of them changed. Raises as `refuse_gaps`."""
        if not known:
            return []
        with ThreadPoolExecutor(min(_TOGETHER, len(known)), "syncflow-references") as threads:
            parts = [part for part in threads.map(self._again, known) if part is not None]
        return parts if len(parts) == len(known) else None

    @contextmanager
    def _gap_kept(self) -> Iterator[None]:
        """Keeps the first error that fails the whole, and raises it at once for all that are read after that."""
        self.refuse_gaps()
        try:
            if self._monotonic() > self._ends_at:
                raise SourceUnreachable(
                    f"reading what the spec at {self._named} refers to took longer than {MAX_SECONDS:g} s; "
                    "try again later, or bundle it at its source"
                )
            yield
        except (SourceUnreachable, SourceRefused, SpecTooLarge, SyncCancelled) as error:
            self._gap = self._gap or error
            raise

    def _read(self, url: str) -> bytes:
        try:
            document = self._client.get(url, self._visit(None))
        except ReplyTooLarge as error:
            raise self._too_large(url) from error
        part = part_of(url, document, None)
        self._bytes += part.size
        if self._bytes > self._limits.max_bytes:
            raise self._too_large(url)
        self.parts.append(part)
        return document.content or b""

    def _again(self, known: Part) -> Part | None:
        """The part as it is now; None where it changed."""
        if not self.may_read(known.url):
            return None
        try:
            with self._gap_kept():
                document = self._client.get(known.url, self._visit(known))
        except SourceProtocolError:
            return None if known.found_at else known
        part = part_of(known.url, document, known)
        return part if part.is_same(known) else None

    def _visit(self, known: Part | None) -> Visit:
        return Visit(knowing(known), self.may_read, self._is_at_home, lambda content: hold_whole(content, self._limits))

    def _too_large(self, url: str) -> SpecTooLarge:
        return SpecTooLarge(
            f"the spec has more than {self._limits.max_bytes:,} bytes, with all that it refers to, at {url}; shorten it"
        )
