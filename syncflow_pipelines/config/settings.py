"""What holds for the whole of SyncFlow, from the environment and `.env`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from syncflow_pipelines.config.database_url import without_secrets
from syncflow_pipelines.config.environment import Environment, Variable
from syncflow_pipelines.config.flag_variables import flag_mistakes
from syncflow_pipelines.config.mistakes import Mistake, refusal
from syncflow_pipelines.config.paths import absolute, is_file, is_folder
from syncflow_pipelines.config.variables import LogFormat, LogLevel, read_variables, variable_mistake
from syncflow_pipelines.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one installation. Folders and files are absolute."""

    config_dir: Path
    home: Path
    """State of SyncFlow itself: embedded database, catalogue, demo sources."""
    database_url: str | None = None
    """Always `postgresql://`, ready for libpq; None means the embedded server."""
    schema: str = "bridge"
    """Where the metadata tables live."""
    default_sync_interval_s: int = 300
    max_page_size: int = 1000
    sync_worker_threads: int = 4
    """Entities that one run syncs at the same time."""
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "console"
    """`json`: one object a line, for programs."""
    log_file: Path | None = None
    dagster_url: str = "http://127.0.0.1:3000"
    """Of the webserver, without a trailing slash."""
    gateway_url: str = "http://127.0.0.1:8000"
    """Of the gateway, without a trailing slash, for those who are asked through it."""
    run_retention_days: int = 30
    history_retention_days: int = 365
    """Of `record_changes`."""
    http_proxy: str | None = None
    """With its scheme; may hold a password. So may `https_proxy`, the proxy for https:// addresses."""
    https_proxy: str | None = None
    no_proxy: str | None = None
    """Hosts that are reached without a proxy, as the variable lists them."""
    environment: Environment = field(default_factory=Environment, compare=False)
    """Where the settings came from, and where secrets are read."""

    @property
    def project_dir(self) -> Path:
        """The folder that holds the folder of configuration; relative paths in YAML files start here."""
        return self.config_dir.parent

    @property
    def document_variables(self) -> dict[str, str]:
        """What `${…}` in a YAML file finds before the environment: the folders, absolute."""
        return {"SYNCFLOW_HOME": str(self.home), "SYNCFLOW_CONFIG_DIR": str(self.config_dir)}

    def shown(self) -> dict[str, str]:
        """Every setting as text for people, without passwords; a setting that is None is left out."""
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        del values["environment"]
        for name in ("database_url", "http_proxy", "https_proxy"):
            values[name] = values[name] and without_secrets(values[name])
        return {name: str(value) for name, value in values.items() if value is not None}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"


def load_settings(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """The settings that hold for the folder `cwd` (default: the working folder).

    A variable counts when it is set in the environment (`environ` stands in for it), else in `cwd/.env`, else
    in the `.env` beside the folder of configuration. An empty variable counts as unset. A relative path starts
    at `cwd`, or at the folder of the `.env` that holds it. Raises `ConfigurationError` with all mistakes.
    """
    here = cwd if cwd is not None and cwd.is_absolute() else absolute(cwd or ".", _working_folder())
    environment = _environment(environ, here)
    variables = {name: variable for name, variable in environment.snapshot().items() if variable.value}
    mistakes = [mistake for dotenv in environment.dotenvs() for mistake in dotenv.mistakes]
    said, refusals = read_variables(variables)
    mistakes += [*refusals, *flag_mistakes(variables)]
    folders = _Folders(here, variables)
    mistakes += folders.mistakes()
    if said is None or mistakes:
        raise refusal("the environment", mistakes)
    return Settings(
        config_dir=folders.path("SYNCFLOW_CONFIG_DIR", said.config_dir),
        home=folders.path("SYNCFLOW_HOME", said.home),
        database_url=said.libpq_url(),
        schema=said.db_schema,
        default_sync_interval_s=said.default_sync_interval_s,
        max_page_size=said.max_page_size,
        sync_worker_threads=said.sync_worker_threads,
        log_level=said.log_level,
        log_format=said.log_format,
        log_file=folders.path("LOG_FILE", said.log_file) if said.log_file else None,
        dagster_url=said.dagster_url,
        gateway_url=said.gateway_url,
        run_retention_days=said.run_retention_days,
        history_retention_days=said.history_retention_days,
        http_proxy=said.http_proxy,
        https_proxy=said.https_proxy,
        no_proxy=said.no_proxy,
        environment=environment,
    )


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigurationError("the working folder is gone; change to one that exists") from error


def _environment(environ: Mapping[str, str] | None, cwd: Path) -> Environment:
    dotenv = cwd / ".env"
    variable = Environment(environ, (dotenv,)).find("SYNCFLOW_CONFIG_DIR")
    folder = absolute((variable and variable.value) or "config", cwd)
    beside = folder.parent / ".env"
    return Environment(environ, (dotenv,) if beside == dotenv else (dotenv, beside))


@dataclass(frozen=True, slots=True)
class _Folders:
    """Resolves the paths that variables hold."""

    cwd: Path
    variables: Mapping[str, Variable]

    def path(self, name: str, path: str | Path) -> Path:
        variable = self.variables.get(name)
        return absolute(path, variable.file.parent if variable and variable.file else self.cwd)

    def mistakes(self) -> Iterator[Mistake]:
        for name, variable in self.variables.items():
            path = self.path(name, variable.value)
            # A folder that is not there would mean no connectors; only the default folder may be missing.
            if name == "SYNCFLOW_CONFIG_DIR" and not is_folder(path) and path != self.path(name, "config"):
                yield variable_mistake(name, variable, repr(str(path)), "a folder that exists")
            if name == "SYNCFLOW_HOME" and is_file(path):
                yield variable_mistake(name, variable, repr(str(path)), "a folder, or nothing yet")
