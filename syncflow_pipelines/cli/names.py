"""Names of connectors and entities on the command line: read, and completed."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
from click.shell_completion import CompletionItem

from syncflow_pipelines.config import load_schema_sync, load_services, load_settings
from syncflow_pipelines.errors import SyncflowError

if TYPE_CHECKING:
    EntityParameter = click.ParamType[tuple[str, str]]
    EntityOrRejectParameter = click.ParamType[tuple[str, str] | UUID]
    NameParameter = click.ParamType[str]
    MomentParameter = click.ParamType[datetime]
else:  # older releases of click cannot be subscripted
    EntityParameter = EntityOrRejectParameter = NameParameter = MomentParameter = click.ParamType


class EntityName(EntityParameter):
    """`connector/slug`; the shell completes it from the last discovery, without the database."""

    name = "entity"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        return _pair(value) or self.fail(
            f"'{value}' is not an entity; write connector/entity, as in erp/items.", param, ctx
        )

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in _known_entities() if name.startswith(incomplete)]


class EntityOrReject(EntityOrRejectParameter):
    """`connector/slug`, or the uid of a rejected row."""

    name = "entity or reject"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str] | UUID:
        with suppress(ValueError):
            return UUID(str(value))
        return _pair(value) or self.fail(
            f"'{value}' is neither an entity nor a reject; write connector/entity, or a reject's whole uid.", param, ctx
        )

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        return EntityName().shell_complete(ctx, param, incomplete)


class RunName(NameParameter):
    """The uid of a run, or its beginning; with its dashes, in small letters."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).lower()
        with suppress(ValueError):
            return str(UUID(text))
        if not re.fullmatch(r"[0-9a-f][0-9a-f-]{0,35}", text):
            self.fail(f"'{value}' is not the beginning of a run's uid.", param, ctx)
        return text


class KeyValue(EntityParameter):
    """`column=value`, as a pair."""

    name = "column=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        column, equals, text = str(value).partition("=")
        if not (column and equals):
            self.fail(f"'{value}' is no key; write column=value, as in item_number=AK-001000.", param, ctx)
        return column, text


class Moment(MomentParameter):
    """A date or a time as ISO 8601 writes them; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"'{value}' is no time; write it as in 2026-01-31 or 2026-01-31T18:30:00Z.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class KnownName(NameParameter):
    """A name of the configuration; the shell completes it. Subclasses say which are known."""

    def known(self) -> list[str]:
        """Raises `SyncflowError` and `OSError` where nobody can say."""
        raise NotImplementedError

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        with suppress(SyncflowError, OSError):
            return [CompletionItem(name) for name in self.known() if name.startswith(incomplete)]
        return []


class ConnectorName(KnownName):
    """The name of a connector."""

    name = "connector"

    def known(self) -> list[str]:
        from syncflow_pipelines.sync.connectors import known_connectors  # nothing else here needs a database's driver

        return [connector.name for connector in known_connectors(load_settings())]


class ServiceName(KnownName):
    """The name of a service of auto_sync_services.yaml."""

    name = "service"

    def known(self) -> list[str]:
        return [service.name for service in load_services(load_settings()).services]


class SchemaSourceName(KnownName):
    """The name of a source of schema_sync.yaml."""

    name = "source"

    def known(self) -> list[str]:
        return [source.name for source in load_schema_sync(load_settings()).sources]


class BackupName(KnownName):
    """The name of a backup of schemas."""

    name = "backup"

    def known(self) -> list[str]:
        from syncflow_pipelines.schemas.backups.folder import backups_of

        settings = load_settings()
        return [backup.name for backup in backups_of(settings, load_schema_sync(settings).settings).kept()]


def _pair(value: Any) -> tuple[str, str] | None:
    """Connector and slug of `connector/slug`; None where one of them is missing."""
    connector, _, slug = str(value).partition("/")
    return (connector, slug) if connector and slug else None


def _known_entities() -> list[str]:
    from syncflow_pipelines.sync.state import read_catalogue_state

    try:
        state = read_catalogue_state(load_settings().home)
    except (SyncflowError, OSError):
        return []
    return sorted(f"{connector}/{entity.slug}" for connector, entities in state.items() for entity in entities)
