"""The assets of schemas: generated from models, catalogues and specs, and checked."""

import subprocess
import sys

import dagster as dg
import pytest

from syncflow_pipelines.config import load_schema_sync
from syncflow_pipelines.defs.names import catalogue_key, entity_key, entity_of, schemas_key, spec_key
from syncflow_pipelines.defs.schema_checks import COMPATIBLE, MATCHES_TABLE, VALID
from syncflow_pipelines.defs.schema_record import report_schemas
from syncflow_pipelines.schemas.syncing import sync_schemas
from syncflow_pipelines_tests.dagster.project import Project, failure_text
from syncflow_pipelines_tests.dagster.schemas_project import SchemasProject, checks_of, metadata_of
from syncflow_pipelines_tests.dagster.services_project import GENERATE_NOTHING, ServicesProject

SHOP = schemas_key("shop")


def latest(instance: dg.DagsterInstance, key: dg.AssetKey) -> dg.AssetMaterialization:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization


def version(instance: dg.DagsterInstance) -> str:
    """Of the data of the shop's schemas."""
    return (latest(instance, SHOP).tags or {})["dagster/data_version"]


def test_schemas_are_generated_in_a_run_and_checked(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    result = schemas_project.run(instance)

    assert result.success
    assert "class ProductResponse" in schemas_project.module.read_text()
    told = metadata_of(result)
    assert (told["models"], told["classes"], told["findings"], told["status"]) == (1, 3, 0, "generated")
    assert told["module"] == str(schemas_project.module)
    assert "diff" not in told
    assert {name: one.passed for name, one in checks_of(result).items()} == {
        COMPATIBLE: True, MATCHES_TABLE: True, VALID: True,
    }  # fmt: skip
    assert "products" not in sys.modules
    assert "shop.products" not in sys.modules


def test_a_breaking_change_of_a_model_fails_two_checks_and_shows_its_diff(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    schemas_project.run(instance)
    before = version(instance)
    schemas_project.reword("price: Mapped[int]", "color: Mapped[str]")
    result = schemas_project.run(instance)
    found = checks_of(result)

    assert result.success
    assert version(instance) != before
    assert "+    color: str" in metadata_of(result)["diff"]
    assert not found[COMPATIBLE].passed
    assert found[COMPATIBLE].severity is dg.AssetCheckSeverity.WARN
    assert "`readers-property-removed`" in str(found[COMPATIBLE].metadata["readers"].value)
    assert "`writers-required-property-added`" in str(found[COMPATIBLE].metadata["writers"].value)
    assert not found[MATCHES_TABLE].passed
    assert found[MATCHES_TABLE].severity is dg.AssetCheckSeverity.ERROR
    assert "Product.color (column-missing)" in (found[MATCHES_TABLE].description or "")
    assert found[VALID].passed


def test_schemas_that_are_in_step_are_materialised_with_the_same_version(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    schemas_project.run(instance)
    first = version(instance)
    result = schemas_project.run(instance)

    assert metadata_of(result)["status"] == "unchanged"
    assert version(instance) == first


def test_models_that_cannot_be_read_fail_their_asset_in_one_sentence(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    schemas_project.run(instance)
    before = schemas_project.module.read_bytes()
    schemas_project.reword("price: Mapped[int]", "price: Mapped[")
    result = schemas_project.run(instance)

    assert not result.success
    assert "shop was not generated, and the old schemas stand" in failure_text(result)
    assert "products.py" in failure_text(result)
    assert schemas_project.module.read_bytes() == before


def test_an_edited_module_is_told_not_to_be_valid(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    schemas_project.run(instance)
    schemas_project.module.write_text(schemas_project.module.read_text() + "\nimport nothing_of_that_name\n")
    found = checks_of(schemas_project.run(instance))

    assert not found[VALID].passed
    assert found[VALID].severity is dg.AssetCheckSeverity.ERROR
    assert "nothing_of_that_name" in (found[VALID].description or "")


def test_tables_are_not_compared_where_nobody_says_where_they_are(schemas_project: SchemasProject) -> None:
    file = schemas_project.path / "config" / "schema_sync.yaml"
    file.write_text(file.read_text().replace("    database_url_env: SHOP_DATABASE_URL\n", ""))
    graph = schemas_project.definitions().get_repository_def().asset_graph

    assert {key.name for key in graph.asset_check_keys} == {COMPATIBLE, VALID}


def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    schemas_project: SchemasProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE_URL", "postgresql://me:geheim@127.0.0.1:9/shop")
    found = checks_of(schemas_project.run(instance))[MATCHES_TABLE]

    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert "127.0.0.1:9" in (found.description or "")
    assert "geheim" not in str(found)


def test_schemas_that_dagster_did_not_generate_are_told_to_it(
    schemas_project: SchemasProject, instance: dg.DagsterInstance
) -> None:
    settings = schemas_project.settings
    reports = sync_schemas(settings, load_schema_sync(settings)).sources

    assert report_schemas(settings, reports) == 1
    assert latest(instance, SHOP).metadata["status"].value == "generated"
    checks = instance.event_log_storage.get_asset_check_summary_records(
        [dg.AssetCheckKey(SHOP, name) for name in (COMPATIBLE, MATCHES_TABLE, VALID)]
    )
    assert all(record.last_check_execution_record is not None for record in checks.values())
    assert report_schemas(settings, sync_schemas(settings, load_schema_sync(settings)).sources) == 0


def test_a_discovered_table_has_its_schemas_at_once(project: Project, instance: dg.DagsterInstance) -> None:
    (project.path / "config" / "schema_sync.yaml").write_text("sources:\n  - {name: erp, type: connector}\n")
    project.offer("items")
    graph = project.definitions().get_repository_def().asset_graph
    result = project.definitions().resolve_job_def("discovery").execute_in_process(instance=instance)
    module = project.path / "services" / "schemas_generated" / "erp_schemas.py"

    assert graph.get(schemas_key("erp")).parent_keys == {catalogue_key("erp")}
    assert result.success
    assert "class ItemsResponse(BaseModel):" in module.read_text()
    found = checks_of(result)
    assert {name: found[name].passed for name in (COMPATIBLE, MATCHES_TABLE, VALID)} == {
        COMPATIBLE: True, MATCHES_TABLE: True, VALID: True,
    }, [one.description for one in found.values()]  # fmt: skip


def test_no_connector_is_taken_for_the_schemas() -> None:
    key = entity_key("schemas", "items")

    assert key.path[0] != "schemas"
    assert entity_of(key) == ("schemas", "items")
    assert entity_of(schemas_key("items")) is None


def test_loading_the_definitions_imports_no_models(schemas_project: SchemasProject) -> None:
    marker = schemas_project.path / "imported"
    schemas_project.models.write_text(f"open({str(marker)!r}, 'w')\n{schemas_project.models.read_text()}")
    code = "from syncflow_pipelines.definitions import defs; defs().get_repository_def()"
    ran = subprocess.run([sys.executable, "-c", code], cwd=schemas_project.path, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    assert not marker.exists()


def test_the_schemas_of_a_service_follow_its_spec(schemas_project: SchemasProject) -> None:
    config = schemas_project.path / "config"
    service = "  - {name: shop-api, base_url: 'http://127.0.0.1:9', openapi_path: /openapi.json, components: []}\n"
    (config / "auto_sync_services.yaml").write_text(f"services:\n{service}")
    (config / "schema_sync.yaml").write_text("sources:\n  - {name: api, type: openapi, service: shop-api}\n")
    graph = schemas_project.definitions().get_repository_def().asset_graph

    assert graph.get(schemas_key("api")).parent_keys == {spec_key("shop-api")}
    job = schemas_project.definitions().resolve_job_def("openapi_specs")
    assert schemas_key("api") in job.asset_layer.selected_asset_keys


@pytest.mark.slow
def test_a_spec_that_breaks_its_callers_fails_the_check_of_its_schemas(
    services_project: ServicesProject, instance: dg.DagsterInstance
) -> None:
    services_project.say(GENERATE_NOTHING)
    (services_project.path / "config" / "schema_sync.yaml").write_text("sources:\n  - {name: parcels, type: openapi}\n")
    keys = [("openapi", "parcels"), ("schemas", "parcels")]
    first = services_project.run(instance, keys)
    services_project.evolve("parcels")
    second = services_project.run(instance, keys)

    assert first.success
    assert second.success
    assert checks_of(first)[COMPATIBLE].passed
    assert not checks_of(second)[COMPATIBLE].passed
    assert checks_of(second)[VALID].passed
    assert MATCHES_TABLE not in checks_of(second)
