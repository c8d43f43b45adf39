"""What SyncFlow does is published by the transaction that does it."""

from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.codegen.kept import generate_kept
from syncflow_pipelines.codegen.telling import tell_generated
from syncflow_pipelines.config import Services, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.specs import SpecVersion, spec_versions
from syncflow_pipelines.events.happenings import TYPES, endpoint_health_changed
from syncflow_pipelines.openapi.refreshing import refresh
from syncflow_pipelines_tests.postgres.event_world import published
from syncflow_pipelines_tests.postgres.world import World, row
from syncflow_pipelines_tests.server.spec_host import PING, SpecHost, document, json_of, services_in
from syncflow_pipelines_tests.unit import generated_world

ANOTHER = document(paths={"/ping": PING, "/pong": {"get": {"operationId": "pong", "responses": {"200": {}}}}})
REWORDED = document(info={"title": "T", "version": "2"})


def test_a_sync_that_ends_well_is_published_with_its_counts(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(1), row(2)])
    world.discover()
    outcome = world.sync("items", trigger="schedule")
    (event,) = published(world.database, "sync_finished")
    assert event.subject == "erp/items"
    assert event.data.keys() >= {"connector", "slug", "started_at", "completed_at", "rowversion_end", "missing"}
    assert {name: event.data[name] for name in ("entity", "run", "status", "strategy", "trigger", "error")} == {
        "entity": "erp/items",
        "run": str(outcome.run_uid),
        "status": "success",
        "strategy": "rowversion",
        "trigger": "schedule",
        "error": None,
    }
    assert [event.data[name] for name in ("fetched", "inserted", "updated", "rejected")] == [2, 2, 0, 0]


def test_a_sync_that_fails_is_published_as_its_run_is_recorded(world: World) -> None:
    world.offer("items")
    world.discover()
    world.store.drop_entity("items")
    outcome = world.sync("items")
    (event,) = published(world.database, "sync_finished")
    assert (event.data["status"], event.data["error"]) == ("failed", outcome.error)
    assert event.data["error_type"] == outcome.error_type == "EntityGone"


def test_discovery_publishes_new_entities_and_every_change_that_it_records(world: World) -> None:
    spec = world.offer("items")
    world.discover()
    world.store.alter_entity(replace(spec, columns=spec.columns[:3]))
    world.discover()
    world.discover()
    found, *changes = published(world.database)
    assert (found.type, found.subject, found.data["table"]) == ("entity_discovered", "erp/items", "erp.items")
    assert [(one.type, one.data["kind"], one.data["column"], one.data["applied"]) for one in changes] == [
        ("schema_changed", "column_dropped", "qty", True)
    ]
    assert [kind for (kind,) in world.query("SELECT kind FROM schema_changes")] == ["entity_added", "column_dropped"]


def test_a_dry_run_of_discovery_publishes_nothing(world: World) -> None:
    world.offer("items")
    world.discover(dry_run=True)
    assert published(world.database) == []


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.project_dir


def look(services: Services, settings: Settings, database: Database | None) -> None:
    assert refresh(services, settings, database=database)[0].status != "failed"


def newest(database: Database) -> SpecVersion:
    with database.connection() as connection:
        return spec_versions(connection, "crm")[0]


def test_a_changed_spec_is_published_with_what_the_change_means(
    settings: Settings, database: Database, folder: Path
) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service())
        diffs = []
        for answer in (document(), document(), ANOTHER, REWORDED):
            host.routes["/openapi.json"] = json_of(answer)
            look(services, settings, database)
            event = published(database, "openapi_spec_changed")[-1]
            diffs.append(event.data["diff"])
            assert event.subject == event.data["service"] == "crm"
            assert event.data["checksum"] == newest(database).checksum
            assert (folder / event.data["spec_file"]).is_file()
            assert event.data["timestamp"] == event.time.isoformat()
    assert len(published(database, "openapi_spec_changed")) == 3
    first, again, gained, lost = diffs
    assert first is again is None
    assert gained["summary"] == "1 other change in 1 operation"
    assert gained["is_breaking"] is False
    assert lost["counts"]["breaking"] == 1


