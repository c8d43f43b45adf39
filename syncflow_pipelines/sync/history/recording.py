"""The history of an entity's rows: what each sync changed, recorded by the statement that changed it.

An insert and a revival record the row as it became, a deletion the row as it was, an update the columns that
changed. Values are JSON as PostgreSQL's `to_jsonb` spells them: numbers with every digit, `bytea` as hex.
"""

from collections.abc import Iterable
from typing import Literal
from uuid import UUID

import psycopg
from psycopg import sql

from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.sync.model import Entity

Operation = Literal["insert", "update", "delete", "revive"]
OPERATIONS: tuple[Operation, ...] = ("insert", "update", "delete", "revive")

_RECORD = sql.SQL(
    "WITH changed AS ({change} RETURNING {key} AS business_key, {old} AS old_values, {new} AS new_values) "
    "INSERT INTO record_changes (entity_uid, run_uid, operation, business_key, old_values, new_values) "
    "SELECT {entity}, {run}, {operation}, business_key, old_values, new_values FROM changed"
)
# With `.*` it is the row, also where a column is called like the alias.
_ROW = sql.SQL("(SELECT to_jsonb(_row.*) FROM (SELECT {columns}) _row)")
_CHANGED_ONLY = sql.SQL(
    "(SELECT coalesce(jsonb_object_agg(name, value), '{{}}') FROM (VALUES {columns}) _values (name, value, differs) "
    "WHERE differs)"
)
_CHANGED_COLUMN = sql.SQL("({name}, to_jsonb({row}.{column}), o.{column} IS DISTINCT FROM t.{column})")
_NOTHING = sql.SQL("NULL::jsonb")


class History:
    """Records what one sync does to the rows of one entity, inside its transaction."""

    def __init__(self, connection: psycopg.Connection, entity: Entity, run_uid: UUID) -> None:
        self._connection, self._entity, self._run_uid = connection, entity, run_uid
        names = [column.identifier for column in entity.spec.columns]
        whole, was, became = _row("t", names), _changed_only("o", names), _changed_only("t", names)
        self._key = _row("t", entity.spec.business_keys)
        self._values = {
            "insert": (_NOTHING, whole),
            "update": (was, became),
            "delete": (whole, _NOTHING),
            "revive": (_NOTHING, whole),
        }

    def record(self, operation: Operation, change: sql.Composed) -> int:
        """Carries the change out and records each row of it; returns how many rows that were.

        In the statement `t` is the entity's table, and in that of an update `o` is the same row of it as it was.
        Raises `DatabaseError` where a row is larger than a record can be.
        """
        old, new = self._values[operation]
        statement = _RECORD.format(
            change=change,
            key=self._key,
            old=old,
            new=new,
            entity=sql.Literal(self._entity.uid),
            run=sql.Literal(self._run_uid),
            operation=sql.Literal(operation),
        )
        try:
            return self._connection.execute(statement).rowcount
        except psycopg.errors.ProgramLimitExceeded as cause:
            raise DatabaseError(
                f"{self._entity.key}: a row is too large to be recorded, as PostgreSQL keeps 256 MB of JSON at most; "
                "nothing of this sync was kept; set history: false for the entity, or make the value smaller"
            ) from cause


def _row(table: str, names: Iterable[str]) -> sql.Composed:
    columns = [sql.Identifier(table, name) for name in names]
    return _ROW.format(columns=sql.SQL(", ").join(columns))


def _changed_only(row: str, names: Iterable[str]) -> sql.Composed:
    columns = [
        _CHANGED_COLUMN.format(name=sql.Literal(name), row=sql.Identifier(row), column=sql.Identifier(name))
        for name in names
    ]
    return _CHANGED_ONLY.format(columns=sql.SQL(", ").join(columns))
