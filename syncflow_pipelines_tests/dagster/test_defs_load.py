"""What the definitions are, and that loading them asks nobody."""

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from benchmarks.load import LIMIT_S, measure_loading
from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.defs.build import build_definitions
from syncflow_pipelines.defs.names import entity_key
from syncflow_pipelines.defs.world import World
from syncflow_pipelines.sync.state import EntityState, StateColumn, write_catalogue_state
from syncflow_pipelines_tests.dagster.project import REPOSITORY

AWKWARD = [
    "a-b",
    "a_b",
    "a.b",
    "x/y",
    "Größe in m²",
    "catalogue",
    "...",
    'say "hello"',
    "100%",
    "orders",
    "orders_rejects",
]

ITEMS = EntityState(
    slug="items",
    name="Items",
    description="What is sold",
    strategy="rowversion",
    has_rowversion=True,
    business_keys=("site", "number"),
    columns=(
        StateColumn("site", "character varying(10)", "Where it lies", False),
        StateColumn("number", "integer", None, False),
        StateColumn("label", "text", None, True),
    ),
    table="erp.items",
    interval_s=300,
    enabled=True,
    is_present=True,
)

LOAD_WITHOUT_NETWORK = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"):
        raise AssertionError(f"loading did {event} {arguments}")

import dagster
sys.addaudithook(refuse)
from syncflow_pipelines.definitions import defs
repository = defs().get_repository_def()
repository.load_all_definitions()
assert not {"sqlalchemy", "alembic", "pandas", "fastapi", "rich"} & sys.modules.keys(), "half a second for nothing"
print(*sorted(key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()))
"""


def world_of(*entities: EntityState, connector: str = "erp", settings: Settings | None = None) -> World:
    config = ConnectorConfig(connector, "http://127.0.0.1:9")
    return World(settings or Settings(Path("/config"), Path("/home")), (config,), {connector: entities})


def spec_of(world: World, slug: str) -> dg.AssetSpec:
    specs = {spec.key: spec for spec in build_definitions(world).resolve_all_asset_specs()}
    return specs[entity_key("erp", slug)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a connector whose source and database do not exist, and whose entities are known."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "connectors.yaml").write_text("connectors: [{name: erp, base_url: 'http://127.0.0.1:9'}]")
    write_catalogue_state(tmp_path / ".syncflow", "erp", [ITEMS])
    write_catalogue_state(tmp_path / ".syncflow", "not-configured", [ITEMS])
    return tmp_path


def load(folder: Path, package: Path = REPOSITORY) -> str:
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(package), "POSTGRES_HOST": "host.invalid"}
    command = [sys.executable, "-c", LOAD_WITHOUT_NETWORK]
    loaded = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert loaded.returncode == 0, loaded.stderr
    return loaded.stdout.strip()


def test_loading_asks_neither_network_nor_database_and_starts_nothing(folder: Path) -> None:
    assert load(folder) == "erp/catalogue erp/items"
    assert not (folder / ".syncflow" / "postgres").exists()


def test_loading_works_from_a_wheel_without_a_project_file_beside_it(folder: Path, tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    unneeded = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "syncflow_pipelines", source / "syncflow_pipelines", ignore=unneeded)
    build = "import setuptools.build_meta as build; build.build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True, timeout=120)
    (wheel,) = source.glob("*.whl")
    shutil.unpack_archive(wheel, site, "zip")
    assert load(folder, site) == "erp/catalogue erp/items"


def test_a_fresh_folder_without_connectors_loads(tmp_path: Path) -> None:
    assert load(tmp_path) == ""


def test_without_a_state_the_catalogue_is_all_there_is(folder: Path) -> None:
    shutil.rmtree(folder / ".syncflow")
    assert load(folder) == "erp/catalogue"


def test_a_wrong_configuration_is_said_when_loading(folder: Path) -> None:
    (folder / "config" / "connectors.yaml").write_text("connectors: [{name: erp}]")
    with pytest.raises(AssertionError, match=r"connectors.yaml.*base_url"):
        load(folder)


def test_the_asset_of_an_entity() -> None:
    spec = spec_of(world_of(ITEMS), "items")
    assert spec.key.path == ["erp", "items"]
    assert [dep.asset_key.path for dep in spec.deps] == [["erp", "catalogue"]]
    assert spec.group_name == "erp"
    assert spec.description == "Items: What is sold"
    assert spec.tags["syncflow/strategy"] == "rowversion"
    assert spec.kinds == {"postgres", "table"}
    assert spec.metadata["dagster/table_name"] == "erp.items"
    schema = spec.metadata["dagster/column_schema"]
    schema = getattr(schema, "schema", schema)
    assert [(column.name, column.type, column.constraints.nullable) for column in schema.columns] == [
        ("site", "character varying(10)", False),
        ("number", "integer", False),
        ("label", "text", True),
    ]
    assert schema.columns[0].description == "Where it lies"
    assert [column.constraints.other for column in schema.columns] == [["business key"], ["business key"], []]


@pytest.mark.parametrize(("interval_s", "warn_s", "fail_s"), [(300, 600, 1500), (5, 60, 150)])
def test_freshness_follows_the_interval(interval_s: int, warn_s: int, fail_s: int) -> None:
    policy = spec_of(world_of(replace(ITEMS, interval_s=interval_s)), "items").freshness_policy
    assert isinstance(policy, TimeWindowFreshnessPolicy)
    assert policy.fail_window.to_timedelta() == timedelta(seconds=fail_s)
    assert policy.warn_window is not None
    assert policy.warn_window.to_timedelta() == timedelta(seconds=warn_s)


def test_an_entity_that_is_not_synced_is_never_late() -> None:
    assert spec_of(world_of(replace(ITEMS, enabled=False)), "items").freshness_policy is None


def test_one_step_for_each_strategy_in_the_pool_of_the_connector() -> None:
    entities = [
        replace(ITEMS, slug=f"{name}_{n}", strategy=name) for name in ("full", "hash", "rowversion") for n in (1, 2)
    ]
    repository = build_definitions(world_of(*entities)).get_repository_def()
    job = repository.get_job("due_syncs")
    assert {node.name: node.definition.pools for node in job.nodes} == {
        "erp__full": {"erp"},
        "erp__hash": {"erp"},
        "erp__rowversion": {"erp"},
    }


def test_an_entity_that_has_gone_is_shown_and_not_synced() -> None:
    world = world_of(ITEMS, replace(ITEMS, slug="gone", is_present=False))
    graph = build_definitions(world).get_repository_def().asset_graph
    gone = entity_key("erp", "gone")
    assert graph.has(gone)
    assert gone not in graph.executable_asset_keys
    assert gone not in world.syncable()


def test_slugs_of_any_characters_make_valid_definitions() -> None:
    world = world_of(*(replace(ITEMS, slug=slug) for slug in AWKWARD))
    definitions = build_definitions(world)
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.get_repository_def().asset_graph
    assert len(graph.get_all_asset_keys()) == len(AWKWARD) + 1
    assert len(graph.asset_check_keys) == 3 * len(AWKWARD) + 1


def test_connectors_with_similar_names_stay_apart() -> None:
    names = ("erp-eu", "erp_eu", "ERP.EU")
    configs = tuple(ConnectorConfig(name, "http://127.0.0.1:9") for name in names)
    world = World(Settings(Path("/config"), Path("/home")), configs, dict.fromkeys(names, (ITEMS,)))
    definitions = build_definitions(world)
    dg.Definitions.validate_loadable(definitions)
    assert len({spec.group_name for spec in definitions.resolve_all_asset_specs()}) == 3


def test_the_fingerprint_follows_whatever_the_definitions_show() -> None:
    world = world_of(ITEMS)
    assert world.fingerprint() == world_of(ITEMS).fingerprint()
    for changed in (replace(ITEMS, interval_s=60), replace(ITEMS, name="Parts"), replace(ITEMS, is_present=False)):
        assert world_of(changed).fingerprint() != world.fingerprint()
    assert world_of().fingerprint() != replace(world, state={}).fingerprint()


def test_jobs_sensors_and_schedule() -> None:
    repository = build_definitions(world_of(ITEMS)).get_repository_def()
    assert {job.name for job in repository.get_all_jobs()} >= {
        "due_syncs",
        "requested_syncs",
        "discovery",
        "openapi_specs",
        "schema_sync",
        "rowversion_sync",
        "hash_sync",
        "full_sync",
        "retention",
    }
    assert {sensor.name: sensor.default_status for sensor in repository.sensor_defs} == {
        "requested_syncs": dg.DefaultSensorStatus.RUNNING,
        "due_entities": dg.DefaultSensorStatus.RUNNING,
        "catalogue_changes": dg.DefaultSensorStatus.RUNNING,
        "openapi_spec_changes": dg.DefaultSensorStatus.RUNNING,
        "schema_model_changes": dg.DefaultSensorStatus.RUNNING,
        "endpoint_health": dg.DefaultSensorStatus.RUNNING,
        "alerts": dg.DefaultSensorStatus.RUNNING,
    }
    (schedule,) = repository.schedule_defs
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


@pytest.mark.slow
def test_a_thousand_entities_load_in_under_three_seconds_of_processor_time() -> None:
    figures = measure_loading((1000,), repeats=1)[1000]
    assert (figures["assets"], figures["checks"]) == (1001, 3001)
    assert figures["import_s"] + figures["definitions_s"] + figures["repository_s"] < LIMIT_S
