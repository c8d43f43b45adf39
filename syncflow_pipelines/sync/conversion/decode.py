"""A page's rows → CSV lines for PostgreSQL, and rejects for the rows that cannot be kept.

Most rows are written column by column (`page_csv.py`). One that is not plain is looked at alone, here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter
from uuid import UUID

import msgspec
import xxhash

from syncflow_pipelines.sync.conversion.csv_fields import NULL, quoted
from syncflow_pipelines.sync.conversion.page_csv import EncodedPage, PageEncoder, PlainKeys, digest_of_key
from syncflow_pipelines.sync.conversion.spelling import one_spelling
from syncflow_pipelines.sync.conversion.values import BadValue, Converter, converter, exact
from syncflow_pipelines.sync.model import Column, EntitySpec
from syncflow_pipelines.sync.reading.pages import BadRow, Page, WireRow

ROW, TOMBSTONE, SEEN_ONLY = b"0", b"1", b"2"
"""What a staged line is: a row, a deletion, or the key of a rejected row that is still at the source."""

_NULL = msgspec.Raw(NULL)
_SAID = attrgetter("data", "oracle_keys")
_VERSION = attrgetter("row_version")
_DELETED = attrgetter("deleted")
_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])

_CONVERSION = 1
"""Grows whenever rows are converted otherwise than before, so that each is compared once with what is kept of it."""

_Fields = list[str | None]
"""A row's columns as text."""

MAX_VERSION_CHARACTERS = 500
"""A longer row version is none that could be asked for in a URL."""

MAX_KEY_BYTES = 2600
"""PostgreSQL refuses index entries above 2,704 bytes, and with them the whole statement."""

_JSONB_GROWTH = 8
"""How much longer than its text a value of that type can be inside an index."""


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was not kept, whole, and why."""

    raw: str
    reason: str
    column: str | None = None
    """Identifier of the column whose value was refused, where it was one column's fault."""
    value: str | None = None
    """The refused literal, as it was sent."""
    key: tuple[str, ...] | None = None
    """The business key as text; None where not even that could be read."""


@dataclass(slots=True)
class Batch:
    """What one page came to."""

    rows: list[WireRow] = field(default_factory=list)
    """The rows that are kept, tombstones included."""
    lines: list[bytes] = field(default_factory=list)
    """Of the same rows: their columns, hash and row version as CSV, without a line break at the end."""
    kinds: list[bytes] = field(default_factory=list)
    """What each line is, `ROW` or `TOMBSTONE`."""
    rejects: list[Reject] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    """The row version of every row, in the source's order; None where there is none that can be read."""
    unversioned: bool = False
    """Whether a row that could be read has no row version."""
    known: bytes = b""
    """The hashes of further rows, joined, of which nothing else is here."""
    plain: PlainKeys | None = None
    """The business keys of the rows, where every row is plain."""
    _digests: list[int] | None = None

    @property
    def digests(self) -> list[int]:
        """A 64-bit digest of every row, in the same order: of its business key and kind, or of a whole rejected row."""
        if self._digests is None:
            self._digests = [] if self.plain is None else self.plain.digests()
        return self._digests

    @property
    def signature(self) -> int:
        """The same for batches of which each row has the same digest as in the other, and known ones the same hash."""
        is_plain = self._digests is None and self.plain is not None
        return hash((self.plain.signature() if is_plain and self.plain else tuple(self.digests), self.known))


