"""PostgreSQL: SyncFlow's own embedded server or a URL, connections, metadata tables."""

from syncflow_pipelines.database.embedded import EmbeddedStatus, embedded_status, start_embedded, stop_embedded
from syncflow_pipelines.database.pool import Connection, Database, Lane, database_url, open_database
from syncflow_pipelines.database.url import sqlalchemy_url

__all__ = [
    "Connection",
    "Database",
    "EmbeddedStatus",
    "Lane",
    "database_url",
    "embedded_status",
    "open_database",
    "sqlalchemy_url",
    "start_embedded",
    "stop_embedded",
]