def test_a_spec_whose_callers_notice_nothing_is_published_all_the_same(
    settings: Settings, database: Database, folder: Path
) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service())
        look(services, settings, database)
        host.routes["/openapi.json"] = json_of(REWORDED)
        look(services, settings, database)
    assert published(database)[-1].data["diff"] == {
        "summary": "No changes",
        "is_breaking": False,
        "counts": {"breaking": 0, "warning": 0, "info": 0},
    }


def test_a_spec_that_was_fetched_without_the_database_is_published_once_it_knows(
    settings: Settings, database: Database, folder: Path
) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service())
        look(services, settings, None)
        for _ in range(2):
            look(services, settings, database)
    assert [event.type for event in published(database)] == ["openapi_spec_changed"]


def test_without_the_event_bus_neither_specs_nor_code_are_published(
    settings: Settings, database: Database, folder: Path
) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service(), enable_event_bus=False)
        look(services, settings, database)
        (report,) = generate_kept(services, settings, database=database).services
    assert report.status == "generated"
    assert published(database) == []


def test_generated_code_is_published_once_with_its_files_and_the_checksum_of_its_spec(
    settings: Settings, database: Database, folder: Path
) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service())
        look(services, settings, database)
        generate_kept(services, settings, dry_run=True, database=database)
        assert published(database, "code_generated") == []
        (report,) = generate_kept(services, settings, database=database).services
        generate_kept(services, settings, database=database)
    (event,) = published(database, "code_generated")
    assert event.subject == "crm"
    assert event.data == {
        "service": "crm",
        "checksum": newest(database).checksum,
        "files": [file.name for file in report.files],
    }


def told(database: Database) -> list[tuple[str, str]]:
    return [(event.subject, event.data["checksum"]) for event in published(database, "code_generated")]


def test_code_whose_event_was_lost_with_its_process_is_published_by_the_next_generation(
    database: Database, tmp_path: Path
) -> None:
    world = generated_world.World(tmp_path, "orders", "stock")
    world.generate()  # and the process is killed before it tells
    assert world.statuses() == {"orders": "unchanged", "stock": "unchanged"}
    checksums = {"orders": "a", "stock": "b"}
    for _ in range(2):
        tell_generated(database, world.folder, checksums)
    assert told(database) == [("orders", "a"), ("stock", "b")]
    world.change("orders", description="other")
    world.generate(force=True)
    tell_generated(database, world.folder, {"orders": "c"})
    assert told(database)[2:] == [("orders", "c")]


def test_code_of_another_folder_and_of_a_service_that_came_back_is_published(
    database: Database, tmp_path: Path
) -> None:
    one = generated_world.World(tmp_path / "one", "orders", "stock")
    other = generated_world.World(tmp_path / "other", "orders")
    for world in (one, other):
        world.generate()
        tell_generated(database, world.folder, {"orders": "a"})
    service = one.services.pop("orders")
    one.generate()
    tell_generated(database, one.folder, {"stock": "b"})
    one.services["orders"] = service
    one.generate()
    tell_generated(database, one.folder, {"orders": "a"})
    assert told(database) == [("orders", "a"), ("orders", "a"), ("stock", "b"), ("orders", "a")]


def test_without_postgresql_code_is_generated_and_told_later(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = generated_world.World(tmp_path, "orders")
    world.generate()
    with Database("postgresql://127.0.0.1:1/nowhere", "bridge", timeout_s=0.1) as nowhere:
        tell_generated(nowhere, world.folder, {"orders": "a"})
    assert "is told by the next generation" in caplog.text
    tell_generated(database, world.folder, {"orders": "a"})
    assert told(database) == [("orders", "a")]


def test_the_health_of_an_endpoint_has_its_event() -> None:
    event = endpoint_health_changed("orders", "healthy", "unhealthy", "503")
    assert event.type in TYPES
    assert (event.subject, event.data["before"], event.data["after"]) == ("orders", "healthy", "unhealthy")
