"""The query of docs/record-changes.md gives the rows as they were."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from syncflow_pipelines_tests.postgres.world import World, row

GUIDE = (Path(__file__).parents[2] / "docs" / "record-changes.md").read_text()


def rows_at(world: World, moment: datetime) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the guide's query answers for that time."""
    (query,) = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
    query = query.replace("2026-01-31T18:00:00Z", moment.isoformat())
    with psycopg.connect(world.database.url, row_factory=dict_row) as connection:
        found = connection.execute(query).fetchall()
    return {
        (one["site"], one["number"]): {name: value for name, value in one.items() if not name.startswith("_bridge_")}
        for one in found
    }


def test_the_rows_of_every_past_moment_are_found(world: World) -> None:
    world.offer("items")
    world.configure("items", history=True)
    world.discover()
    states = []
    for put, deleted in (
        ([row(n, "x", "1.50") for n in range(5)], []),
        ([row(1, None), row(7)], []),
        ([], [("A", 1), ("A", 2)]),
        ([row(1, "again"), row(3, "y")], []),
    ):
        world.store.put("items", put)
        world.store.delete("items", deleted)
        assert world.sync("items").error is None
        states.append((world.query("SELECT max(changed_at) FROM record_changes")[0][0], world.live("items")))
    for moment, rows in states:
        assert rows_at(world, moment) == rows
