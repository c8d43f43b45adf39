"""The component renews the state when it is asked, and only then."""

import asyncio
from pathlib import Path

import dagster as dg
import pytest

from syncflow_pipelines.defs.component import STATE_KEY, ConnectorsComponent, discover_all
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.sync.state import read_catalogue_state
from syncflow_pipelines_tests.dagster.project import Project

DOWN = "  - {name: down, base_url: 'http://127.0.0.1:9'}\n"


def test_refreshing_discovers_every_connector_and_one_that_is_down_keeps_its_state(project: Project) -> None:
    connectors = project.path / "config" / "connectors.yaml"
    connectors.write_text(connectors.read_text() + DOWN)
    project.offer("items")
    version = asyncio.run(ConnectorsComponent().refresh_state(project.path))
    assert version
    state = read_catalogue_state(project.world.settings.home)
    assert {name: [entity.slug for entity in entities] for name, entities in state.items()} == {"erp": ["items"]}


def test_refreshing_fails_where_no_source_answers(project: Project) -> None:
    (project.path / "config" / "connectors.yaml").write_text(f"connectors:\n{DOWN}")
    with pytest.raises(SyncflowError):
        discover_all()


def test_the_state_can_be_copied_to_where_dagster_wants_it(project: Project, tmp_path: Path) -> None:
    project.offer("items")
    ConnectorsComponent().write_state_to_path(tmp_path / "state")
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["erp.json"]


def test_dagster_finds_the_component_under_its_key(folder: Path) -> None:
    import syncflow_pipelines.defs

    tree = dg.ComponentTree.from_module(syncflow_pipelines.defs, project_root=folder)
    (component,) = tree.get_all_components(of_type=ConnectorsComponent)
    assert component.defs_state_config.key == STATE_KEY
    assert not component.defs_state_config.refresh_if_dev
