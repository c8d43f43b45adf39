"""The variables `SCHEMA_SYNC_…` of the environment, which go before what `schema_sync.yaml` says."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from syncflow_pipelines.config.environment import Variable
from syncflow_pipelines.config.mistakes import refusal
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.section import FilePath, Section, Text, number, refused, whole
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.variables import read_section

LONGEST_DEBOUNCE_S = 600
MOST_BACKUPS = 10_000

_SWITCHES = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def _switch(value: object) -> bool:
    switch = _SWITCHES.get(str(value).strip().lower())
    if switch is None:
        raise refused("true or false")
    return switch


def _module(path: Path) -> Path:
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise refused("the path of a Python module, such as src/api/schemas_generated.py")
    return path


AnySwitch = Annotated[bool, BeforeValidator(_switch)]
Debounce = Annotated[float, number(0, LONGEST_DEBOUNCE_S)]
Backups = Annotated[int, whole(1, MOST_BACKUPS)]
Module = Annotated[FilePath, AfterValidator(_module)]


class SchemaSyncVariables(Section):
    """The variables by the names that they have in the environment; one that is not set says nothing."""

    auto_sync_enabled: AnySwitch | None = Field(None, alias="SCHEMA_SYNC_AUTO_SYNC_ENABLED")
    watch_enabled: AnySwitch | None = Field(None, alias="SCHEMA_SYNC_WATCH_ENABLED")
    backup_enabled: AnySwitch | None = Field(None, alias="SCHEMA_SYNC_BACKUP_ENABLED")
    validation_enabled: AnySwitch | None = Field(None, alias="SCHEMA_SYNC_VALIDATION_ENABLED")
    environment: Text | None = Field(None, alias="SCHEMA_SYNC_ENVIRONMENT")
    backup_dir: FilePath | None = Field(None, alias="SCHEMA_SYNC_BACKUP_DIR")
    watch_debounce_seconds: Debounce | None = Field(None, alias="SCHEMA_SYNC_WATCH_DEBOUNCE_SECONDS")
    max_backups: Backups | None = Field(None, alias="SCHEMA_SYNC_MAX_BACKUPS")
    fail_on_validation_error: AnySwitch | None = Field(None, alias="SCHEMA_SYNC_FAIL_ON_VALIDATION_ERROR")
    enable_in_production: AnySwitch | None = Field(None, alias="SCHEMA_SYNC_ENABLE_IN_PRODUCTION")
    models_path: FilePath | None = Field(None, alias="SCHEMA_SYNC_MODELS_PATH")
    manual_schema_path: FilePath | None = Field(None, alias="SCHEMA_SYNC_MANUAL_SCHEMA_PATH")
    generated_schema_path: Module | None = Field(None, alias="SCHEMA_SYNC_GENERATED_SCHEMA_PATH")

    def said(self, names: Iterable[str]) -> dict[str, object]:
        """Those of the values that are set."""
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def read_schema_sync_variables(settings: Settings) -> SchemaSyncVariables:
    """What the environment says, its paths absolute. Raises `ConfigurationError` with every mistake."""
    variables = {name: one for name, one in settings.environment.snapshot().items() if one.value}
    said, mistakes = read_section(SchemaSyncVariables, variables)
    if said is None:
        raise refusal("the environment", mistakes)
    return said.model_copy(update=dict(_paths(said, variables, settings)))


def _paths(said: SchemaSyncVariables, variables: dict[str, Variable], settings: Settings) -> Iterable[tuple[str, Path]]:
    for name, field in SchemaSyncVariables.model_fields.items():
        path = getattr(said, name)
        if isinstance(path, Path):
            file = variables[field.alias or ""].file
            yield name, absolute(path, file.parent if file else settings.project_dir)
