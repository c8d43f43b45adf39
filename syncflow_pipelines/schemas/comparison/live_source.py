"""The tables of a source's models, wherever they are: in SyncFlow's own database, or in that of the models."""

from collections.abc import Iterator
from contextlib import contextmanager

from syncflow_pipelines.config import SchemaSourceConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.live_tables import TableLook, foreign_look, own_look
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.schemas.comparison.live import Difference, compare_live, tables_of
from syncflow_pipelines.schemas.model import SchemaSource


def live_differences(
    database: Database, settings: Settings, source: SchemaSourceConfig, form: SchemaSource
) -> tuple[Difference, ...]:
    """How the tables differ from the schemas of the models, those first that matter.

    Raises `ConfigurationError` where the database of the models is not named, and `DatabaseError` where it cannot be
    looked at.
    """
    with _look(database, settings, source) as look:
        comparison = compare_live(form, look.columns(tables_of(form)))
        wanted: dict[tuple[str, str], list[str]] = {}
        for one in comparison.nullable:
            wanted.setdefault(one.table, []).append(one.column)
        held = {table: look.with_null(table, dict.fromkeys(columns)) for table, columns in wanted.items()}
    return comparison.with_nulls(held)


@contextmanager
def _look(database: Database, settings: Settings, source: SchemaSourceConfig) -> Iterator[TableLook]:
    if source.type == "connector":
        with own_look(database) as look:
            yield look
        return
    variable = source.database_url_env
    url = settings.environment.get(variable) if variable else None
    if not url:
        raise ConfigurationError(
            f"{source.name} is compared with no table: set {variable or 'database_url_env in schema_sync.yaml'} to the "
            "URL of the models' database"
        )
    with foreign_look(url) as look:
        yield look
