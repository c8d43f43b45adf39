"""Staged rows → the entity's table, with exact counts. All of it runs inside the sync's transaction.

UPDATE and INSERT rather than MERGE or ON CONFLICT: the counts of a MERGE need PostgreSQL 17, and ON CONFLICT
locks every row even where nothing changes.
"""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.history.recording import History, Operation
from syncflow_pipelines.sync.loading import empty_table
from syncflow_pipelines.sync.loading.empty_table import EmptyTable
from syncflow_pipelines.sync.loading.staging import NAME, Staged
from syncflow_pipelines.sync.model import EntitySpec, Strategy, Table

_STAGE = sql.Identifier("pg_temp", NAME)

_REVIVE = sql.SQL(
    "UPDATE {table} t SET {assignments}, _bridge_deleted = false, _bridge_updated_at = now() "
    "FROM {stage} s WHERE {same_key} AND s._bridge_kind = 0 AND t._bridge_deleted"
)
_UPDATE = sql.SQL(
    "UPDATE {table} t SET {assignments}, _bridge_updated_at = now() "
    "FROM {stage} s{row_before} WHERE {same_key} AND s._bridge_kind = 0 AND NOT t._bridge_deleted AND ({differs})"
    "{same_row}"
)
_HASH_DIFFERS = sql.SQL("t._bridge_hash IS DISTINCT FROM s._bridge_hash")
# Rows that were hashed under other columns, and are equal all the same.
_REHASH = sql.SQL(
    "UPDATE {table} t SET _bridge_hash = s._bridge_hash FROM {stage} s "
    "WHERE {same_key} AND s._bridge_kind = 0 AND {hash_differs}"
)
_INSERT = sql.SQL(
    "INSERT INTO {table} AS t (_bridge_id, {columns}, _bridge_hash, _bridge_rowversion) "
    "SELECT s._bridge_id, {staged}, s._bridge_hash, s._bridge_rowversion FROM {stage} s "
    "WHERE s._bridge_kind = 0{condition}"
)
_IF_NEW = sql.SQL(" AND NOT EXISTS (SELECT FROM {table} t WHERE {same_key})")
# To look into a table that was vacuumed while it was empty PostgreSQL takes the slow way, row by row.
_INTO_EMPTY = sql.SQL("")
_BURY = sql.SQL(
    "UPDATE {table} t SET _bridge_deleted = true, _bridge_updated_at = now(), "
    "_bridge_rowversion = coalesce(s._bridge_rowversion, t._bridge_rowversion) "
    "FROM {stage} s WHERE {same_key} AND s._bridge_kind = 1 AND NOT t._bridge_deleted"
)
_MISSING = sql.SQL("NOT t._bridge_deleted{unseen} AND NOT EXISTS (SELECT FROM {stage} s WHERE {same_key})")
_UNSEEN = sql.SQL(" AND t._bridge_hash IN (SELECT hash FROM {unseen})")
_COUNT_MISSING = sql.SQL("SELECT count(*) FROM {table} t WHERE {missing}")
_BURY_MISSING = sql.SQL("UPDATE {table} t SET _bridge_deleted = true, _bridge_updated_at = now() WHERE {missing}")
# Nobody else lets PostgreSQL's planner know how many rows a temporary table has.
_ANALYZE = sql.SQL("ANALYZE {stage}")
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
    """The entity's table, as the staging table is applied to it; with a history, every change is recorded in it."""

    def __init__(
        self, connection: psycopg.Connection, spec: EntitySpec, table: Table, history: History | None = None
    ) -> None:
        self._connection, self._history = connection, history
        self._names = [column.identifier for column in spec.columns]
        self._table = sql.Identifier(table.schema, table.name)
        self._keys = spec.business_keys
        self._empty = EmptyTable(connection, table)
        self._unseen: sql.Composable = sql.SQL("")
        self._parts = {"table": self._table, "stage": _STAGE, "same_key": self._equal_keys("t", "s")}

    def apply(self, strategy: Strategy, staged: Staged) -> Applied:
        """Brings the table in step with the staged rows; rows that are equal are not touched.

        Rows are compared column by column; but for `full`, which also mends rows that were changed by hand, only
        where their hashes differ. What the counts show to be done is not looked for again: a table may be large.
        """
        if not staged.keys:
            return Applied(inserted=0, updated=0, revived=0, buried=0)
        if self.is_empty():
            return Applied(self._fill(staged), updated=0, revived=0, buried=0)
        if not staged.all_news:
            self._connection.execute(_ANALYZE.format(stage=_STAGE))
        buried = self._run("delete", _BURY) if staged.tombstones else 0
        revived = self._run("revive", _REVIVE, assignments=self._assignments()) if staged.may_revive else 0
        updated = self._update(strategy) if staged.rows > revived else 0
        inserted = self._insert(_IF_NEW) if staged.rows > revived + updated else 0
        if not staged.all_news or staged.rows > revived + updated + inserted:
            self._connection.execute(_REHASH.format(**self._parts, hash_differs=_HASH_DIFFERS))
        return Applied(inserted, updated + revived, revived, buried)

    def leave_out(self, unseen: sql.Identifier | None) -> None:
        """From now on only rows whose hashes stand in that table can be missing: the others were met."""
        self._unseen = sql.SQL("") if unseen is None else _UNSEEN.format(unseen=unseen)

    def count_missing(self) -> int:
        """Live rows that were neither met nor staged."""
        return self._count(_COUNT_MISSING.format(table=self._table, missing=self._missing()))

    def bury_missing(self) -> int:
        """Marks the live rows that were not staged as deleted; call it after `apply`."""
        return self._run("delete", _BURY_MISSING, missing=self._missing())

    def _missing(self) -> sql.Composed:
        return _MISSING.format(**self._parts, unseen=self._unseen)

    def is_empty(self) -> bool:
        """Whether the table holds no row at all, not even a deleted one."""
        return self._count(_ANY.format(table=self._table)) == 0

    def count_live(self) -> int:
        """Rows that are not marked deleted."""
        return self._count(_COUNT_LIVE.format(table=self._table))

    def _fill(self, staged: Staged) -> int:
        """Puts the staged rows into the table, which is empty."""
        stripped = staged.rows >= empty_table.MANY_ROWS and self._empty.strip()
        inserted = self._insert(_INTO_EMPTY)
        if stripped:
            self._empty.rebuild()
        return inserted

    def _insert(self, condition: sql.SQL) -> int:
        parts = {"columns": self._list("{}"), "staged": self._list("s.{}")}
        return self._run("insert", _INSERT, **parts, condition=condition.format(**self._parts))

    def _update(self, strategy: Strategy) -> int:
        before: dict[str, sql.Composable] = {"row_before": sql.SQL(""), "same_row": sql.SQL("")}
        if self._history is not None:
            # Joined to itself: before PostgreSQL 18 an UPDATE cannot return what a row was.
            before["row_before"] = sql.SQL(", {} o").format(self._table)
            before["same_row"] = sql.SQL(" AND {}").format(self._equal_keys("o", "s"))
        return self._run("update", _UPDATE, assignments=self._assignments(), differs=self._differs(strategy), **before)

    def _run(self, operation: Operation, statement: sql.SQL, **more: sql.Composable) -> int:
        change = statement.format(**self._parts, **more)
        if self._history is not None:
            return self._history.record(operation, change)
        return self._connection.execute(change).rowcount

    def _count(self, statement: sql.Composed) -> int:
        row = self._connection.execute(statement).fetchone()
        return int(row[0]) if row else 0

    def _equal_keys(self, left: str, right: str) -> sql.Composed:
        pairs = [(sql.Identifier(left, key), sql.Identifier(right, key)) for key in self._keys]
        return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(*pair) for pair in pairs)

    def _list(self, pattern: LiteralString) -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(pattern).format(sql.Identifier(name)) for name in self._names)

    def _assignments(self) -> sql.Composed:
        names = [*self._names, "_bridge_hash", "_bridge_rowversion"]
        return sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in names)

    def _differs(self, strategy: Strategy) -> sql.Composed:
        tests = [sql.SQL("t.{0} IS DISTINCT FROM s.{0}").format(sql.Identifier(name)) for name in self._names]
        values = sql.SQL(" OR ").join(tests)
        return values if strategy == "full" else sql.SQL("{} AND ({})").format(_HASH_DIFFERS, values)
