"""What holds for the whole of SyncFlow, from the environment and `.env`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from syncflow_pipelines.config.environment import Environment


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one installation; folders are absolute."""

    config_dir: Path
    home: Path
    """State of SyncFlow itself: embedded database, catalogue, logs."""
    database_url: str | None = field(default=None, repr=False)
    """Always `postgresql://`, ready for libpq; None means the embedded server."""
    schema: str = "bridge"
    """Where the metadata tables live."""
    default_sync_interval_s: int = 300
    max_page_size: int = 1000
    sync_worker_threads: int = 4
    """Entities that one run syncs at the same time."""
    log_level: str = "INFO"
    log_file: Path | None = None
    dagster_url: str = "http://127.0.0.1:3000"
    run_retention_days: int = 30
    http_proxy: str | None = field(default=None, repr=False)
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None
    environment: Environment = field(default_factory=Environment, repr=False, compare=False)


def load_settings(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """The settings that hold for `cwd` (default: the working folder).

    `environ` stands in for the process's environment. Raises `ConfigurationError` with all mistakes.
    """
    folder = (cwd or Path.cwd()).absolute()
    here = Environment(environ, (folder / ".env",))
    config_dir = folder / (here.get("SYNCFLOW_CONFIG_DIR") or "config")
    environment = Environment(environ, (folder / ".env", config_dir.parent / ".env"))
    log_file = environment.get("LOG_FILE")
    return Settings(
        config_dir=config_dir,
        home=folder / (environment.get("SYNCFLOW_HOME") or ".syncflow"),
        database_url=_database_url(environment),
        schema=environment.get("POSTGRES_SCHEMA") or "bridge",
        default_sync_interval_s=int(environment.get("DEFAULT_SYNC_INTERVAL_SECONDS") or 300),
        max_page_size=int(environment.get("MAX_PAGE_SIZE") or 1000),
        sync_worker_threads=int(environment.get("SYNC_WORKER_THREADS") or 4),
        log_level=(environment.get("LOG_LEVEL") or "INFO").upper(),
        log_file=folder / log_file if log_file else None,
        dagster_url=environment.get("SYNCFLOW_DAGSTER_URL") or "http://127.0.0.1:3000",
        run_retention_days=int(environment.get("SYNCFLOW_RUN_RETENTION_DAYS") or 30),
        http_proxy=environment.get("http_proxy") or environment.get("HTTP_PROXY") or None,
        https_proxy=environment.get("https_proxy") or environment.get("HTTPS_PROXY") or None,
        no_proxy=environment.get("no_proxy") or environment.get("NO_PROXY") or None,
        environment=environment,
    )


def _database_url(environment: Environment) -> str | None:
    url = environment.get("SYNCFLOW_DATABASE_URL")
    if url:
        return "postgresql://" + url.partition("://")[2]
    host, port, name, user, password = (
        environment.get(f"POSTGRES_{part}") for part in ("HOST", "PORT", "DB", "USER", "PASSWORD")
    )
    if not any((host, port, name, user, password)):
        return None
    account = ":".join(quote(part, safe="") for part in (user, password) if part)
    server = f"{host or 'localhost'}:{port or 5432}"
    return f"postgresql://{account}@{server}/{quote(name or '', safe='')}"