class _Refused(Exception):
    """A row that cannot be kept; only travels from `_fields` to `decode`."""

    def __init__(self, reason: str, column: str | None = None, literal: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason, self.column, self.literal = reason, column, literal


class RowDecoder:
    """Turns the pages of one entity into batches."""

    def __init__(self, spec: EntitySpec) -> None:
        self._columns: list[tuple[Column, Converter]] = [
            (column, exact(column) if column.identifier in spec.business_keys else converter(column))
            for column in spec.columns
        ]
        by_identifier = {column.identifier: (column, convert) for column, convert in self._columns}
        self._keys = [by_identifier[identifier] for identifier in spec.business_keys]
        self._spellings = [one_spelling(column) for column, _ in self._keys]
        identifiers = [column.identifier for column in spec.columns]
        self._key_at = [identifiers.index(identifier) for identifier in spec.business_keys]
        self._indexed_at = None if spec.rowversion_column is None else identifiers.index(spec.rowversion_column)
        self._encoder = PageEncoder(spec, MAX_KEY_BYTES // _JSONB_GROWTH)
        # Rows hash alike only under the same columns, so that a new column changes every row once.
        shape = repr((_CONVERSION, [(column.identifier, column.pg_type) for column in spec.columns]))
        self._seed = xxhash.xxh64_intdigest(shape.encode())

    @property
    def unknown_names(self) -> set[str]:
        """Names of columns that rows had so far, and that the catalogue does not name."""
        return {_printable(name) for name in self._encoder.unknown}

    def hashes(self, rows: Sequence[WireRow]) -> list[bytes]:
        """16 bytes a row, that change whenever anything does that the source says of it but its row version.

        A row that is spelled otherwise may have another hash, although it is equal; a deletion never has that of a row.
        """
        seeds: Iterable[int] = repeat(self._seed)
        if any(map(_DELETED, rows)):
            seeds = [self._seed ^ bool(row.deleted) for row in rows]
        return list(map(xxhash.xxh3_128_digest, map(b"".join, map(_SAID, rows)), seeds))

    def decode(self, page: Page, hashes: Sequence[bytes] | None = None) -> Batch:
        """The batch of a page: every row of it is either kept or rejected."""
        hashes = self.hashes(page.rows) if hashes is None else hashes
        batch = Batch()
        if page.rows:
            self._take_page(page.rows, _spelled_hashes(hashes), batch)
        for before, bad in enumerate(page.bad):
            self._take_unreadable(bad, bad.at + before, batch)
        return batch

    def _take_page(self, rows: Sequence[WireRow], hashes: Sequence[bytes], batch: Batch) -> None:
        versions, batch.versions = _versions(rows)
        batch.unversioned = None in batch.versions and any(row.version is None for row in rows)
        encoded = self._encoder.encode(rows, (hashes, versions))
        unusable = None in batch.versions and any(_usable(row.version) != row.version for row in rows)
        if encoded.all_plain is None or unusable:
            self._take_each(rows, hashes, encoded, batch)
            return
        batch.rows, batch.lines, batch.plain = list(rows), encoded.all_plain, encoded.plain_keys
        batch.kinds = [ROW] * len(rows)

    def _take_each(self, rows: Sequence[WireRow], hashes: Sequence[bytes], encoded: EncodedPage, batch: Batch) -> None:
        for row, digest, line, key in zip(rows, hashes, encoded.lines, encoded.keys, strict=True):
            if line is None or _usable(row.version) != row.version:
                self._take_alone(row, digest, batch)
            else:
                batch.rows.append(row)
                batch.lines.append(line)
                batch.kinds.append(ROW)
                batch.digests.append(key)

    def _take_alone(self, row: WireRow, digest: bytes, batch: Batch) -> None:
        try:
            _check_version(row.version)
            fields = self._tombstone(row) if row.deleted else self._row(row)
        except _Refused as refused:
            reject = self._reject(row, refused)
            batch.rejects.append(reject)
            batch.digests.append(_digest_of_reject(reject))
            return
        batch.rows.append(row)
        batch.lines.append(self._line(fields, NULL if row.deleted else digest, row.version))
        batch.kinds.append(TOMBSTONE if row.deleted else ROW)
        batch.digests.append(digest_of_key(self._key_literals(row), bool(row.deleted)))

    def alone(self, row: WireRow) -> Batch:
        """The batch of one row, converted value by value, as where PostgreSQL refused what was copied unread."""
        batch = Batch()
        self._take_alone(row, _spelled_hashes(self.hashes([row]))[0], batch)
        return batch

    def _key_literals(self, row: WireRow) -> list[msgspec.Raw]:
        data, named = _readable_members(row.data), _readable_members(row.oracle_keys)
        found = [(data.get(column.alias, _NULL), named.get(column.name, _NULL)) for column, _ in self._keys]
        return [other if literal == NULL else literal for literal, other in found]

    def key(self, row: WireRow) -> tuple[str, ...] | None:
        """The business key as text, each part from `data` or else from `oracle_keys`, however the source spells it."""
        fields = zip(self._spellings, self._key_fields(row), strict=True)
        key = tuple(spelling(field) for spelling, field in fields if field is not None)
        return key if len(key) == len(self._keys) else None

    def _take_unreadable(self, bad: BadRow, at: int, batch: Batch) -> None:
        reject = self._unreadable(bad)
        batch.rejects.append(reject)
        batch.versions.insert(at, _usable(bad.row.version) if bad.row else None)
        batch.digests.insert(at, _digest_of_reject(reject))

    def seen_only(self, reject: Reject) -> bytes | None:
        """The line that says that a rejected row is still at the source, or None without its key."""
        return None if reject.key is None else self._line(self._key_alone(reject.key), NULL, None)

    def refused_by_database(self, row: WireRow, column: str | None, reason: str) -> Reject:
        """The reject for a row that passed the checks here and that PostgreSQL refused."""
        return Reject(_raw_row(row), reason, column, self._literal(row, column), self.key(row))

    def _row(self, row: WireRow) -> _Fields:
        data = _members(row.data, "data")
        fields = [_field(column, convert, data.get(column.alias)) for column, convert in self._columns]
        for at, (column, convert) in zip(self._key_at, self._keys, strict=True):
            if fields[at] is None:
                fields[at] = _field(column, convert, _members(row.oracle_keys, "oracle_keys").get(column.name))
            if fields[at] is None:
                raise _Refused("has no value in a business-key column", column.identifier)
        if self._indexed_at is not None:
            self._check_indexed(fields, [self._indexed_at])
        self._check_indexed(fields, self._key_at)
        return fields

    def _tombstone(self, row: WireRow) -> _Fields:
        key = self._key_fields(row)
        if None in key:
            raise _Refused("is a deletion without its business key")
        fields = self._key_alone(key)
        self._check_indexed(fields, self._key_at)
        return fields

    def _key_alone(self, key: Sequence[str | None]) -> _Fields:
        """The columns of a row of which nothing but the key matters."""
        fields: _Fields = [None] * len(self._columns)
        for at, value in zip(self._key_at, key, strict=True):
            fields[at] = value
        return fields

    def _line(self, fields: _Fields, digest: bytes, version: str | None) -> bytes:
        return b",".join((*map(quoted, fields), digest, quoted(version)))

    def _check_indexed(self, fields: _Fields, positions: list[int]) -> None:
        """Raises `_Refused` where the values are too long for an index: the whole table would refuse them."""
        if sum(len(fields[at] or "") for at in positions) * _JSONB_GROWTH <= MAX_KEY_BYTES:
            return
        size = sum(_size_in_index(self._columns[at][0], fields[at] or "") for at in positions)
        if size > MAX_KEY_BYTES:
            reason = f"is {size} bytes long in an indexed column, PostgreSQL indexes {MAX_KEY_BYTES} at most"
            raise _Refused(reason, self._columns[positions[0]][0].identifier)

    def _key_fields(self, row: WireRow) -> _Fields:
        data, named = _readable_members(row.data), _readable_members(row.oracle_keys)
        return [
            _readable_field(column, convert, data.get(column.alias), named.get(column.name))
            for column, convert in self._keys
        ]

    def _reject(self, row: WireRow, refused: _Refused) -> Reject:
        value = refused.literal.decode("utf-8", "backslashreplace") if refused.literal is not None else None
        return Reject(_raw_row(row), refused.reason, refused.column, value, self.key(row))

    def _unreadable(self, bad: BadRow) -> Reject:
        column = next((column.identifier for column, _ in self._columns if column.alias == bad.member), None)
        value = _spelled_out(bad.value) if bad.value is not None else None
        return Reject(_spelled_out(bad.raw), bad.reason, column, value, self.key(bad.row) if bad.row else None)

    def _literal(self, row: WireRow, column: str | None) -> str | None:
        for known, _ in self._columns:
            if known.identifier == column:
                literal = _readable_members(row.data).get(known.alias)
                literal = literal or _readable_members(row.oracle_keys).get(known.name)
                return bytes(literal).decode("utf-8", "backslashreplace") if literal is not None else None
        return None


def key_digest(key: tuple[str, ...]) -> UUID:
    """A digest of a business key, by which a later good row finds the reject that it replaces."""
    return UUID(xxhash.xxh3_128_hexdigest("\t".join(map(_escaped, key)).encode()))


def _escaped(text: str) -> str:
    """The text without the character that stands between the parts of a key."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def row_digest(raw: str) -> UUID:
    """A digest of a rejected row, by which the same row is kept once."""
    return UUID(xxhash.xxh3_128_hexdigest(raw.encode("utf-8", "surrogatepass")))


def _versions(rows: Sequence[WireRow]) -> tuple[list[bytes], list[str | None]]:
    """The rows' versions as CSV fields and as text; None where there is none that can be used."""
    given = list(map(_VERSION, rows))
    if given.count(None) == len(given):
        return [NULL] * len(given), given
    if {str}.issuperset(map(type, given)) and _are_plain(given):
        joined = '"\n"'.join(given)
        return f'"{joined}"'.encode().split(b"\n"), given
    versions = [_usable(row.version) for row in rows]
    return list(map(quoted, versions)), versions


def _are_plain(versions: Sequence[str]) -> bool:
    """Whether they can be kept and asked for as they are."""
    joined = "".join(versions)
    is_printable = joined.isprintable() and '"' not in joined
    return is_printable and "" not in versions and max(map(len, versions)) <= MAX_VERSION_CHARACTERS


def _spelled_hashes(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes as PostgreSQL reads a UUID."""
    spelled = b"".join(hashes).hex().encode()
    return [spelled[at : at + 32] for at in range(0, len(spelled), 32)]


def _members(raw: msgspec.Raw, name: str) -> dict[str, msgspec.Raw]:
    try:
        return _RAW_OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise _Refused(f"its {name} is not an object: {cause}") from cause


def _readable_members(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return _RAW_OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _readable_field(column: Column, convert: Converter, *candidates: msgspec.Raw | None) -> str | None:
    """The text of the first candidate that has a good value."""
    for raw in candidates:
        try:
            found = _field(column, convert, raw)
        except _Refused:
            continue
        if found is not None:
            return found
    return None


def _field(column: Column, convert: Converter, raw: msgspec.Raw | None) -> str | None:
    literal = bytes(raw) if raw is not None else NULL
    if literal == NULL:
        if not column.is_nullable and not column.is_business_key:
            raise _Refused("is null in a column that the source declares not nullable", column.identifier, literal)
        return None
    try:
        return convert(literal)
    except BadValue as bad:
        raise _Refused(str(bad), column.identifier, literal) from bad


def _check_version(version: str | None) -> None:
    if version is not None and _usable(version) is None:
        raise _Refused(f"its row_version holds a NUL character, or more than {MAX_VERSION_CHARACTERS} characters")


def _usable(version: str | None) -> str | None:
    """The row version, unless it is one that could be neither asked for nor kept."""
    if version is None or len(version) > MAX_VERSION_CHARACTERS or "\0" in version:
        return None
    return version


def _size_in_index(column: Column, text: str) -> int:
    return len(text.encode()) * (_JSONB_GROWTH if column.pg_type == "jsonb" else 1) + 8


def _digest_of_reject(reject: Reject) -> int:
    return xxhash.xxh64_intdigest(reject.raw.encode("utf-8", "surrogatepass"), seed=2)


def _printable(name: str) -> str:
    """A foreign name as it can be kept and shown."""
    return (name if name.isprintable() else ascii(name)[1:-1])[:100]


def _spelled_out(text: str) -> str:
    """The text with bytes that are no Unicode written as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _raw_row(row: WireRow) -> str:
    return msgspec.json.encode(row).decode("utf-8", "backslashreplace")
