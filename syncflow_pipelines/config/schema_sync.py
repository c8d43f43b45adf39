"""The sources of schemas, and how the schemas follow them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

SourceType = Literal["tortoise", "sqlalchemy", "auto", "connector", "openapi"]
"""`auto`: models of Tortoise ORM or of SQLAlchemy, whichever they import."""
Variant = Literal["create", "update", "response"]

VARIANTS: Final[tuple[Variant, ...]] = ("create", "update", "response")
MODELS: Final = "models"
"""The name of the source that the environment describes."""


@dataclass(frozen=True, slots=True)
class SchemaSourceConfig:
    """One source, and the module that its schemas are written to. Paths are absolute."""

    name: str
    """A letter, then letters, digits, `_` and `-`; unique also where case, `_` and `-` do not count."""
    type: SourceType
    output: Path
    """The generated module."""
    models_path: Path | None = None
    """A folder or a file of models; None but for `tortoise`, `sqlalchemy` and `auto`."""
    connector: str | None = None
    service: str | None = None
    manual_schema_path: Path | None = None
    """Schemas that people keep, to be compared with the generated ones."""
    python: Path | None = None
    """The interpreter that imports the models; None: the one that runs SyncFlow."""
    python_path: tuple[Path, ...] = ()
    """Folders that the models are imported from; none: the one that holds the outermost package of `models_path`."""
    timeout_s: float = 30.0
    """For the import of the models."""
    relations: bool = False
    """Whether Response holds related models."""
    variants: tuple[Variant, ...] = VARIANTS
    include: tuple[str, ...] = ()
    """Patterns of models' names; empty: all."""
    exclude: tuple[str, ...] = ()
    write_only: tuple[str, ...] | None = None
    """Patterns of the names of fields that hold secrets and are left out of Response; None: the usual ones."""
    template_dir: Path | None = None
    """Templates that go before SyncFlow's own; none for `openapi`."""
    enabled: bool = True
    database_url_env: str | None = None
    """The variable that holds the URL of the models' database, to compare their tables with; secret, so never here."""


@dataclass(frozen=True, slots=True)
class SchemaSyncSettings:
    """What holds for all sources. Folders are absolute."""

    generated_dir: Path
    """Where the modules of sources go that name no `output`."""
    backup_dir: Path
    auto_sync_enabled: bool = True
    watch_enabled: bool = True
    backup_enabled: bool = True
    validation_enabled: bool = True
    environment: str = "development"
    watch_debounce_seconds: float = 2.0
    max_backups: int = 10
    fail_on_validation_error: bool = True
    enable_in_production: bool = False

    @property
    def is_production(self) -> bool:
        """Whether this is any environment but `development`."""
        return self.environment.lower() != "development"

    def should_run_sync(self) -> bool:
        """Whether an application brings its schemas up to date when it starts."""
        return self.auto_sync_enabled and (self.enable_in_production or not self.is_production)

    def should_watch_files(self) -> bool:
        """Whether an application follows its models while it runs."""
        return self.watch_enabled and (self.enable_in_production or not self.is_production)

    def should_fail_startup(self) -> bool:
        """Whether an application whose schemas cannot be generated must not start."""
        return self.is_production and self.fail_on_validation_error


@dataclass(frozen=True, slots=True)
class SchemaSync:
    """`schema_sync.yaml`, and what the environment says of it."""

    sources: tuple[SchemaSourceConfig, ...]
    settings: SchemaSyncSettings

    def with_source(self, source: SchemaSourceConfig) -> "SchemaSync":
        """The same with that source, in the place of the one of its name if there is one."""
        names = [one.name for one in self.sources]
        if source.name not in names:
            return replace(self, sources=(*self.sources, source))
        return replace(self, sources=tuple(source if one.name == source.name else one for one in self.sources))
