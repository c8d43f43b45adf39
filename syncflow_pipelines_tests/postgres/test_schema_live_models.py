"""Tables that an ORM has made itself are what the schemas of its models say."""

import asyncio
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from tortoise import Tortoise

from syncflow_pipelines.database import Database, sqlalchemy_url
from syncflow_pipelines.database.live_tables import foreign_look
from syncflow_pipelines.schemas.comparison.live import compare_live, tables_of
from syncflow_pipelines.schemas.introspection.running import introspect
from syncflow_pipelines_tests.unit.model_projects import SQLALCHEMY, TORTOISE

MODELS = """
    from sqlalchemy.types import TypeDecorator
    class Kind(str, enum.Enum):
        NEW = "new"
        OLD = "old"
        LAST = "old"
    class Rank(enum.IntEnum):
        LOW = 1
        HIGH = 2
    class Told(TypeDecorator):
        impl = Text
        cache_ok = True
        python_type = dict
    class Row(Base):
        __tablename__ = "every_row"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[Kind]
        kinds = Column(pg.ARRAY(Enum(Kind)))
        kind_by_value = Column(Enum(Kind, name="by_value", values_callable=lambda cls: [one.value for one in cls]))
        kind_as_text = Column(Enum(Kind, native_enum=False))
        rank: Mapped[Rank]
        rank_as_text = Column(Enum(Rank, native_enum=False))
        letter = Column(Enum("a", "b", name="letter"))
        told = Column(Told)
        as_float = Column(Numeric(10, 2, asdecimal=False))
        as_decimal = Column(Float(asdecimal=True))
        real = Column(REAL)
        double = Column(Double)
        text_uuid = Column(Uuid(as_uuid=False))
        char_uuid = Column(Uuid(native_uuid=False))
        span = Column(Interval)
        labels = Column(pg.ARRAY(String(5), dimensions=2))
        data = Column(pg.JSONB)
        mac = Column(pg.MACADDR)
        mac8 = Column(pg.MACADDR8)
        net = Column(pg.CIDR)
        host = Column(pg.INET)
        bits = Column(pg.BIT(5))
        money = Column(pg.MONEY)
        oid = Column(pg.OID)
        place = Column(pg.REGCLASS)
        words = Column(pg.TSVECTOR)
        query = Column(pg.TSQUERY)
        area = Column(pg.INT4RANGE)
        positive = Column(pg.DOMAIN("positive", Integer))
        fixed = Column(CHAR(3))
        pickled = Column(PickleType)
        clock = Column(Time(timezone=True))
"""


def test_tables_that_sqlalchemy_has_made_are_what_the_schemas_say(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(dedent(SQLALCHEMY) + dedent(MODELS))
    made: dict[str, Any] = {"__name__": "shop"}
    exec(compile(file.read_text(), str(file), "exec"), made)
    engine = create_engine(sqlalchemy_url(database.url, "psycopg"), poolclass=NullPool)
    made["Base"].metadata.create_all(engine)

    form = introspect("sqlalchemy", file)
    with foreign_look(database.url) as look:
        found = compare_live(form, look.columns(tables_of(form))).differences
    assert [(one.where, one.kind, one.in_schema, one.in_table) for one in found] == []


OF_TORTOISE = """
    from tortoise.contrib.postgres.fields import ArrayField, TSVectorField
    class Kind(str, enum.Enum):
        NEW = "new"
        OLD = "old"
    class Rank(enum.IntEnum):
        LOW = 1
    class Row(Model):
        id = fields.IntField(primary_key=True)
        big = fields.BigIntField(null=True)
        small = fields.SmallIntField(default=3)
        char = fields.CharField(max_length=40)
        text = fields.TextField()
        flag = fields.BooleanField()
        price = fields.DecimalField(max_digits=10, decimal_places=2)
        moment = fields.DatetimeField(auto_now=True)
        day = fields.DateField()
        clock = fields.TimeField()
        lasting = fields.TimeDeltaField()
        ratio = fields.FloatField()
        data = fields.JSONField()
        guid = fields.UUIDField()
        blob = fields.BinaryField()
        kind = fields.CharEnumField(Kind)
        rank = fields.IntEnumField(Rank)
        grid = ArrayField("int[]")
        words = TSVectorField()
        parent = fields.ForeignKeyField("models.Row", null=True)
"""


def test_tables_that_tortoise_has_made_are_what_the_schemas_say(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop_of_tortoise.py"
    file.write_text(dedent(TORTOISE) + dedent(OF_TORTOISE))
    monkeypatch.syspath_prepend(str(tmp_path))

    async def make() -> None:
        await Tortoise.init(db_url=database.url.replace("postgresql", "psycopg", 1), modules={"models": [file.stem]})
        await Tortoise.generate_schemas()
        await Tortoise.close_connections()

    try:
        asyncio.run(make())
    finally:
        sys.modules.pop(file.stem, None)

    form = introspect("tortoise", file)
    with foreign_look(database.url) as look:
        found = compare_live(form, look.columns(tables_of(form))).differences
    assert [(one.where, one.kind, one.in_schema, one.in_table) for one in found] == []
