"""A project with a package of SQLAlchemy models, which SyncFlow finds by `SCHEMA_SYNC_MODELS_PATH` alone."""

from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from syncflow_pipelines.config import Settings, load_settings

BASE = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy import ForeignKey, String


class Base(DeclarativeBase):
    pass
"""
PRODUCT = """
from app.models.base import Base, Mapped, String, mapped_column


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
"""


@dataclass
class ModelPackage:
    """The project; its models are in `app/models`, and their schemas in `api/schemas_generated.py`."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("app", "app/models", "api"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name / "__init__.py").touch()
        self.write("base", BASE)
        self.write("product", PRODUCT)
        self.environ = {
            "SCHEMA_SYNC_MODELS_PATH": str(self.folder / "app" / "models"),
            "SCHEMA_SYNC_GENERATED_SCHEMA_PATH": str(self.folder / "api" / "schemas_generated.py"),
            "SCHEMA_SYNC_WATCH_DEBOUNCE_SECONDS": "0.05",
            **self.environ,
        }

    def write(self, module: str, text: str) -> Path:
        """A module of models, replaced as a whole: whoever follows it never sees half of it."""
        path = self.folder / "app" / "models" / f"{module}.py"
        draft = path.with_name(f".{module}.draft")
        draft.write_text(dedent(text))
        return draft.rename(path)

    @property
    def output(self) -> Path:
        return self.folder / "api" / "schemas_generated.py"

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ, self.folder)
