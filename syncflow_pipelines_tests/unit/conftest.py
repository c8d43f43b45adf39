"""Fixtures for tests that need neither a database nor a server."""

from pathlib import Path

import pytest

from syncflow_pipelines_tests.unit.config_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project in an empty environment."""
    return Project(tmp_path)
