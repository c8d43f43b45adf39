"""A page's rows → lines for the staging table, and rejects for the rows that cannot be kept."""

from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import xxhash

from syncflow_pipelines.sync.model import Column, EntitySpec
from syncflow_pipelines.sync.pages import BadRow, Page, WireRow
from syncflow_pipelines.sync.rowversion import order_key
from syncflow_pipelines.sync.values import NULL, BadValue, Converter, converter, escaped

ROW, TOMBSTONE, SEEN_ONLY = "0", "1", "2"
"""What a staged line is: a row, a deletion, or the key of a rejected row that is still at the source."""

_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_JSON_NULL = b"null"


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
    """The row version of every readable row, in the source's order."""
    keys: list[int] = field(default_factory=list)
    """A 64-bit digest of each kept row's business key and kind, in the source's order."""
    unknown_names: set[str] = field(default_factory=set)


class _Refused(Exception):
    """A row that cannot be kept; only travels from `_fields` to `decode`."""

    def __init__(self, reason: str, column: str | None = None, literal: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason, self.column, self.literal = reason, column, literal


class RowDecoder:
    """Turns the pages of one entity into batches. Holds no state between pages."""

    def __init__(self, spec: EntitySpec) -> None:
        self._columns: list[tuple[Column, Converter]] = [(column, converter(column)) for column in spec.columns]
        by_identifier = {column.identifier: (column, convert) for column, convert in self._columns}
        self._keys = [by_identifier[identifier] for identifier in spec.business_keys]
        self._aliases = {column.alias for column in spec.columns}
        self._key_at = [
            [column.identifier for column in spec.columns].index(identifier) for identifier in spec.business_keys
        ]
        self._blank = [NULL] * len(self._columns)
        # Rows hash alike only under the same columns, so that a new column changes every row once.
        self._seed = xxhash.xxh64_intdigest(repr([(c.identifier, c.pg_type) for c in spec.columns]).encode())

    def decode(self, page: Page) -> Batch:
        """The batch of a page: every row of it is either staged or rejected."""
        batch = Batch()
        for row in page.rows:
            batch.versions.append(row.version)
            try:
                staged = self._tombstone(row) if row.deleted else self._row(row, batch.unknown_names)
            except _Refused as refused:
                batch.rejects.append(self._reject(row, refused))
            else:
                batch.rows.append(staged)
                batch.keys.append(xxhash.xxh64_intdigest("\t".join(staged.key).encode(), seed=1 if row.deleted else 0))
        batch.rejects.extend(self._unreadable(bad) for bad in page.bad)
        return batch

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
            unknown.update(set(data) - self._aliases)
        text = "\t".join(fields)
        digest = xxhash.xxh3_128_hexdigest(text.encode(), seed=self._seed)
        return StagedRow(
            "\t".join((text, digest, *_tail(row.version, ROW))), tuple(fields[at] for at in self._key_at), row
        )

    def _tombstone(self, row: WireRow) -> StagedRow:
        key = self._key(row)
        if key is None:
            raise _Refused("is a deletion without its business key")
        return StagedRow(self._key_line(key, TOMBSTONE, row.version), key, row)

    def _key_line(self, key: tuple[str, ...], kind: str, version: str | None) -> str:
        fields = self._blank.copy()
        for at, value in zip(self._key_at, key, strict=True):
            fields[at] = value
        return "\t".join((*fields, NULL, *_tail(version, kind)))

    def _key(self, row: WireRow) -> tuple[str, ...] | None:
        """The business key as COPY fields, from `data` or else from `oracle_keys`."""
        try:
            data, named = _members(row.data, "data"), _members(row.oracle_keys, "oracle_keys")
            fields = [
                _field(column, convert, data.get(column.alias) or named.get(column.name))
                for column, convert in self._keys
            ]
        except _Refused:
            return None
        return None if any(field is NULL for field in fields) else tuple(fields)

    def _reject(self, row: WireRow, refused: _Refused) -> Reject:
        value = refused.literal.decode("utf-8", "backslashreplace") if refused.literal is not None else None
        return Reject(_raw_row(row), refused.reason, refused.column, value, self._key(row))

    def _unreadable(self, bad: BadRow) -> Reject:
        raw = bad.raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Reject(raw, bad.reason, key=self._key(bad.row) if bad.row else None)

    def _literal(self, row: WireRow, column: str | None) -> str | None:
        for known, _ in self._columns:
            if known.identifier == column:
                literal = _members(row.data, "data").get(known.alias)
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
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise _Refused(f"its {name} is not an object: {cause}") from cause


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


def _tail(version: str | None, kind: str) -> tuple[str, str, str]:
    order = order_key(version)
    return (
        NULL if version is None else escaped(version.replace("\0", "")),
        NULL if order is None else escaped(order.replace("\0", "")),
        kind,
    )


def _raw_row(row: WireRow) -> str:
    return msgspec.json.encode(row).decode("utf-8", "backslashreplace")
