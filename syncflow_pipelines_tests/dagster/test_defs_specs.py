"""The assets of services: specs that are fetched, checked, and turned into code."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from syncflow_pipelines.defs.names import catalogue_key, mcp_server_key, resolver_key, spec_key
from syncflow_pipelines.defs.spec_checks import BREAKING_CHANGES, QUARANTINED
from syncflow_pipelines.defs.spec_results import SPEC_TAG
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines.openapi.acceptance import acknowledge
from syncflow_pipelines_tests.dagster.project import REPOSITORY, failure_text
from syncflow_pipelines_tests.dagster.services_project import GENERATE_NOTHING, ServicesProject, served_folder

WAREHOUSE = ("openapi", "warehouse")
PARCELS = ("openapi", "parcels")


def materialisations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.to_user_string(): event for event in events}


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    return {name: value.value for name, value in materialisations(result)[asset].metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_each_service_has_a_spec_and_what_is_generated_from_it(services_project: ServicesProject) -> None:
    definitions = services_project.definitions()
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.get_repository_def().asset_graph
    assert graph.get_all_asset_keys() == {
        make(name) for make in (spec_key, mcp_server_key, resolver_key) for name in ("warehouse", "parcels")
    }
    assert graph.get(mcp_server_key("warehouse")).parent_keys == {spec_key("warehouse")}
    assert graph.get(resolver_key("warehouse")).parent_keys == {spec_key("warehouse")}
    assert {(key.asset_key.path[1], key.name) for key in graph.asset_check_keys} == {
        (name, check) for name in ("warehouse", "parcels") for check in (BREAKING_CHANGES, QUARANTINED)
    }


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ("  enable_connexion: false\n", {"openapi", "mcp_server"}),
        ("  enable_fastmcp: false\n", {"openapi", "resolver"}),
        (GENERATE_NOTHING, {"openapi"}),
    ],
)
def test_what_is_switched_off_is_no_asset(more: str, kept: set[str], services_project: ServicesProject) -> None:
    services_project.say(more)
    keys = services_project.definitions().get_repository_def().asset_graph.get_all_asset_keys()
    assert {key.path[0] for key in keys} == kept


def test_components_and_disabled_services_are_left_out(services_project: ServicesProject) -> None:
    services_project.reword(
        "openapi_path: /openapi.json\n    components: [rest, mcp]", "openapi_path: /openapi.json\n    components: []"
    )
    services_project.reword(
        "    openapi_path: /swagger.yaml\n", "    openapi_path: /swagger.yaml\n    enabled: false\n"
    )
    keys = services_project.definitions().get_repository_def().asset_graph.get_all_asset_keys()
    assert keys == {spec_key("warehouse")}


def test_a_connectors_catalogue_follows_the_spec_of_its_service(services_project: ServicesProject) -> None:
    connectors = services_project.path / "config" / "connectors.yaml"
    connectors.write_text(
        "connectors:\n"
        "  - {name: erp, base_url: 'http://127.0.0.1:9', service: warehouse}\n"
        "  - {name: crm, base_url: 'http://127.0.0.1:9'}\n"
    )
    graph = services_project.definitions().get_repository_def().asset_graph
    assert graph.get(catalogue_key("erp")).parent_keys == {spec_key("warehouse")}
    assert graph.get(catalogue_key("crm")).parent_keys == set()


def test_services_make_other_definitions_and_other_fingerprints(services_project: ServicesProject) -> None:
    world = load_world()
    assert world.services is not None
    fewer = replace(world, services=replace(world.services, services=world.services.services[:1]))
    switched = replace(world.services, settings=replace(world.services.settings, enable_fastmcp=False))
    assert len({world.fingerprint(), fewer.fingerprint(), replace(world, services=switched).fingerprint()}) == 3


def test_loading_asks_nobody_and_imports_no_server(services_project: ServicesProject) -> None:
    services_project.reword(services_project.url, "http://192.0.2.1:9")
    code = """
