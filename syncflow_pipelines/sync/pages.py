"""One page of rows as it came over the wire, split into rows that can be read and rows that cannot."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec


class WireRow(msgspec.Struct):
    """One row of a page; literals stay as they were sent, so numbers keep every digit."""

    data: msgspec.Raw = msgspec.Raw(b"{}")
    oracle_keys: msgspec.Raw = msgspec.Raw(b"{}")
    row_version: str | int | None = None
    deleted: bool | None = False

    @property
    def version(self) -> str | None:
        return None if self.row_version is None else str(self.row_version)


class _WirePage(msgspec.Struct):
    rows: list[WireRow]
    has_more: bool | None = None
    total: int | None = None


class _LenientPage(msgspec.Struct):
    rows: list[msgspec.Raw]
    has_more: Any = None
    total: Any = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not what the contract says, kept whole."""

    raw: str
    reason: str
    row: WireRow | None = None
    """What could be read of it, so that its key may still be found."""


@dataclass(slots=True)
class Page:
    """The rows of one answer, in the source's order."""

    rows: list[WireRow]
    bad: list[BadRow] = field(default_factory=list)
    has_more: bool | None = None
    total: int | None = None
    number: int = 1
    """The page that was asked for."""
    received_bytes: int = 0
    """Length of the body, decompressed."""

    @property
    def size(self) -> int:
        return len(self.rows) + len(self.bad)

    def ends_the_read(self, asked: int, seen: int) -> bool:
        """Whether nothing can follow: an empty page, or a believable `has_more: false`.

        `asked` is the page size of the request, `seen` the rows read so far, this page's included.
        A full page, or one that the total contradicts, is not believed when it says that it is the last.
        """
        if not self.size:
            return True
        contradicted = self.size >= asked or (self.total is not None and self.total > seen)
        return self.has_more is False and not contradicted


_STRICT = msgspec.json.Decoder(_WirePage)
_LENIENT = msgspec.json.Decoder(_LenientPage)
_ROW = msgspec.json.Decoder(WireRow)


def parse_page(body: bytes) -> Page:
    """The page that the body holds. Raises `ValueError` where it is torn or no page at all."""
    try:
        page = _STRICT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _parse_leniently(body)
    return Page(page.rows, has_more=page.has_more, total=page.total, received_bytes=len(body))


def _parse_leniently(body: bytes) -> Page:
    """The same, row by row, so that one bad row does not spoil its page."""
    try:
        page = _LENIENT.decode(body)
        texts = [bytes(raw).decode("utf-8", "surrogateescape") for raw in page.rows]
        has_more, total = page.has_more, page.total
    except (msgspec.DecodeError, UnicodeDecodeError):
        texts, rest = _split_by_hand(body.decode("utf-8", "surrogateescape"))
        has_more, total = rest.get("has_more"), rest.get("total")
    result = Page(
        [],
        has_more=has_more if isinstance(has_more, bool) else None,
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
        received_bytes=len(body),
    )
    for text in texts:
        _sort_row(text, result)
    return result


def _sort_row(text: str, page: Page) -> None:
    try:
        page.rows.append(_ROW.decode(text.encode("utf-8", "surrogateescape")))
    except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError) as cause:
        page.bad.append(BadRow(text, f"not a row of the contract: {cause}", _salvage(text)))


def _salvage(text: str) -> WireRow | None:
    """What the standard library makes of a row that the strict parser refuses."""
    try:
        found = json.loads(text, strict=False)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    version = found.get("row_version")
    return WireRow(
        data=_dump(found.get("data")),
        oracle_keys=_dump(found.get("oracle_keys")),
        row_version=version if isinstance(version, str) else None,
    )


def _dump(value: object) -> msgspec.Raw:
    kept = {k: v for k, v in value.items() if isinstance(v, (str, int))} if isinstance(value, dict) else {}
    try:
        return msgspec.Raw(msgspec.json.encode(kept))
    except UnicodeEncodeError:
        return msgspec.Raw(b"{}")


def _split_by_hand(text: str) -> tuple[list[str], dict[str, Any]]:
    """The texts of the rows and the other members of a page that strict JSON refuses.

    A page may hold `NaN`, a lone surrogate or a raw control character in one of its thousand rows;
    the standard library's parser lets those through and tells where each value ends.
    Raises `ValueError` where the text is torn.
    """
    decoder = json.JSONDecoder(strict=False)
    rows: list[str] | None = None
    rest: dict[str, Any] = {}
    for name, start in _members(decoder, text):
        if name == "rows":
            rows = list(_elements(decoder, text, start))
        else:
            rest[name] = decoder.raw_decode(text, start)[0]
    if rows is None:
        raise ValueError("the answer has no rows")
    return rows, rest


def _members(decoder: json.JSONDecoder, text: str) -> Iterator[tuple[str, int]]:
    at = _expect(text, 0, "{")
    while True:
        name, at = decoder.raw_decode(text, _skip(text, at))
        if not isinstance(name, str):
            raise ValueError("a member of the page has no name")
        start = _skip(text, _expect(text, at, ":"))
        yield name, start
        at = _skip(text, decoder.raw_decode(text, start)[1])
        if text[at : at + 1] == "}":
            return
        at = _expect(text, at, ",")


def _elements(decoder: json.JSONDecoder, text: str, start: int) -> Iterator[str]:
    at = _skip(text, _expect(text, start, "["))
    while text[at : at + 1] != "]":
        end = decoder.raw_decode(text, at)[1]
        yield text[at:end]
        at = _skip(text, end)
        if text[at : at + 1] != "]":
            at = _skip(text, _expect(text, at, ","))


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r") and at < len(text):
        at += 1
    return at


def _expect(text: str, at: int, what: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != what:
        raise ValueError(f"not JSON: {what!r} expected at character {at}")
    return at + 1
