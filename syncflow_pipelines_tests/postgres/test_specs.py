"""The tables of specs, and how a refresh keeps them in step with the files."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from syncflow_pipelines.config import Services, Settings
from syncflow_pipelines.database import Database, specs
from syncflow_pipelines.database.specs import SpecContent, SpecRecord
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.openapi.inner_form import load_spec
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines.openapi.refreshing import Refreshed, refresh
from syncflow_pipelines_tests.server.raw_server import reply
from syncflow_pipelines_tests.server.spec_host import PING, SPEC, SpecHost, document, json_of, services_in

AT = datetime(2026, 11, 28, 10, tzinfo=UTC)


def record(checksum: str = "a" * 32, service: str = "crm") -> SpecRecord:
    return SpecRecord(
        service,
        checksum,
        "contract",
        changed_at=AT,
        spec_file="specs/crm-openapi.json",
        url="http://crm/openapi.json",
        written_as="3.1.0",
        operations=2,
        findings=[{"pointer": "/paths", "reason": "é", "is_fatal": True}],
    )


def content(text: str = "x") -> SpecContent:
    return SpecContent(f"form of {text}".encode(), f"document of {text}".encode())


def stored(database: Database) -> dict[str, SpecRecord]:
    with database.connection() as connection:
        return specs.recorded_specs(connection)


def versions(database: Database, service: str = "crm") -> list[str]:
    with database.connection() as connection:
        return [version.checksum for version in specs.spec_versions(connection, service)]


def test_a_spec_is_recorded_with_its_first_version(database: Database) -> None:
    with database.connection() as connection:
        specs.record_spec(connection, record(), content())
    found = stored(database)["crm"]
    assert found.fetched_at is not None
    assert found == SpecRecord(
        **{name: getattr(record(), name) for name in ("service", "checksum", "contract", "changed_at", "spec_file")},
        **{name: getattr(record(), name) for name in ("url", "written_as", "operations", "findings")},
        fetched_at=found.fetched_at,
    )
    with database.connection() as connection:
        [version] = specs.spec_versions(connection, "crm")
        assert (version.service, version.checksum, version.contract, version.at) == ("crm", "a" * 32, "contract", AT)
        assert specs.spec_content(connection, version.id) == content()
        assert specs.spec_content(connection, version.id + 1) is None


def test_every_change_is_a_version_also_the_way_back(database: Database) -> None:
    for checksum in "aba":
        with database.connection() as connection:
            specs.record_spec(connection, record(checksum), content(checksum))
    assert versions(database) == ["a", "b", "a"]


def test_the_newest_version_recorded_again_is_renewed(database: Database) -> None:
    for text in ("old form", "new form"):
        with database.connection() as connection:
            specs.record_spec(connection, record(), content(text))
    with database.connection() as connection:
        [version] = specs.spec_versions(connection, "crm")
        assert specs.spec_content(connection, version.id) == content("new form")


def test_of_old_versions_the_newest_are_kept_of_each_service(database: Database) -> None:
    for checksum in "abcde":
        for service in ("crm", "erp"):
            with database.connection() as connection:
                specs.record_spec(connection, record(checksum, service), content(), keep=3 if service == "crm" else 50)
    assert versions(database) == ["e", "d", "c"]
    assert versions(database, "erp") == ["e", "d", "c", "b", "a"]


def test_a_failure_leaves_what_is_known_and_a_success_ends_it(database: Database) -> None:
    with database.connection() as connection:
        specs.record_spec(connection, record(), content())
        specs.record_failure(connection, "crm", "it is down", "SourceUnreachable")
        specs.record_failure(connection, "erp", "it is down", "SourceUnreachable")
    found = stored(database)
    assert (found["crm"].checksum, found["crm"].error, found["crm"].error_type) == (
        "a" * 32,
        "it is down",
        "SourceUnreachable",
    )
    assert found["crm"].failed_at is not None
    assert (found["erp"].checksum, found["erp"].fetched_at) == (None, None)
    with database.connection() as connection:
        specs.record_looks(connection, ["crm", "nobody"])
    found = stored(database)
    assert (found["crm"].error, found["crm"].error_type, found["crm"].failed_at) == (None, None, None)
    assert found["erp"].error == "it is down"
    assert "nobody" not in found


def test_where_a_version_cannot_be_recorded_nothing_is(database: Database) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation), database.connection() as connection:
        specs.record_spec(connection, SpecRecord("crm", "a" * 32, None), content())
    assert stored(database) == {}


# Refreshing


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.project_dir


def only_one(services: Services, settings: Settings, database: Database | None) -> Refreshed:
    [seen] = refresh(services, settings, database=database)
    return seen


def test_a_refresh_records_what_it_found(settings: Settings, database: Database, folder: Path) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service())
        first = only_one(services, settings, database)
        found = stored(database)["crm"]
        assert (found.checksum, found.contract, found.url) == (first.checksum, first.contract, first.url)
        assert (found.spec_file, found.written_as, found.operations) == ("specs/crm-openapi.json", "3.1.0", 1)
        host.routes["/openapi.json"] = json_of(document(paths={**document()["paths"], "/x": {"get": 5}}))
        second = only_one(services, settings, database)
        assert len(stored(database)["crm"].findings) == len(second.findings) > 0
        unchanged = only_one(services, settings, database)
    assert unchanged.status == "unchanged"
    later, earlier = stored(database)["crm"].fetched_at, found.fetched_at
    assert later is not None
    assert earlier is not None
    assert later > earlier
    assert versions(database) == [second.checksum, first.checksum]
    with database.connection() as connection:
        newest, oldest = specs.spec_versions(connection, "crm")
        kept = specs.spec_content(connection, newest.id)
        old = specs.spec_content(connection, oldest.id)
    assert kept is not None
    assert old is not None
    assert load_spec(kept.form) == second.spec
    assert parse(old.document) == document()


def test_a_spec_that_was_fetched_without_the_database_is_recorded_later(
    settings: Settings, database: Database, folder: Path
) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service())
        first = only_one(services, settings, None)
        assert stored(database) == {}
        assert only_one(services, settings, database).status == "unchanged"
    assert stored(database)["crm"].checksum == first.checksum
    assert versions(database) == [first.checksum]


def test_failures_are_recorded_and_forgotten(settings: Settings, database: Database, folder: Path) -> None:
    with SpecHost({"/a": SPEC, "/b": reply(404)}) as host:
        services = services_in(folder, *(host.service(name, openapi_paths=(f"/{name}",)) for name in "ab"))
        refresh(services, settings, database=database)
        host.routes |= {"/a": reply(401), "/b": SPEC}
        refresh(services, settings, database=database)
        found = stored(database)
        assert (found["a"].error_type, found["b"].error) == ("SourceRefused", None)
        assert found["a"].checksum == found["b"].checksum
        host.routes["/a"] = SPEC
        refresh(services, settings, database=database)
    assert stored(database)["a"].error is None


def test_no_text_of_a_spec_is_too_strange_to_be_recorded(settings: Settings, database: Database, folder: Path) -> None:
    strange = "/\0\ud800\u202e'\"; DROP TABLE specs; --"
    hostile = document(
        paths={"/ping": PING, strange: {"get": 5}, "/x": {"get": {"operationId": strange, "responses": 7}}}
    )
    with SpecHost({"/a": json_of(hostile), "/b": json_of({"openapi": strange})}) as host:
        services = services_in(folder, *(host.service(name, openapi_paths=(f"/{name}",)) for name in "ab"))
        first, second = refresh(services, settings, database=database)
        again = refresh(services, settings, database=database)
    assert (first.status, second.status) == ("changed", "failed")
    assert [one.status for one in again] == ["unchanged", "failed"]
    found = stored(database)
    assert len(found["a"].findings) == len(first.findings) > 0
    assert found["b"].error_type == second.error_type == "UnusableSpec"


def test_what_is_unhealthy_is_recorded_as_a_failure(settings: Settings, database: Database, folder: Path) -> None:
    with SpecHost({"/health": reply(500)}) as host:
        seen = only_one(services_in(folder, host.service(), health_check_before_sync=True), settings, database)
    assert seen.status == "unhealthy"
    assert stored(database)["crm"].error == seen.error


def test_where_the_database_refuses_a_spec_it_counts_as_not_fetched(
    settings: Settings, database: Database, folder: Path
) -> None:
    with SpecHost() as host:
        services = services_in(folder, host.service())
        with database.connection() as connection:
            connection.execute("ALTER TABLE spec_versions ADD CONSTRAINT no CHECK (checksum = '')")
        refused = only_one(services, settings, database)
        assert (refused.status, refused.checksum) == ("failed", None)
        with database.connection() as connection:
            connection.execute("ALTER TABLE spec_versions DROP CONSTRAINT no")
        assert only_one(services, settings, database).status == "changed"
    assert len(versions(database)) == 1


def test_a_database_that_cannot_be_read_is_told_before_anything_is_fetched(settings: Settings, folder: Path) -> None:
    gone = Database("postgresql://127.0.0.1:1/nothing", "bridge", timeout_s=0.2)
    with SpecHost() as host, gone:
        with pytest.raises(DatabaseError):
            refresh(services_in(folder, host.service()), settings, database=gone)
        assert host.requests == []
