"""Fixtures with a served source, a database, and a Dagster instance as `dagster.yaml` makes it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, Settings, load_settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.services.app import build_services
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import SourceStore
from syncflow_pipelines_tests.dagster.project import CONNECTORS, REPOSITORY, Project
from syncflow_pipelines_tests.dagster.schemas_project import MODELS, SHOP, TABLE, SchemasProject
from syncflow_pipelines_tests.dagster.services_project import SERVICES, ServicesProject
from syncflow_pipelines_tests.postgres.world import TOKEN, World


@pytest.fixture
def folder(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder as working folder, and an environment that leads to it and the test's database."""
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    shutil.copy(REPOSITORY / "workspace.yaml", tmp_path)
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", database_url)
    monkeypatch.setenv("SYNCFLOW_DAGSTER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    for name in ("DAGSTER_HOME", "SYNCFLOW_HOME", "SYNCFLOW_CONFIG_DIR", "POSTGRES_SCHEMA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def settings(folder: Path) -> Settings:
    """What every process in the folder reads."""
    return load_settings()


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The test's database, open."""
    with open_database(settings) as opened:
        yield opened


@pytest.fixture
def instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of the folder's `dagster.yaml`."""
    with dg.DagsterInstance.from_config(str(folder)) as made:
        yield made


@pytest.fixture
def project(folder: Path, settings: Settings, database: Database) -> Iterator[Project]:
    """The folder with a connector `erp`, whose source is served and offers nothing yet."""
    (folder / "token").write_text(TOKEN)
    with SourceStore(folder / "source.sqlite") as store, serve_in_thread(build_app(store, TOKEN)) as url:
        (folder / "config" / "connectors.yaml").write_text(CONNECTORS.format(url=url))
        auth = BearerAuth(token_file=folder / "token")
        connector = replace(ConnectorConfig(name="erp", base_url=url, auth=auth), timeout_s=10)
        yield Project(folder, World(store, connector, settings, database))


@pytest.fixture
def services_project(folder: Path, settings: Settings, database: Database) -> Iterator[ServicesProject]:
    """The folder with the demo services, which are served, and no connector."""
    with serve_in_thread(build_services(settings.home)) as url:
        (folder / "config" / "auto_sync_services.yaml").write_text(SERVICES.format(url=url))
        yield ServicesProject(folder, url, settings, database)


@pytest.fixture
def schemas_project(
    folder: Path, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> SchemasProject:
    """The folder with models of SQLAlchemy, their table, and neither connector nor service."""
    monkeypatch.setenv("SHOP_DATABASE_URL", database_url)
    project = SchemasProject(folder, database)
    (folder / "config" / "schema_sync.yaml").write_text(SHOP)
    project.models.parent.mkdir(parents=True)
    project.models.write_text(MODELS)
    project.execute(TABLE)
    return project
