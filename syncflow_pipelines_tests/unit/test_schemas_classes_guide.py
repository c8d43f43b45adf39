"""What docs/schema-classes.md shows works as it is shown."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from syncflow_pipelines.schemas.model import Default, FieldSpec, ModelSpec, Scalar, SchemaSource
from syncflow_pipelines.schemas.rendering.naming import name_all
from syncflow_pipelines_tests.unit.schema_worlds import rendered

GUIDE = (Path(__file__).parents[2] / "docs" / "schema-classes.md").read_text()
WRITING, DERIVING = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
MODELS = """
from decimal import Decimal

from sqlalchemy import Numeric
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Product(Base):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
"""


def python(source: str, folder: Path) -> str:
    """What a Python in this folder prints; it must not fail."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_what_was_sent_is_written(tmp_path: Path) -> None:
    fields = (
        FieldSpec("price", Scalar("decimal")),
        FieldSpec("note", Scalar("str"), nullable=True, default=Default("server")),
    )
    (tmp_path / "shop.py").write_text(rendered(SchemaSource((ModelSpec("Product", fields),))))
    python(WRITING, tmp_path)


def test_a_generator_can_be_derived(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    python(DERIVING, tmp_path)
    printed = python("import strict_shop as module\nprint(module.__all__, module.ProductCreate.model_config)", tmp_path)
    assert printed == "['ProductCreate', 'ProductResponse'] {'extra': 'forbid'}\n"


@pytest.mark.parametrize(
    ("name", "identifier"), re.findall(r"`([^`]+)`(?:, which every model has,)? to `(\w+)`", GUIDE)
)
def test_names_become_what_the_guide_says(name: str, identifier: str) -> None:
    source = SchemaSource((ModelSpec("Thing", (FieldSpec(name, Scalar("int")),)),))
    assert name_all(source).fields["Thing"] == {name: identifier}
