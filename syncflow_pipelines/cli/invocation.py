"""What one call of `syncflow` carries from the global options to the command."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from syncflow_pipelines.config import ConnectorConfig, SchemaSync, Services, Settings


@dataclass
class Invocation:
    """The global options, and the configuration, which is read when first asked for."""

    verbosity: int = 0
    """-1 quiet, 0 as usual, 1 what happens, 2 everything."""
    debug: bool = False

    @cached_property
    def settings(self) -> "Settings":
        """The settings; logging follows them. Raises `ConfigurationError`."""
        from syncflow_pipelines.cli.logs import configure_logging
        from syncflow_pipelines.config import load_settings

        settings = load_settings()
        configure_logging(settings, self.verbosity)
        return settings

    @cached_property
    def connectors(self) -> tuple["ConnectorConfig", ...]:
        """Every connector, of the configuration and of the database. Raises `ConfigurationError`, `DatabaseError`.

        For commands that work on the database anyway.
        """
        from syncflow_pipelines.database import open_database
        from syncflow_pipelines.sync.connectors import follow_connectors

        with open_database(self.settings) as database:
            return follow_connectors(database, self.settings)

    @cached_property
    def services(self) -> "Services":
        """The services whose specs are followed, and their settings. Raises `ConfigurationError`."""
        from syncflow_pipelines.config import load_services

        return load_services(self.settings)

    @cached_property
    def schemas(self) -> "SchemaSync":
        """The sources of schemas, and their settings. Raises `ConfigurationError`."""
        from syncflow_pipelines.config import load_schema_sync

        return load_schema_sync(self.settings)

    @property
    def no_service(self) -> str:
        """Why there is no service to work on, for a person who may be in another folder than they think."""
        from syncflow_pipelines.config import SERVICES_FILE

        file = self.settings.config_dir / SERVICES_FILE
        if file.exists():
            return f"{file} names no service; add one, as the comments in the file show"
        return f"there is no {file}; go to the folder of SyncFlow, or name its folder config by --config-dir"

    @property
    def quiet(self) -> bool:
        return self.verbosity < 0

    def note(self, sentence: str) -> None:
        """Tell a person on stderr something that no program needs."""
        if not self.quiet:
            click.echo(sentence, err=True)


pass_invocation = click.make_pass_decorator(Invocation)
