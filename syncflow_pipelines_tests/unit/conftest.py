"""Fixtures for tests that need neither a database nor a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines_tests.unit.config_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project in an empty environment."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def tortoise_models() -> Iterator[Introspector]:
    """Reads models of Tortoise ORM; one process for all tests."""
    with Introspector("tortoise") as introspector:
        yield introspector


@pytest.fixture(scope="session")
def sqlalchemy_models() -> Iterator[Introspector]:
    """Reads models of SQLAlchemy; one process for all tests."""
    with Introspector("sqlalchemy") as introspector:
        yield introspector
