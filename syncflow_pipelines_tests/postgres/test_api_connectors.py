"""`/api/v1/connectors`: those of connectors.yaml are read, others are managed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from syncflow_pipelines.config import Environment, load_connectors
from syncflow_pipelines.config.sealed_secrets import VARIABLE, new_secret_key
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.connectors import follow_connectors, known_connectors
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.entities import register_connectors
from syncflow_pipelines.sync.managed import reseal
from syncflow_pipelines_tests.postgres.admin_api import TOKENS, ApiWorld, problem, serving_api, write_connectors
from syncflow_pipelines_tests.postgres.world import TOKEN, World, row

KEY = new_secret_key()


@pytest.fixture
def keyed(world: World) -> World:
    """The world, whose source offers items, in an installation with a key and a variable that holds the token."""
    variables = {VARIABLE: KEY, "CRM_TOKEN": TOKEN, "SYNCFLOW_API_TOKENS": "a:admin:x"}
    variables["SYNCFLOW_SECRET_VARIABLES"] = "*"
    world.settings = replace(world.settings, environment=Environment(variables))
    world.offer("items")
    world.store.put("items", [row(1), row(2)])
    return world


@pytest.fixture
def crm(keyed: World) -> Iterator[ApiWorld]:
    """The API, with nothing configured."""
    with serving_api(keyed.settings, TOKENS) as client:
        yield ApiWorld(keyed, client)


def order(api: ApiWorld, **more: Any) -> dict[str, Any]:
    return {
        "name": "crm",
        "base_url": api.world.connector.base_url,
        "auth": {"type": "bearer", "token": TOKEN},
        **more,
    }


def add(api: ApiWorld, **more: Any) -> dict[str, Any]:
    answer = api.client.post("/connectors", json=order(api, **more))
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/connectors/{document['uid']}"
    return document


def put(api: ApiWorld, uid: str, body: dict[str, Any]) -> httpx.Response:
    tag = api.client.get(f"/connectors/{uid}").headers["etag"]
    return api.client.put(f"/connectors/{uid}", json=body, headers={"If-Match": tag})


def test_a_connector_is_registered_tested_discovered_and_synced(crm: ApiWorld) -> None:
    added = add(crm, sync_interval_seconds=60, entities={"items": {"strategy": "hash"}})
    assert (added["managed_by"], added["sync_interval_seconds"], added["target_schema"]) == ("api", 60, "crm")
    assert added["auth"] == {"type": "bearer", "name": None, "prefix": None, "reference": None, "is_kept": True}

    tested = crm.client.post(f"/connectors/{added['uid']}/test").json()
    assert (tested["ok"], tested["entities"]) == (True, 1)
    found = crm.client.post(f"/connectors/{added['uid']}/discover")
    assert (found.status_code, found.json()["added"]) == (200, ["items"])

    (connector,) = follow_connectors(crm.world.database, crm.world.settings)
    outcome = sync_entity(crm.world.database, crm.world.settings, SyncRequest(connector, "items"))
    assert (outcome.status, outcome.strategy, outcome.counts.inserted) == ("success", "hash", 2)
    shown = crm.get(f"/connectors/{added['uid']}")
    assert (shown["entity_count"], shown["enabled"]) == (1, True)


def test_a_source_that_refuses_or_is_not_there_fails_its_test(crm: ApiWorld) -> None:
    refused = add(crm, auth={"type": "bearer", "token": "wrong"})
    answer = crm.client.post(f"/connectors/{refused['uid']}/test")
    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    assert "token that is kept for connector crm" in answer.json()["told"]
    problem(crm.client.post(f"/connectors/{refused['uid']}/discover"), 409, "source-failed")


def test_references_are_read_where_they_lead(crm: ApiWorld) -> None:
    folder = crm.world.settings.project_dir / "secrets"
    folder.mkdir()
    (folder / "crm").write_text(f"{TOKEN}\n")
    for name, reference in {"one": "env:CRM_TOKEN", "two": "file:crm", "three": f"file:{folder / 'crm'}"}.items():
        added = add(crm, name=name, auth={"type": "bearer", "reference": reference})
        assert added["auth"]["reference"] == reference
        assert crm.client.post(f"/connectors/{added['uid']}/test").json()["ok"], reference


@pytest.mark.parametrize(
    "reference",
    ["env:SYNCFLOW_SECRET_KEY", "env:postgres_password", "env:PGPASSWORD", "file:/etc/passwd", "file:../token", "x",
     "env:", "env:A-B", "file:", "file:a/../../b"],
)  # fmt: skip
def test_references_to_what_is_none_of_a_sources_business_are_refused(crm: ApiWorld, reference: str) -> None:
    body = order(crm, auth={"type": "bearer", "reference": reference})
    answer = crm.client.post("/connectors", json=body)
    assert answer.status_code in (409, 422)
    assert answer.json()["errors"][0]["loc"][-1] == "reference"


def test_a_link_out_of_the_folder_of_secrets_is_not_followed(crm: ApiWorld) -> None:
    folder = crm.world.settings.project_dir / "secrets"
    folder.mkdir()
    (folder / "crm").write_text(TOKEN)
    added = add(crm, auth={"type": "bearer", "reference": "file:crm"})
    (folder / "crm").unlink()
    outside = crm.world.settings.project_dir / "private"
    outside.write_text(TOKEN)
    (folder / "crm").symlink_to(outside)
    told = crm.client.post(f"/connectors/{added['uid']}/test").json()
    assert not told["ok"]
    assert "may not be used" in told["told"]


@pytest.mark.parametrize(("allowed", "status"), [("ERP_* CRM_*", 201), ("ERP_*", 409), ("", 409)])
def test_only_the_variables_that_are_allowed_can_be_named(keyed: World, allowed: str, status: int) -> None:
    values = dict(keyed.settings.environment.variables or {}, SYNCFLOW_SECRET_VARIABLES=allowed)
    with serving_api(replace(keyed.settings, environment=Environment(values)), TOKENS) as client:
        body = order(ApiWorld(keyed, client), auth={"type": "bearer", "reference": "env:CRM_TOKEN"})
        answer = client.post("/connectors", json=body)
        assert answer.status_code == status, answer.text


def test_a_put_changes_it_and_keeps_its_token_for_its_address_alone(crm: ApiWorld) -> None:
    uid = add(crm)["uid"]
    body = order(crm, auth={"type": "bearer"}, concurrency=2)
    assert put(crm, uid, body).json()["concurrency"] == 2
    assert crm.client.post(f"/connectors/{uid}/test").json()["ok"]

    problem(put(crm, uid, {**body, "base_url": "http://127.0.0.1:9"}), 409, "connector-secret-missing")
    problem(put(crm, uid, {**body, "auth": {"type": "header", "name": "X-Key"}}), 409, "connector-secret-missing")
    problem(put(crm, uid, {**body, "name": "other"}), 409, "connector-renamed")
    problem(crm.client.put(f"/connectors/{uid}", json=body), 428, "precondition-required")
    stale = crm.client.put(f"/connectors/{uid}", json=body, headers={"If-Match": '"old"'})
    problem(stale, 412, "precondition-failed")
    assert put(crm, uid, {**body, "enabled": False}).json()["enabled"] is False


def test_a_deleted_connector_takes_its_entities_along_and_leaves_their_tables(crm: ApiWorld) -> None:
    uid = add(crm)["uid"]
    crm.client.post(f"/connectors/{uid}/discover")
    (connector,) = follow_connectors(crm.world.database, crm.world.settings)
    sync_entity(crm.world.database, crm.world.settings, SyncRequest(connector, "items"))

    assert crm.client.delete(f"/connectors/{uid}").status_code == 204
    problem(crm.client.get(f"/connectors/{uid}"), 404, "not-found")
    assert crm.get("/entities")["items"] == []
    assert crm.world.query("SELECT count(*) FROM crm.items") == [(2,)]
    again = add(crm)
    found = crm.client.post(f"/connectors/{again['uid']}/discover").json()
    assert found["added"] == ["items"]


def test_a_connector_whose_sync_runs_is_not_deleted(crm: ApiWorld) -> None:
    uid = add(crm)["uid"]
    crm.client.post(f"/connectors/{uid}/discover")
    with crm.world.database.connection() as connection:
        connection.execute(
            "INSERT INTO sync_runs (entity_uid, started_at, status, strategy) "
            "SELECT uid, now(), 'running', 'full' FROM entities"
        )
    problem(crm.client.delete(f"/connectors/{uid}"), 409, "connector-busy")


def test_connectors_of_the_file_are_listed_and_cannot_be_changed(keyed: World) -> None:
    write_connectors(keyed, {})
    with serving_api(keyed.settings, TOKENS) as client:
        api = ApiWorld(keyed, client)
        add(api)
        listed = api.get("/connectors")
        assert [(one["name"], one["managed_by"]) for one in listed["items"]] == [("crm", "api"), ("erp", "yaml")]
        assert api.get("/connectors?managed_by=yaml&q=ERP")["total"] == 1
        erp = listed["items"][1]
        assert erp["auth"]["reference"].startswith("file:")
        told = problem(put(api, erp["uid"], order(api, name="erp")), 409, "connector-in-yaml")
        assert "connectors.yaml" in told["detail"]
        problem(client.delete(f"/connectors/{erp['uid']}"), 409, "connector-in-yaml")
        for name in ("erp", "ERP"):
            problem(client.post("/connectors", json=order(api, name=name)), 409, "connector-in-yaml")
        for name in ("crm", "Crm"):
            problem(client.post("/connectors", json=order(api, name=name)), 409, "connector-name-taken")
        assert client.post(f"/connectors/{erp['uid']}/test").json()["ok"]
        assert client.post(f"/connectors/{erp['uid']}/discover").json()["added"] == ["items"]


def test_the_file_has_the_say_over_a_name_that_both_have(keyed: World) -> None:
    with serving_api(keyed.settings, TOKENS) as client:
        api = ApiWorld(keyed, client)
        uid = add(api, name="erp")["uid"]
    assert [one.managed_by for one in known_connectors(keyed.settings)] == ["api"]
    write_connectors(keyed, {})
    assert [one.managed_by for one in known_connectors(keyed.settings)] == ["yaml"]
    assert [one.managed_by for one in follow_connectors(keyed.database, keyed.settings)] == ["yaml"]

    with keyed.database.connection() as connection:
        register_connectors(connection, load_connectors(keyed.settings))
    assert keyed.query("SELECT uid::text, managed_by, auth_token FROM connectors") == [(uid, "yaml", None)]
    (keyed.settings.config_dir / "connectors.yaml").unlink()
    with serving_api(keyed.settings, TOKENS) as client:
        retired = client.get(f"/connectors/{uid}").json()
        assert (retired["enabled"], "does not name it" in retired["problem"]) == (False, True)
        assert add(ApiWorld(keyed, client), name="erp")["uid"] == uid


def test_the_file_retires_none_that_is_managed_over_the_api(crm: ApiWorld) -> None:
    add(crm)
    with crm.world.database.connection() as connection:
        register_connectors(connection, [])
    assert crm.get("/connectors")["items"][0]["enabled"] is True


def test_without_a_key_no_token_is_kept_and_none_is_used(crm: ApiWorld) -> None:
    uid = add(crm)["uid"]
    bare = replace(crm.world.settings, environment=Environment({}))
    with serving_api(bare, TOKENS) as client:
        api = ApiWorld(crm.world, client)
        told = problem(client.post("/connectors", json=order(api, name="hr")), 409, "secret-key")
        assert VARIABLE in told["detail"]
        assert api.get(f"/connectors/{uid}")["auth"]["is_kept"] is True
        tested = client.post(f"/connectors/{uid}/test").json()
        assert (tested["ok"], VARIABLE in tested["told"]) == (False, True)
        problem(client.post(f"/connectors/{uid}/discover"), 409, "connector-unusable")


def test_a_key_is_replaced_without_a_moment_without_it(crm: ApiWorld) -> None:
    add(crm)
    new = new_secret_key()
    both = replace(crm.world.settings, environment=Environment({VARIABLE: f"{new} {KEY}"}))
    with crm.world.database.connection() as connection:
        assert reseal(connection, both) == 1
    only_new = replace(crm.world.settings, environment=Environment({VARIABLE: new}))
    (connector,) = follow_connectors(crm.world.database, only_new)
    assert connector.auth.headers() == {"Authorization": f"Bearer {TOKEN}"}
    (lost,) = follow_connectors(crm.world.database, crm.world.settings)
    with pytest.raises(ConfigurationError, match="no key of SYNCFLOW_SECRET_KEY opens"):
        lost.auth.headers()


def test_a_token_that_is_moved_within_the_table_is_of_no_use(crm: ApiWorld) -> None:
    add(crm)
    with crm.world.database.connection() as connection:
        connection.execute("UPDATE connectors SET base_url = 'http://127.0.0.1:9'")
    (moved,) = follow_connectors(crm.world.database, crm.world.settings)
    with pytest.raises(ConfigurationError, match="another address"):
        moved.auth.headers()


def test_what_is_kept_and_cannot_be_used_any_more_hides_no_other(crm: ApiWorld) -> None:
    add(crm)
    add(crm, name="hr")
    with crm.world.database.connection() as connection:
        connection.execute("""UPDATE connectors SET settings = '{"colour": "red"}' WHERE name = 'hr'""")
    assert [one.name for one in follow_connectors(crm.world.database, crm.world.settings)] == ["crm"]
    problems = {one["name"]: one["problem"] for one in crm.get("/connectors")["items"]}
    assert problems["crm"] is None
    assert "colour" in problems["hr"]
    assert "red" not in problems["hr"]
