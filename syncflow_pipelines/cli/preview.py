"""A few rows of an entity's table, to look at."""

import json

from sqlalchemy import column, create_engine, select, table
from sqlalchemy.pool import NullPool

from syncflow_pipelines.cli.output import Cell
from syncflow_pipelines.database import Database, sqlalchemy_url
from syncflow_pipelines.sync.model import Entity

LONGEST_CELL = 100
DELETED = "_bridge_deleted"


def first_rows(database: Database, entity: Entity, limit: int) -> list[dict[str, object]]:
    """The first live rows by business key, by column."""
    names = [one.identifier for one in entity.spec.columns]
    rows = table(entity.table.name, *map(column, (*names, DELETED)), schema=entity.table.schema)
    statement = (
        select(*(rows.c[name] for name in names))
        .where(~rows.c[DELETED])
        .order_by(*(rows.c[key] for key in entity.spec.business_keys))
        .limit(limit)
    )
    engine = create_engine(sqlalchemy_url(database.url, "psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def as_cell(value: object) -> Cell:
    """The value on one line, cut where it is long; numbers with all their digits."""
    if value is None or isinstance(value, bool):
        return value
    text = " ".join(_spelled(value).split())
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def _spelled(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
