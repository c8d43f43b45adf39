"""Validators of HTTP: what a server gives with a document, and is asked by whether that is still the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from syncflow_pipelines.transport.retry import http_date

_STRONG_AFTER = timedelta(seconds=1)
"""A document that changed so shortly before it was sent may change again within the same second (RFC 9110, 8.8.2.2)."""


@dataclass(frozen=True, slots=True)
class Validators:
    """Of one document at one URL; both are as the server wrote them."""

    etag: str | None = None
    last_modified: str | None = None

    def conditions(self) -> dict[str, str]:
        """The headers of a request that is answered by a 304 where nothing changed."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        # what came from somewhere strange and is no header value is left out
        return {name: value for name, value in named.items() if value and value.isascii() and value.isprintable()}


def validators_of(headers: Mapping[str, str]) -> Validators:
    """Those of a reply; a `Last-Modified` that says too little, because it is so recent, is left out."""
    modified = http_date(headers.get("last-modified", ""))
    sent = http_date(headers.get("date", ""))
    is_strong = modified is not None and sent is not None and sent - modified >= _STRONG_AFTER
    return Validators(headers.get("etag"), headers.get("last-modified") if is_strong else None)