import sys
from syncflow_pipelines.definitions import defs
assert len(defs().get_repository_def().asset_graph.get_all_asset_keys()) == 6
print(*sorted({"fastmcp", "connexion", "aiohttp", "httpx2", "mcp"} & sys.modules.keys()))
"""
    environment = {
        "PATH": "",
        "PYTHONPATH": str(REPOSITORY),
        "SYNCFLOW_DATABASE_URL": "postgresql://nobody@192.0.2.1/x",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=services_project.path, env=environment, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.slow
def test_a_run_fetches_a_spec_and_generates_from_it(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    result = services_project.run(instance, [WAREHOUSE, ("mcp_server", "warehouse"), ("resolver", "warehouse")])
    assert result.success
    told = metadata(result, "openapi/warehouse")
    assert (told["operations"], told["quarantined"], told["written_as"]) == (6, 0, "3.1.0")
    assert told["bytes"] == Path(told["spec_file"]).stat().st_size
    assert told["url"] == f"{services_project.url}/warehouse/openapi.json"
    made = materialisations(result)
    assert made["openapi/warehouse"].tags is not None
    checksum = made["openapi/warehouse"].tags["dagster/data_version"]
    assert checksum == told["checksum"]
    assert all(
        (made[asset].tags or {})[SPEC_TAG] == checksum for asset in ("mcp_server/warehouse", "resolver/warehouse")
    )
    served = metadata(result, "mcp_server/warehouse")
    assert (served["status"], served["tools"], served["mode"]) == ("generated", 6, "tools")
    assert served["list_tokens"] * 4 >= served["list_bytes"] > 1000
    assert Path(served["module"]).name == "warehouse_mcp.py"
    assert Path(served["module"]).stat().st_size == served["bytes"]
    assert Path(metadata(result, "resolver/warehouse")["module"]).name == "warehouse_resolver.py"
    assert all(check.passed for check in checks(result).values())

    again = services_project.run(instance, [("mcp_server", "warehouse")])
    assert metadata(again, "mcp_server/warehouse")["status"] == "unchanged"
    before, after = (materialisations(one)["mcp_server/warehouse"].tags or {} for one in (result, again))
    assert before["dagster/data_version"] == after["dagster/data_version"]


def test_a_spec_that_changed_shows_what_changed(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    first = services_project.run(instance, [WAREHOUSE])
    assert "diff" not in metadata(first, "openapi/warehouse")
    services_project.evolve("warehouse")
    second = services_project.run(instance, [WAREHOUSE])
    told = metadata(second, "openapi/warehouse")
    assert (told["operations"], told["breaking"]) == (7, 0)
    assert "operation-added" in told["diff"]
    assert checks(second)[BREAKING_CHANGES].passed
    versions = [
        (materialisations(run)["openapi/warehouse"].tags or {})["dagster/data_version"] for run in (first, second)
    ]
    assert len(set(versions)) == 2


def test_a_breaking_change_fails_its_check_until_somebody_accepts_it(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    services_project.run(instance, [PARCELS])
    services_project.evolve("parcels")
    broken = services_project.run(instance, [PARCELS])
    assert broken.success, "the check does not fail the run"
    check = checks(broken)[BREAKING_CHANGES]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "syncflow specs ack parcels" in (check.description or "")
    assert "operation-removed" in str(check.metadata["diff"].value)

    (service,) = [one for one in services_project.services().services if one.name == "parcels"]
    acknowledge(services_project.database, service, "somebody")
    accepted = checks(services_project.run(instance, [PARCELS]))[BREAKING_CHANGES]
    assert (accepted.passed, accepted.description) == (True, "accepted by somebody")


def test_the_configuration_may_accept_a_breaking_change_by_its_contract(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    services_project.run(instance, [PARCELS])
    services_project.evolve("parcels")
    contract = metadata(services_project.run(instance, [PARCELS]), "openapi/parcels")["contract"]
    services_project.say(f"  acknowledged: {{parcels: [{contract}]}}\n")
    check = checks(services_project.run(instance, [PARCELS]))[BREAKING_CHANGES]
    assert (check.passed, check.description) == (True, "accepted by auto_sync_services.yaml")


def test_an_operation_that_cannot_be_used_is_a_warning(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    document = services_project.path / "served.json"
    document.write_text(
        '{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"responses": {}}},'
        ' "/b": {"$ref": "#/components/pathItems/none"}}}'
    )
    with served_folder(services_project.path) as url:
        services_project.reword(f"{services_project.url}/parcels", url)
        services_project.reword("openapi_path: /swagger.yaml", "openapi_path: /served.json")
        result = services_project.run(instance, [PARCELS])
    check = checks(result)[QUARANTINED]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "/paths/~1b" in (check.description or "")
    assert metadata(result, "openapi/parcels")["operations"] == 1


def test_a_service_that_is_down_fails_its_run_in_one_sentence_and_the_old_spec_stands(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    services_project.run(instance, [WAREHOUSE])
    kept = (services_project.path / "specs" / "warehouse-openapi.json").read_bytes()
    (services_project.settings.home / "demo" / "warehouse.token").write_text("another-token")
    failed = services_project.run(instance, [WAREHOUSE])
    assert not failed.success
    assert "warehouse" in failure_text(failed)
    assert "401" in failure_text(failed)
    assert "\n" not in failure_text(failed)
    assert "another-token" not in failure_text(failed)
    assert (services_project.path / "specs" / "warehouse-openapi.json").read_bytes() == kept
    run = instance.get_run_by_id(failed.run_id)
    assert run is not None
    assert run.tags["dagster/max_retries"] == "0", "a refused token is not tried again"


@pytest.mark.slow
def test_a_module_that_was_edited_fails_the_generation_and_stands(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say("  enable_connexion: false\n")
    assets = [WAREHOUSE, ("mcp_server", "warehouse")]
    assert services_project.run(instance, assets).success
    module = services_project.path / "generated" / "warehouse_mcp.py"
    module.write_text(module.read_text() + "# mine\n")
    services_project.evolve("warehouse")
    failed = services_project.run(instance, assets)
    assert "warehouse was not generated, and the old files stand: " in failure_text(failed)
    assert module.read_text().endswith("# mine\n")
    assert "openapi/warehouse" in materialisations(failed)


def test_the_checks_run_alone(services_project: ServicesProject, instance: dg.DagsterInstance) -> None:
    services_project.say(GENERATE_NOTHING)
    services_project.run(instance, [WAREHOUSE])
    definition = services_project.definitions().resolve_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(spec_key("warehouse"), name) for name in (BREAKING_CHANGES, QUARANTINED)}
    alone = definition.get_subset(asset_selection=set(), asset_check_selection=keys)
    result = alone.execute_in_process(instance=instance)
    assert {name: check.passed for name, check in checks(result).items()} == {BREAKING_CHANGES: True, QUARANTINED: True}
    assert materialisations(result) == {}
