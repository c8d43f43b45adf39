"""The project that the hub tells of: its settings, and its database once somebody asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastmcp.exceptions import ToolError

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.errors import SyncflowError

if TYPE_CHECKING:
    from syncflow_pipelines.database import Database


class Project:
    """One installation of SyncFlow; threads may share it.

    The database is opened by the first tool that needs it, so that the hub answers at once when it is started.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._guard = threading.Lock()
        self._database: Database | None = None
        self._is_closed = False

    @property
    def database(self) -> "Database":
        """The database, open. Raises `DatabaseError`."""
        from syncflow_pipelines.database import database_url, open_database

        with self._guard:
            if self._is_closed:
                raise SyncflowError("the hub is being ended")
            if self._database is None:
                self._database = open_database(self.settings)
            else:
                database_url(self.settings)  # the embedded server may have been stopped in the meantime
            return self._database

    @property
    def connectors(self) -> tuple[ConnectorConfig, ...]:
        """Every connector that there is now. Raises `ConfigurationError` and `DatabaseError`."""
        from syncflow_pipelines.sync.connectors import follow_connectors

        return follow_connectors(self.database, self.settings)

    def close(self) -> None:
        """Closes the database; no tool can use it any more."""
        with self._guard:
            self._is_closed = True
            database, self._database = self._database, None
        if database is not None:
            database.close()


@contextmanager
def told() -> Iterator[None]:
    """Tells the client of errors that are ours, whose sentences hold no secret and no row; FastMCP masks all others."""
    try:
        yield
    except SyncflowError as error:
        raise ToolError(str(error)) from error
