"""Tables that somebody altered, contracts that changed, and records that must not contradict each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import psycopg
import pytest

from syncflow_pipelines.config import BearerAuth
from syncflow_pipelines.demo.entity import SourceColumn, SourceEntity
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.errors import SyncError
from syncflow_pipelines.sync.conversion.decode import Batch
from syncflow_pipelines.sync.entities import due_entities
from syncflow_pipelines.sync.model import Counts
from syncflow_pipelines.sync.reading.pages import Page
from syncflow_pipelines.sync.reading.reads import read_by_version
from syncflow_pipelines.sync.refusals import said_by
from syncflow_pipelines.sync.runs import close_dead_runs, close_run, open_run
from syncflow_pipelines_tests.postgres.world import World, row


def _execute(world: World, statement: str) -> None:
    with world.database.connection() as connection:
        connection.execute(statement)


def _with_column(spec: SourceEntity, name: str, **change: Any) -> SourceEntity:
    columns = (replace(column, **change) if column.name == name else column for column in spec.columns)
    return replace(spec, columns=tuple(columns))


@pytest.fixture(params=["rowversion", "hash"])
def synced(request: pytest.FixtureRequest, world: World) -> World:
    """A world with an entity of twenty rows, synced once, by each strategy that compares hashes."""
    world.offer("items", request.param)
    world.store.insert("items", [row(n, qty=n + 0.125) for n in range(20)])
    world.discover()
    assert world.sync("items").status == "success"
    return world


@pytest.mark.parametrize("discovers", [False, True])
def test_a_column_that_somebody_dropped_is_filled_again(synced: World, discovers: bool) -> None:
    before = synced.live("items")
    _execute(synced, "ALTER TABLE erp.items DROP COLUMN label")
    if discovers:
        synced.discover()
    assert synced.sync("items").counts.updated == 20
    assert synced.live("items") == before


def test_a_column_that_somebody_cut_has_its_values_back(synced: World) -> None:
    synced.store.update("items", [{"site": "A", "number": 3, "label": "a long label"}])
    synced.sync("items")
    _execute(synced, "ALTER TABLE erp.items ALTER COLUMN label TYPE varchar(3) USING left(label, 3)")
    assert synced.sync("items").counts.updated == 1
    assert synced.live("items")["A", 3]["label"] == "a long label"


def test_a_column_that_somebody_made_coarser_is_told_and_nothing_is_rounded(synced: World) -> None:
    before = synced.live("items")
    _execute(synced, "ALTER TABLE erp.items ALTER COLUMN qty TYPE numeric(12,1)")
    outcome = synced.sync("items")
    assert (outcome.status, outcome.error_type) == ("failed", "SchemaRefused")
    assert "column qty" in str(outcome.error)
    _execute(synced, "ALTER TABLE erp.items ALTER COLUMN qty TYPE numeric(12,3)")
    assert synced.sync("items", full_refresh=True).counts.updated == 20
    assert synced.live("items") == before


def test_a_column_that_somebody_widened_is_left_so(synced: World) -> None:
    _execute(synced, "ALTER TABLE erp.items ALTER COLUMN label TYPE text")
    _execute(synced, "ALTER TABLE erp.items ALTER COLUMN qty TYPE numeric")
    assert synced.sync("items").status == "success"


def test_a_sync_that_is_refused_leaves_the_next_one_to_fill_the_column(synced: World) -> None:
    before = synced.live("items")
    synced.store.insert("items", [row(n, qty="many") for n in range(100, 140)])
    _execute(synced, "ALTER TABLE erp.items DROP COLUMN label")
    assert synced.sync("items").error_type == "TooManyRejects"
    synced.store.delete("items", [("A", n) for n in range(100, 140)])
    assert synced.sync("items").status == "success"
    assert synced.live("items") == before


def test_a_widened_key_makes_no_second_row(world: World) -> None:
    spec = world.offer("items")
    spec = _with_column(spec, "NO", data_type="NUMBER(12,3)")
    world.store.alter_entity(spec)
    world.store.insert("items", [row(n) for n in range(5)])
    world.discover()
    world.sync("items")
    world.store.alter_entity(_with_column(spec, "NO", data_type="VARCHAR2(20)"))
    world.discover()
    outcome = world.sync("items")
    assert (outcome.status, outcome.live_rows, len(world.live("items"))) == ("success", 5, 5)


@pytest.mark.parametrize("moved", [False, True])
def test_live_rows_are_counted_anew_in_a_table_that_is_filled_anew(world: World, moved: bool) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(20)])
    world.discover()
    world.sync("items")
    if moved:
        world.configure("items", target_table="moved")
        world.discover()
    else:
        _execute(world, "TRUNCATE erp.items")
    assert world.sync("items").live_rows == 20


def test_rows_that_an_older_contract_refused_come_in_under_the_new_one(world: World) -> None:
    spec = world.offer("items")
    spec = _with_column(spec, "LABEL", is_nullable=False)
    world.store.alter_entity(spec)
    world.store.insert("items", [row(1), row(2, label=None), row(3), row(4)])
    world.discover()
    assert world.sync("items").counts.rejected == 1
    world.store.alter_entity(_with_column(spec, "LABEL", is_nullable=True))
    world.discover()
    outcome = world.sync("items")
    assert (outcome.counts.inserted, outcome.open_rejects) == (1, 0)
    assert world.live("items") == world.expected("items")


def test_keys_that_differ_below_a_microsecond_are_rejects_and_not_one_row(world: World) -> None:
    columns = (SourceColumn("AT", "DATETIME2(7)"), SourceColumn("LABEL", "VARCHAR(9)"))
    world.offer("events", "hash", columns=columns, business_keys=("at",))
    at = [f"2025-01-01T00:00:00.12345{n}" for n in range(4)]
    world.store.insert("events", [{"at": moment, "label": "x"} for moment in (*at, f"{at[0]}1", f"{at[0]}2")])
    world.discover()
    assert world.sync("events").counts == Counts(fetched=6, inserted=4, rejected=2)


def test_a_value_never_comes_into_an_error(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    _execute(world, "ALTER TABLE erp.items ADD COLUMN n int GENERATED ALWAYS AS (label::int) STORED")
    world.store.insert("items", [row(1, label="a secret number")])
    outcome = world.sync("items")
    assert outcome.status == "failed"
    assert "secret" not in str(outcome.error) + str(world.query("SELECT error_message FROM sync_runs"))
    assert "22P02" in str(outcome.error)


def test_what_postgresql_says_of_the_schema_is_passed_on() -> None:
    assert said_by(psycopg.errors.UndefinedTable()) == "UndefinedTable (42P01)"


def test_a_secret_that_is_missing_fails_the_sync_on_record_and_backs_off(world: World, tmp_path: Path) -> None:
    world.offer("items")
    world.discover()
    world.connector = replace(world.connector, auth=BearerAuth(token_file=tmp_path / "absent"))
    outcome = world.sync("items")
    assert (outcome.status, outcome.error_type) == ("failed", "ConfigurationError")
    assert world.query("SELECT status, error_message FROM sync_runs") == [("failed", outcome.error)]
    with world.database.connection() as connection:
        assert due_entities(connection) == ()


def test_an_entity_whose_sync_kills_its_process_backs_off(world: World) -> None:
    world.offer("items")
    world.discover()
    uid = world.entity("items").uid
    with world.database.dedicated("test") as connection:
        open_run(
            connection, uid, strategy="full", full_refresh=False, trigger="test", dagster_run_id=None,
            rowversion_start=None,
        )  # fmt: skip
        assert close_dead_runs(connection) == 1
        assert due_entities(connection) == ()


def test_no_row_is_deleted_while_the_sources_own_total_says_that_there_are_more(world: World) -> None:
    world.offer("items", "hash")
    world.configure("items", page_size=10)
    world.store.insert("items", [row(n) for n in range(100)])
    world.discover()
    world.sync("items")
    with _holed(world) as base_url:
        world.connector = replace(world.connector, base_url=base_url)
        outcome = world.sync("items")
    assert (outcome.status, outcome.counts.deleted) == ("success", 0)
    assert any("more than it sent" in note for note in outcome.notes)
    assert len(world.live("items")) == 100


@contextmanager
def _holed(world: World) -> Iterator[str]:
    """The source, but for the rows behind its sixth page, of which only the total is left."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        page = int(parse_qs(scope["query_string"])[b"page"][0])
        body = world.store.page("items", page, 10) if page <= 6 else b'{"rows":[],"has_more":false,"total":100}'
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    with serve_in_thread(app) as base_url:
        yield base_url


def test_defaults_of_the_database_change_nothing(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(3)])
    name = world.query("SELECT current_database()")[0][0]
    for setting in ("datestyle = 'German'", "idle_in_transaction_session_timeout = '300ms'", "timezone = 'Asia/Tokyo'"):
        _execute(world, f'ALTER DATABASE "{name}" SET {setting}')
    world.discover()
    world.store.break_entity("items", Fault(status=None, delay_s=1.0))
    for _ in range(2):
        assert world.sync("items").status == "success"
    assert world.live("items") == world.expected("items")


def test_an_empty_answer_that_promises_more_ends_the_read_of_an_entity_without_rows() -> None:
    answers = iter([Page([], has_more=True), *(Page([], has_more=False) for _ in range(9))])
    read = read_by_version(lambda page, above=None: next(answers), lambda page: Batch(), None, page_size=10)
    assert read.cursor is None


def test_a_record_is_closed_once(world: World) -> None:
    world.offer("items")
    world.discover()
    outcome = world.sync("items")
    assert outcome.run_uid is not None
    with world.database.connection() as connection:
        assert not close_run(connection, outcome.run_uid, Counts(), error=SyncError("too late"))
    assert world.query("SELECT status, error_message FROM sync_runs") == [("success", None)]
