"""Models that cannot be used: each is told with its place, and the old schemas stand. Real ones, of both ORMs."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from syncflow_pipelines.config import load_schema_sync, load_settings
from syncflow_pipelines.schemas.reports import SourceReport
from syncflow_pipelines.schemas.syncing import SchemaSyncer

PRODUCTS = {
    "sqlalchemy": """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
class Base(DeclarativeBase): pass
class Product(Base):
    __tablename__ = 'products'
    id: Mapped[int] = mapped_column(primary_key=True)
""",
    "tortoise": """
from tortoise import fields
from tortoise.models import Model
class Product(Model):
    id = fields.IntField(primary_key=True)
""",
}
ORDERS = {
    "sqlalchemy": """
from sqlalchemy import ForeignKey
from app.models.product import Base, Mapped, mapped_column
class Order(Base):
    __tablename__ = 'orders'
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey('customers.id'))
""",
    "tortoise": """
from tortoise import fields
from tortoise.models import Model
class Order(Model):
    id = fields.IntField(primary_key=True)
    customer = fields.ForeignKeyField('models.Customer')
""",
}


class Shop:
    """A project with a model `Product`, its schemas, and a warm syncer."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self.models = folder / "app" / "models"
        self.models.mkdir(parents=True)
        (folder / "config").mkdir()
        (folder / "config" / "schema_sync.yaml").write_text(
            f"sources: [{{name: shop, type: {kind}, models_path: app/models, output: out.py, timeout_s: 1.5}}]"
        )
        for name in ("__init__", "models/__init__"):
            (folder / "app" / f"{name}.py").touch()
        self.output = folder / "out.py"
        self.settings = load_settings({}, folder)
        self.syncer = SchemaSyncer(self.settings)

    def sync(self, **models: str) -> SourceReport:
        """What becomes of the source with those modules, which are gone afterwards."""
        before = {name: self.write(name, text) for name, text in models.items()}
        try:
            [report] = self.syncer.sync(load_schema_sync(self.settings)).sources
            return report
        finally:
            for name, text in before.items():
                self.write(name, text)

    def write(self, module: str, text: str | None) -> str | None:
        """Writes the module, or removes it; what it was."""
        file = self.models / f"{module}.py"
        before = file.read_text() if file.exists() else None
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        return before


@pytest.fixture(scope="module", params=["sqlalchemy", "tortoise"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp(request.param), request.param)
    with shop.syncer:
        shop.write("product", PRODUCTS[request.param])
        report = shop.sync()
        assert report.status == "generated", report.error
        yield shop


BROKEN: Mapping[str, tuple[dict[str, str], str]] = {
    "a syntax error": ({"product": "class Product(:\n"}, "product.py:1: SyntaxError: invalid syntax"),
    "a circular import": (
        {"a": "from app.models.b import B\nA = 1\n", "b": "\nfrom app.models.a import A\nB = 1\n"},
        "b.py:2: ImportError: cannot import name 'A' .*circular import",
    ),
    "an exception at import": ({"boom": "\n\nraise ValueError('not today')\n"}, "boom.py:3: ValueError: not today"),
    "an import that takes too long": ({"slow": "import time\ntime.sleep(10)\n"}, r"took longer than 1\.5 s"),
    "an import that does not exist": ({"lost": "import nosuchmodule\n"}, "lost.py:1: .*'nosuchmodule'"),
    "an end of the process": ({"end": "import os\nos._exit(3)\n"}, r"it ended by itself \(status 3\)"),
    "an exit": ({"end": "raise SystemExit(3)\n"}, "end.py:1: SystemExit: 3"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_models_are_told_with_their_place_and_the_old_schemas_stand(shop: Shop, what: str) -> None:
    models, told = BROKEN[what]
    refused(shop, shop.sync(**models), told)


def test_a_foreign_key_to_a_missing_model_is_told(shop: Shop) -> None:
    refused(shop, shop.sync(order=ORDERS[shop.kind]), r"order.py:\d: Order\.customer.* refers to .*ustomer")


def test_two_models_of_one_name_are_told(shop: Shop) -> None:
    other = PRODUCTS[shop.kind].replace("'products'", "'others'")
    refused(shop, shop.sync(again=other), "two models are called Product: the other one is at")


def test_models_that_are_gone_are_told(shop: Shop) -> None:
    gone = shop.models.with_name("gone")
    shop.models.rename(gone)
    try:
        [report] = shop.syncer.sync(load_schema_sync(shop.settings)).sources
    finally:
        gone.rename(shop.models)
    refused(shop, report, "app/models does not exist; name the folder or the file of the models")


def test_models_that_print_are_read_as_others_are(shop: Shop) -> None:
    assert shop.sync(talk="import sys\nprint('x' * 100_000)\nprint('y', file=sys.stderr)\n").error is None


def refused(shop: Shop, report: SourceReport, told: str) -> None:
    """It failed for that reason, and what was generated before stands and counts."""
    content = shop.output.read_bytes()
    assert report.status == "failed"
    assert re.search(told, str(report.error)), report.error
    assert b"class ProductResponse" in content
    assert shop.sync().status == "unchanged"
    assert shop.output.read_bytes() == content
