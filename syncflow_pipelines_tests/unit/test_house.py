"""What the files beside the package say is so: examples, defaults, names, links and locked versions."""

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from syncflow_pipelines.cli.application import SUMMARIES
from syncflow_pipelines.config import (
    ConnectorConfig,
    EntityOverride,
    EventsConfig,
    Flag,
    FlagRule,
    McpOptions,
    RestOptions,
    SchemaSourceConfig,
    SchemaSync,
    SchemaSyncSettings,
    ServiceConfig,
    Services,
    ServiceSettings,
    WebhookConfig,
    load_connectors,
    load_events,
    load_flags,
    load_schema_sync,
    load_services,
    load_settings,
)

ROOT = Path(__file__).parents[2]
GUIDES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text()
CONNECTORS = (ROOT / "config" / "connectors.yaml").read_text()
SERVICES = (ROOT / "config" / "auto_sync_services.yaml").read_text()
EVENTS = (ROOT / "config" / "events.yaml").read_text()
SCHEMAS = (ROOT / "config" / "schema_sync.yaml").read_text()
ENVIRONMENT = (ROOT / ".env.example").read_text()
LOCK = (ROOT / "requirements.lock").read_text()

PLACES = ("output_dir", "generated_dir", "checksum_file")
VARIABLES_WITHOUT_A_DEFAULT = {
    "SYNCFLOW_DATABASE_URL",
    "POSTGRES_HOST",
    "POSTGRES_DB",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "LOG_FILE",
    "SCHEMA_SYNC_MODELS_PATH",
    "SCHEMA_SYNC_MANUAL_SCHEMA_PATH",
}


def load(folder: Path, connectors: str) -> ConnectorConfig:
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "connectors.yaml").write_text(connectors)
    (connector,) = load_connectors(load_settings({}, cwd=folder))
    return connector


def commented_connectors() -> list[str]:
    """The connectors that stand in comments in config/connectors.yaml, as documents of their own."""
    text = "\n".join(re.findall(r"^  # ?(.*)$", CONNECTORS, re.MULTILINE))
    return ["connectors:\n" + block for block in re.findall(r"^- name:.*\n(?:.+\n?)*", text, re.MULTILINE)]


def commented_services() -> list[str]:
    """The services that stand in comments in config/auto_sync_services.yaml, as documents of their own."""
    text = "\n".join(re.findall(r"^  # ?(.*)$", SERVICES, re.MULTILINE))
    return ["services:\n" + block for block in re.findall(r"^- name:.*\n(?:.+\n?)*", text, re.MULTILINE)]


def services_of(folder: Path, text: str) -> Services:
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "auto_sync_services.yaml").write_text(text)
    return load_services(load_settings({}, cwd=folder))


def commented_webhooks() -> list[str]:
    """The webhooks that stand in comments in config/events.yaml, as documents of their own."""
    text = "\n".join(re.findall(r"^  # ?(.*)$", EVENTS, re.MULTILINE))
    return ["webhooks:\n" + block for block in re.findall(r"^- name:.*\n(?:.+\n?)*", text, re.MULTILINE)]


def events_of(folder: Path, text: str) -> EventsConfig:
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "events.yaml").write_text(text)
    return load_events(load_settings({}, cwd=folder))


def commented_schemas() -> list[str]:
    """The sources that stand in comments in config/schema_sync.yaml, as documents of their own."""
    text = "\n".join(re.findall(r"^  # ?(.*)$", SCHEMAS, re.MULTILINE))
    return ["sources:\n" + block for block in re.findall(r"^- name:.*\n(?:[^\n-].*\n?)*", text, re.MULTILINE)]


def schemas_of(folder: Path, text: str) -> SchemaSync:
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "schema_sync.yaml").write_text(text)
    return load_schema_sync(load_settings({}, cwd=folder))


def example_variables() -> dict[str, str]:
    return dict(re.findall(r"^#(\w+)=(.*)$", ENVIRONMENT, re.MULTILINE))


def test_the_shipped_connectors_are_the_demo_source_alone(tmp_path: Path) -> None:
    erp = load(tmp_path, CONNECTORS)
    assert (erp.name, erp.base_url, erp.enabled) == ("erp", "http://127.0.0.1:8007", True)


def test_the_longest_commented_connector_shows_the_defaults_of_the_shortest(tmp_path: Path) -> None:
    shortest, longest = (load(tmp_path / str(i), text) for i, text in enumerate(commented_connectors()))
    said = replace(longest, auth=shortest.auth, ca_file=None, service=None, via=None, entities={})
    assert said == shortest
    assert replace(longest.entity("customers"), strategy=None, target_table=None) == shortest.entity("customers")


