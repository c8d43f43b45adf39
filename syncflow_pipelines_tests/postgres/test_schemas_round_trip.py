"""A row goes in through Create, is changed through Update, and comes out of PostgreSQL through Response as it was."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, clear_mappers, registry

from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.model import Default, FieldSpec, ModelSpec, Scalar, SchemaSource
from syncflow_pipelines_tests.unit.schema_columns import ENUMS, Attribute, all_same, changes, models, rows
from syncflow_pipelines_tests.unit.schema_worlds import imported, rendered

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # every attempt makes a table: a smaller one takes minutes
TYPES = {**vars(postgresql), **vars(sa), "Status": None, "Enum": lambda _, name: sa.Enum("new", "title", name=name)}
HEADER = """\
import enum
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import CIDR, INET, JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

class Status(enum.StrEnum):
    NEW = "new"
    title = "title"

class Base(DeclarativeBase):
    pass

class Thing(Base):
    __tablename__ = "thing"
    id = mapped_column(Integer, Identity(), primary_key=True)
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    yield made
    made.dispose()


def source_of(model: list[Attribute]) -> SchemaSource:
    fields = [FieldSpec("id", Scalar("int"), primary_key=True, generated=True)]
    for each in model:
        default = Default("server") if each.is_left_to_the_server else None
        fields.append(FieldSpec(each.name, each.column.type, each.is_nullable, default))
    return SchemaSource((ModelSpec("Thing", tuple(fields)),), ENUMS)


def mapped(model: list[Attribute]) -> type[Any]:
    """A class of SQLAlchemy over a table of these columns."""
    columns = [sa.Column("id", sa.Integer, sa.Identity(), primary_key=True)]
    for each in model:
        kind = eval(each.column.sqlalchemy, dict(TYPES))
        default = sa.text(each.column.server_default) if each.is_left_to_the_server else None
        columns.append(sa.Column(each.name, kind, nullable=each.is_nullable, server_default=default, key=each.name))
    mapper = registry()
    thing = type("Thing", (), {})
    mapper.map_imperatively(thing, sa.Table("thing", mapper.metadata, *columns))
    return thing


def check(schemas: ModuleType, thing: Any, engine: sa.Engine, row: dict[str, Any], change: dict[str, Any]) -> None:
    """The row goes in and comes out, is changed and comes out again; fails where it does not come out the same."""
    metadata = thing.__table__.metadata
    metadata.create_all(engine)
    try:
        with Session(engine) as session:
            create = schemas.ThingCreate.model_validate(row)
            again = schemas.ThingCreate.model_validate_json(create.model_dump_json(exclude_unset=True))
            assert again.model_dump_json() == create.model_dump_json()
            # not by session.add, which takes null for nothing where the server has a default
            insert = sa.insert(thing.__table__).values(create.model_dump(exclude_unset=True)).returning(thing.id)
            stored = session.get(thing, session.scalar(insert))
            before = come_out(schemas, session, stored)
            assert all_same(row, before)
            for name, value in schemas.ThingUpdate.model_validate(change).model_dump(exclude_unset=True).items():
                setattr(stored, name, value)
            after = come_out(schemas, session, stored)
            assert all_same(change, after)
            assert all_same({name: value for name, value in before.items() if name not in change}, after)
    finally:
        metadata.drop_all(engine)


def come_out(schemas: ModuleType, session: Session, stored: Any) -> dict[str, Any]:
    """The row as it is in the database, whose JSON is read as it was written."""
    session.commit()
    response = schemas.ThingResponse.model_validate(stored)
    text = response.model_dump_json()
    assert schemas.ThingResponse.model_validate_json(text).model_dump_json() == text
    return dict(response.model_dump())


def test_a_random_row_of_a_random_source_comes_out_as_it_went_in(engine: sa.Engine) -> None:
    @settings(max_examples=40, deadline=None, phases=PHASES)
    @given(st.data())
    def round_trip(data: st.DataObject) -> None:
        model = data.draw(models)
        row, change = data.draw(rows(model)), data.draw(changes(model))
        try:
            with imported(rendered(source_of(model))) as schemas:
                check(schemas, mapped(model), engine, row, change)
        finally:
            clear_mappers()

    round_trip()


def test_a_random_row_of_random_models_of_sqlalchemy_comes_out_as_it_went_in(engine: sa.Engine, tmp_path: Path) -> None:
    file = tmp_path / "models_of_a_test.py"

    @settings(max_examples=12, deadline=None, phases=PHASES)
    @given(st.data())
    def round_trip(data: st.DataObject) -> None:
        model = [replace(each, name=f"a_{each.name}") for each in data.draw(models)]
        row, change = data.draw(rows(model)), data.draw(changes(model))
        text = HEADER + "".join(map(declared, model))
        file.write_text(text)
        try:
            with imported(text) as orm, imported(rendered(introspector.read(file).source)) as schemas:
                check(schemas, orm.Thing, engine, row, change)
        finally:
            clear_mappers()

    with Introspector("sqlalchemy") as introspector:
        round_trip()


def declared(attribute: Attribute) -> str:
    """The attribute as declarative models have it."""
    default = f", server_default=text({attribute.column.server_default!r})" if attribute.is_left_to_the_server else ""
    kind = attribute.column.sqlalchemy
    return f"    {attribute.name} = mapped_column({kind}, nullable={attribute.is_nullable}{default})\n"
