"""A project folder with sources of schemas: models in files that the test writes, and a table for them."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from syncflow_pipelines.config import Settings, load_settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.build import build_definitions
from syncflow_pipelines.defs.names import schemas_key
from syncflow_pipelines.defs.world import load_world
from syncflow_pipelines_tests.dagster.project import QUIET

SHOP = """
sources:
  - name: shop
    type: sqlalchemy
    models_path: models/shop
    database_url_env: SHOP_DATABASE_URL
settings:
  generated_dir: generated
  backup_dir: backups
"""
MODELS = """
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Product(Base):
    __tablename__ = "products"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("title", String(40))
    price: Mapped[int]
"""
TABLE = "CREATE TABLE public.products (id serial PRIMARY KEY, title varchar(40) NOT NULL, price int NOT NULL)"


@dataclass(frozen=True)
class SchemasProject:
    """The folder, and what a test does in it."""

    path: Path
    database: Database

    @property
    def settings(self) -> Settings:
        """What a process that starts now would read."""
        return load_settings()

    @property
    def models(self) -> Path:
        return self.path / "models" / "shop" / "products.py"

    @property
    def module(self) -> Path:
        return self.path / "generated" / "shop_schemas.py"

    def reword(self, old: str, new: str) -> None:
        """Replaces a text of the models that is there."""
        text = self.models.read_text()
        assert old in text
        self.models.write_text(text.replace(old, new))

    def execute(self, statement: str) -> None:
        """One statement in the database of the models."""
        with self.database.connection() as connection:
            connection.execute(statement.encode())

    def definitions(self) -> dg.Definitions:
        """What a process that starts now would load."""
        return build_definitions(load_world())

    def run(
        self, instance: dg.DagsterInstance, sources: Collection[str] = ("shop",), job: str = "schema_sync"
    ) -> dg.ExecuteInProcessResult:
        """Runs the assets of those sources with their checks; never raises for a failed run."""
        chosen = self.definitions().resolve_job_def(job)
        chosen = chosen.get_subset(asset_selection={schemas_key(source) for source in sources})
        return chosen.execute_in_process(QUIET, instance, raise_on_error=False)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks that a run evaluated, by name."""
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Of the only materialisation of a run."""
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}
