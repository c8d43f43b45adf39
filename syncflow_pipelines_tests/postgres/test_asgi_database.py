"""An application that gives its sync a database: versions and events are recorded there, too."""

import asyncio
from pathlib import Path

from starlette.applications import Starlette

from syncflow_pipelines import run_startup_auto_sync
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.specs import recorded_specs
from syncflow_pipelines_tests.postgres.event_world import published
from syncflow_pipelines_tests.server.asgi_project import AsgiProject
from syncflow_pipelines_tests.server.spec_host import SpecHost


def test_specs_and_their_events_are_recorded_where_a_database_is_given(tmp_path: Path, database: Database) -> None:
    project = AsgiProject(tmp_path / "app")
    with SpecHost() as host:
        project.add("crm", host.url)
        for _ in range(2):
            report = asyncio.run(run_startup_auto_sync(Starlette(), settings=project.settings, database=database))
            assert report["success"], report
    with database.connection() as connection:
        assert recorded_specs(connection).keys() == {"crm"}
    (event,) = published(database, "openapi_spec_changed")
    assert event.subject == "crm"
