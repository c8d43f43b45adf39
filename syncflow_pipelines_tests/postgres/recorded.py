"""What is on record of an entity's rows, read back and played back, each value spelled as PostgreSQL spells it."""

import json
from collections import Counter
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import sql

from syncflow_pipelines.sync.model import SyncOutcome
from syncflow_pipelines_tests.postgres.world import World

_RECORDED = """
SELECT c.run_uid, c.operation, c.business_key::text, c.old_values::text, c.new_values::text
FROM record_changes c JOIN entities e ON e.uid = c.entity_uid WHERE e.slug = %s ORDER BY c.id
"""
_LIVE = sql.SQL("SELECT to_jsonb(t.*)::text FROM {} t WHERE NOT _bridge_deleted")


class Change(NamedTuple):
    """One recorded change, its JSON read."""

    operation: str
    key: dict[str, Any]
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    run: UUID


def changes(world: World, slug: str = "items") -> list[Change]:
    """Everything on record of the entity, oldest first."""
    return [
        Change(operation, _read(key) or {}, _read(old), _read(new), run)
        for run, operation, key, old, new in world.query(_RECORDED, slug)
    ]


def replayed(world: World, slug: str = "items") -> dict[str, dict[str, Any]]:
    """The rows that the changes come to, from nothing, by key."""
    rows: dict[str, dict[str, Any]] = {}
    for change in changes(world, slug):
        key = json.dumps(change.key, sort_keys=True)
        if change.operation == "delete":
            assert rows.pop(key) == change.old
        elif change.operation == "update":
            assert change.old is not None
            assert change.new is not None
            assert change.old.items() <= rows[key].items()
            rows[key] = rows[key] | change.new
        else:
            assert key not in rows
            assert change.new is not None
            rows[key] = change.new
    return rows


def live(world: World, slug: str = "items") -> dict[str, dict[str, Any]]:
    """The live rows of the table, in the same form."""
    entity = world.entity(slug)
    statement = _LIVE.format(sql.Identifier(entity.table.schema, entity.table.name))
    with world.database.connection() as connection:
        rows = [_read(text) or {} for (text,) in connection.execute(statement)]
    known = [column.identifier for column in entity.spec.columns]
    return {
        json.dumps({name: row[name] for name in entity.spec.business_keys}, sort_keys=True): {
            name: row[name] for name in known
        }
        for row in rows
    }


def agrees(world: World, slug: str, outcome: SyncOutcome) -> bool:
    """Whether what is on record of the run is what it counted."""
    counts = outcome.counts
    found = Counter(change.operation for change in changes(world, slug) if change.run == outcome.run_uid)
    told = (found["insert"], found["update"] + found["revive"], found["delete"])
    return told == (counts.inserted, counts.updated, counts.deleted)


def _read(text: str | None) -> dict[str, Any] | None:
    return dict(json.loads(text, parse_float=str, parse_int=str)) if text else None
