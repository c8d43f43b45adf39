"""Connections: bounded, in the right schema, and clear about what went wrong."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.errors import DatabaseError


def value(connection: psycopg.Connection, statement: str) -> object:
    row = connection.execute(sql.SQL(statement)).fetchone()
    assert row is not None
    return row[0]


def test_a_connection_is_one_transaction(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("CREATE TABLE public.kept (n int)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        insert_and_fail(database)
    with database.connection() as connection:
        assert value(connection, "SELECT count(*) FROM public.kept") == 0


def insert_and_fail(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("INSERT INTO public.kept VALUES (1)")
        connection.execute("SELECT 1 / 0")


def test_a_dedicated_connection_commits_at_once(database: Database) -> None:
    with database.dedicated("syncflow sync erp/items") as connection:
        assert connection.autocommit
        assert value(connection, "SELECT current_setting('application_name')") == "syncflow sync erp/items"
        connection.execute("CREATE TABLE public.kept (n int)")
        with database.connection() as other:
            assert value(other, "SELECT count(*) FROM public.kept") == 0


def test_the_schema_of_the_metadata_is_the_only_one_in_the_search_path(database: Database) -> None:
    with database.connection() as pooled, database.dedicated("test") as dedicated:
        for connection in (pooled, dedicated):
            assert value(connection, "SELECT current_schemas(false)") == ["bridge"]
            assert value(connection, "SELECT count(*) FROM sync_runs") == 0


def test_times_come_back_in_utc(database: Database) -> None:
    with database.connection() as connection:
        now = value(connection, "SELECT now()")
    assert now.utcoffset() == timedelta(0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("schema", ["other", "Mixed Case", 'quo"ted', "a,b"])
def test_the_schema_may_have_any_name(settings: Settings, schema: str) -> None:
    with open_database(replace(settings, schema=schema)) as database, database.connection() as connection:
        assert value(connection, "SELECT current_schema()") == schema
        assert value(connection, "SELECT count(*) FROM entities") == 0


def test_options_of_the_url_are_kept(settings: Settings) -> None:
    assert settings.database_url is not None
    url = f"{settings.database_url}&options=-c%20statement_timeout%3D4321&application_name=mine"
    with open_database(replace(settings, database_url=url)) as database, database.connection() as connection:
        assert value(connection, "SELECT current_setting('statement_timeout')") == "4321ms"
        assert value(connection, "SELECT current_schema()") == "bridge"
        assert value(connection, "SELECT current_setting('application_name')") == "syncflow"


def test_a_full_pool_says_so_in_time(settings: Settings, database: Database) -> None:
    small = Database(database.url, database.schema, max_connections=2, timeout_s=0.2)
    sentence = r"came free within 0.2 s: all 2 that one process may have are in use"
    with small, small.connection(), small.connection():  # noqa: SIM117
        with pytest.raises(DatabaseError, match=sentence), small.connection():
            pass


def test_a_pool_gives_back_what_it_lent(database: Database) -> None:
    with Database(database.url, database.schema, max_connections=1, timeout_s=5) as small:
        for _ in range(3):
            with small.connection() as connection:
                value(connection, "SELECT 1")


def test_threads_share_the_pool(database: Database) -> None:
    seen: list[object] = []

    def ask() -> None:
        with database.connection() as connection:
            seen.append(value(connection, "SELECT pg_sleep(0.01) IS NULL"))

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(threads)


def test_a_lost_connection_is_told_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"connection to .* was lost: .*terminating connection"):
        use_a_connection_that_was_ended(database)
    with database.connection() as connection:
        assert value(connection, "SELECT 1") == 1


def use_a_connection_that_was_ended(database: Database) -> None:
    with database.connection() as connection, database.dedicated("test") as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        connection.execute("SELECT 1")


def test_connections_that_died_while_idle_are_replaced(database: Database) -> None:
    with database.connection() as connection:
        pid = connection.info.backend_pid
    with database.dedicated("test") as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with database.connection() as connection:
        assert value(connection, "SELECT 1") == 1


def test_an_error_of_a_statement_passes_as_it_is(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), database.connection() as connection:
        connection.execute("SELECT * FROM nothing")
    with database.connection() as connection:
        connection.execute("LOCK TABLE entities")
        with pytest.raises(psycopg.errors.LockNotAvailable), database.connection() as other:
            other.execute("LOCK TABLE entities NOWAIT")


def test_a_closed_database_says_so_and_closes_twice(settings: Settings) -> None:
    database = open_database(settings)
    database.close()
    database.close()
    with pytest.raises(DatabaseError, match="was closed already"), database.connection():
        pass


def test_a_forked_child_gets_connections_of_its_own(database: Database) -> None:
    with database.connection() as connection:
        parents = connection.info.backend_pid
    child = os.fork()
    if child == 0:
        os._exit(child_asks(database, parents))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with database.connection() as connection:
        assert connection.info.backend_pid == parents


def child_asks(database: Database, parents: int) -> int:
    with database.connection() as connection:
        own = connection.info.backend_pid
    database.close()
    return int(own == parents)


def test_a_server_that_is_not_there(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    away = replace(settings, database_url=f"postgresql://me:s3cret@127.0.0.1:{port}/erp")
    with pytest.raises(DatabaseError) as raised:
        open_database(away)
    assert f"Cannot connect to PostgreSQL at 127.0.0.1:{port}, database 'erp': " in str(raised.value)
    assert "refused" in str(raised.value)
    assert_secret_nowhere(raised.value)


def test_a_server_that_goes_away_later(database: Database) -> None:
    with speaking_postgres("18.1") as port:
        url = f"postgresql://me:s3cret@127.0.0.1:{port}/erp"
    gone = Database(url, "bridge", timeout_s=0.2)
    with (
        pytest.raises(DatabaseError, match=r"Cannot connect to PostgreSQL at 127\.0\.0\.1") as raised,
        gone.connection(),
    ):
        pass
    gone.close()
    assert_secret_nowhere(raised.value)


def test_a_url_that_cannot_be_read_is_not_repeated(settings: Settings) -> None:
    for url in ("postgresql://me:s3cret%zz@localhost/erp", "postgresql://me:s3cret@[::1/erp"):
        with pytest.raises(DatabaseError, match="cannot be read; write it as postgresql://") as raised:
            open_database(replace(settings, database_url=url))
        assert_secret_nowhere(raised.value)


def test_a_database_tells_itself_without_the_password() -> None:
    assert repr(Database("postgresql://me:s3cret@db.example.com:5433/erp", "bridge")) == (
        "Database(PostgreSQL at db.example.com:5433, database 'erp', schema 'bridge')"
    )


def assert_secret_nowhere(error: BaseException | None) -> None:
    while error is not None:
        assert "s3cret" not in f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_an_old_server_is_refused(settings: Settings) -> None:
    with speaking_postgres("15.4") as port:
        old = replace(settings, database_url=f"postgresql://me@127.0.0.1:{port}/erp?sslmode=disable")
        with pytest.raises(DatabaseError, match=r"database 'erp' is of version 15, and SyncFlow needs 16 or later"):
            open_database(old)


@contextmanager
def speaking_postgres(version: str) -> Iterator[int]:
    """A server of that version, as far as the first words of the protocol and empty answers go."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=speak, args=(listening, version), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def speak(listening: socket.socket, version: str) -> None:
    # https://www.postgresql.org/docs/current/protocol-message-formats.html
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        with client, suppress(ConnectionError):
            client.recv(4096)
            client.sendall(message(b"R", struct.pack("!i", 0)) + parameter("server_version", version))
            client.sendall(parameter("client_encoding", "UTF8") + message(b"Z", b"I"))
            while client.recv(4096):
                client.sendall(message(b"1", b"") + message(b"2", b"") + message(b"n", b""))
                client.sendall(message(b"C", b"SELECT 0\0") + message(b"Z", b"I"))


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def parameter(name: str, setting: str) -> bytes:
    return message(b"S", f"{name}\0{setting}\0".encode())


