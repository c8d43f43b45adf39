"""The catalogue state: what was discovered, one JSON file a connector, for whoever can ask neither source nor database.

Dagster loads the code location from it in every process. A file is replaced as a whole, so a reader sees the
old one or the new one.
"""

import difflib
import logging
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from syncflow_pipelines.config import ConnectorConfig
from syncflow_pipelines.sync.model import Entity, Strategy

VERSION = 1
FOLDER = "catalogue"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StateColumn:
    """One column, as PostgreSQL keeps it."""

    identifier: str
    pg_type: str
    description: str | None
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class EntityState:
    """What is known of one entity without asking anybody."""

    slug: str
    name: str
    description: str | None
    strategy: Strategy
    """The strategy in force."""
    has_rowversion: bool
    business_keys: tuple[str, ...]
    columns: tuple[StateColumn, ...]
    table: str
    """`schema.name`, unquoted."""
    interval_s: int
    enabled: bool
    is_present: bool


@dataclass(frozen=True, slots=True)
class _File:
    version: int
    entities: tuple[EntityState, ...]


@dataclass(frozen=True, slots=True)
class _Header:
    version: int


_DECODER = msgspec.json.Decoder(_File)
_HEADER = msgspec.json.Decoder(_Header)


def read_catalogue_state(home: Path) -> dict[str, tuple[EntityState, ...]]:
    """The entities of every connector that has a state, by connector.

    A file that cannot be used is reported in the log and left out: its connector is not known until the next discovery.
    """
    state: dict[str, tuple[EntityState, ...]] = {}
    for path in sorted((home / FOLDER).glob("*.json")):
        entities = _read(path)
        if entities is not None:
            state[unquote(path.stem)] = entities
    return state


def write_catalogue_state(home: Path, connector: str, entities: Iterable[Entity | EntityState]) -> None:
    """Replaces the connector's state; a state that says the same already is left as it is."""
    states = (entity if isinstance(entity, EntityState) else _state(entity) for entity in entities)
    content = msgspec.json.encode(_File(VERSION, tuple(sorted(states, key=lambda state: state.slug))))
    path = state_path(home, connector)
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, content)


def not_servable(entity: str) -> str:
    """What is said of an entity (`connector/slug`) that is set to a strategy that its source cannot serve."""
    return f"{entity} is set to the strategy rowversion, but the source gives it no row versions; set hash or full"


def overrides_not_servable(home: Path, connectors: Iterable[ConnectorConfig]) -> list[str]:
    """One sentence for each strategy of the configuration that the source, as last discovered, cannot serve."""
    state = read_catalogue_state(home)
    return [
        not_servable(f"{connector.name}/{entity.slug}")
        for connector in connectors
        for entity in state.get(connector.name, ())
        if connector.entity(entity.slug).strategy == "rowversion" and not entity.has_rowversion
    ]


def overrides_of_nobody(home: Path, connectors: Iterable[ConnectorConfig]) -> list[str]:
    """One sentence for each entity of the configuration that its source, as last discovered, does not offer."""
    state = read_catalogue_state(home)
    told = []
    for connector in connectors:
        offered = [entity.slug for entity in state.get(connector.name, ())]
        for slug in sorted(connector.entities.keys() - offered) if offered else ():
            near = difflib.get_close_matches(slug, offered, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            told.append(f"entities: {slug}: {connector.name} offered no such entity when it was last discovered{hint}")
    return told


def state_path(home: Path, connector: str) -> Path:
    """Where the connector's state is kept."""
    return home / FOLDER / f"{quote(connector, safe='')}.json"


def _read(path: Path) -> tuple[EntityState, ...] | None:
    try:
        content = path.read_bytes()
        version = _HEADER.decode(content).version
        if version == VERSION:
            return _DECODER.decode(content).entities
        reason = f"it has version {version}, and this SyncFlow reads version {VERSION}"
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = str(error.strerror)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    _LOG.warning("catalogue state %s is passed over: %s; `syncflow discover` writes it anew", path, reason)
    return None


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}-", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _state(entity: Entity) -> EntityState:
    spec = entity.spec
    return EntityState(
        slug=spec.slug,
        name=spec.name,
        description=spec.description,
        strategy=entity.strategy,
        has_rowversion=spec.has_row_versions,
        business_keys=spec.business_keys,
        columns=tuple(
            StateColumn(column.identifier, column.pg_type, column.description, column.is_nullable)
            for column in spec.columns
        ),
        table=str(entity.table),
        interval_s=entity.interval_s,
        enabled=entity.enabled,
        is_present=entity.is_present,
    )
