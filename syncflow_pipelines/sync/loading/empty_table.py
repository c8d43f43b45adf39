"""An empty table without its indexes, for as long as many rows are put into it.

Within one transaction PostgreSQL need not log the rows of a table that was truncated in it (`wal_level = minimal`),
and an index over many rows is built faster than it grows. Until the transaction ends nobody can read the table; see
docs/decisions/0015-first-load-into-the-table.md.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from syncflow_pipelines.sync.model import Table

MANY_ROWS = 10_000
"""From so many rows on, building indexes afterwards is worth taking them away."""

_LOCK = sql.SQL("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT")
_ANY = sql.SQL("SELECT 1 FROM {table} LIMIT 1")
_TRUNCATE = sql.SQL("TRUNCATE {table}")
# Rules, triggers (foreign keys have some, on both sides), policies, checks: whatever may act on single rows.
_IS_PLAIN = """
SELECT c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'd' AND NOT (c.relhasrules OR c.relhastriggers
  OR c.relrowsecurity OR c.relhassubclass OR c.relispartition OR c.relchecks > 0
  OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> ''))
  AND pg_has_role(c.relowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
                  WHERE p.tablename = c.relname AND n.oid = c.relnamespace)
FROM pg_class c WHERE c.oid = %s::regclass
"""
# An index with a place, a comment or a purpose of its own would not be the same again.
_INDEXES = """
SELECT i.relname, pg_get_indexdef(x.indexrelid), pg_get_constraintdef(k.oid),
  i.reltablespace = 0 AND i.reloptions IS NULL AND NOT x.indisclustered AND NOT x.indisreplident AND x.indisvalid
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.oid AND a.attstattarget >= 0)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = i.oid AND d.deptype = 'x')
  AND obj_description(i.oid, 'pg_class') IS NULL AND (k.oid IS NULL OR obj_description(k.oid, 'pg_constraint') IS NULL)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_constraint k ON k.conindid = i.oid
WHERE x.indrelid = %s::regclass ORDER BY x.indisprimary DESC, i.relname
"""
_DROP_CONSTRAINT = sql.SQL("ALTER TABLE {table} DROP CONSTRAINT {name}")
_DROP_INDEX = sql.SQL("DROP INDEX {name}")
_ADD_CONSTRAINT = sql.SQL("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
_END = (psycopg.errors.QueryCanceled, psycopg.errors.OperatorIntervention)
"""What ends the sync; whatever else PostgreSQL says against it only means that the table is filled as it is."""


@dataclass(frozen=True, slots=True)
class _Index:
    """An index of the table, as it has to be built again."""

    name: str
    definition: str
    constraint: str | None
    is_plain: bool


class EmptyTable:
    """A table that holds no row, inside the caller's transaction."""

    def __init__(self, connection: psycopg.Connection, table: Table) -> None:
        self._connection, self._schema = connection, table.schema
        self._table = sql.Identifier(table.schema, table.name)
        self._indexes: tuple[_Index, ...] = ()

    def strip(self) -> bool:
        """Takes its indexes away; False, with nothing changed, where it is in use or is more than a table of ours."""
        try:
            with self._connection.transaction() as savepoint:
                if self._take_over():
                    return True
                raise psycopg.Rollback(savepoint)  # and the lock is free again
        except psycopg.Error as refusal:
            if isinstance(refusal, _END) or self._connection.closed:
                raise
        return False

    def clear(self) -> None:
        """Takes all rows away that were put into it."""
        self._connection.execute(_TRUNCATE.format(table=self._table))

    def rebuild(self) -> None:
        """Builds the indexes again; all or, with `psycopg.errors.UniqueViolation`, none."""
        with self._connection.transaction():
            for index in self._indexes:
                self._connection.execute(self._creation(index))
        self._indexes = ()

    def _take_over(self) -> bool:
        name = self._table.as_string(self._connection)
        self._connection.execute(_LOCK.format(table=self._table))
        # Only now that nobody else can write: somebody may have put rows into it a moment ago.
        if self._connection.execute(_ANY.format(table=self._table)).fetchone():
            return False
        plain = self._connection.execute(_IS_PLAIN, (name,)).fetchone()
        indexes = tuple(_Index(*row) for row in self._connection.execute(_INDEXES, (name,)))
        if not (plain and plain[0] and all(index.is_plain for index in indexes)):
            return False
        self.clear()
        # Once for trial, while there is nothing to lose: whoever may drop an index need not be free to build one.
        for attempt in ("trial", "load"):
            for index in indexes:
                self._drop(index)
            self._indexes = indexes
            if attempt == "trial":
                self.rebuild()
        return True

    def _drop(self, index: _Index) -> None:
        if index.constraint is None:
            self._connection.execute(_DROP_INDEX.format(name=sql.Identifier(self._schema, index.name)))
        else:
            name = sql.Identifier(index.name)
            self._connection.execute(_DROP_CONSTRAINT.format(table=self._table, name=name))

    def _creation(self, index: _Index) -> sql.SQL | sql.Composed:
        # Both definitions are PostgreSQL's own words for what it had.
        if index.constraint is None:
            return sql.SQL(index.definition)
        definition = sql.SQL(index.constraint)
        return _ADD_CONSTRAINT.format(table=self._table, name=sql.Identifier(index.name), definition=definition)
