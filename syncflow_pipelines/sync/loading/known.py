"""The hashes of a table's live rows, held outside the database while its source is read.

A row whose hash is known is in the table as it is, so it need not be staged; a hash that was not met is a row that may
be gone. 17 bytes a row: sorted arrays of 64 bits, two, and one of marks, in buckets by their first bits.
"""

import mmap
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from syncflow_pipelines.sync.loading.staging import NAME
from syncflow_pipelines.sync.model import EntitySpec, Table

MOST_ROWS = 20_000_000
"""Of more rows the hashes take more memory than they are worth."""

_HASH_BYTES = 16
_BLOCK_PAGES = 8192
"""Pages of the table in one answer, 64 MB: their hashes are a few megabytes."""
_BUCKETS = 8
_FIRST_OF_BUCKETS = np.arange(1, _BUCKETS, dtype=np.uint64) << np.uint64(61)
"""The first 64 bits of the smallest hash of every bucket but the first."""
_UNSEEN_AT_ONCE = 50_000

_STAGE = sql.Identifier("pg_temp", NAME)
_UNSEEN = sql.Identifier("pg_temp", "syncflow_unseen")
_PAGES = sql.SQL("SELECT pg_relation_size({table}::regclass) / current_setting('block_size')::int")
_HASHES = sql.SQL(
    "SELECT string_agg(uuid_send(_bridge_hash), ''::bytea), count(*) FROM {table} "
    "WHERE ctid >= %s::tid AND ctid < %s::tid AND NOT _bridge_deleted"
)
_CREATE_UNSEEN = sql.SQL("CREATE TEMP TABLE {name} (hash uuid) ON COMMIT DROP")
_COPY_UNSEEN = sql.SQL("COPY {unseen} FROM STDIN (FORMAT binary)")
_STAGED_AND_KNOWN = sql.SQL(
    "SELECT string_agg(uuid_send(t._bridge_hash), ''::bytea) FROM {table} t JOIN {stage} s ON {same_key} "
    "WHERE NOT t._bridge_deleted"
)
_BINARY_COPY_BEGINS = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_COPY_ENDS = b"\xff\xff"
_ONE_FIELD_OF_16_BYTES = np.frombuffer(b"\x00\x01\x00\x00\x00\x10", dtype=np.uint8)


