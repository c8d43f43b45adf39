"""One page of rows as it came over the wire, split into rows that can be read and rows that cannot."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec

from syncflow_pipelines.sync.reading.json_pieces import elements, members


class WireRow(msgspec.Struct, gc=False):
    """One row of a page; literals stay as they were sent, so numbers keep every digit."""

    data: msgspec.Raw = msgspec.Raw(b"{}")
    oracle_keys: msgspec.Raw = msgspec.Raw(b"{}")
    row_version: str | int | None = None
    deleted: bool | None = False

    @property
    def version(self) -> str | None:
        """The row version; one that is empty is none."""
        return None if self.row_version in (None, "") else str(self.row_version)


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
    """What could be read of it, so that its key and row version may still be found."""
    at: int = 0
    """How many good rows of its page stand before it."""
    member: str | None = None
    """The first member of `data` that is at fault, where it is one of them."""
    value: str | None = None
    """What stands there."""


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

    def promises_more(self, seen: int) -> bool:
        """Whether the page says that rows follow, in one way or another."""
        return self.has_more is True or (self.total is not None and self.total > seen)


_STRICT = msgspec.json.Decoder(_WirePage)
_LENIENT = msgspec.json.Decoder(_LenientPage)
_ROW = msgspec.json.Decoder(WireRow)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_page(body: bytes) -> Page:
    """The page that the body holds. Raises `ValueError` where it is torn or no page at all."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        page = _STRICT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _parse_leniently(body)
    return Page(page.rows, has_more=page.has_more, total=page.total, received_bytes=len(body))


def _parse_leniently(body: bytes) -> Page:
    """The same, row by row, so that one bad row does not spoil its page."""
    try:
        page = _LENIENT.decode(body)
        texts = [bytes(raw).decode("utf-8", "surrogateescape") for raw in page.rows]
        has_more, total = page.has_more, page.total
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        texts, has_more, total = _cut_into_rows(body.decode("utf-8", "surrogateescape"))
    result = Page(
        [],
        has_more=has_more if isinstance(has_more, bool) else None,
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
        received_bytes=len(body),
    )
    for text in texts:
        _sort_row(text, result)
    return result


def _cut_into_rows(text: str) -> tuple[list[str], Any, Any]:
    """The rows, `has_more` and `total` of a page that is no JSON for one of its rows.

    Raises `ValueError` where the page as a whole is torn.
    """
    found = dict(members(text))
    if '"rows"' not in found:
        raise ValueError("the answer has no rows")
    return list(elements(found['"rows"'])), _scalar(found.get('"has_more"')), _scalar(found.get('"total"'))


def _sort_row(text: str, page: Page) -> None:
    try:
        page.rows.append(_ROW.decode(text.encode("utf-8", "surrogateescape")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        page.bad.append(_bad_row(text, f"not a row of the contract: {cause}", len(page.rows)))


def _bad_row(text: str, reason: str, at: int) -> BadRow:
    """The row with what can be read of it, member by member."""
    try:
        found = dict(members(text))
    except ValueError:
        return BadRow(text, reason, at=at)
    data, at_fault = _readable(found.get('"data"', "{}"))
    keys, _ = _readable(found.get('"oracle_keys"', "{}"))
    row = WireRow(data, keys, _version(found.get('"row_version"')))
    name, value = at_fault or (None, None)
    return BadRow(text, reason, row, at, _scalar(name), value)


def _readable(text: str) -> tuple[msgspec.Raw, tuple[str, str] | None]:
    """An object of those members that are good JSON, and the first that is not: name and value, as literals."""
    good, at_fault = [], None
    try:
        for name, value in members(text):
            piece = f"{name}:{value}".encode("utf-8", "surrogateescape")
            if _is_json(b"{%b}" % piece):
                good.append(piece)
            else:
                at_fault = at_fault or (name, value)
    except ValueError:
        pass  # what stands before the tear is good all the same
    return msgspec.Raw(b"{%b}" % b",".join(good)), at_fault


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _version(literal: str | None) -> str | None:
    found = _scalar(literal)
    if isinstance(found, int) and not isinstance(found, bool):
        return literal
    return found if isinstance(found, str) and found.isprintable() else None


def _scalar(literal: str | None) -> Any:
    """The string, number, boolean or null that the literal is; None for anything else."""
    if literal is None or literal[:1] in ("{", "["):
        return None
    try:
        return json.loads(literal)
    except ValueError:
        return None