def test_the_longest_commented_connector_leaves_no_option_out() -> None:
    longest = commented_connectors()[1]
    own, _, overrides = longest.partition("entities:")
    assert {field.name for field in fields(ConnectorConfig)} - set(re.findall(r"(\w+):", own)) == {
        "entities",
        "managed_by",
    }
    assert {field.name for field in fields(EntityOverride)} == set(
        re.findall(r"^      (\w+):", overrides, re.MULTILINE)
    )


def test_the_shipped_services_are_those_of_the_demo_alone(tmp_path: Path) -> None:
    shipped = services_of(tmp_path, SERVICES)
    assert [(one.name, one.base_url, one.enabled) for one in shipped.services] == [
        ("warehouse", "http://127.0.0.1:8008/warehouse", True),
        ("parcels", "http://127.0.0.1:8008/parcels", True),
    ]


def test_the_shipped_settings_of_services_are_the_defaults_but_for_the_first_four(tmp_path: Path) -> None:
    shipped = services_of(tmp_path / "a", SERVICES).settings
    default = services_of(tmp_path / "b", "").settings
    names = re.findall(r"^  (\w+):", SERVICES, re.MULTILINE)
    assert names[:4] == [*PLACES, "watch_interval"]
    assert {field.name for field in fields(ServiceSettings)} == set(names)
    assert replace(shipped, watch_interval=300) == replace(default, **{name: getattr(shipped, name) for name in PLACES})


def test_the_shipped_places_are_ignored_by_git_and_their_defaults_are_told(tmp_path: Path) -> None:
    shipped = services_of(tmp_path / "a", SERVICES).settings
    default = services_of(tmp_path / "b", "").settings
    for name in PLACES:
        assert getattr(shipped, name).is_relative_to(tmp_path / "a" / ".syncflow")
        assert str(getattr(default, name).relative_to(tmp_path / "b")) in SERVICES


def test_the_longest_commented_service_shows_the_defaults_of_the_shortest(tmp_path: Path) -> None:
    shortest, longest = (
        services_of(tmp_path / str(i), text).services[0] for i, text in enumerate(commented_services())
    )
    assert (shortest.path, longest.path) == (tmp_path / "0", tmp_path / "1")
    said = replace(
        longest, path=shortest.path, fallback=None, include=(), exclude=(), ref_hosts=(), ca_file=None, via=None
    )
    assert said == shortest
    assert None not in (longest.fallback, longest.ca_file)
    assert longest.include
    assert longest.exclude


def test_the_longest_commented_service_leaves_no_option_out() -> None:
    said = set(re.findall(r"(\w+):", commented_services()[1]))
    options = {field.name for kind in (ServiceConfig, McpOptions, RestOptions) for field in fields(kind)}
    assert options - said == {"fallback"}  # which the file calls fallback_github


def test_the_shipped_events_are_the_defaults(tmp_path: Path) -> None:
    assert events_of(tmp_path / "a", EVENTS) == events_of(tmp_path / "b", "") == EventsConfig()
    assert {field.name for field in fields(EventsConfig)} == set(re.findall(r"^(\w+):", EVENTS, re.MULTILINE))


def test_the_longest_commented_webhook_shows_the_defaults_of_the_shortest_and_leaves_no_option_out(
    tmp_path: Path,
) -> None:
    shortest, longest = (events_of(tmp_path / str(i), text).webhooks[0] for i, text in enumerate(commented_webhooks()))
    assert replace(longest, types=(), ca_file=None) == shortest
    assert None not in (longest.types, longest.ca_file)
    said = set(re.findall(r"(\w+):", commented_webhooks()[1]))
    assert {field.name for field in fields(WebhookConfig)} - {"secret"} <= said
    assert said >= {"secret_env", "secret_file"}


def test_the_shipped_flags_are_all_on_and_none_is_left_out() -> None:
    shipped = load_flags(load_settings({}, cwd=ROOT))
    assert list(shipped.rules) == list(Flag)
    assert {replace(rule, line=0) for rule in shipped.rules.values()} == {FlagRule()}
    assert shipped.provider is None


def test_the_shipped_sources_of_schemas_are_those_of_the_demo_alone(tmp_path: Path) -> None:
    shipped = schemas_of(tmp_path, SCHEMAS)
    assert [(one.name, one.connector, one.service, one.enabled) for one in shipped.sources] == [
        ("erp", "erp", None, True),
        ("warehouse", None, "warehouse", True),
        ("parcels", None, "parcels", True),
    ]
    assert all(one.output.is_relative_to(tmp_path / ".syncflow") for one in shipped.sources)


