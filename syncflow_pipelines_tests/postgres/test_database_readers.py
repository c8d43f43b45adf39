"""Short reads for an event loop: read-only, shared where they are the same, told at once where nothing can be read."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from syncflow_pipelines.database import Connection, Database
from syncflow_pipelines.database.readers import Readers
from syncflow_pipelines.errors import DatabaseError


@pytest.fixture
def one_reader(database: Database) -> Iterator[Readers]:
    readers = Readers(lambda: database, threads=1, limit_s=1.0)
    yield readers
    readers.close()


def number(statement: str) -> Any:
    def read(connection: Connection) -> Any:
        row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]

    return read


def test_a_read_changes_nothing_and_takes_no_longer_than_it_may(one_reader: Readers) -> None:
    async def ask() -> None:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await one_reader.read(lambda connection: connection.execute("DELETE FROM entities"))
        with pytest.raises(DatabaseError, match="longer than 1 s"):
            await one_reader.read(number("SELECT 1 FROM pg_sleep(60)"))
        assert await one_reader.read(number("SELECT 7")) == 7

    asyncio.run(ask())


def test_those_who_wait_for_the_same_are_answered_by_one_read(one_reader: Readers, database: Database) -> None:
    """But whoever asks while it is read gets a read of their own: it has to see what was committed by then."""
    is_read, goes_on = threading.Event(), threading.Event()
    reads: list[None] = []

    def slow(_: Connection) -> None:
        is_read.set()
        assert goes_on.wait(30)

    def counted(connection: Connection) -> int:
        reads.append(None)
        return int(number("SELECT count(*) FROM connectors")(connection))

    async def ask() -> list[int]:
        first = asyncio.create_task(one_reader.read(slow, "slow"))
        await asyncio.to_thread(is_read.wait, 30)
        waiting = [asyncio.create_task(one_reader.read(counted, "count")) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        with database.connection() as connection:
            connection.execute("INSERT INTO connectors (name, base_url) VALUES ('erp', 'https://erp.test')")
        goes_on.set()
        await first
        found = await asyncio.gather(*waiting[1:])
        return [*found, await one_reader.read(counted, "count")]

    assert asyncio.run(ask()) == [1] * 5
    assert len(reads) == 2


def test_all_who_waited_for_an_attempt_are_told_of_its_failure() -> None:
    attempts: list[None] = []
    may_fail = threading.Event()

    def opened() -> Database:
        attempts.append(None)
        assert may_fail.wait(30)
        raise DatabaseError("PostgreSQL is away")

    readers = Readers(opened, threads=1)

    async def ask() -> list[Any]:
        waiting = [asyncio.create_task(readers.read(number("SELECT 1"))) for _ in range(10)]
        await asyncio.sleep(0)
        may_fail.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert {str(error) for error in asyncio.run(ask())} == {"PostgreSQL is away"}
    assert len(attempts) == 1
    readers.close()
