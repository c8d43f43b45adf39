"""Fixtures for the streams of a Singer tap."""

from collections.abc import Iterator

import pytest

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.sync.model import Strategy
from syncflow_pipelines_tests.singer.source import SingerSource, build_app
from syncflow_pipelines_tests.singer.target import CONNECTOR, Target


@pytest.fixture(params=["rowversion", "hash"])
def strategy(request: pytest.FixtureRequest) -> Strategy:
    found: Strategy = request.param
    return found


@pytest.fixture
def target(strategy: Strategy, settings: Settings, database: Database) -> Iterator[Target]:
    """A served source that has heard nothing yet, read two rows at a time, and a fresh database."""
    source = SingerSource(strategy)
    with serve_in_thread(build_app(source)) as url:
        yield Target(source, ConnectorConfig(CONNECTOR, url, page_size=2, timeout_s=10), settings, database)
