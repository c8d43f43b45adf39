"""Fixtures for whole syncs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import SourceStore
from syncflow_pipelines.sync.loading import empty_table
from syncflow_pipelines_tests.postgres.world import TOKEN, World


@pytest.fixture(autouse=True, scope="session")
def _few_rows_are_many() -> Iterator[None]:
    """Tables of a few rows go the ways of large ones, which no test has the time to fill."""
    many, empty_table.MANY_ROWS = empty_table.MANY_ROWS, 1
    yield
    empty_table.MANY_ROWS = many


@pytest.fixture
def world(tmp_path: Path, settings: Settings, database: Database) -> Iterator[World]:
    """A served source without entities, with a token, and a fresh database."""
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    with SourceStore(tmp_path / "source.sqlite") as store, serve_in_thread(build_app(store, TOKEN)) as url:
        connector = ConnectorConfig(name="erp", base_url=url, auth=BearerAuth(token_file=token_file), timeout_s=10)
        yield World(store, connector, settings, database)
