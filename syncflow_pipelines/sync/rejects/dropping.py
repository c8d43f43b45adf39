"""Rejected rows dropped: somebody has looked at them and wants to hear of them no more, until they come again."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.locking import locked
from syncflow_pipelines.sync.refusals import translated
from syncflow_pipelines.sync.rejects.record import close_rejects, count_rejects
from syncflow_pipelines.sync.rejects.restaging import find_tried


@dataclass(frozen=True, slots=True)
class DropRequest:
    """The rejected rows of one entity to drop."""

    connector: str
    slug: str
    by: str
    reason: str | None = None
    uids: tuple[UUID, ...] | None = None
    """These alone, where they are still open; None: every open one."""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DropOutcome:
    """How many rows of an entity were dropped, and how many are still open."""

    entity: str
    dropped: int = 0
    open_rejects: int = 0
    error: str | None = None
    error_type: str | None = None
    """The class of the error."""

    def as_json(self) -> dict[str, Any]:
        """The object that `syncflow rejects drop --json` prints for an entity."""
        return {"entity": self.entity, "dropped": self.dropped, "open": self.open_rejects, "error": self.error}


def drop_rejects(db: Database, request: DropRequest) -> DropOutcome:
    """Marks the entity's open rejected rows as dropped, with who and why. What goes wrong is told in the outcome."""
    try:
        return _drop(db, request)
    except SyncflowError as error:
        told = error
    except psycopg.Error as error:
        told = translated(error)
    return DropOutcome(f"{request.connector}/{request.slug}", error=str(told), error_type=type(told).__name__)


def _drop(db: Database, request: DropRequest) -> DropOutcome:
    with db.dedicated("syncflow drop") as connection:
        entity = find_entity(connection, request.connector, request.slug)
        with locked(connection, entity, request.wait_s):
            uids = [one.uid for one in find_tried(connection, entity.uid, request.uids)]
            dropped = close_rejects(connection, uids, "dropped", by=request.by, note=request.reason)
            return DropOutcome(entity.key, dropped, count_rejects(connection, entity.uid))
