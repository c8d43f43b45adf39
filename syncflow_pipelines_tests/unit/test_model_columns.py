"""Fields of models know their columns, so that schemas can be compared with tables."""

from pathlib import Path

from syncflow_pipelines.schemas.introspection.running import introspect
from syncflow_pipelines.schemas.model import SchemaSource

TORTOISE = """
from tortoise import fields
from tortoise.models import Model


class Shop(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=9, source_field="shop_title")


class Item(Model):
    id = fields.IntField(primary_key=True)
    shop = fields.ForeignKeyField("models.Shop", related_name="items")
    other = fields.ForeignKeyField("models.Shop", related_name="others", source_field="other_shop")
"""
SQLALCHEMY = """
from sqlalchemy import ForeignKey
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("full_name")

    @hybrid_property
    def initials(self) -> str:
        return self.name[:1]


class Employee(Person):
    __tablename__ = "employees"

    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    salary: Mapped[int] = mapped_column("pay")
"""


def columns(source: SchemaSource, model: str) -> dict[str, str | None]:
    """By field, its column where that has another name; relations are none."""
    (found,) = [one for one in source.models if one.name == model]
    return {field.name: field.column for field in found.fields if not field.relation}


def test_fields_of_tortoise_know_their_columns(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(TORTOISE)
    source = introspect("tortoise", tmp_path / "shop.py")

    assert columns(source, "Shop") == {"id": None, "name": "shop_title"}
    assert columns(source, "Item") == {"id": None, "shop_id": None, "other_id": "other_shop"}


def test_fields_of_sqlalchemy_know_their_columns_and_which_of_them_are_in_another_table(tmp_path: Path) -> None:
    (tmp_path / "people.py").write_text(SQLALCHEMY)
    source = introspect("sqlalchemy", tmp_path / "people.py")

    assert columns(source, "Person") == {"id": None, "name": "full_name", "initials": ""}
    assert columns(source, "Employee") == {"id": None, "name": "", "salary": "pay", "initials": ""}
