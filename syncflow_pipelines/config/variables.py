"""The variables that SyncFlow's own settings are read from, and what each may say."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError

from syncflow_pipelines.config.database_url import UnusableUrl, build_database_url, plain_database_url
from syncflow_pipelines.config.environment import Variable
from syncflow_pipelines.config.explanations import Explanation, explanations
from syncflow_pipelines.config.interpolation import Filled
from syncflow_pipelines.config.mistakes import Mistake, shown
from syncflow_pipelines.config.section import (
    FilePath,
    HttpUrl,
    Identifier,
    ProxyUrl,
    Section,
    Text,
    matching,
    refused,
    whole,
)

Said = TypeVar("Said", bound=Section)
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["console", "json"]

LONGEST_INTERVAL_S = 31_536_000
"""A year."""
LARGEST_PAGE = 100_000


def _log_level(value: object) -> object:
    level = str(value).upper()
    return "WARNING" if level == "WARN" else level


def _libpq_url(value: object) -> str:
    try:
        return plain_database_url(str(value))
    except UnusableUrl as unusable:
        found = unusable.found
    raise refused("postgresql://user:password@host:5432/database, special characters percent-encoded", found)


AnyCaseLogLevel = Annotated[LogLevel, BeforeValidator(_log_level)]
AnyCaseLogFormat = Annotated[LogFormat, BeforeValidator(lambda value: str(value).lower())]
Host = Annotated[str, matching(r"/.*|[\w.-]+|[0-9A-Fa-f:.]+", "a host's name or address, without the port", hide=True)]
Password = Annotated[str, matching(r"(?s:[^\x00\ud800-\udfff]*)", "text without NUL, in UTF-8", hide=True)]


class Variables(Section):
    """The variables by the names that they have in the environment; an absent one has its default."""

    config_dir: FilePath = Field(Path("config"), alias="SYNCFLOW_CONFIG_DIR")
    home: FilePath = Field(Path(".syncflow"), alias="SYNCFLOW_HOME")
    database_url: Annotated[str, BeforeValidator(_libpq_url)] | None = Field(None, alias="SYNCFLOW_DATABASE_URL")
    host: Host | None = Field(None, alias="POSTGRES_HOST")
    port: Annotated[int, whole(1, 65_535)] | None = Field(None, alias="POSTGRES_PORT")
    database: Text | None = Field(None, alias="POSTGRES_DB")
    user: Text | None = Field(None, alias="POSTGRES_USER")
    password: Password | None = Field(None, alias="POSTGRES_PASSWORD")
    db_schema: Identifier = Field("bridge", alias="POSTGRES_SCHEMA")
    default_sync_interval_s: Annotated[int, whole(1, LONGEST_INTERVAL_S)] = Field(
        300, alias="DEFAULT_SYNC_INTERVAL_SECONDS"
    )
    max_page_size: Annotated[int, whole(1, LARGEST_PAGE)] = Field(1000, alias="MAX_PAGE_SIZE")
    sync_worker_threads: Annotated[int, whole(1, 64)] = Field(4, alias="SYNC_WORKER_THREADS")
    log_level: AnyCaseLogLevel = Field("INFO", alias="LOG_LEVEL")
    log_format: AnyCaseLogFormat = Field("console", alias="LOG_FORMAT")
    log_file: FilePath | None = Field(None, alias="LOG_FILE")
    dagster_url: HttpUrl = Field("http://127.0.0.1:3000", alias="SYNCFLOW_DAGSTER_URL")
    gateway_url: HttpUrl = Field("http://127.0.0.1:8000", alias="SYNCFLOW_GATEWAY_URL")
    run_retention_days: Annotated[int, whole(1, 36_500)] = Field(30, alias="SYNCFLOW_RUN_RETENTION_DAYS")
    history_retention_days: Annotated[int, whole(1, 36_500)] = Field(365, alias="SYNCFLOW_HISTORY_RETENTION_DAYS")
    http_proxy: ProxyUrl | None = Field(None, alias="HTTP_PROXY")
    https_proxy: ProxyUrl | None = Field(None, alias="HTTPS_PROXY")
    no_proxy: Text | None = Field(None, alias="NO_PROXY")

    def libpq_url(self) -> str | None:
        """The database that the variables name, or None where they name none; a port alone names none."""
        if self.database_url or not any((self.host, self.database, self.user, self.password)):
            return self.database_url
        return build_database_url(
            host=self.host, port=self.port, database=self.database, user=self.user, password=self.password
        )


def read_variables(variables: Mapping[str, Variable]) -> tuple[Variables | None, tuple[Mistake, ...]]:
    """What the variables say, or None and every mistake in them."""
    return read_section(Variables, variables)


def read_section(model: type[Said], variables: Mapping[str, Variable]) -> tuple[Said | None, tuple[Mistake, ...]]:
    """The same for the variables that are the aliases of that model's fields."""
    spelled = dict(_spellings(model, variables))
    given = {alias: Filled(variables[name].value) for alias, name in spelled.items()}
    mistakes: list[Explanation] = []
    try:
        return model.model_validate(given), ()
    except ValidationError as error:
        mistakes.extend(explanations(error, model))
    names = [spelled[str(mistake.location[0])] for mistake in mistakes]
    return None, tuple(
        variable_mistake(name, variables[name], mistake.found or shown(variables[name].value), mistake.expected)
        for name, mistake in zip(names, mistakes, strict=True)
    )


def variable_mistake(name: str, variable: Variable, found: str, expected: str) -> Mistake:
    """A mistake in a variable, placed where the variable is set."""
    return Mistake(str(variable.file or "environment"), variable.line, name, found, expected)


def _spellings(model: type[Section], variables: Mapping[str, Variable]) -> Iterator[tuple[str, str]]:
    """The variables that count and are set: their names here, and as they are spelled where they are set."""
    for field in model.model_fields.values():
        alias = field.alias or ""
        # Programs agree on these in lower case, and read them in upper case too.
        names = (alias.lower(), alias) if alias.endswith("_PROXY") else (alias,)
        yield from ((alias, name) for name in names[::-1] if name in variables)
