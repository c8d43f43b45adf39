"""Generated schemas beside those that somebody wrote."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncflow_pipelines.errors import ModelsError
from syncflow_pipelines.schemas.comparison.manual import (
    ClassComparison,
    Difference,
    ManualComparison,
    compare_with_manual,
)
from syncflow_pipelines.schemas.examination.process import Examiner
from syncflow_pipelines.schemas.model import Default, EnumOf, EnumSpec, FieldSpec, ModelSpec, Scalar, SchemaSource
from syncflow_pipelines_tests.unit.schema_worlds import rendered

SHOP = SchemaSource(
    (
        ModelSpec(
            "Product",
            (
                FieldSpec("id", Scalar("int"), primary_key=True, generated=True),
                FieldSpec("name", Scalar("str", min_length=1, max_length=255)),
                FieldSpec("price", Scalar("decimal", max_digits=8, decimal_places=2)),
                FieldSpec("status", EnumOf("Status"), default=Default("constant", "new")),
                FieldSpec("meta", Scalar("json_object"), default=Default("constant", {})),
                FieldSpec("made_at", Scalar("datetime"), default=Default("server")),
            ),
        ),
        ModelSpec("Order", (FieldSpec("id", Scalar("int")),)),
    ),
    (EnumSpec("Status", (("NEW", "new"), ("OLD", "old"))),),
)
MANUAL = '''\
"""Schemas of the shop."""
from datetime import datetime
from enum import Enum
from typing import Any, Dict, Optional, Union

from pydantic import BaseModel, Field, computed_field, field_validator, model_validator


class Status(str, Enum):
    NEW = "new"
    OLD = "old"


class ProductBase(BaseModel):
    name: str = Field(..., min_length=1, max_length=200)

    @field_validator("name")
    @classmethod
    def validate_name(cls, v: str) -> str:
        return v

    class Config:
        str_strip_whitespace = True


class ProductCreate(ProductBase):
    price: float = Field(..., ge=0)
    status: Status = Status.NEW
    meta: Dict[str, Any] = {}
    colour: str

    @model_validator(mode="after")
    def check(self) -> "ProductCreate":
        return self


class ProductUpdate(BaseModel):
    model_config = {"extra": "forbid"}
    name: Optional[str] = Field(None, min_length=1, max_length=255)
    status: Union[Status, None] = None
    made_at: datetime | None = None


class ProductResponse(BaseModel):
    id: int
    made_at: datetime

    @computed_field
    @property
    def label(self) -> str:
        return ""

    def shout(self) -> str:
        return ""


class Login(BaseModel):
    user: str
'''


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    with Examiner() as opened:
        yield opened


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    """The schemas that somebody wrote, as the requirement's project has them."""
    path = tmp_path / "src" / "api" / "schemas.py"
    path.parent.mkdir(parents=True)
    path.write_text(MANUAL)
    return path


def compared(manual: Path, examiner: Examiner) -> ManualComparison:
    return compare_with_manual(rendered(SHOP), manual, examiner, root=manual.parents[2])


def by_name(found: ManualComparison) -> dict[str, ClassComparison]:
    return {each.name: each for each in found.classes}


@pytest.mark.parametrize("beginning", ["", "import nowhere\n", "raise SystemExit\n", "import os\nos._exit(1)\n"])
def test_fields_that_are_missing_extra_or_differ_are_told(manual: Path, examiner: Examiner, beginning: str) -> None:
    manual.write_text(beginning + MANUAL)
    found = compared(manual, examiner)
    assert bool(found.read_as_text) is bool(beginning)
    assert set(found.only_manual) == {"Login", "ProductBase"}
    assert set(found.only_generated) == {"OrderCreate", "OrderResponse", "OrderUpdate"}
    created = by_name(found)["ProductCreate"]
    assert (created.only_manual, created.only_generated) == (("colour",), ("made_at",))
    assert set(created.differing) == {
        Difference("name", "constraints", "max_length=200, min_length=1", "max_length=255, min_length=1"),
        Difference("price", "type", "float", "Decimal"),
        Difference("price", "constraints", "ge=0", "decimal_places=2, max_digits=8"),
    }
    updated = by_name(found)["ProductUpdate"]
    assert set(updated.differing) == {
        Difference(name, "nullable", "yes", "no") for name in ("name", "status", "made_at")
    }
    assert set(by_name(found)["ProductResponse"].only_generated) == {"name", "price", "status", "meta"}


def test_code_that_has_to_move_is_listed_with_its_lines(manual: Path, examiner: Examiner) -> None:
    lines = MANUAL.splitlines()
    found = compared(manual, examiner).custom
    assert [(each.schema, each.name, each.kind) for each in found] == [
        ("ProductBase", "validate_name", "validator"),
        ("ProductBase", "Config", "configuration"),
        ("ProductCreate", "check", "validator"),
        ("ProductUpdate", "model_config", "configuration"),
        ("ProductResponse", "label", "computed field"),
        ("ProductResponse", "shout", "method"),
    ]
    assert all(each.name in lines[each.line - 1] for each in found)


