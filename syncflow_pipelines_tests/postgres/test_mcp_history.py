"""MCP clients look at runs, rejected rows and schema changes."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.postgres.mcp_calls import call, refusal
from syncflow_pipelines_tests.postgres.world import World, row

SECRET = "Erika Mustermann"


@pytest.fixture
def rejected(world: World) -> World:
    """One good row of `erp/items`, and one whose label is too long for its column."""
    world.offer("items", strategy="full")
    world.store.put("items", [row(1), {**row(2, SECRET + "x" * 60), "qty": 7}])
    world.discover()
    world.sync("items")
    return world


def reject_of(world: World) -> dict[str, Any]:
    listed = call(world, "list_rejects")
    assert (listed["total"], len(listed["rejects"])) == (1, 1)
    return dict(listed["rejects"][0])


def test_runs_are_listed_with_exact_counts_and_shown_by_their_beginning(rejected: World) -> None:
    (run,) = call(rejected, "list_runs", {"entity": "erp/items"})["runs"]
    assert (run["fetched"], run["inserted"], run["rejected"], run["status"]) == (2, 1, 1, "success")
    shown = call(rejected, "show_run", {"run": run["run"][:8]})
    assert (shown["run"], shown["trigger"], shown["details"]["pages"]) == (run["run"], "manual", 1)


def test_a_failed_run_tells_its_error_and_so_does_its_entity(rejected: World) -> None:
    rejected.store.break_entity("items", Fault(status=404))
    assert rejected.sync("items").status == "failed"
    (run,) = call(rejected, "list_runs", {"status": "failed"})["runs"]
    assert run["error"]
    assert call(rejected, "show_run", {"run": run["run"]})["error_type"] == "EntityGone"
    assert call(rejected, "describe_entity", {"entity": "erp/items"})["last_error"] == run["error"]


def test_a_run_whose_process_died_is_not_told_of_as_running(rejected: World) -> None:
    with rejected.database.connection() as connection:
        connection.execute("UPDATE sync_runs SET status = 'running', completed_at = NULL")
    (run,) = call(rejected, "list_runs")["runs"]
    assert run["status"] == "failed"


@pytest.mark.parametrize("run", ["0000", "%", "'; DROP TABLE sync_runs; --"])
def test_an_unknown_run_is_told_of(rejected: World, run: str) -> None:
    assert f"no run {run.lower()} is known" in refusal(rejected, "show_run", {"run": run})


def test_rejected_rows_are_listed_without_their_values(rejected: World) -> None:
    found = reject_of(rejected)
    assert (found["entity"], found["column"]) == ("erp/items", "label")
    assert SECRET not in str(found)


def test_a_rejected_row_is_whole_only_where_that_was_asked_for(rejected: World) -> None:
    uid = reject_of(rejected)["reject"]
    shown = call(rejected, "show_reject", {"reject": uid})
    assert SECRET in shown["value"]
    assert (shown["row"], shown["row_characters"] > 60) == (None, True)
    assert '"qty"' in call(rejected, "show_reject", {"reject": uid, "include_row": True})["row"]


def test_an_unknown_reject_is_told_of(rejected: World) -> None:
    uid = str(uuid4())
    assert f"no rejected row {uid} is known" in refusal(rejected, "show_reject", {"reject": uid})
    assert "validation error" in refusal(rejected, "show_reject", {"reject": "' OR true"})


def test_schema_changes_are_listed_by_connector_and_by_entity(rejected: World) -> None:
    (spec,) = rejected.store.entities()
    colour = SourceColumn("COLOUR", "VARCHAR2(10)")
    rejected.store.alter_entity(replace(spec, columns=(*spec.columns, colour)))
    rejected.discover()
    (newest, *_) = call(rejected, "list_schema_changes")["changes"]
    assert (newest["kind"], newest["entity"], newest["applied"]) == ("column_added", "erp/items", True)
    assert call(rejected, "list_schema_changes", {"entity": "erp/items", "limit": 1})["changes"] == [newest]
    assert call(rejected, "list_schema_changes", {"connector": "crm"}) == {"changes": []}
    assert "is known" in refusal(rejected, "list_schema_changes", {"entity": "erp/nothing"})
