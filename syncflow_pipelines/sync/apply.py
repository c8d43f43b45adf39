"""Staged rows → the entity's table, with exact counts. All of it runs inside the sync's transaction.

UPDATE and INSERT rather than MERGE or ON CONFLICT: the counts of a MERGE need PostgreSQL 17, and ON CONFLICT
locks every row even where nothing changes.
"""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.model import EntitySpec, Strategy, Table
from syncflow_pipelines.sync.staging import NAME

_STAGE = sql.Identifier("pg_temp", NAME)

_REVIVE = sql.SQL(
    "UPDATE {table} t SET {assignments}, _bridge_deleted = false, _bridge_updated_at = now() "
    "FROM {stage} s WHERE {same_key} AND s._bridge_kind = 0 AND t._bridge_deleted"
)
_UPDATE = sql.SQL(
    "UPDATE {table} t SET {assignments}, _bridge_updated_at = now() "
    "FROM {stage} s WHERE {same_key} AND s._bridge_kind = 0 AND NOT t._bridge_deleted AND ({differs})"
)
_HASH_DIFFERS = sql.SQL("t._bridge_hash IS DISTINCT FROM s._bridge_hash")
# Rows that were hashed under other columns, and are equal all the same.
_REHASH = sql.SQL(
    "UPDATE {table} t SET _bridge_hash = s._bridge_hash FROM {stage} s "
    "WHERE {same_key} AND s._bridge_kind = 0 AND {hash_differs}"
)
_INSERT = sql.SQL(
    "INSERT INTO {table} ({columns}, _bridge_hash, _bridge_rowversion) "
    "SELECT {staged}, s._bridge_hash, s._bridge_rowversion FROM {stage} s WHERE s._bridge_kind = 0 "
    "AND NOT EXISTS (SELECT FROM {table} t WHERE {same_key})"
)
_BURY = sql.SQL(
    "UPDATE {table} t SET _bridge_deleted = true, _bridge_updated_at = now(), "
    "_bridge_rowversion = coalesce(s._bridge_rowversion, t._bridge_rowversion) "
    "FROM {stage} s WHERE {same_key} AND s._bridge_kind = 1 AND NOT t._bridge_deleted"
)
_MISSING = sql.SQL("NOT t._bridge_deleted AND NOT EXISTS (SELECT FROM {stage} s WHERE {same_key})")
_COUNT_MISSING = sql.SQL("SELECT count(*) FROM {table} t WHERE {missing}")
_BURY_MISSING = sql.SQL("UPDATE {table} t SET _bridge_deleted = true, _bridge_updated_at = now() WHERE {missing}")
_ANY = sql.SQL("SELECT count(*) FROM (SELECT FROM {table} LIMIT 1) found")
_COUNT_LIVE = sql.SQL("SELECT count(*) FROM {table} WHERE NOT _bridge_deleted")


@dataclass(frozen=True, slots=True)
class Applied:
    """Rows changed by one application of the staging table."""

    inserted: int
    updated: int
    revived: int
    """The part of `updated` that had been deleted before."""
    buried: int
    """Rows marked deleted by a tombstone."""


class Target:
    """The entity's table, as the staging table is applied to it."""

    def __init__(self, connection: psycopg.Connection, spec: EntitySpec, table: Table) -> None:
        self._connection = connection
        self._names = [column.identifier for column in spec.columns]
        self._table = sql.Identifier(table.schema, table.name)
        same_key = [sql.SQL("t.{0} = s.{0}").format(sql.Identifier(key)) for key in spec.business_keys]
        self._same_key = sql.SQL(" AND ").join(same_key)
        self._parts = {"table": self._table, "stage": _STAGE, "same_key": self._same_key}

    def apply(self, strategy: Strategy) -> Applied:
        """Brings the table in step with the staged rows; rows that are equal are not touched.

        Rows are compared column by column; but for `full`, which also mends rows that were changed by hand, only
        where their hashes differ.
        """
        buried = self._run(_BURY)
        revived = self._run(_REVIVE, assignments=self._assignments())
        updated = self._run(_UPDATE, assignments=self._assignments(), differs=self._differs(strategy))
        self._run(_REHASH, hash_differs=_HASH_DIFFERS)
        inserted = self._run(_INSERT, columns=self._list("{}"), staged=self._list("s.{}"))
        return Applied(inserted, updated + revived, revived, buried)

    def count_missing(self) -> int:
        """Live rows that were not staged."""
        missing = _MISSING.format(**self._parts)
        return self._count(_COUNT_MISSING.format(table=self._table, missing=missing))

    def bury_missing(self) -> int:
        """Marks the live rows that were not staged as deleted; call it after `apply`."""
        return self._run(_BURY_MISSING, missing=_MISSING.format(**self._parts))

    def is_empty(self) -> bool:
        """Whether the table holds no row at all, not even a deleted one."""
        return self._count(_ANY.format(table=self._table)) == 0

    def count_live(self) -> int:
        """Rows that are not marked deleted."""
        return self._count(_COUNT_LIVE.format(table=self._table))

    def _run(self, statement: sql.SQL, **more: sql.Composable) -> int:
        return self._connection.execute(statement.format(**self._parts, **more)).rowcount

    def _count(self, statement: sql.Composed) -> int:
        row = self._connection.execute(statement).fetchone()
        return int(row[0]) if row else 0

    def _list(self, pattern: LiteralString) -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(pattern).format(sql.Identifier(name)) for name in self._names)

    def _assignments(self) -> sql.Composed:
        names = [*self._names, "_bridge_hash", "_bridge_rowversion"]
        return sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in names)

    def _differs(self, strategy: Strategy) -> sql.Composed:
        tests = [sql.SQL("t.{0} IS DISTINCT FROM s.{0}").format(sql.Identifier(name)) for name in self._names]
        values = sql.SQL(" OR ").join(tests)
        return values if strategy == "full" else sql.SQL("{} AND ({})").format(_HASH_DIFFERS, values)
