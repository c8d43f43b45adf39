"""A page's rows → lines for the staging table, and rejects for the rows that cannot be kept."""

from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import xxhash

from syncflow_pipelines.sync.model import Column, EntitySpec
from syncflow_pipelines.sync.pages import BadRow, Page, WireRow
from syncflow_pipelines.sync.rowversion import order_key
from syncflow_pipelines.sync.values import NULL, BadValue, Converter, converter, escaped, exact

ROW, TOMBSTONE, SEEN_ONLY = "0", "1", "2"
"""What a staged line is: a row, a deletion, or the key of a rejected row that is still at the source."""

_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_JSON_NULL = b"null"

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
    """The business key as COPY fields; None where not even that could be read."""


@dataclass(frozen=True, slots=True)
class StagedRow:
    """One line for the staging table, and the row that it came from."""

    line: str
    key: tuple[str, ...]
    row: WireRow


@dataclass(slots=True)
class Batch:
    """What one page came to."""

    rows: list[StagedRow] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    """The row version of every row, in the source's order; None where there is none that can be read."""
    digests: list[int] = field(default_factory=list)
    """A 64-bit digest of every row, in the same order: of its business key and kind, or of a whole rejected row."""
    unversioned: bool = False
    """Whether a row that could be read has no row version."""
    unknown_names: set[str] = field(default_factory=set)


