"""The admin API's way to the database: reads on a few threads of their own, everything else on others."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from fastapi import Request

from syncflow_pipelines.api.errands import Errands
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Connection, Database, database_url, open_database
from syncflow_pipelines.database.readers import Readers

T = TypeVar("T")

WORKERS: Final = 8
ASKING: Final = 4
"""Threads that wait for sources; whoever writes does not wait for them."""
MOST_LAUNCHES: Final = 256
"""More at once are left to Dagster's sensor."""


class ApiDatabase:
    """The database of the settings, opened when it is first needed, and again whenever it was away.

    To be used from one event loop. Everything raises `DatabaseError` while the database is away.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._guard = threading.Lock()
        self._database: Database | None = None
        self._readers = Readers(self._reopened)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="syncflow-api-work")
        self._asking = ThreadPoolExecutor(ASKING, thread_name_prefix="syncflow-api-ask")
        # One that waits to be begun sees what all others before it have changed, so one is enough.
        self.following = Errands("syncflow-api-follow", threads=1, most=1)
        self.launching = Errands("syncflow-api-launch", threads=4, most=MOST_LAUNCHES)

    async def read(self, read: Callable[[Connection], T], request: Request | None = None) -> T:
        """What `read` finds, on a connection that can change nothing. Each statement sees the state of its moment.

        With the request that it is for, one read may answer others that ask for the same and wait as it does.
        """
        same = None if request is None else (request.scope["path"], request.scope["query_string"])
        return await self._readers.read(read, same)

    async def work(self, work: Callable[[Database], T]) -> T:
        """What `work` returns, which may write, and take its time; on another thread."""
        return await asyncio.wrap_future(self._workers.submit(self._work, work))

    async def ask(self, work: Callable[[Database], T]) -> T:
        """The same for what waits for a source."""
        return await asyncio.wrap_future(self._asking.submit(self._work, work))

    def opened(self) -> Database:
        """The database, for a thread that may wait for it."""
        return self._reopened()

    async def change(self, change: Callable[[Connection], T]) -> T:
        """What `change` returns; what it writes is one transaction, committed if it returns."""

        def in_transaction(database: Database) -> T:
            with database.dedicated("syncflow api change") as connection, connection.transaction():
                return change(connection)

        return await self.work(in_transaction)

    def close(self) -> None:
        """Ends what waits, and waits for what runs."""
        self.following.close()
        self.launching.close()
        self._readers.close()
        self._asking.shutdown(wait=True, cancel_futures=True)
        self._workers.shutdown(wait=True, cancel_futures=True)
        with self._guard:
            database, self._database = self._database, None
        if database is not None:
            database.close()

    def _work(self, work: Callable[[Database], T]) -> T:
        return work(self._reopened())

    def _reopened(self) -> Database:
        """The database, its tables up to date; the embedded server is started where somebody stopped it."""
        with self._guard:
            if self._database is None:
                self._database = open_database(self.settings)
            else:
                database_url(self.settings)
            return self._database
