"""What modules are made from, and which models and schemas are in them."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import SchemaSourceConfig, load_schema_sync, load_services
from syncflow_pipelines.errors import ConfigurationError, SchemasNotGenerated, UnusableSpec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore
from syncflow_pipelines.schemas.making import Made
from syncflow_pipelines.schemas.workshop import WarmWorkshop, models_kind
from syncflow_pipelines.sync.state import EntityState, StateColumn, state_path, write_catalogue_state
from syncflow_pipelines_tests.unit.model_package import ModelPackage

ORDER = """
from enum import Enum
from app.models.base import Base, ForeignKey, Mapped, mapped_column
from sqlalchemy.orm import relationship


class Status(Enum):
    OPEN = "open"


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    pin_code: Mapped[str]
    status: Mapped[Status]
    product: Mapped["Product"] = relationship()
"""


class Shop:
    """The package with products and orders, and a warm workshop."""

    def __init__(self, folder: Path) -> None:
        self.package = ModelPackage(folder)
        self.package.write("order", ORDER)
        self.workshop = WarmWorkshop(self.package.settings)
        [self.source] = load_schema_sync(self.package.settings).sources

    def make(self, **said: Any) -> Made:
        return self.workshop.make(replace(self.source, **said))

    def classes(self, **said: Any) -> dict[str, list[str]]:
        """The classes that are made, with their fields."""
        tree = ast.parse(self.make(**said).rendered.text)
        return {
            node.name: [
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            ]
            for node in tree.body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        }

    def inputs(self, **said: Any) -> str:
        return self.workshop.inputs(replace(self.source, **said), ())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop") / "project")
    with shop.workshop:
        yield shop


def test_every_model_has_three_schemas(shop: Shop) -> None:
    assert shop.make().rendered.exports == (
        "OrderCreate", "OrderResponse", "OrderUpdate", "ProductCreate", "ProductResponse", "ProductUpdate", "Status",
    )  # fmt: skip


def test_models_are_chosen_by_name_and_what_nobody_names_any_more_goes_with_them(shop: Shop) -> None:
    assert shop.classes(include=("Prod*",)).keys() == {"ProductCreate", "ProductUpdate", "ProductResponse"}
    assert shop.classes(include=("*",), exclude=("Order",)).keys() == shop.classes(include=("Product",)).keys()
    assert "product" not in shop.classes(exclude=("Product",), relations=True).get("OrderWithRelations", [])


def test_schemas_are_chosen_by_variant(shop: Shop) -> None:
    assert shop.classes(variants=("update",)).keys() == {"OrderUpdate", "ProductUpdate", "Status"}
    assert "OrderWithRelations" not in shop.classes(variants=("update",), relations=True)
    assert shop.classes(variants=("response",), relations=True)["OrderWithRelations"] == ["product"]


def test_secrets_are_those_that_were_said(shop: Shop) -> None:
    assert "pin_code" in shop.classes()["OrderResponse"]
    hidden = shop.classes(write_only=("pin_*",))
    assert ("pin_code" in hidden["OrderResponse"], "pin_code" in hidden["OrderCreate"]) == (False, True)


def test_the_digest_is_of_what_was_understood_and_not_of_where_it_is_written(shop: Shop) -> None:
    before = shop.make()
    inputs = shop.inputs()
    shop.package.write("order", "# a comment\n" + ORDER)
    assert (shop.make().digest, shop.make().rendered.text) == (before.digest, before.rendered.text)
    assert shop.inputs() != inputs
    shop.package.write("order", ORDER)
    assert shop.inputs() == inputs
    assert before.digest in before.rendered.text


def test_whatever_decides_what_is_made_changes_the_inputs_and_nothing_else_does(shop: Shop, tmp_path: Path) -> None:
    same = shop.inputs()
    assert shop.inputs(output=tmp_path / "x.py", manual_schema_path=tmp_path, timeout_s=5.0) == same
    for said in (
        {"variants": ("create",)}, {"include": ("A",)}, {"exclude": ("A",)}, {"relations": True}, {"name": "other"},
        {"write_only": ("x",)}, {"template_dir": tmp_path}, {"type": "tortoise"}, {"python": tmp_path},
    ):  # fmt: skip
        assert shop.inputs(**said) != same, said


def test_the_files_that_models_import_are_known(shop: Shop) -> None:
    names = {Path(file).name for file in shop.make().files}
    assert {"base.py", "order.py", "product.py"} <= names


def test_a_module_that_does_not_work_is_refused(shop: Shop) -> None:
    content = shop.make().rendered.text.encode()
    shop.workshop.examine(shop.source, content)
    for wrong in (b"class X(:\n", b"import nosuchmodule\n", content + b"raise RuntimeError('no')\n", b"\xff"):
        with pytest.raises(SchemasNotGenerated, match=r"the schemas of models do not work|is not UTF-8"):
            shop.workshop.examine(shop.source, wrong)


def test_generated_schemas_are_compared_with_those_that_people_keep(shop: Shop, tmp_path: Path) -> None:
    manual = tmp_path / "manual.py"
    manual.write_text(
        "from pydantic import BaseModel\nclass ProductCreate(BaseModel):\n    name: int\n    color: str\n"
    )
    content = shop.make().rendered.text.encode()
    assert shop.workshop.compare(shop.source, content) is None
    found = shop.workshop.compare(replace(shop.source, manual_schema_path=manual), content)
    assert found is not None
    [one] = found.classes
    assert (one.only_manual, one.differing[0].field) == (("color",), "name")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("from tortoise.models import Model", "tortoise"),
        ("import sqlalchemy.orm", "sqlalchemy"),
        ("import tortoise, sqlalchemy", "tortoise"),
        ("import django", None),
        ("import tortoise\nfrom sqlalchemy import Column", None),
        ("import sqlalchemy_utils", None),
    ],
)
def test_the_orm_is_told_by_what_models_import(tmp_path: Path, text: str, kind: str | None) -> None:
    models = tmp_path / "models.py"
    models.write_text(text)
    source = SchemaSourceConfig("shop", "auto", tmp_path / "out.py", models_path=models)
    if kind is not None:
        assert models_kind(source) == kind
        return
    with pytest.raises(ConfigurationError, match=r"say in schema_sync.yaml which `type` the models of shop are"):
        models_kind(source)


def test_a_catalogue_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    package = ModelPackage(tmp_path)
    state_path(package.settings.home, "erp").mkdir(parents=True)
    source = SchemaSourceConfig("erp", "connector", tmp_path / "erp.py", connector="erp")
    with WarmWorkshop(package.settings) as workshop, pytest.raises(SchemasNotGenerated, match="erp cannot be read"):
        workshop.inputs(source, ())


def test_entities_of_a_connector_are_made_from_the_catalogue(tmp_path: Path) -> None:
    package = ModelPackage(tmp_path)
    source = SchemaSourceConfig("erp", "connector", tmp_path / "erp.py", connector="erp")
    with WarmWorkshop(package.settings) as workshop:
        with pytest.raises(SchemasNotGenerated, match="erp was not discovered yet; run: syncflow discover erp"):
            workshop.inputs(source, ())
        write_catalogue_state(package.settings.home, "erp", [entity("order_lines", "bigint")])
        before = workshop.inputs(source, ())
        made = workshop.make(source)
        assert made.rendered.exports == ("OrderLinesCreate", "OrderLinesResponse", "OrderLinesUpdate")
        workshop.examine(source, made.rendered.text.encode())
        write_catalogue_state(package.settings.home, "erp", [entity("order_lines", "text")])
        assert workshop.inputs(source, ()) != before


PETS = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {},
    "components": {
        "schemas": {
            "Pet": {"type": "object", "required": ["id"], "properties": {
                "id": {"type": "integer", "readOnly": True}, "owner": {"$ref": "#/components/schemas/Owner"}}},
            "Owner": {"type": "object", "properties": {"name": {"type": "string"}}},
            "Shop": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    },
}  # fmt: skip


def test_components_of_a_service_are_made_from_the_spec_that_is_kept(tmp_path: Path) -> None:
    package = ModelPackage(tmp_path)
    source = SchemaSourceConfig("crm", "openapi", tmp_path / "crm.py", service="crm", include=("P*",))
    with WarmWorkshop(package.settings) as workshop:
        with pytest.raises(UnusableSpec, match="no spec of crm is kept; `syncflow specs fetch crm` fetches it"):
            workshop.inputs(source, ())
        spec = normalise(PETS)
        SpecStore(load_services(package.settings).settings, package.settings).keep(
            "crm", KeptSpec(spec.checksum), PETS, spec
        )
        before = workshop.inputs(source, ())
        made = workshop.make(source)
        assert {"Pet", "PetCreate", "Owner"} <= set(made.rendered.exports)
        assert not {"Shop", "ShopCreate"} & set(made.rendered.exports)
        assert (made.components or {}).keys() == {"Pet", "Owner"}
        workshop.examine(source, made.rendered.text.encode())
        assert workshop.inputs(source, ()) == before != workshop.inputs(replace(source, include=()), ())
        some = workshop.make(replace(source, variants=("response",), write_only=("name",))).rendered
        assert some.exports == ("Owner", "OwnerResponse", "Pet", "PetResponse")
        assert "class OwnerResponse(" in some.text


def entity(slug: str, pg_type: str) -> EntityState:
    columns = (StateColumn("id", pg_type, None, False),)
    return EntityState(slug, slug, None, "full", False, ("id",), columns, f"erp.{slug}", 300, True, True)