class _Refused(Exception):
    """A row that cannot be kept; only travels from `_fields` to `decode`."""

    def __init__(self, reason: str, column: str | None = None, literal: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason, self.column, self.literal = reason, column, literal


class RowDecoder:
    """Turns the pages of one entity into batches. Holds no state between pages."""

    def __init__(self, spec: EntitySpec) -> None:
        self._columns: list[tuple[Column, Converter]] = [
            (column, exact(column) if column.identifier in spec.business_keys else converter(column))
            for column in spec.columns
        ]
        by_identifier = {column.identifier: (column, convert) for column, convert in self._columns}
        self._keys = [by_identifier[identifier] for identifier in spec.business_keys]
        self._aliases = {column.alias for column in spec.columns}
        identifiers = [column.identifier for column in spec.columns]
        self._key_at = [identifiers.index(identifier) for identifier in spec.business_keys]
        self._indexed_at = None if spec.rowversion_column is None else identifiers.index(spec.rowversion_column)
        self._blank = [NULL] * len(self._columns)
        # Rows hash alike only under the same columns, so that a new column changes every row once.
        self._seed = xxhash.xxh64_intdigest(repr([(c.identifier, c.pg_type) for c in spec.columns]).encode())

    def decode(self, page: Page) -> Batch:
        """The batch of a page: every row of it is either staged or rejected."""
        batch = Batch()
        for row in page.rows:
            self._take(row, batch)
        for before, bad in enumerate(page.bad):
            self._take_unreadable(bad, bad.at + before, batch)
        return batch

    def _take(self, row: WireRow, batch: Batch) -> None:
        batch.versions.append(_usable(row.version))
        batch.unversioned |= row.version is None
        try:
            staged = self._tombstone(row) if row.deleted else self._row(row, batch.unknown_names)
        except _Refused as refused:
            reject = self._reject(row, refused)
            batch.rejects.append(reject)
            batch.digests.append(_digest_of_reject(reject))
        else:
            batch.rows.append(staged)
            batch.digests.append(xxhash.xxh64_intdigest("\t".join(staged.key).encode(), seed=1 if row.deleted else 0))

    def _take_unreadable(self, bad: BadRow, at: int, batch: Batch) -> None:
        reject = self._unreadable(bad)
        batch.rejects.append(reject)
        batch.versions.insert(at, _usable(bad.row.version) if bad.row else None)
        batch.digests.insert(at, _digest_of_reject(reject))

    def seen_only(self, reject: Reject) -> str | None:
        """The line that says that a rejected row is still at the source, or None without its key."""
        return None if reject.key is None else self._key_line(reject.key, SEEN_ONLY, None)

    def refused_by_database(self, staged: StagedRow, column: str | None, reason: str) -> Reject:
        """The reject for a row that passed the checks here and that PostgreSQL refused."""
        return Reject(_raw_row(staged.row), reason, column, self._literal(staged.row, column), staged.key)

    def _row(self, row: WireRow, unknown: set[str]) -> StagedRow:
        data = _members(row.data, "data")
        fields = [_field(column, convert, data.get(column.alias)) for column, convert in self._columns]
        for at, (column, convert) in zip(self._key_at, self._keys, strict=True):
            if fields[at] is NULL:
                fields[at] = _field(column, convert, _members(row.oracle_keys, "oracle_keys").get(column.name))
            if fields[at] is NULL:
                raise _Refused("has no value in a business-key column", column.identifier)
        if len(data) > len(self._columns) or not self._aliases.issuperset(data):
            unknown.update(_printable(name) for name in set(data) - self._aliases)
        if self._indexed_at is not None:
            self._check_indexed(fields, [self._indexed_at])
        key = self._checked_key(fields)
        text = "\t".join(fields)
        digest = xxhash.xxh3_128_hexdigest(text.encode(), seed=self._seed)
        return StagedRow("\t".join((text, digest, *_tail(row.version, ROW))), key, row)

    def _tombstone(self, row: WireRow) -> StagedRow:
        key = self._key(row)
        if key is None:
            raise _Refused("is a deletion without its business key")
        line = self._key_line(key, TOMBSTONE, row.version)
        self._checked_key(line.split("\t"))
        return StagedRow(line, key, row)

    def _key_line(self, key: tuple[str, ...], kind: str, version: str | None) -> str:
        fields = self._blank.copy()
        for at, value in zip(self._key_at, key, strict=True):
            fields[at] = value
        return "\t".join((*fields, NULL, *_tail(version, kind)))

    def _checked_key(self, fields: list[str]) -> tuple[str, ...]:
        self._check_indexed(fields, self._key_at)
        return tuple(fields[at] for at in self._key_at)

    def _check_indexed(self, fields: list[str], positions: list[int]) -> None:
        """Raises `_Refused` where the values are too long for an index: the whole table would refuse them."""
        if sum(len(fields[at]) for at in positions) * _JSONB_GROWTH <= MAX_KEY_BYTES:
            return
        size = sum(_size_in_index(self._columns[at][0], fields[at]) for at in positions)
        if size > MAX_KEY_BYTES:
            reason = f"is {size} bytes long in an indexed column, PostgreSQL indexes {MAX_KEY_BYTES} at most"
            raise _Refused(reason, self._columns[positions[0]][0].identifier)

    def _key(self, row: WireRow) -> tuple[str, ...] | None:
        """The business key as COPY fields, each from `data` or else from `oracle_keys`."""
        data, named = _readable_members(row.data), _readable_members(row.oracle_keys)
        fields = [
            _readable_field(column, convert, data.get(column.alias), named.get(column.name))
            for column, convert in self._keys
        ]
        return None if any(field is NULL for field in fields) else tuple(fields)

    def _reject(self, row: WireRow, refused: _Refused) -> Reject:
        value = refused.literal.decode("utf-8", "backslashreplace") if refused.literal is not None else None
        return Reject(_raw_row(row), refused.reason, refused.column, value, self._key(row))

    def _unreadable(self, bad: BadRow) -> Reject:
        column = next((column.identifier for column, _ in self._columns if column.alias == bad.member), None)
        value = _spelled_out(bad.value) if bad.value is not None else None
        return Reject(_spelled_out(bad.raw), bad.reason, column, value, self._key(bad.row) if bad.row else None)

    def _literal(self, row: WireRow, column: str | None) -> str | None:
        for known, _ in self._columns:
            if known.identifier == column:
                literal = _readable_members(row.data).get(known.alias)
                literal = literal or _readable_members(row.oracle_keys).get(known.name)
                return bytes(literal).decode("utf-8", "backslashreplace") if literal is not None else None
        return None


def key_digest(key: tuple[str, ...]) -> UUID:
    """A digest of a business key, by which a later good row finds the reject that it replaces."""
    return UUID(xxhash.xxh3_128_hexdigest("\t".join(key).encode()))


def row_digest(raw: str) -> UUID:
    """A digest of a rejected row, by which the same row is kept once."""
    return UUID(xxhash.xxh3_128_hexdigest(raw.encode("utf-8", "surrogatepass")))


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


def _readable_field(column: Column, convert: Converter, *candidates: msgspec.Raw | None) -> str:
    """The field of the first candidate that has a good value, else `NULL`."""
    for raw in candidates:
        try:
            found = _field(column, convert, raw)
        except _Refused:
            continue
        if found is not NULL:
            return found
    return NULL


def _field(column: Column, convert: Converter, raw: msgspec.Raw | None) -> str:
    literal = bytes(raw) if raw is not None else _JSON_NULL
    if literal == _JSON_NULL:
        if not column.is_nullable and not column.is_business_key:
            raise _Refused("is null in a column that the source declares not nullable", column.identifier, literal)
        return NULL
    try:
        return convert(literal)
    except BadValue as bad:
        raise _Refused(str(bad), column.identifier, literal) from bad


def _usable(version: str | None) -> str | None:
    """The row version, unless it is one that could be neither asked for nor kept."""
    if version is None or len(version) > MAX_VERSION_CHARACTERS or "\0" in version:
        return None
    return version


def _tail(version: str | None, kind: str) -> tuple[str, str, str]:
    """The last fields of a staged line. Raises `_Refused` for a row version that cannot be used."""
    if version is None:
        return NULL, NULL, kind
    order = order_key(_usable(version))
    if order is None:
        raise _Refused(f"its row_version holds a NUL character, or more than {MAX_VERSION_CHARACTERS} characters")
    return escaped(version), escaped(order), kind


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
