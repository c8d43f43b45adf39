"""The migrations make exactly the tables of the models, once, whoever comes first."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, create_engine, text

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import (
    Database,
    migrate,
    open_database,
    sqlalchemy_url,
)
from syncflow_pipelines.database.models import Model
from syncflow_pipelines.errors import DatabaseError


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """SQLAlchemy's connection to the test's database, in the schema of the metadata tables."""
    engine = create_engine(sqlalchemy_url(database.url, "psycopg"))
    with engine.begin() as connected:
        connected.execute(text("SET search_path = bridge"))
        yield connected
    engine.dispose()


@pytest.fixture
def empty_settings(settings: Settings) -> Settings:
    """Settings of a schema that does not exist."""
    return replace(settings, schema=f"fresh_{uuid4().hex[:8]}")


def tables_of(database: Database) -> set[str]:
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind = 'r'",
            (database.schema,),
        )
        return {name for (name,) in rows}


def test_a_fresh_database_has_the_tables_of_the_models(database: Database) -> None:
    assert tables_of(database) == {*Model.metadata.tables, migrate.VERSION_TABLE}


def test_the_models_and_the_migrations_say_the_same(connection: Connection) -> None:
    context = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "compare_server_default": True, "version_table": migrate.VERSION_TABLE},
    )
    assert compare_metadata(context, Model.metadata) == []


def test_the_names_of_constraints_and_indexes_are_those_of_the_models(connection: Connection) -> None:
    found = connection.execute(
        text("SELECT conname FROM pg_constraint WHERE connamespace = 'bridge'::regnamespace AND contype <> 'n'")
    )
    modelled = {str(constraint.name) for table in Model.metadata.tables.values() for constraint in table.constraints}
    assert {name for (name,) in found} - {f"{migrate.VERSION_TABLE}_pkc"} == modelled


def test_the_code_knows_every_revision_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(migrate.REVISIONS)
    assert scripts.get_heads() == [migrate.REVISIONS[-1]]


def test_opening_again_needs_no_migration_tools(settings: Settings) -> None:
    open_it = (
        "import sys; from pathlib import Path; from syncflow_pipelines.config import Settings; "
        "from syncflow_pipelines.database import open_database; "
        f"open_database(Settings(config_dir=Path('/'), home=Path('/'), database_url={settings.database_url!r})); "
        "print(sorted({'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", open_it], check=True, capture_output=True, text=True)
    assert finished.stdout.strip() == "[]"


def test_many_that_open_a_fresh_database_at_once_migrate_it_once(empty_settings: Settings) -> None:
    with ThreadPoolExecutor(6) as threads:
        opened = list(threads.map(open_database, [empty_settings] * 6))
    for database in opened:
        assert database.revision() == migrate.REVISIONS[-1]
        database.close()


def test_without_migration_nothing_is_made(empty_settings: Settings) -> None:
    with open_database(empty_settings, migrate=False) as database:
        assert database.revision() is None
        assert tables_of(database) == set()


def test_a_migration_goes_back_and_forth(connection: Connection) -> None:
    config = migrate.alembic_config(connection)
    command.downgrade(config, "base")
    left = connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'bridge'")).scalar()
    assert left == 1
    command.upgrade(config, "head")


def test_a_database_of_a_newer_syncflow_is_refused(settings: Settings, database: Database) -> None:
    with database.connection() as connection:
        connection.execute("UPDATE syncflow_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match=r"schema 'bridge' are at revision '9999', .* install the newer version"):
        open_database(settings)
    with open_database(settings, migrate=False) as opened:
        assert opened.revision() == "9999"


def test_a_user_who_may_not_make_the_schema_is_told_what_is_lacking(empty_settings: Settings) -> None:
    sentence = r"permission denied for database .* needs to own the schema"
    with user_without_rights(empty_settings) as url, pytest.raises(DatabaseError, match=sentence):
        open_database(replace(empty_settings, database_url=url))


@contextmanager
def user_without_rights(settings: Settings) -> Iterator[str]:
    """URL of the settings' database for a user who may only connect."""
    assert settings.database_url is not None
    name = f"weak_{uuid4().hex[:8]}"
    administer(settings.database_url, sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield settings.database_url.replace("postgres@", f"{name}@")
    administer(settings.database_url, sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def administer(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def insert_an_entity(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO connectors (name, base_url) VALUES ('erp', 'https://erp')")
    connection.execute(
        "INSERT INTO entities (connector_uid, slug, api_name, business_keys, target_schema, target_table, columns) "
        "SELECT uid, 'items', 'Items', '[]', 'erp', 'items', '[]' FROM connectors"
    )


def test_the_defaults_are_those_of_the_requirements(database: Database) -> None:
    with database.connection() as connection:
        insert_an_entity(connection)
        row = connection.execute(
            "SELECT delta_strategy, sync_enabled, sync_interval_seconds, is_present, consecutive_failures FROM entities"
        ).fetchone()
    assert row == ("full", True, 300, True, 0)


def test_a_connector_takes_its_entities_and_their_runs_along(database: Database) -> None:
    with database.connection() as connection:
        insert_an_entity(connection)
        connection.execute(
            "INSERT INTO sync_runs (entity_uid, started_at, status, strategy) "
            "SELECT uid, now(), 'running', 'full' FROM entities"
        )
        connection.execute("DELETE FROM connectors")
        assert connection.execute("SELECT count(*) FROM sync_runs").fetchone() == (0,)


def test_a_run_has_one_of_four_states(database: Database) -> None:
    with database.connection() as connection:
        insert_an_entity(connection)
    statement = (
        "INSERT INTO sync_runs (entity_uid, started_at, status, strategy) "
        "SELECT uid, now(), 'asleep', 'full' FROM entities"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="sync_runs_status_check"), database.connection() as other:
        other.execute(statement)
