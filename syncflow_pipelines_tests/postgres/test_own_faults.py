"""Faults of PostgreSQL in the middle of a sync: one sentence, a closed record, old rows; the next sync is right."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.database.url import url_parts
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines_tests.postgres.own_faults import (
    AT_WORK,
    LABEL,
    check_failed_cleanly,
    check_next_sync_is_right,
    eventually,
    held,
    make_items,
    newest_run,
    state_of,
    sync_with,
)
from syncflow_pipelines_tests.postgres.world import World

TERMINATE = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'syncflow sync' "
    "AND datname = current_database()"
)


@pytest.fixture(params=["rowversion", "hash"])
def changed(world: World, request: pytest.FixtureRequest) -> World:
    """`items` was synced once, and then changed at the source."""
    make_items(world, request.param)
    return world


@pytest.mark.parametrize("phase", ["reading", "writing"])
def test_a_connection_that_is_ended(changed: World, phase: str) -> None:
    before = state_of(changed)
    outcome = sync_with(changed, lambda: changed.query(TERMINATE), phase)
    check_failed_cleanly(changed, outcome, before, "The connection to PostgreSQL", "was lost")
    check_next_sync_is_right(changed)


def test_a_connection_that_is_lost_in_the_middle_of_a_row_does_not_tell_the_row(database: Database) -> None:
    with pytest.raises(DatabaseError, match="was lost: terminating connection") as raised:
        die_in_a_row(database)
    assert LABEL not in str(raised.value)


def die_in_a_row(database: Database) -> None:
    with database.dedicated("syncflow sync") as connection:
        connection.execute("CREATE TABLE public.fatal (label text)")
        connection.execute(
            "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END'"
        )
        connection.execute(
            "CREATE TRIGGER die BEFORE INSERT ON public.fatal FOR EACH ROW EXECUTE FUNCTION public.die()"
        )
        with connection.cursor().copy("COPY public.fatal FROM STDIN") as copy:
            copy.write(f"{LABEL}\n")


def test_a_statement_that_is_cancelled(changed: World) -> None:
    before = state_of(changed)
    with ThreadPoolExecutor(1) as pool:
        with held(changed):
            syncing = pool.submit(changed.sync, "items")
            cancel = "SELECT pg_cancel_backend(pid) FROM (" + AT_WORK + ") waiting"
            eventually(lambda: changed.query(cancel))
        outcome = syncing.result(60)
    check_failed_cleanly(changed, outcome, before, "canceling statement due to user request")
    check_next_sync_is_right(changed)


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_a_timeout_of_the_role(changed: World, setting: str) -> None:
    before = state_of(changed)
    with default(changed, setting, "500ms"), held(changed):
        outcome = changed.sync("items")
    check_failed_cleanly(changed, outcome, before, "timeout")
    check_next_sync_is_right(changed)


def test_a_table_that_somebody_holds_is_waited_for(changed: World) -> None:
    with ThreadPoolExecutor(1) as pool:
        with held(changed):
            syncing = pool.submit(changed.sync, "items")
            eventually(lambda: changed.query(AT_WORK))
        assert syncing.result(60).status == "success"
    assert changed.live("items") == changed.expected("items")


def test_a_sync_that_waits_for_a_table_can_be_cancelled(changed: World) -> None:
    before, cancelled = state_of(changed), threading.Event()
    with ThreadPoolExecutor(1) as pool, held(changed):
        request = SyncRequest(changed.connector, "items")
        syncing = pool.submit(sync_entity, changed.database, changed.settings, request, cancelled=cancelled.is_set)
        eventually(lambda: changed.query(AT_WORK))
        cancelled.set()
        outcome = syncing.result(30)
        assert newest_run(changed) == ("failed", outcome.error)
    assert outcome.error_type == "SyncCancelled"
    check_failed_cleanly(changed, outcome, before, "was cancelled while PostgreSQL was at work")
    check_next_sync_is_right(changed)


def test_a_server_that_only_reads(changed: World) -> None:
    before = state_of(changed)
    with default(changed, "default_transaction_read_only", "on"):
        outcome = changed.sync("items")
    assert (outcome.status, state_of(changed)) == ("failed", before)
    assert "read-only transaction" in str(outcome.error)
    check_next_sync_is_right(changed)


def test_a_permission_that_was_taken_away(changed: World) -> None:
    before = state_of(changed)
    with role(changed, "LOGIN") as name, Database(as_role(changed, name), "bridge") as limited:
        outcome = sync_with(replace(changed, database=limited), lambda: revoke(changed, name))
    check_failed_cleanly(changed, outcome, before, "permission denied for table items")
    check_next_sync_is_right(changed)


def test_too_many_connections(changed: World) -> None:
    before = state_of(changed)
    with (
        role(changed, "LOGIN CONNECTION LIMIT 1") as name,
        Database(as_role(changed, name), "bridge") as full,
        full.dedicated("the only one"),
    ):
        outcome = sync_entity(full, changed.settings, SyncRequest(changed.connector, "items"))
    assert (outcome.status, outcome.error_type, state_of(changed)) == ("failed", "DatabaseError", before)
    assert f'too many connections for role "{name}"' in str(outcome.error)
    check_next_sync_is_right(changed)


def test_a_table_that_is_dropped_meanwhile_is_filled_again(changed: World) -> None:
    def drop() -> None:
        with changed.database.dedicated("somebody") as other:
            other.execute("SET lock_timeout = '5s'")
            other.execute("DROP TABLE erp.items")

    outcome = sync_with(changed, drop)
    if outcome.status == "failed":
        assert "\n" not in str(outcome.error)
        assert newest_run(changed) == ("failed", outcome.error)
    check_next_sync_is_right(changed)


def as_role(world: World, name: str) -> str:
    return world.database.url.replace("postgres@", f"{name}@")


def revoke(world: World, name: str) -> None:
    with world.database.dedicated("somebody") as other:
        other.execute(sql.SQL("REVOKE ALL ON erp.items FROM {}").format(sql.Identifier(name)))


@contextmanager
def role(world: World, what: str) -> Iterator[str]:
    """The name of a role that may do everything that a sync does."""
    name = f"role_{uuid4().hex}"
    grants = "; ".join(
        f"GRANT ALL ON SCHEMA {schema} TO {name}; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {name}"
        for schema in ("bridge", "erp")
    )
    with world.database.dedicated("somebody") as other:
        other.execute(f"CREATE ROLE {name} {what}; {grants}".encode())
        try:
            yield name
        finally:
            other.execute("RESET ROLE")
            other.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


@contextmanager
def default(world: World, setting: str, value: str) -> Iterator[None]:
    """What new connections to the database find set, for the block."""
    name, setting_name = sql.Identifier(url_parts(world.database.url)["dbname"]), sql.Identifier(setting)
    with world.database.dedicated("somebody") as other:
        other.execute(sql.SQL("ALTER DATABASE {} SET {} = {}").format(name, setting_name, sql.Literal(value)))
        try:
            yield
        finally:
            other.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(name, setting_name))