def test_without_a_url_the_embedded_server_is_opened(embedded_home: Path) -> None:
    settings = Settings(config_dir=embedded_home, home=embedded_home)
    with open_database(settings) as database, database.connection() as connection:
        assert value(connection, "SELECT current_database()") == "syncflow"
        assert value(connection, "SHOW fsync") == "on"
        assert value(connection, "SHOW synchronous_commit") == "on"
        assert value(connection, "SHOW listen_addresses") == ""
        assert int(str(value(connection, "SHOW max_connections"))) >= 200


def backend(connection: psycopg.Connection) -> object:
    return value(connection, "SELECT pg_backend_pid()")


def test_a_lane_keeps_its_connection_while_work_ends_well_and_gives_it_on_as_new(database: Database) -> None:
    with database.lane("syncflow test") as lane:
        with lane.connection() as first:
            pid = backend(first)
            first.execute("SET TimeZone = 'Asia/Tokyo'")
            first.execute("SET search_path = public")
        with lane.connection() as second:
            assert backend(second) == pid
            assert value(second, "SELECT current_setting('TimeZone')") == "UTC"
            assert value(second, "SELECT current_schemas(false)") == ["bridge"]
    assert second.closed


def test_a_lane_takes_a_new_connection_after_work_that_failed_or_was_left_half_done(database: Database) -> None:
    with database.lane("syncflow test") as lane:
        with pytest.raises(psycopg.errors.DivisionByZero), lane.connection() as failed:
            failed.execute("SELECT 1 / 0")
        with lane.connection() as half_done:
            half_done.execute("BEGIN")
        assert failed.closed
        assert half_done.closed
        with lane.connection() as fresh:
            assert value(fresh, "SELECT 1") == 1


def test_a_lane_takes_a_new_connection_where_the_kept_one_was_lost(database: Database) -> None:
    with database.lane("syncflow test") as lane:
        with lane.connection() as kept:
            pid = backend(kept)
        with database.dedicated("somebody") as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        with lane.connection() as fresh:
            assert backend(fresh) != pid


def test_two_works_at_once_in_one_lane_have_a_connection_each(database: Database) -> None:
    with database.lane("syncflow test") as lane, lane.connection() as outer, lane.connection() as inner:
        assert backend(outer) != backend(inner)
