"""A page's rows → CSV lines, column by column; a row that is not plain is left to be looked at alone."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import msgspec
import xxhash

from syncflow_pipelines.sync.conversion.csv_fields import Fields, FieldWriter
from syncflow_pipelines.sync.model import EntitySpec
from syncflow_pipelines.sync.reading.pages import WireRow

ASKED_PAGES = 10
"""On so many pages with columns that the catalogue does not name their names are looked up."""

_NULL = msgspec.Raw(b"null")
_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Literals = tuple[msgspec.Raw, ...]
_TakeApart = Callable[[Sequence[msgspec.Raw]], Iterable[_Literals]]
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class PlainKeys:
    """The business keys of the rows of a page, column by column."""

    literals: Sequence[Sequence[bytes]]
    fields: Sequence[Fields]

    def digests(self) -> list[int]:
        """A 64-bit digest of each key; few ask for it, and it takes a while."""
        return [digest_of_key(key) for key in zip(*self.literals, strict=True)]

    def signature(self) -> int:
        """The same for pages that have the same keys in the same order, as they are kept."""
        columns = (b"\n".join(column) for column in self.fields)  # type: ignore[arg-type]  # none is missing
        return xxhash.xxh64_intdigest(b"\0".join(columns))


@dataclass(frozen=True, slots=True)
class EncodedPage:
    """The lines of a page."""

    lines: Sequence[bytes | None]
    """The columns of each row; None where it has to be looked at alone."""
    digests: Sequence[int] = ()
    all_plain: list[bytes] | None = None
    """The same lines, where none is missing."""
    plain_keys: PlainKeys | None = None
    """The keys of the rows, where none is missing."""

    @property
    def keys(self) -> Sequence[int]:
        """A 64-bit digest of each plain row's business key."""
        return self.digests if self.plain_keys is None else self.plain_keys.digests()


class PageEncoder:
    """Writes the columns of pages of one entity."""

    def __init__(self, spec: EntitySpec, longest_key: int) -> None:
        """`longest_key`: bytes of the business key from which on a row is looked at alone."""
        keys = set(spec.business_keys)
        identifiers = [column.identifier for column in spec.columns]
        self._writers = [FieldWriter(column, is_key=column.identifier in keys) for column in spec.columns]
        self._key_at = [identifiers.index(key) for key in spec.business_keys]
        self._indexed = [self._key_at]
        if spec.rowversion_column is not None:
            self._indexed.append([identifiers.index(spec.rowversion_column)])
        self._longest_key = longest_key
        self._aliases = {column.alias for column in spec.columns}
        aliases = [column.alias for column in spec.columns]
        self._exactly, self._leniently = _members(aliases, strict=True), _members(aliases, strict=False)
        self._pages_to_ask = ASKED_PAGES
        self.unknown: set[str] = set()
        """Names in `data` that the catalogue does not have; looked for on the first such pages only."""

    def encode(self, rows: Sequence[WireRow], tail: Sequence[Sequence[bytes]] = ()) -> EncodedPage:
        """The rows as CSV, in their order; `tail` are columns that follow those of the entity."""
        at = [position for position, row in enumerate(rows) if not row.deleted]
        at, literals = self._decode(at, [rows[position].data for position in at])
        if not at:
            return EncodedPage([None] * len(rows), [0] * len(rows))
        written = [writer.fields(column) for writer, column in zip(self._writers, literals, strict=True)]
        columns = [fields for fields, _ in written]
        alone = set[int]().union(*(missing for _, missing in written), self._too_long(columns))
        if len(at) == len(rows) and not alone:
            lines = list(map(b",".join, zip(*columns, *tail, strict=True)))
            return EncodedPage(lines, all_plain=lines, plain_keys=self._keys(literals, columns))
        keys = self._keys(literals, columns).digests()
        columns += [[column[position] for position in at] for column in tail]
        return _with_gaps(len(rows), at, keys, columns, alone)

    def _keys(self, literals: Sequence[Sequence[bytes]], columns: Sequence[Fields]) -> PlainKeys:
        return PlainKeys([literals[at] for at in self._key_at], [columns[at] for at in self._key_at])

    def _decode(self, at: list[int], data: Sequence[msgspec.Raw]) -> tuple[list[int], list[list[bytes]]]:
        """Of the rows that can be read, the positions, and the literals column by column."""
        members = self._exactly if self._pages_to_ask else self._leniently
        try:
            return at, _by_column(list(members(data)))
        except _MALFORMED:
            self._pages_to_ask -= self._ask(data)
        decoded = [(position, self._readable(row)) for position, row in zip(at, data, strict=True)]
        rows = [(position, literals) for position, literals in decoded if literals is not None]
        return [position for position, _ in rows], _by_column([literals for _, literals in rows])

    def _ask(self, data: Sequence[msgspec.Raw]) -> bool:
        """Looks for names that the catalogue does not have; whether there are any."""
        if self._pages_to_ask:
            for row in data:
                with suppress(*_MALFORMED):
                    self.unknown |= _RAW_OBJECT.decode(row).keys() - self._aliases
        return bool(self.unknown) and self._pages_to_ask > 0

    def _readable(self, data: msgspec.Raw) -> _Literals | None:
        try:
            return next(iter(self._leniently([data])))
        except _MALFORMED:
            return None

    def _too_long(self, columns: Sequence[Fields]) -> Iterable[int]:
        """Positions of all rows, where some row may have a key that is too long for an index."""
        for indexed in self._indexed:
            if sum(max(map(len, filter(None, columns[at])), default=0) for at in indexed) > self._longest_key:
                return range(len(columns[0]))
        return ()


