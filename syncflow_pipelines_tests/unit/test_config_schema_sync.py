"""`schema_sync.yaml` and the variables `SCHEMA_SYNC_…`: what they may say, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.config import (
    SchemaSourceConfig,
    SchemaSync,
    SchemaSyncSettings,
    check_configuration,
    choose_sources,
    load_configuration,
    load_schema_sync,
)
from syncflow_pipelines.config.schema_sync_file import get_config
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project


def default_settings(folder: Path) -> SchemaSyncSettings:
    return SchemaSyncSettings(folder / "services" / "schemas_generated", folder / "backups" / "schemas")


@pytest.mark.parametrize("text", [None, "", "sources:", "settings: {}"])
def test_without_a_file_or_with_an_empty_one_there_are_no_sources_and_the_defaults(
    project: Project, text: str | None
) -> None:
    read = load_schema_sync(project.settings()) if text is None else project.schemas(text)
    assert read == SchemaSync((), default_settings(project.folder))


def test_the_shortest_source_of_each_type_has_every_default(project: Project) -> None:
    read = project.schemas(
        """
        sources:
          - {name: my-shop, type: tortoise, models_path: app/models}
          - {name: erp, type: connector}
          - {name: crm, type: openapi}
        """
    )
    generated = project.folder / "services" / "schemas_generated"
    assert read.sources == (
        SchemaSourceConfig("my-shop", "tortoise", generated / "my_shop_schemas.py", project.folder / "app" / "models"),
        SchemaSourceConfig("erp", "connector", generated / "erp_schemas.py", connector="erp"),
        SchemaSourceConfig("crm", "openapi", generated / "crm_schemas.py", service="crm"),
    )


def test_everything_that_can_be_said_of_models(project: Project) -> None:
    source = project.schema_source(
        """
        sources:
          - name: shop
            type: sqlalchemy
            models_path: ../shop/models
            output: api/shop.py
            manual_schema_path: api/schemas.py
            python: /opt/shop/bin/python
            python_path: [../shop, lib]
            timeout_s: 5
            relations: true
            template_dir: templates
            variants: [response]
            include: [Order*]
            exclude: ['*Log']
            write_only: ['*_pin']
            enabled: false
        """
    )
    folder = project.folder
    assert source == SchemaSourceConfig(
        name="shop",
        type="sqlalchemy",
        output=folder / "api" / "shop.py",
        models_path=folder.parent / "shop" / "models",
        manual_schema_path=folder / "api" / "schemas.py",
        python=Path("/opt/shop/bin/python"),
        python_path=(folder.parent / "shop", folder / "lib"),
        timeout_s=5.0,
        relations=True,
        variants=("response",),
        include=("Order*",),
        exclude=("*Log",),
        write_only=("*_pin",),
        template_dir=folder / "templates",
        enabled=False,
    )


def test_a_source_may_be_called_otherwise_than_its_connector_or_service(project: Project) -> None:
    connector, service = project.schemas(
        "sources: [{name: a, type: connector, connector: erp}, {name: b, type: openapi, service: crm}]"
    ).sources
    assert (connector.connector, connector.service) == ("erp", None)
    assert (service.connector, service.service) == (None, "crm")


def test_settings_that_were_said_hold(project: Project) -> None:
    said = """
        settings:
          generated_dir: gen
          backup_dir: /var/backups
          auto_sync_enabled: false
          watch_enabled: false
          backup_enabled: false
          validation_enabled: false
          environment: production
          watch_debounce_seconds: 0.5
          max_backups: 3
          fail_on_validation_error: false
          enable_in_production: true
        """
    assert project.schemas(said).settings == SchemaSyncSettings(
        project.folder / "gen", Path("/var/backups"), False, False, False, False, "production", 0.5, 3, False, True
    )


def test_the_environment_goes_before_the_file(project: Project) -> None:
    project.environ |= {
        "SCHEMA_SYNC_AUTO_SYNC_ENABLED": "False",
        "SCHEMA_SYNC_WATCH_ENABLED": "0",
        "SCHEMA_SYNC_BACKUP_ENABLED": "no",
        "SCHEMA_SYNC_VALIDATION_ENABLED": "off",
        "SCHEMA_SYNC_ENVIRONMENT": "production",
        "SCHEMA_SYNC_BACKUP_DIR": "/var/backups",
        "SCHEMA_SYNC_WATCH_DEBOUNCE_SECONDS": "0.5",
        "SCHEMA_SYNC_MAX_BACKUPS": "3",
        "SCHEMA_SYNC_FAIL_ON_VALIDATION_ERROR": "false",
        "SCHEMA_SYNC_ENABLE_IN_PRODUCTION": "TRUE",
    }
    read = project.schemas("settings: {max_backups: 5, environment: development, generated_dir: gen}")
    assert read.settings == SchemaSyncSettings(
        project.folder / "gen", Path("/var/backups"), False, False, False, False, "production", 0.5, 3, False, True
    )


def test_the_environment_alone_describes_one_source_as_the_requirement_does(project: Project) -> None:
    project.environ["SCHEMA_SYNC_MODELS_PATH"] = "src/database/models"
    folder = project.folder
    [source] = load_schema_sync(project.settings()).sources
    assert source == SchemaSourceConfig(
        "models", "auto", folder / "src/api/schemas_generated.py", folder / "src/database/models"
    )
    (folder / "src/api").mkdir(parents=True)
    (folder / "src/api/schemas.py").touch()
    [source] = load_schema_sync(project.settings()).sources
    assert source.manual_schema_path == folder / "src/api/schemas.py"
    project.environ |= {"SCHEMA_SYNC_MANUAL_SCHEMA_PATH": "m.py", "SCHEMA_SYNC_GENERATED_SCHEMA_PATH": "/g.py"}
    [source] = load_schema_sync(project.settings()).sources
    assert (source.manual_schema_path, source.output) == (folder / "m.py", Path("/g.py"))


def test_without_a_file_the_folder_of_the_requirement_is_a_source(project: Project) -> None:
    (project.folder / "src/database/models").mkdir(parents=True)
    [source] = load_schema_sync(project.settings()).sources
    assert (source.name, source.models_path) == ("models", project.folder / "src/database/models")
    assert source.output == project.folder / "src/api/schemas_generated.py"
    assert project.schemas("sources: []").sources == ()


def test_paths_of_a_dotenv_start_beside_it(project: Project) -> None:
    (project.folder / ".env").write_text("SCHEMA_SYNC_MODELS_PATH=app/models\n")
    [source] = load_schema_sync(project.settings()).sources
    assert source.models_path == project.folder / "app/models"


def test_the_environment_changes_what_the_file_says_of_models_and_leaves_the_rest(project: Project) -> None:
    project.environ["SCHEMA_SYNC_MODELS_PATH"] = "/elsewhere"
    first, second = project.schemas(
        """
        sources:
          - {name: models, type: tortoise, models_path: a, output: b.py, relations: true}
          - {name: erp, type: connector}
        """
    ).sources
    assert (first.models_path, first.type, first.relations) == (Path("/elsewhere"), "tortoise", True)
    assert first.output == project.folder / "b.py"
    assert second.name == "erp"


@pytest.mark.parametrize(
    ("environment", "auto", "watch", "in_production", "syncs", "watches", "fails"),
    [
        ("development", True, True, False, True, True, False),
        ("Development", True, True, False, True, True, False),
        ("development", False, False, False, False, False, False),
        ("production", True, True, False, False, False, True),
        ("production", True, True, True, True, True, True),
        ("production", False, True, True, False, True, True),
        ("staging", True, True, False, False, False, True),
    ],
)
def test_what_an_application_does_by_itself(
    environment: str, auto: bool, watch: bool, in_production: bool, syncs: bool, watches: bool, fails: bool
) -> None:
    settings = replace(
        default_settings(Path("/")),
        environment=environment,
        auto_sync_enabled=auto,
        watch_enabled=watch,
        enable_in_production=in_production,
    )
    assert settings.should_run_sync() == syncs
    assert settings.should_watch_files() == watches
    assert settings.should_fail_startup() == fails
    assert not replace(settings, fail_on_validation_error=False).should_fail_startup()


def test_get_config_reads_what_holds_in_the_working_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.delenv("SYNCFLOW_CONFIG_DIR", raising=False)
    monkeypatch.setenv("SCHEMA_SYNC_ENVIRONMENT", "production")
    assert not get_config().should_run_sync()


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("sources: [{name: a, type: django}]", ["type: found 'django', expected one of tortoise, sqlalchemy, auto,"]),
        ("sources: [{name: a}]", ["sources[0].type: found nothing, expected one of tortoise"]),
        ("sources: [{name: a, type: tortoise}]", ["models_path: found nothing, expected the folder of the models"]),
        ("sources: [{name: 1a, type: connector}]", ["name: found '1a', expected a letter, then"]),
        ("sources: [{name: a, type: connector, models_path: b}]", ["models_path: found an unknown key"]),
        ("sources: [{name: a, type: connector, timeout: b}]", ["timeout: found an unknown key"]),
        ("sources: [{name: a, type: connector, variants: []}]", ["variants: found an empty list"]),
        ("sources: [{name: a, type: connector, variants: [Create]}]", ["variants[0]: found 'Create', expected one of"]),
        ("sources: [{name: a, type: connector, output: a/b.txt}]", ["output: found 'a/b.txt', expected the path of a"]),
        ("sources: [{name: a, type: connector, output: a/b-c.py}]", ["output: found 'a/b-c.py', expected the path of"]),
        ("sources: [{name: a, type: connector, include: ['a b']}]", ["include[0]: found 'a b', expected a name, in"]),
        ("sources: [{name: a, type: tortoise, models_path: b, timeout_s: 0}]", ["timeout_s: found 0, expected a num"]),
        ("settings: {max_backups: 0}", ["max_backups: found 0, expected a whole number from 1 to 10,000"]),
        ("settings: {watch_debounce_seconds: -1}", ["watch_debounce_seconds: found -1, expected a number from 0 to"]),
        ("settings: {backup: true}", ["settings.backup: found an unknown key, expected backup_dir"]),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_expected(
    project: Project, text: str, mistakes: list[str]
) -> None:
    told = project.schema_mistakes("\n\n" + text)
    assert len(told) == len(mistakes)
    for sentence, mistake in zip(told, mistakes, strict=True):
        assert sentence.startswith("schema_sync.yaml:3: ")
        assert mistake in sentence


def test_names_that_would_share_a_module_are_refused(project: Project) -> None:
    [told] = project.schema_mistakes("sources:\n- {name: a-b, type: connector}\n- {name: A_b, type: openapi}\n")
    assert told.startswith("schema_sync.yaml:3: sources[1].name: found 'A_b', expected a name unlike sources[0].name")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "- {name: a, type: connector, output: x}\n- {name: b, type: connector, output: ./x}",
            "unlike the output of a",
        ),
        ("- {name: a, type: connector}\n- {name: b, type: connector, output: G/a_schemas}", "unlike the output of a"),
        ("\n- {name: a, type: connector, output: x, manual_schema_path: x}", "unlike every manual_schema_path"),
        ("\n- {name: a, type: tortoise, models_path: app, output: app/x}", "a path outside models_path"),
    ],
)
def test_an_output_that_would_be_written_over_something_else_is_refused(
    project: Project, text: str, mistake: str
) -> None:
    text = (
        text.replace("x}", "x.py}")
        .replace("x,", "x.py,")
        .replace("G/a_schemas", "services/schemas_generated/a_schemas.py")
    )
    [told] = project.schema_mistakes(f"sources:\n{text}\n")
    assert told.startswith("schema_sync.yaml:3: sources[")
    assert mistake in told


def test_an_output_of_the_environment_inside_its_models_is_refused(project: Project) -> None:
    project.environ |= {"SCHEMA_SYNC_MODELS_PATH": "src", "SCHEMA_SYNC_GENERATED_SCHEMA_PATH": "src/api/x.py"}
    with pytest.raises(ConfigurationError, match=r"environment: found .*/src/api/x.py for models, expected a path out"):
        load_schema_sync(project.settings())


def test_every_wrong_variable_is_told(project: Project) -> None:
    project.environ |= {
        "SCHEMA_SYNC_MAX_BACKUPS": "many",
        "SCHEMA_SYNC_WATCH_ENABLED": "perhaps",
        "SCHEMA_SYNC_GENERATED_SCHEMA_PATH": "src/api/schemas.txt",
    }
    with pytest.raises(ConfigurationError) as refused:
        load_schema_sync(project.settings())
    assert sorted(mistake.split(", expected ")[1] for mistake in refused.value.mistakes) == [
        "a whole number from 1 to 10,000",
        "the path of a Python module, such as src/api/schemas_generated.py",
        "true or false",
    ]


def test_sources_are_chosen_by_name(project: Project) -> None:
    schemas = project.schemas(
        "sources: [{name: erp, type: connector}, {name: crm, type: openapi}, "
        "{name: old, type: openapi, enabled: false}]"
    )
    assert [one.name for one in choose_sources(schemas)] == ["erp", "crm"]
    assert [one.name for one in choose_sources(schemas, ["old", "erp"])] == ["erp", "old"]
    with pytest.raises(ConfigurationError, match="no source of schemas is called 'epr'; did you mean 'erp'"):
        choose_sources(schemas, ["epr"])
    with pytest.raises(ConfigurationError, match="names none"):
        choose_sources(load_schema_sync(Project(project.folder / "config").settings()), ["erp"])


def test_config_check_tells_sources_and_what_they_name_in_vain(project: Project) -> None:
    project.schemas_file.write_text(
        "sources: [{name: erp, type: connector}, {name: b, type: openapi, service: crm},"
        " {name: shop, type: auto, models_path: app}]"
    )
    facts = {fact.subject: fact for fact in check_configuration(project.settings())}
    assert facts["schemas erp"].details["variants"] == "create update response"
    assert facts["models of shop"].status == "warning"
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(project.settings())
    assert len(refused.value.mistakes) == 2
    assert "connector of erp: found 'erp', expected none" in str(refused.value)
    assert "service of b: found 'crm', expected none" in str(refused.value)
