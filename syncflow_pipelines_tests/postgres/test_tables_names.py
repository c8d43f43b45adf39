"""Entity tables with hostile names, and those who make them at once."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.model import Table
from syncflow_pipelines.sync.schema.identifiers import identifier
from syncflow_pipelines.sync.schema.table_plans import (
    columns_of,
    plan_table,
)
from syncflow_pipelines_tests.postgres.one_table import (
    AUDIT,
    ITEMS,
    SITE,
    SPEC,
    ask,
    column,
    ensure,
    entity,
)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.dedicated("test") as opened:
        yield opened


HOSTILE = [
    'quo"ted',
    "semi;colon",
    "'; DROP TABLE erp.items; --",
    "per%cent %s %(x)s {0} {}",
    "select",
    "user",
    "table",
    "_bridge_id",
    "ctid",
    "a b\tc",
    "ж" * 40,
    "名" * 30,
    "A" * 200,
    "",
    " ",
    "1st",
    "$1",
    "\u202eelbat",
    "é",
    "e\u0301",
    "\U0001f600",
]


def test_a_hostile_name_makes_a_plain_table(connection: psycopg.Connection) -> None:
    for name in HOSTILE:
        made, alias = identifier(name), f"col {name}"
        assert 0 < len(made.encode()) <= 63
        table = Table(identifier(f"s {name}"), made)
        spec = entity(
            replace(column(identifier(alias), key=True), alias=alias, description=name),
            replace(column("other"), description=f"{name} %s {{}}"),
            name=name or "x",
            description=name,
        )
        ensure(connection, spec, table)
        assert plan_table(connection, spec, table).is_empty
        assert columns_of(connection, table).keys() == {identifier(alias), "other", *AUDIT}
        found = "SELECT count(*) FROM pg_tables WHERE (schemaname, tablename) = (%s, %s)"
        assert ask(connection, found, table.schema, table.name) == 1


def test_names_that_are_not_folded_are_quoted_all_the_same(connection: psycopg.Connection) -> None:
    table = Table('sch"ema;', 'ta"ble%s {}')
    spec = entity(
        column('ke"y;--', key=True, description="x"), column("%s {0}"), column("select", "character varying(3)")
    )
    ensure(connection, spec, table)
    wider = replace(spec, columns=(*spec.columns[:2], column("select"), column('"', description="y")))
    assert len(ensure(connection, wider, table)) == 2
    assert plan_table(connection, wider, table).is_empty


def test_a_table_may_have_as_many_columns_as_a_catalogue_may(connection: psycopg.Connection) -> None:
    spec = entity(SITE, *(column(f"c{number}") for number in range(1589)))
    ensure(connection, spec)
    assert plan_table(connection, spec, ITEMS).is_empty


def test_a_schema_that_is_there_needs_no_right_to_create_schemas(connection: psycopg.Connection) -> None:
    connection.execute("CREATE ROLE poor_writer; CREATE SCHEMA erp; GRANT ALL ON SCHEMA erp TO poor_writer")
    try:
        connection.execute("SET ROLE poor_writer")
        ensure(connection)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ensure(connection, SPEC, Table("elsewhere", "items"))
    finally:
        connection.execute("RESET ROLE; DROP OWNED BY poor_writer; DROP ROLE poor_writer")


def test_two_that_create_the_same_schema_at_once_both_succeed(database: Database) -> None:
    failures: list[Exception] = []
    ready = threading.Barrier(4)

    def create(number: int) -> None:
        with database.dedicated("test") as connection:
            ready.wait(10)
            try:
                ensure(connection, SPEC, Table("new_schema", f"items_{number}"))
            except psycopg.Error as failure:
                failures.append(failure)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