def _by_column(rows: Sequence[_Literals]) -> list[list[bytes]]:
    """The literals column by column; all at once, because to look at each alone takes longer."""
    if not rows:
        return []
    width = len(rows[0])
    values = b"\n".join(chain.from_iterable(rows)).split(b"\n")
    if len(values) != width * len(rows):  # an object or array of several lines
        values = [bytes(literal) for row in rows for literal in row]
    return [values[at::width] for at in range(width)]


def digest_of_key(literals: Iterable[bytes | msgspec.Raw], deleted: bool = False) -> int:
    """A 64-bit digest of a business key as the source spells it, other for a deletion."""
    return xxhash.xxh64_intdigest(b",".join(literals), seed=1 if deleted else 0)


def _with_gaps(
    size: int, at: Sequence[int], keys: Sequence[int], columns: Sequence[Fields], alone: set[int]
) -> EncodedPage:
    lines: list[bytes | None] = [None] * size
    digests = [0] * size
    plain = ([field or b"" for field in column] for column in columns)
    for order, fields in enumerate(zip(*plain, strict=True)):
        if order not in alone:
            lines[at[order]], digests[at[order]] = b",".join(fields), keys[order]
    return EncodedPage(lines, digests)


def _members(aliases: Sequence[str], *, strict: bool) -> _TakeApart:
    """The function that takes `data` of many rows apart into literals, row by row in the columns' order."""
    names = {f"c{position}": alias for position, alias in enumerate(aliases)}
    fields = [(name, msgspec.Raw, _NULL) for name in names]
    try:
        struct = msgspec.defstruct("Members", fields, rename=names, forbid_unknown_fields=strict, gc=False)
    except ValueError:  # no struct has a field with a quote in its name
        return lambda data: [_by_name(members, aliases, strict) for members in map(_RAW_OBJECT.decode, data)]
    decode = msgspec.json.Decoder(struct).decode
    return lambda data: map(msgspec.structs.astuple, map(decode, data))


def _by_name(members: dict[str, msgspec.Raw], aliases: Sequence[str], strict: bool) -> _Literals:
    if strict and not members.keys() <= set(aliases):
        raise msgspec.ValidationError("Object contains an unknown field")
    return tuple(members.get(alias, _NULL) for alias in aliases)
