"""SyncFlow's own tables, as SQLAlchemy models.

They carry no schema: every connection has `search_path` set to the schema of the settings, `bridge` by
default. The migrations build them; a test holds the two against each other.
"""

from syncflow_pipelines.database.models import events, gateway, measured, specs, syncs
from syncflow_pipelines.database.models.root import Model

__all__ = ["Model", "events", "gateway", "measured", "specs", "syncs"]
