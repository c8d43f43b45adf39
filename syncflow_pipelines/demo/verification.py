"""Whether the tables equal the demo source, and whether a sync did what was done at the source."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, false, func, select
from sqlalchemy import column as column_of
from sqlalchemy import table as table_of
from sqlalchemy.pool import NullPool

from syncflow_pipelines.database import Database, sqlalchemy_url
from syncflow_pipelines.demo.erp import open_erp
from syncflow_pipelines.demo.mutate import EntityMutation
from syncflow_pipelines.sync.model import Entity, Table
from syncflow_pipelines.sync.runs import SyncRun


@dataclass(frozen=True, slots=True)
class RowCount:
    """How many live rows an entity has, at the source and in PostgreSQL."""

    entity: str
    """`connector/slug`."""
    at_source: int
    in_table: int


def count_rows(db: Database, home: Path, entities: Iterable[Entity]) -> tuple[RowCount, ...]:
    """The live rows of every entity, counted now, on both sides."""
    engine = create_engine(sqlalchemy_url(db.url, "psycopg"), poolclass=NullPool)
    with open_erp(home) as source, engine.connect() as connection:
        return tuple(
            RowCount(entity.key, source.live_count(entity.spec.slug), _count_live(connection, entity.table))
            for entity in entities
        )


def find_mistakes(
    first: Sequence[SyncRun],
    second: Sequence[SyncRun],
    changes: Mapping[str, EntityMutation],
    counts: Sequence[RowCount],
) -> tuple[str, ...]:
    """One sentence for everything that is not as it must be, but for syncs that failed: those say so themselves.

    `changes`, by `connector/slug`, were made between the two rounds.
    """
    return (
        *(f"{entity} was not synced in the {name} round" for name, entity in _absent(first, second, counts)),
        *(
            f"{count.entity} has {count.at_source:,} rows at the source and {count.in_table:,} in its table"
            for count in counts
            if count.at_source != count.in_table
        ),
        *(_difference(run, changes[run.entity]) for run in second if not _matches(run, changes[run.entity])),
    )


def _absent(
    first: Sequence[SyncRun], second: Sequence[SyncRun], counts: Sequence[RowCount]
) -> Iterable[tuple[str, str]]:
    for name, runs in (("first", first), ("second", second)):
        seen = {run.entity for run in runs}
        yield from ((name, count.entity) for count in counts if count.entity not in seen)


def _matches(run: SyncRun, change: EntityMutation) -> bool:
    done = (len(change.inserted), len(change.updated), len(change.deleted))
    return run.status != "success" or (run.inserted, run.updated, run.deleted) == done


def _difference(run: SyncRun, change: EntityMutation) -> str:
    return (
        f"{run.entity}: the source inserted {len(change.inserted)}, updated {len(change.updated)} and deleted "
        f"{len(change.deleted)} rows, the sync {run.inserted}, {run.updated} and {run.deleted} "
        "(does another SyncFlow, such as `syncflow dev`, sync the same tables?)"
    )


def _count_live(connection: Connection, table: Table) -> int:
    rows = table_of(table.name, column_of("_bridge_deleted"), schema=table.schema)
    statement = select(func.count()).select_from(rows).where(rows.c["_bridge_deleted"].is_(false()))
    return connection.execute(statement).scalar_one()
