"""A document that is at hand already, in the place where it would be asked for."""

from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Protocol, Self

from syncflow_pipelines.transport import Document, DocumentClient, Validators, Visit
from syncflow_pipelines.transport.documents import PLAIN


@dataclass(frozen=True, slots=True)
class GivenSpec:
    """A service's document, as the service itself would show it."""

    path: str
    """The one of its `openapi_paths` that shows it."""
    content: bytes = field(repr=False)


class DocumentReader(Protocol):
    """Reads documents by their URLs, as `DocumentClient` does, whose methods say what they raise."""

    def get(self, url: str, visit: Visit = PLAIN) -> Document: ...

    def status(self, url: str) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class GivenDocument:
    """Shows the document under its URL without asking anybody; for all others, the client is asked."""

    def __init__(self, client: DocumentClient, url: str, content: bytes) -> None:
        self._client = client
        self._url = url
        self._content = content

    def get(self, url: str, visit: Visit = PLAIN) -> Document:
        """The document at the URL."""
        if url != self._url:
            return self._client.get(url, visit)
        return Document(url, self._content, Validators(), is_at_home=True)

    def status(self, url: str) -> int:
        """Well, whatever the URL: who gave the document lives."""
        return HTTPStatus.OK

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, traceback)
