"""The admin API's way to the database: reads on a few threads of their own, everything else on others."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from fastapi import Request

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Connection, Database, database_url, open_database
from syncflow_pipelines.database.readers import Readers

T = TypeVar("T")

WORKERS: Final = 8


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

    async def read(self, read: Callable[[Connection], T], request: Request | None = None) -> T:
        """What `read` finds, on a connection that can change nothing. Each statement sees the state of its moment.

        With the request that it is for, one read may answer others that ask for the same and wait as it does.
        """
        same = None if request is None else (request.scope["path"], request.scope["query_string"])
        return await self._readers.read(read, same)

    async def work(self, work: Callable[[Database], T]) -> T:
        """What `work` returns, which may write, and take its time; on another thread."""
        return await asyncio.wrap_future(self._workers.submit(self._work, work))

    async def change(self, change: Callable[[Connection], T]) -> T:
        """What `change` returns; what it writes is one transaction, committed if it returns."""

        def in_transaction(database: Database) -> T:
            with database.dedicated("syncflow api change") as connection, connection.transaction():
                return change(connection)

        return await self.work(in_transaction)

    def close(self) -> None:
        """Ends what waits, and waits for what runs."""
        self._readers.close()
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
