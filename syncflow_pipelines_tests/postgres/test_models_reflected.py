"""Schemas of tables that nobody here has made: PostgreSQL's own, reflected by SQLAlchemy where the models are read."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from syncflow_pipelines.database.url import sqlalchemy_url
from syncflow_pipelines.schemas.examination.process import Examiner
from syncflow_pipelines.schemas.examination.validation import validate_module
from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.model import ListOf, ModelOf, Scalar, SchemaSource
from syncflow_pipelines.schemas.rendering.module import render

TABLES = """
from sqlalchemy import MetaData, create_engine
engine = create_engine({url!r})
metadata = MetaData()
metadata.reflect(engine, schema="information_schema", views=True)
metadata.reflect(engine, schema="pg_catalog", views=True)
"""
CLASSES = """
from sqlalchemy import create_engine
from sqlalchemy.ext.automap import automap_base
Base = automap_base()
Base.prepare(autoload_with=create_engine({url!r}), schema="bridge")
Base.registry.configure()
"""


@pytest.fixture
def reader() -> Iterator[Introspector]:
    with Introspector("sqlalchemy", timeout_s=120) as introspector:
        yield introspector


def read(reader: Introspector, folder: Path, url: str, text: str) -> SchemaSource:
    (folder / "reflected.py").write_text(text.format(url=sqlalchemy_url(url, "psycopg")))
    return reader.read(folder / "reflected.py").source


def is_valid(source: SchemaSource) -> bool:
    rendered = render(source, name="reflected", digest="", with_relations=True)
    with Examiner() as examiner:
        report = validate_module(rendered.text, examiner, exports=rendered.exports)
    assert not report.problems
    return report.is_valid


@pytest.mark.slow
def test_what_the_scripts_of_postgresql_make_has_schemas(
    reader: Introspector, tmp_path: Path, database_url: str
) -> None:
    source = read(reader, tmp_path, database_url, TABLES)
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            "SELECT table_schema || '.' || table_name, count(*) FROM information_schema.columns"
            " WHERE table_schema IN ('information_schema', 'pg_catalog') GROUP BY 1"
        ).fetchall()
    assert {model.table: len(model.fields) for model in source.models} == dict(columns)
    fields = {f"{model.table}.{field.name}": field for model in source.models for field in model.fields}
    assert fields["information_schema.sql_sizing.supported_value"].type == Scalar("int", ge=-(2**31), le=2**31 - 1)
    assert fields["pg_catalog.pg_class.relnatts"].type == Scalar("int", ge=-(2**15), le=2**15 - 1)
    assert fields["pg_catalog.pg_class.reloptions"].type == ListOf(Scalar("str"))
    assert fields["pg_catalog.pg_class.oid"].primary_key
    assert fields["pg_catalog.pg_class.relacl"].note
    assert is_valid(source)


def test_classes_that_are_made_of_tables_have_schemas_with_their_relations(
    reader: Introspector, tmp_path: Path, database_url: str
) -> None:
    source = read(reader, tmp_path, database_url, CLASSES)
    tables = {model.table: model for model in source.models}
    entities = {field.name: field for field in tables["bridge.entities"].fields}
    assert entities["connector_uid"].references == "connectors.uid"
    assert entities["connectors"].type == ModelOf("connectors")
    assert is_valid(source)
