"""A PostgreSQL server of SyncFlow's own, for one home, shared by all processes that use it."""

from syncflow_pipelines.database.embedded.control import EmbeddedStatus, embedded_status, start_embedded, stop_embedded
from syncflow_pipelines.database.embedded.lease import lease, release

__all__ = ["EmbeddedStatus", "embedded_status", "lease", "release", "start_embedded", "stop_embedded"]
