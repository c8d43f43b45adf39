"""Twenty models of an ordinary shop, for Tortoise ORM and for SQLAlchemy, and entities by the thousand."""

from pathlib import Path

MODELS = 20

_TORTOISE = '''
from enum import Enum

from tortoise import fields
from tortoise.models import Model


class Status{at}(str, Enum):
    NEW = "new"
    DONE = "done"


class Thing{at}(Model):
    """A thing of kind {at}."""

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=200, description="What it is called.")
    notes = fields.TextField(null=True)
    price = fields.DecimalField(max_digits=12, decimal_places=2)
    weight = fields.FloatField(default=1.0)
    is_active = fields.BooleanField(default=True)
    status = fields.CharEnumField(Status{at}, default=Status{at}.NEW)
    reference = fields.UUIDField()
    extra = fields.JSONField(null=True)
    due = fields.DateField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)
'''
_SQLALCHEMY_BASE = """
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass
"""
_SQLALCHEMY = '''
import datetime
import decimal
import enum
import uuid

from sqlalchemy import JSON, DateTime, Numeric, String, func
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Status{at}(enum.Enum):
    NEW = "new"
    DONE = "done"


class Thing{at}(Base):
    """A thing of kind {at}."""

    __tablename__ = "things{at}"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), comment="What it is called.")
    notes: Mapped[str | None]
    price: Mapped[decimal.Decimal] = mapped_column(Numeric(12, 2))
    weight: Mapped[float] = mapped_column(default=1.0)
    is_active: Mapped[bool] = mapped_column(default=True)
    status: Mapped[Status{at}] = mapped_column(default=Status{at}.NEW)
    reference: Mapped[uuid.UUID]
    extra: Mapped[dict] = mapped_column(JSON)
    due: Mapped[datetime.date | None]
    created_at: Mapped[datetime.datetime] = mapped_column(DateTime(True), server_default=func.now())
    updated_at: Mapped[datetime.datetime] = mapped_column(DateTime(True), default=func.now(), onupdate=func.now())
'''
_ADDED = {
    "tortoise": "    added_{round} = fields.IntField(null=True)\n",
    "sqlalchemy": "    added_{round}: Mapped[int | None]\n",
}


def write_models(folder: Path, kind: str) -> None:
    """A package of so many models, one module each."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    if kind == "sqlalchemy":
        (folder / "base.py").write_text(_SQLALCHEMY_BASE)
    text = _TORTOISE if kind == "tortoise" else _SQLALCHEMY
    for at in range(MODELS):
        (folder / f"things{at}.py").write_text(text.format(at=at))


def change_model(folder: Path, kind: str, number: int) -> None:
    """One model gets a field more; `number` is another one each time."""
    file = folder / "things7.py"
    file.write_text(file.read_text() + _ADDED[kind].format(round=number))
