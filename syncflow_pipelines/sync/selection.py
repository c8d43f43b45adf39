"""Choosing the entities that somebody wants to sync."""

from collections.abc import Iterable, Sequence

import psycopg

from syncflow_pipelines.config import ConnectorConfig, choose_connectors, undiscovered
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.entities import find_entity, list_entities, register_connectors
from syncflow_pipelines.sync.model import Entity

Selected = list[tuple[ConnectorConfig, Entity]]


def select_entities(
    connection: psycopg.Connection,
    configured: Sequence[ConnectorConfig],
    *,
    named: Iterable[tuple[str, str]] = (),
    connectors: Iterable[str] = (),
) -> Selected:
    """The entities named by connector and slug, or else all of the connectors, or of every enabled connector.

    What the configuration says of them is brought into the database, in the caller's transaction. Raises
    `UnknownEntity` for a name that nobody knows, and for a connector that was not discovered.
    """
    wanted = dict.fromkeys(named)
    names = tuple(connectors) or tuple(dict.fromkeys(connector for connector, _ in wanted))
    chosen = {one.name: one for one in choose_connectors(configured, names)}
    register_connectors(connection, configured)
    known = {name: list_entities(connection, connector=name) for name in chosen}
    for name in names:
        if not known[name]:
            raise UnknownEntity(undiscovered(name))
    if wanted:
        return [(chosen[name], find_entity(connection, name, slug)) for name, slug in wanted]
    return [(one, entity) for name, one in chosen.items() for entity in known[name]]


def is_ready(entity: Entity) -> bool:
    """Whether a sync of everything takes the entity in."""
    return entity.enabled and entity.is_present