def test_the_shipped_settings_of_schemas_are_the_defaults_but_for_the_first_two(tmp_path: Path) -> None:
    shipped = schemas_of(tmp_path / "a", SCHEMAS).settings
    default = schemas_of(tmp_path / "b", "").settings
    names = re.findall(r"^  (\w+):", SCHEMAS, re.MULTILINE)
    assert {field.name for field in fields(SchemaSyncSettings)} == set(names)
    for name in names[:2]:
        assert getattr(shipped, name).is_relative_to(tmp_path / "a" / ".syncflow")
        assert str(getattr(default, name).relative_to(tmp_path / "b")) in SCHEMAS
    assert replace(shipped, generated_dir=default.generated_dir, backup_dir=default.backup_dir) == default


def test_the_longest_commented_source_of_schemas_shows_the_defaults_of_the_shortest(tmp_path: Path) -> None:
    texts = enumerate(commented_schemas())
    shortest, longest, connector, service = (schemas_of(tmp_path / f"{i}", text).sources[0] for i, text in texts)
    assert longest.output.relative_to(tmp_path / "1") == shortest.output.relative_to(tmp_path / "0")
    own = {
        "models_path": None,
        "output": shortest.output,
        "manual_schema_path": None,
        "python": None,
        "template_dir": None,
        "database_url_env": None,
    }
    assert replace(longest, **own) == replace(shortest, models_path=None)  # type: ignore[arg-type]
    assert (connector.connector, service.service) == ("crm", "billing")


def test_the_commented_sources_of_schemas_leave_no_option_out() -> None:
    said = {name for text in commented_schemas() for name in re.findall(r"^  (\w+):", text, re.MULTILINE)}
    assert {field.name for field in fields(SchemaSourceConfig)} - said == {"name"}


def test_the_example_environment_shows_the_defaults(tmp_path: Path) -> None:
    shown = {name: value for name, value in example_variables().items() if name not in VARIABLES_WITHOUT_A_DEFAULT}
    assert "POSTGRES_PORT" in shown
    del shown["POSTGRES_PORT"]  # says nothing without a host
    assert load_settings(shown, cwd=tmp_path) == load_settings({}, cwd=tmp_path)
    assert load_schema_sync(load_settings(shown, cwd=tmp_path)) == load_schema_sync(load_settings({}, cwd=tmp_path))


def test_the_example_environment_shows_the_default_of_the_generated_schemas(tmp_path: Path) -> None:
    models = {"SCHEMA_SYNC_MODELS_PATH": "models"}
    example = example_variables()["SCHEMA_SYNC_GENERATED_SCHEMA_PATH"]
    said = load_schema_sync(load_settings({**models, "SCHEMA_SYNC_GENERATED_SCHEMA_PATH": example}, cwd=tmp_path))
    assert said == load_schema_sync(load_settings(models, cwd=tmp_path))


@pytest.mark.parametrize("name", sorted(example_variables()))
def test_every_variable_of_the_example_is_read_and_explained(name: str) -> None:
    readers = "".join(file.read_text() for file in (ROOT / "syncflow_pipelines" / "config").glob("*.py"))
    flags = {flag.variable for flag in Flag}
    assert name in flags or name in readers or name.removeprefix("POSTGRES_") in readers
    assert f"`{name}`" in README


def test_the_readme_lists_every_command_and_no_other() -> None:
    assert set(re.findall(r"^\| `syncflow (\w+)", README, re.MULTILINE)) == SUMMARIES.keys()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(guide: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", guide.read_text()) if "://" not in link]
    assert [link for link in links if not (guide.parent / link).exists()] == []


def test_the_readme_lists_every_guide() -> None:
    guides = {f"docs/{guide.name}" for guide in (ROOT / "docs").glob("*.md")}
    listed = README.partition("## Guides")[2].partition("\n## ")[0]
    assert {guide for guide in guides if f"({guide})" not in listed} == set()


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [page.name for page in folder.glob("0*.md") if f"({page.name})" not in index] == []


def test_the_lock_pins_every_requirement_to_a_version_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["dev"]])
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", LOCK, re.MULTILINE):
        pinned.setdefault(canonicalize_name(name), []).append(version)
    missing = [
        str(requirement)
        for requirement in wanted
        if not all(map(requirement.specifier.contains, pinned.get(canonicalize_name(requirement.name), ["none"])))
    ]
    assert missing == []


def test_the_lock_has_a_hash_for_every_version_and_names_no_server() -> None:
    entries = re.split(r"\n(?=[\w.-]+(?:\[[^]]*\])?==)", LOCK)[1:]
    assert [entry.split("\\")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"^.*(?:://|--index|--extra-index|--find-links).*$", LOCK, re.MULTILINE) == []
