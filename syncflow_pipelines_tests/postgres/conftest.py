"""Fixtures for whole syncs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import SourceStore
from syncflow_pipelines_tests.postgres.world import TOKEN, World


@pytest.fixture
def world(tmp_path: Path, settings: Settings, database: Database) -> Iterator[World]:
    """A served source without entities, with a token, and a fresh database."""
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    with SourceStore(tmp_path / "source.sqlite") as store, serve_in_thread(build_app(store, TOKEN)) as url:
        connector = ConnectorConfig(name="erp", base_url=url, auth=BearerAuth(token_file=token_file), timeout_s=10)
        yield World(store, connector, settings, database)
