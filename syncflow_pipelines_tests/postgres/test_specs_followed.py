"""Specs that are followed beside a database which goes away and comes back."""

from pathlib import Path

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.specs import recorded_specs
from syncflow_pipelines_tests.postgres.event_world import published
from syncflow_pipelines_tests.postgres.unreachable import away
from syncflow_pipelines_tests.unit.followed_specs import configure, following, wait_for
from syncflow_pipelines_tests.unit.spec_files import document, save


@pytest.mark.slow
def test_a_change_while_the_database_is_away_is_in_the_code_at_once_and_recorded_when_it_is_back(
    tmp_path: Path, settings: Settings, server_url: str
) -> None:
    spec = tmp_path / "backend" / "openapi.json"
    save(spec, document())
    project = configure(tmp_path, components="mcp")
    with (
        Database(settings.database_url or "", "bridge", timeout_s=1.0) as database,
        following(project, database) as told,
    ):
        wait_for(lambda: bool(told.reports), told)
        with away(database, server_url):
            save(spec, document("meanwhile"))
            wait_for(lambda: told.operations == ["meanwhile", "ping"] and len(told.reports) == 2, told)
            assert told.troubles[-1] is not None
            save(spec, document("then"))
            wait_for(lambda: told.operations == ["ping", "then"] and len(told.reports) == 3, told)
        wait_for(lambda: recorded(database) == told.looks[-1].checksum, told)
        wait_for(lambda: len(published(database, "code_generated")) == 2, told)
        wait_for(lambda: told.troubles[-1] is None, told)
        checksums = [event.data["checksum"] for event in published(database, "openapi_spec_changed")]
    changed = [one.checksum for one in told.looks if one.status == "changed"]
    assert [report.status for report in told.reports[:3]] == ["generated"] * 3
    assert checksums == [changed[0], changed[2]]
    assert "failed" not in told.statuses()


def recorded(database: Database) -> str | None:
    with database.dedicated("test") as connection:
        return recorded_specs(connection)["crm"].checksum
