"""The connectors of connectors.yaml as the API sees them: read now and then, and put into the table."""

import logging
import time
from typing import Final

from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.config import ConnectorConfig, load_connectors
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.entities import register_connectors

FRESH_S: Final = 2.0

_LOG = logging.getLogger(__name__)


class YamlConnectors:
    """Looks into the file again once what it knows is older than `FRESH_S`; a file with mistakes changes nothing."""

    def __init__(self, database: ApiDatabase) -> None:
        self._database = database
        self._known: tuple[ConnectorConfig, ...] = ()
        self._is_registered = False
        self._looked_at = float("-inf")

    async def now(self) -> tuple[ConnectorConfig, ...]:
        """The connectors of the file, which the table has, too. Raises `DatabaseError`."""
        if time.monotonic() - self._looked_at > FRESH_S:
            await self._database.work(self._look)
            self._looked_at = time.monotonic()
        return self._known

    def _look(self, database: Database) -> None:
        try:
            found = load_connectors(self._database.settings)
        except ConfigurationError as error:
            _LOG.warning("connectors.yaml is passed over until it is mended: %s", error)
            return
        if found == self._known and self._is_registered:
            return
        with database.connection() as connection:
            register_connectors(connection, found)
        self._known, self._is_registered = found, True