def test_the_comparison_reads_well(manual: Path, examiner: Examiner) -> None:
    text = compared(manual, examiner).as_text().replace(str(manual), "schemas.py")
    assert text == (
        "schemas.py: 3 classes are generated, too; 0 of them just so\n"
        "  not generated: Login, ProductBase\n"
        "  generated only: OrderCreate, OrderResponse, OrderUpdate\n"
        "  ProductCreate: missing colour\n"
        "  ProductCreate: extra made_at\n"
        "  ProductCreate.name: constraints max_length=200, min_length=1 by hand, "
        "max_length=255, min_length=1 generated\n"
        "  ProductCreate.price: type float by hand, Decimal generated\n"
        "  ProductCreate.price: constraints ge=0 by hand, decimal_places=2, max_digits=8 generated\n"
        "  ProductResponse: extra name, price, status, meta\n"
        "  ProductUpdate: extra price, meta\n"
        "  ProductUpdate: null is let in by hand only: name, status, made_at\n"
        "  to be moved into derived classes:\n"
        "    line 19: ProductBase.validate_name (validator)\n"
        "    line 22: ProductBase.Config (configuration)\n"
        "    line 33: ProductCreate.check (validator)\n"
        "    line 38: ProductUpdate.model_config (configuration)\n"
        "    line 50: ProductResponse.label (computed field)\n"
        "    line 53: ProductResponse.shout (method)"
    )


def test_the_comparison_has_a_form_for_programs(manual: Path, examiner: Examiner) -> None:
    found = json.loads(json.dumps(compared(manual, examiner).as_json()))
    assert found["is_same"] is False
    assert found["custom"][0] == {"schema": "ProductBase", "name": "validate_name", "kind": "validator", "line": 19}
    assert {"name", "only_manual", "only_generated", "differing"} == set(found["classes"][0])


def test_generated_schemas_are_the_same_as_themselves(manual: Path, examiner: Examiner) -> None:
    manual.write_text(rendered(SHOP))
    found = compared(manual, examiner)
    assert found.is_same
    assert all(each.is_same for each in found.classes)


def test_a_module_is_imported_as_its_project_imports_it(manual: Path, examiner: Examiner) -> None:
    (manual.parent / "schemas_generated.py").write_text(rendered(SHOP))
    manual.write_text(
        "from .schemas_generated import ProductCreate as BaseProductCreate\n"
        "from src.api.schemas_generated import OrderCreate\n"
        "class ProductCreate(BaseProductCreate):\n    def extra(self) -> int:\n        return 1\n"
    )
    found = compared(manual, examiner)
    assert (found.read_as_text, [each.name for each in found.classes]) == ("", ["ProductCreate"])
    assert by_name(found)["ProductCreate"].is_same


def test_a_package_is_found_from_wherever_one_works(manual: Path, examiner: Examiner, tmp_path: Path) -> None:
    for folder in (manual.parent, manual.parent.parent):
        (folder / "__init__.py").write_text("")
    manual.write_text("from src.api import other\n" + MANUAL)
    (manual.parent / "other.py").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert compare_with_manual(rendered(SHOP), manual, examiner, root=elsewhere).read_as_text == ""


def test_nothing_is_written_beside_the_schemas_of_a_user(manual: Path, examiner: Examiner) -> None:
    compared(manual, examiner)
    assert [each.name for each in manual.parent.iterdir()] == ["schemas.py"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\n\nclass A(\n", r"schemas\.py, line 3: '\(' was never closed; mend it"),
        (b"x = '\0'", r"schemas\.py, line 1: source code string cannot contain null bytes; mend it"),
        (b"\xff\xfe", r"schemas\.py, line 1: .*mend it"),
        (None, r"schemas\.py cannot be read \(No such file or directory\); mend manual_schema_path"),
    ],
)
def test_a_file_that_is_no_module_is_told(manual: Path, examiner: Examiner, content: bytes | None, told: str) -> None:
    manual.unlink() if content is None else manual.write_bytes(content)
    with pytest.raises(ModelsError, match=told):
        compared(manual, examiner)


def test_a_field_that_hides_its_own_type_is_seen_for_what_it_is(manual: Path, examiner: Examiner) -> None:
    source = SchemaSource((ModelSpec("Day", (FieldSpec("date", Scalar("date"), nullable=True),)),))
    manual.write_text(
        "from datetime import date\nfrom typing import Optional\nfrom pydantic import BaseModel\n"
        "class DayCreate(BaseModel):\n    date: Optional[date] = None\n"
    )
    (found,) = compare_with_manual(rendered(source), manual, examiner, root=manual.parents[2]).classes
    assert Difference("date", "type", "None", "date") in found.differing
