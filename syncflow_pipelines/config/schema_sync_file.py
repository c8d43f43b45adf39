"""`schema_sync.yaml`: what it may say, and the sources of schemas that come out of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from syncflow_pipelines.config.auth_sections import from_project
from syncflow_pipelines.config.document import names_once, read_document
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.mistakes import Mistake, refusal
from syncflow_pipelines.config.paths import absolute, is_file, is_folder
from syncflow_pipelines.config.schema_sync import (
    MODELS,
    VARIANTS,
    SchemaSourceConfig,
    SchemaSync,
    SchemaSyncSettings,
    Variant,
)
from syncflow_pipelines.config.schema_sync_variables import (
    Backups,
    Debounce,
    Module,
    SchemaSyncVariables,
    read_schema_sync_variables,
)
from syncflow_pipelines.config.section import NOT_EMPTY, FilePath, Section, Switch, Text, VariableName, matching, number
from syncflow_pipelines.config.settings import Settings, load_settings

FILE_NAME = "schema_sync.yaml"
MODELS_PATH = Path("src/database/models")
MANUAL_SCHEMA_PATH = Path("src/api/schemas.py")
GENERATED_SCHEMA_PATH = Path("src/api/schemas_generated.py")


Pattern = Annotated[
    str, matching(r"[\w.*?\[\]!/-]{1,200}", "a name, in which * stands for anything and ? for one character")
]
Name = Annotated[
    str, matching(r"[A-Za-z][A-Za-z0-9_-]{0,62}", "a letter, then letters, digits, _ and -, 63 characters or less")
]


class SourceSection(Section):
    name: Name = Field(description="a name")
    output: Module | None = None
    manual_schema_path: FilePath | None = None
    include: list[Pattern] = Field(default_factory=list)
    exclude: list[Pattern] = Field(default_factory=list)
    enabled: Switch = True


class VariantsSection(SourceSection):
    variants: Annotated[list[Variant], NOT_EMPTY] = Field(default_factory=lambda: list(VARIANTS))
    write_only: list[Pattern] | None = None
    template_dir: FilePath | None = None


class ModelsSection(VariantsSection):
    type: Literal["tortoise", "sqlalchemy", "auto"]
    models_path: FilePath = Field(description="the folder of the models")
    python: FilePath | None = None
    python_path: list[FilePath] = Field(default_factory=list)
    timeout_s: Annotated[float, number(0.1, 3600)] = 30.0
    relations: Switch = False
    database_url_env: VariableName | None = None


class ConnectorSection(VariantsSection):
    type: Literal["connector"]
    connector: Name | None = None


class OpenapiSection(SourceSection):
    type: Literal["openapi"]
    service: Name | None = None


class SettingsSection(Section):
    generated_dir: FilePath = Path("services/schemas_generated")
    backup_dir: FilePath = Path("backups/schemas")
    auto_sync_enabled: Switch = True
    watch_enabled: Switch = True
    backup_enabled: Switch = True
    validation_enabled: Switch = True
    environment: Text = "development"
    watch_debounce_seconds: Debounce = 2.0
    max_backups: Backups = 10
    fail_on_validation_error: Switch = True
    enable_in_production: Switch = False


class SchemaSyncSection(Section):
    sources: list[Annotated[ModelsSection | ConnectorSection | OpenapiSection, Field(discriminator="type")]] = Field(
        default_factory=list
    )
    settings: SettingsSection = SettingsSection()


def load_schema_sync(settings: Settings) -> SchemaSync:
    """The sources of `schema_sync.yaml`, in its order, and their settings; none where there is no such file.

    The variables `SCHEMA_SYNC_…` go before the file; `SCHEMA_SYNC_MODELS_PATH` describes a source `models`, and so does
    a folder `src/database/models` where there is no file. Relative paths start at `settings.project_dir`. Raises
    `ConfigurationError` with every mistake.
    """
    said = read_schema_sync_variables(settings)
    document = read_document(settings.config_dir / FILE_NAME, settings.environment, settings.document_variables)
    section = (
        SchemaSyncSection()
        if document is None
        else document.validated(SchemaSyncSection, checks=[names_once("sources", folded=True)])
    )
    in_force = _settings(section.settings, said, settings)
    schemas = SchemaSync(tuple(_source(one, in_force, settings) for one in section.sources), in_force)
    usual = absolute(MODELS_PATH, settings.project_dir)
    models_path = said.models_path or (usual if document is None and is_folder(usual) else None)
    if models_path is not None:
        schemas = schemas.with_source(_models(schemas, models_path, said, settings))
    entangled = list(_entangled(schemas))
    if entangled:
        told = (document.mistake(one) if document else _elsewhere(one) for one in entangled)
        raise refusal(str(settings.config_dir / FILE_NAME), told)
    return schemas


def get_config() -> SchemaSyncSettings:
    """The settings that hold in the working folder. Raises `ConfigurationError`."""
    return load_schema_sync(load_settings()).settings


def _settings(section: SettingsSection, said: SchemaSyncVariables, settings: Settings) -> SchemaSyncSettings:
    values: dict[str, Any] = {**dict(section), **said.said(SettingsSection.model_fields.keys() - {"generated_dir"})}
    for place in ("generated_dir", "backup_dir"):
        values[place] = absolute(values[place], settings.project_dir)
    return SchemaSyncSettings(**values)


def _source(
    said: ModelsSection | ConnectorSection | OpenapiSection, in_force: SchemaSyncSettings, settings: Settings
) -> SchemaSourceConfig:
    lists = {name: tuple(value) for name, value in dict(said).items() if isinstance(value, list)}
    values: dict[str, Any] = {
        **dict(said),
        **lists,
        "output": from_project(said.output, settings) or in_force.generated_dir / default_output(said.name),
        "manual_schema_path": from_project(said.manual_schema_path, settings),
    }
    if isinstance(said, VariantsSection):
        values["template_dir"] = from_project(said.template_dir, settings)
    match said:
        case ModelsSection():
            values["models_path"] = from_project(said.models_path, settings)
            values["python"] = from_project(said.python, settings)
            values["python_path"] = tuple(absolute(path, settings.project_dir) for path in said.python_path)
        case ConnectorSection():
            values["connector"] = said.connector or said.name
        case OpenapiSection():
            values["service"] = said.service or said.name
    return SchemaSourceConfig(**values)


def default_output(name: str) -> str:
    """The name of the file of a source that names none."""
    return f"{name.replace('-', '_')}_schemas.py"


def _models(
    schemas: SchemaSync, models_path: Path, said: SchemaSyncVariables, settings: Settings
) -> SchemaSourceConfig:
    """The source of the environment; what that does not say is as the file says it of a source of that name."""
    of_models = (source for source in schemas.sources if source.models_path is not None)
    known = {source.name: source for source in of_models}.get(MODELS)
    kept: dict[str, Any] = {name: getattr(known, name) for name in SchemaSourceConfig.__slots__} if known else {}
    manual = absolute(MANUAL_SCHEMA_PATH, settings.project_dir)
    defaults: dict[str, Any] = {
        "name": MODELS,
        "type": "auto",
        "output": absolute(GENERATED_SCHEMA_PATH, settings.project_dir),
        "manual_schema_path": manual if is_file(manual) else None,
    }
    given = {"models_path": models_path, **said.said(("manual_schema_path",))}
    if said.generated_schema_path is not None:
        given["output"] = said.generated_schema_path
    return SchemaSourceConfig(**{**defaults, **kept, **given})


def _entangled(schemas: SchemaSync) -> Iterator[Explanation]:
    """Outputs that would be written over something else, or would call for a new generation by being written."""
    manual = {source.manual_schema_path for source in schemas.sources}
    first: dict[Path, str] = {}
    for index, source in enumerate(schemas.sources):
        folder = source.models_path
        if first.setdefault(source.output, source.name) != source.name:
            expected = f"a path unlike the output of {first[source.output]}"
        elif source.output in manual:
            expected = "a path unlike every manual_schema_path, whose files are kept by people"
        elif folder is not None and source.output.is_relative_to(folder):
            expected = f"a path outside models_path, {folder}"
        else:
            continue
        yield Explanation(("sources", index, "output"), expected, f"{source.output} for {source.name}")


def _elsewhere(explanation: Explanation) -> Mistake:
    """A mistake that the environment alone has made."""
    return Mistake("environment", 0, "", explanation.found or "", explanation.expected)