class _Bucket:
    """The hashes that share their first bits; sorted once all are there, which of them were met is marked."""

    def __init__(self) -> None:
        # Memory of its own, which the system has back at once when a bucket outgrows it.
        self._memory, self._size = mmap.mmap(-1, mmap.PAGESIZE), 0
        self.high = self.low = np.empty(0, dtype=np.uint64)
        self.met = np.empty(0, dtype=np.bool_)

    def add(self, words: NDArray[np.uint64]) -> None:
        """Adds hashes, two words each."""
        start, self._size = self._size * _HASH_BYTES, self._size + len(words)
        end = self._size * _HASH_BYTES
        if end > len(self._memory):
            larger = mmap.mmap(-1, end + end // 2)
            larger[:start] = self._memory[:start]
            self._memory.close()
            self._memory = larger
        self._memory[start:end] = words.tobytes()

    def sort(self) -> None:
        """Puts the hashes in their order, first all high words and then all low ones; none can be added any more."""
        if not self._size:
            return
        memory = np.frombuffer(self._memory, dtype=np.uint64, count=2 * self._size)
        words = memory.reshape(-1, 2)
        rising = words[np.argsort(words[:, 0])]
        self.high, self.low = memory[: self._size], memory[self._size :]
        self.high[:], self.low[:] = rising[:, 0], rising[:, 1]
        self.met = np.zeros(self._size, dtype=np.bool_)

    @property
    def repeats(self) -> bool:
        """Whether two hashes are equal, or so alike that they are looked up as one."""
        return bool((self.high[1:] == self.high[:-1]).any())

    def find(self, words: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Which of the hashes are here, and where they stand."""
        if not self._size:
            return np.zeros(len(words), dtype=np.bool_), np.zeros(len(words), dtype=np.intp)
        at = np.searchsorted(self.high, words[:, 0])
        at[at == self._size] = 0
        return (self.high[at] == words[:, 0]) & (self.low[at] == words[:, 1]), at


class KnownRows:
    """The live rows of a table by their hashes, and which of them a read has met."""

    def __init__(self, blocks: Iterable[tuple[bytes, int]]) -> None:
        """A block: hashes of some thousand rows, joined, and how many live rows these are."""
        self._buckets = tuple(_Bucket() for _ in range(_BUCKETS))
        self.live = 0
        """Live rows of the table, those without a hash included."""
        for hashes, rows in blocks:
            self.live += rows
            for bucket, words in self._shared_out(_as_words(hashes))[0]:
                bucket.add(words)
        for bucket in self._buckets:
            bucket.sort()

    @classmethod
    def of_table(cls, connection: psycopg.Connection, table: Table) -> "KnownRows":
        """Reads the hashes of the live rows."""
        return cls(_blocks(connection, sql.Identifier(table.schema, table.name)))

    @property
    def is_complete(self) -> bool:
        """Whether every live row has a hash of its own.

        Rows whose columns have changed since have none; and where somebody copied rows, or wrote to the table while its
        hashes were read, one stands there twice.
        """
        return self.live == self._size and not any(bucket.repeats for bucket in self._buckets)

    @property
    def all_met(self) -> bool:
        """Whether every row was met, so that none can be missing."""
        return self.met == self.live

    @property
    def met(self) -> int:
        """How many rows were met."""
        return sum(int(np.count_nonzero(bucket.met)) for bucket in self._buckets)

    def meet(self, hashes: Sequence[bytes]) -> NDArray[np.bool_]:
        """Marks the rows of these hashes as met; which of the hashes are known."""
        shares, order = self._shared_out(_as_words(b"".join(hashes)))
        found = [_mark(bucket, words) for bucket, words in shares]
        known = np.empty(len(hashes), dtype=np.bool_)
        known[order] = np.concatenate(found) if found else False
        return known

    def have_met(self, hashes: bytes) -> bool:
        """Whether one of these hashes, joined, was met."""
        found = [(bucket, *bucket.find(words)) for bucket, words in self._shared_out(_as_words(hashes))[0]]
        return any(bucket.met[at[known]].any() for bucket, known, at in found)

    def unmet(self) -> Iterator[bytes]:
        """Hashes that were not met, joined, some thousand at a time."""
        for bucket in self._buckets:
            missing = np.flatnonzero(~bucket.met)
            for start in range(0, len(missing), _UNSEEN_AT_ONCE):
                some = missing[start : start + _UNSEEN_AT_ONCE]
                yield np.column_stack((bucket.high[some], bucket.low[some])).astype(">u8").tobytes()

    @property
    def _size(self) -> int:
        return sum(len(bucket.met) for bucket in self._buckets)

    def _shared_out(
        self, words: NDArray[np.uint64]
    ) -> tuple[list[tuple[_Bucket, NDArray[np.uint64]]], NDArray[np.intp]]:
        """The hashes bucket by bucket, in their order, and where each was before: neighbours lie near in memory."""
        order = np.argsort(words[:, 0])
        rising = words[order]
        ends = np.searchsorted(rising[:, 0], _FIRST_OF_BUCKETS)
        shares = zip(self._buckets, np.split(rising, ends), strict=True)
        return [(bucket, share) for bucket, share in shares if len(share)], order


def _mark(bucket: _Bucket, words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    found, at = bucket.find(words)
    bucket.met[at[found]] = True
    return found


class Unseen:
    """The rows of which neither the hash was met nor the key was staged, as a temporary table of hashes."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec, table: Table) -> None:
        self._connection, self.name = connection, _UNSEEN
        keys = (sql.Identifier(key) for key in spec.business_keys)
        same_key = sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(key) for key in keys)
        target = sql.Identifier(table.schema, table.name)
        self._staged_and_known = _STAGED_AND_KNOWN.format(table=target, stage=_STAGE, same_key=same_key)
        self._exists = False

    def fill(self, known: KnownRows) -> None:
        """Holds the hashes that were not met by now, in place of what it held before."""
        if self._exists:
            self._connection.execute(sql.SQL("TRUNCATE {}").format(_UNSEEN))
        else:
            self._connection.execute(_CREATE_UNSEEN.format(name=sql.Identifier("syncflow_unseen")))
            self._exists = True
        with self._connection.cursor() as cursor, cursor.copy(_COPY_UNSEEN.format(unseen=_UNSEEN)) as copy:
            copy.write(_BINARY_COPY_BEGINS)
            for hashes in known.unmet():
                copy.write(_binary_rows(hashes))
            copy.write(_BINARY_COPY_ENDS)
        self._connection.execute(sql.SQL("ANALYZE {}").format(_UNSEEN))

    def came_twice(self, known: KnownRows) -> bool:
        """Whether a row came once as it is known, and once otherwise: which was the last is not known then."""
        row = self._connection.execute(self._staged_and_known, binary=True).fetchone()
        return row is not None and row[0] is not None and known.have_met(row[0])


def _blocks(connection: psycopg.Connection, table: sql.Identifier) -> Iterator[tuple[bytes, int]]:
    """The hashes of some thousand pages of the table, joined, and how many live rows these have."""
    found = connection.execute(_PAGES.format(table=sql.Literal(table.as_string(connection)))).fetchone()
    pages = int(found[0]) if found else 0
    query = _HASHES.format(table=table)
    for page in range(0, pages, _BLOCK_PAGES):
        row = connection.execute(query, (f"({page},0)", f"({page + _BLOCK_PAGES},0)"), binary=True).fetchone()
        if row is not None:
            yield row[0] or b"", row[1]


def _as_words(hashes: bytes) -> NDArray[np.uint64]:
    """Two words of 64 bits a hash, high and low, comparable as the hashes are."""
    return np.frombuffer(hashes, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _binary_rows(hashes: bytes) -> bytes:
    """The hashes as rows of COPY's binary format: one field of 16 bytes each."""
    values = np.frombuffer(hashes, dtype=np.uint8).reshape(-1, _HASH_BYTES)
    heads = np.broadcast_to(_ONE_FIELD_OF_16_BYTES, (len(values), len(_ONE_FIELD_OF_16_BYTES)))
    return np.hstack((heads, values)).tobytes()
