"""The files that a document refers to: which may be read, and what they hold."""

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from syncflow_pipelines.errors import SpecTooLarge, SyncflowError, UnusableSpec
from syncflow_pipelines.openapi.limits import Limits, too_many_bytes
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.parsing import parse_value
from syncflow_pipelines.openapi.pointers import below

Read = Callable[[str], bytes]
MayRead = Callable[[str], bool]


class Unreadable(Exception):
    """Why a reference cannot be followed."""


@dataclass(slots=True)
class Library:
    """The files that have been read."""

    root: str
    document: Json
    read: Read
    may_read: MayRead
    limits: Limits
    _held: dict[str, Json | Unreadable] = field(default_factory=dict)
    _anchors: dict[str, dict[str, str]] = field(default_factory=dict)
    _size: int = 0

    def __post_init__(self) -> None:
        self._held[self.root] = self.document

    def at(self, location: str) -> Json:
        """What the file holds. Raises `Unreadable`, every time again."""
        if location not in self._held:
            self._held[location] = self._opened(location)
        held = self._held[location]
        if isinstance(held, Unreadable):
            raise held
        return held

    def anchors(self, location: str) -> dict[str, str]:
        """The pointer to each `$anchor`, anywhere in the file."""
        if location not in self._anchors:
            self._anchors[location] = dict(_anchors(self.at(location)))
        return self._anchors[location]

    def _opened(self, location: str) -> Json | Unreadable:
        if len(self._held) > self.limits.max_documents:
            raise SpecTooLarge(
                f"the document refers to more than {self.limits.max_documents:,} files; bundle it at its source"
            )
        try:
            if not self.may_read(location):
                return Unreadable("it is neither of the same origin nor allowed")
            content = self.read(location)
        except (SyncflowError, OSError, ValueError) as error:
            return Unreadable(f"it cannot be read: {str(error)[:300]}")
        self._size += len(content)
        if self._size > self.limits.max_bytes:
            raise too_many_bytes(self.limits, "the document with all files that it refers to")
        try:
            return parse_value(content, self.limits).value
        except UnusableSpec as error:
            return Unreadable(str(error)[:300])


def absolute(reference: str, base: str) -> str:
    """The location that a reference in the file at `base` means, both URLs or paths."""
    if urlsplit(base).scheme or urlsplit(reference).scheme:
        return urljoin(base, reference)
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), reference))


def _anchors(document: Json) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[Json, str]] = [(document, "")]
    while waiting:
        value, pointer = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("$anchor"), str):
                yield value["$anchor"], pointer
            waiting.extend((item, below(pointer, key)) for key, item in value.items() if isinstance(item, dict | list))
        elif isinstance(value, list):
            waiting.extend((item, below(pointer, index)) for index, item in enumerate(value))
