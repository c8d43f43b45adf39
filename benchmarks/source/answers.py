"""A request's target → its answer, as bytes that are rendered already."""

import hashlib
import json
import mmap
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from benchmarks.dataset import mapped
from benchmarks.source.offer import Offer, catalogue

MAX_PAGE_SIZE = 1000
_DATA = "/api/v1/data/"
_PARAMETERS = ("page", "page_size", "rowversion_gt")
_LONGEST_NUMBER = 4000
"""Digits; Python's `int()` refuses strings not much longer than that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, further headers, and the pieces of the body."""

    status: int
    pieces: tuple[bytes | memoryview, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    is_page: bool = False


class Refused(Exception):
    """A request that the contract does not allow."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Answers:
    """Everything that the source can say about its offers."""

    def __init__(self, offers: list[Offer]) -> None:
        self._entities = {offer.slug: _Entity(offer) for offer in offers}
        self._catalogue = json.dumps(catalogue(offers)).encode()
        self._etag = f'"{hashlib.blake2b(self._catalogue, digest_size=16).hexdigest()}"'

    def to(self, method: str, target: str, etag: str) -> Answer:
        """The answer to a request; `etag` is what its If-None-Match says."""
        try:
            return self._to(method, target, etag)
        except Refused as refused:
            return _problem(refused)

    def _to(self, method: str, target: str, etag: str) -> Answer:
        split = urlsplit(target)
        known = split.path in ("/api/v1/health", "/api/v1/apis") or split.path.startswith(_DATA)
        if not known:
            raise Refused(404, "There is nothing here.")
        if method != "GET":
            raise Refused(405, "Only GET is answered.")
        if split.path == "/api/v1/health":
            return Answer(200, (b'{"status":"ok"}',))
        if split.path == "/api/v1/apis":
            return self._apis(etag)
        return self._rows(unquote(split.path.removeprefix(_DATA)), split.query)

    def _apis(self, etag: str) -> Answer:
        headers = (("ETag", self._etag),)
        wanted = {candidate.strip().removeprefix("W/") for candidate in etag.split(",")}
        return Answer(304, headers=headers) if {self._etag, "*"} & wanted else Answer(200, (self._catalogue,), headers)

    def _rows(self, slug: str, query: str) -> Answer:
        given = _parameters(query)
        page = _whole(given, "page", 1, None)
        page_size = _whole(given, "page_size", MAX_PAGE_SIZE, MAX_PAGE_SIZE)
        entity = self._entities.get(slug)
        if entity is None:
            raise Refused(404, "This source offers no such entity.")
        return Answer(200, entity.page(page, page_size, given.get("rowversion_gt")), is_page=True)


class _Entity:
    def __init__(self, offer: Offer) -> None:
        state = offer.state
        self._data = memoryview(_mapped_or_empty(offer))
        offsets = cast("NDArray[np.int64]", np.load(state.json.offsets, mmap_mode="r"))
        versions = cast("NDArray[np.int64]", np.load(state.versions, mmap_mode="r"))[offer.first : offer.last]
        self._offsets = np.ascontiguousarray(offsets[offer.first : offer.last + 1])
        self._by_version = np.argsort(versions, kind="stable")
        self._versions = versions[self._by_version]

    def page(self, page: int, page_size: int, above: str | None) -> tuple[bytes | memoryview, ...]:
        """The pieces of one page's body."""
        skipped = 0 if not above else self._versions_up_to(above)
        total = len(self._versions) - skipped
        first = min((page - 1) * page_size, total)
        last = min(first + page_size, total)
        tail = {"page": page, "page_size": page_size, "total": total, "has_more": last < total}
        if first == last:
            rows: tuple[bytes | memoryview, ...] = (b" ",)
        elif above is None:
            rows = (self._between(first, last),)
        else:
            rows = self._picked(self._by_version[skipped + first : skipped + last])
        return (b'{"rows":[', *rows, b"]," + json.dumps(tail).encode()[1:])

    def _versions_up_to(self, above: str) -> int:
        """As the contract compares: whole numbers as numbers, everything else by code point."""
        if above.isascii() and above.isdecimal() and len(above) <= _LONGEST_NUMBER:
            return bisect_right(cast("Any", self._versions), int(above))
        return bisect_right(cast("Any", self._versions), above, key=str)

    def _between(self, first: int, last: int) -> memoryview:
        """Rows that stand one after the other, without the comma behind the last."""
        return self._data[int(self._offsets[first]) : int(self._offsets[last]) - 1]

    def _picked(self, numbers: NDArray[np.int64]) -> tuple[bytes | memoryview, ...]:
        first, last = int(numbers[0]), int(numbers[-1])
        if last - first == len(numbers) - 1:
            return (self._between(first, last + 1),)
        return (b",".join(self._between(int(number), int(number) + 1) for number in numbers),)


def _mapped_or_empty(offer: Offer) -> mmap.mmap | bytes:
    return mapped(offer.state.json.data) if offer.rows else b""


def _parameters(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, _ in pairs:
        if name not in _PARAMETERS:
            raise Refused(422, f"Only {', '.join(_PARAMETERS)} are parameters here.")
    given = dict(pairs)
    if len(given) < len(pairs):
        raise Refused(422, "A parameter is given twice; give it once.")
    return given


def _whole(given: dict[str, str], name: str, default: int, maximum: int | None) -> int:
    text = given.get(name)
    if text is None:
        return default
    value = int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0
    if value < 1 or (maximum is not None and value > maximum):
        raise Refused(422, f"{name} must be a whole number of 1 {f'to {maximum}' if maximum else 'or more'}.")
    return value


def _problem(refused: Refused) -> Answer:
    headers = (("Allow", "GET"),) if refused.status == 405 else ()
    return Answer(refused.status, (json.dumps({"detail": refused.detail}).encode(),), headers)
