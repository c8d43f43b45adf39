"""Schemas beside the tables that they are for: what differs is told, and what harms nobody does not fail."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from syncflow_pipelines.config import SchemaSourceConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.live_tables import foreign_look, own_look
from syncflow_pipelines.errors import ConfigurationError, DatabaseError
from syncflow_pipelines.schemas.comparison.live import compare_live, tables_of
from syncflow_pipelines.schemas.comparison.live_source import live_differences
from syncflow_pipelines.schemas.model import EnumOf, EnumSpec, FieldSpec, ListOf, ModelSpec, SchemaSource
from syncflow_pipelines_tests.unit.contract_sources import field

SOURCE = SchemaSourceConfig("shop", "connector", Path("shop.py"))
COLORS = (EnumSpec("Color", (("RED", "red"), ("BLUE", "blue"))),)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.dedicated("a test") as opened:
        opened.execute("CREATE TYPE public.color AS ENUM ('red', 'blue')")
        opened.execute("CREATE DOMAIN public.price AS numeric(10,2) NOT NULL")
        yield opened


def differences(
    database: Database, settings: Settings, *fields: FieldSpec, table: str = "public.things"
) -> list[tuple[str, str, bool]]:
    """Kind, field and harmlessness of what differs."""
    source = SchemaSource((ModelSpec("Thing", fields, table=table),), COLORS)
    return [
        (one.kind, one.where.removeprefix("Thing."), one.is_harmless)
        for one in live_differences(database, settings, SOURCE, source)
    ]


@pytest.mark.parametrize(
    ("column", "fitting"),
    [
        ("int", field("a", "int")),
        ("numeric(10,0)", field("a", "int")),
        ("double precision", field("a", "float")),
        ("numeric(10,2)", field("a", "decimal", max_digits=10, decimal_places=2)),
        ("boolean", field("a", "bool")),
        ("varchar(9)", field("a", "str", max_length=9)),
        ("text", field("a", "str")),
        ("bytea", field("a", "bytes")),
        ("uuid", field("a", "uuid")),
        ("timestamptz", field("a", "datetime")),
        ("timestamp", field("a", "naive_datetime")),
        ("date", field("a", "date")),
        ("timetz", field("a", "time")),
        ("interval", field("a", "timedelta")),
        ("bigint", field("a", "timedelta")),
        ("inet", field("a", "ip_interface")),
        ("cidr", field("a", "ip_network")),
        ("jsonb", field("a", "json")),
        ("json", field("a", "json_object")),
        ("int[]", field("a", "json_array")),
        ("text[]", field("a", ListOf(EnumOf("Color")))),
        ("int[][]", field("a", ListOf(ListOf(field("b", "int").type)))),
        ("jsonb", field("a", ListOf(field("b", "int").type))),
        ("public.color", field("a", EnumOf("Color"))),
        ("public.color[]", field("a", ListOf(EnumOf("Color")))),
        ("varchar(9)", field("a", EnumOf("Color"))),
        ("point", field("a", "any")),
    ],
)
def test_a_column_of_a_fitting_type_is_no_difference(
    column: str, fitting: FieldSpec, connection: psycopg.Connection, database: Database, settings: Settings
) -> None:
    connection.execute(f"CREATE TABLE public.things (a {column} NOT NULL)".encode())

    assert differences(database, settings, fitting) == []


@pytest.mark.parametrize(
    ("column", "other", "kind"),
    [
        ("int", field("a", "str"), "type"),
        ("text", field("a", "int"), "type"),
        ("numeric(10,2)", field("a", "int"), "type"),
        ("numeric(10,2)", field("a", "float"), "type"),
        ("timestamp", field("a", "datetime"), "type"),
        ("text", field("a", "uuid"), "type"),
        ("int[]", field("a", "int"), "type"),
        ("int", field("a", ListOf(field("b", "int").type)), "type"),
        ("text[]", field("a", ListOf(field("b", "int").type)), "type"),
        ("int", field("a", EnumOf("Color")), "type"),
        ("varchar(9)", field("a", "str", max_length=10), "size"),
        ("varchar(9)", field("a", "str"), "size"),
        ("numeric(10,2)", field("a", "decimal", max_digits=10, decimal_places=1), "size"),
        ("numeric(10,2)", field("a", "decimal"), "size"),
    ],
)
def test_a_column_of_another_type_or_size_is_told(
    column: str, other: FieldSpec, kind: str, connection: psycopg.Connection, database: Database, settings: Settings
) -> None:
    connection.execute(f"CREATE TABLE public.things (a {column} NOT NULL)".encode())

    assert differences(database, settings, other) == [(kind, "a", False)]


def test_an_enumeration_with_other_values_is_another_type(
    connection: psycopg.Connection, database: Database, settings: Settings
) -> None:
    connection.execute("CREATE TABLE public.things (a public.color NOT NULL)")
    connection.execute("ALTER TYPE public.color ADD VALUE 'green'")

    assert differences(database, settings, field("a", EnumOf("Color"))) == [("type", "a", False)]


def test_a_domain_is_what_it_rests_on(connection: psycopg.Connection, database: Database, settings: Settings) -> None:
    connection.execute("CREATE TABLE public.things (a public.price)")
    fitting = field("a", "decimal", max_digits=10, decimal_places=2)

    assert differences(database, settings, fitting) == []
    assert differences(database, settings, field("a", "decimal", max_digits=12, decimal_places=2)) == [
        ("size", "a", False)
    ]


def test_columns_that_lack_on_either_side_are_told(
    connection: psycopg.Connection, database: Database, settings: Settings
) -> None:
    connection.execute(
        "CREATE TABLE public.things (a int NOT NULL, optional text, made int NOT NULL DEFAULT 1, needed int NOT NULL,"
        " _bridge_id uuid NOT NULL)"
    )

    assert differences(database, settings, field("a", "int"), field("b", "int")) == [
        ("column-missing", "b", False),
        ("column-unknown", "needed", False),
        ("column-unknown", "made", True),
        ("column-unknown", "optional", True),
    ]
    assert differences(database, settings, field("a", "int"), table="public.others") == [
        ("table-missing", "Thing", False)
    ]


def test_null_harms_where_a_row_holds_it_or_it_is_sent(
    connection: psycopg.Connection, database: Database, settings: Settings
) -> None:
    connection.execute("CREATE TABLE public.things (a int, b int, c int NOT NULL, d int NOT NULL)")
    fields = (
        field("a", "int"), field("b", "int"), field("c", "int", nullable=True),
        field("d", "int", nullable=True, generated=True),
    )  # fmt: skip
    connection.execute("INSERT INTO public.things VALUES (NULL, 1, 2, 3)")

    assert differences(database, settings, *fields) == [
        ("nullability", "a", False),
        ("nullability", "c", False),
        ("nullability", "b", True),
        ("nullability", "d", True),
    ]


def test_a_table_that_takes_too_long_to_read_is_not_waited_for(
    connection: psycopg.Connection, database: Database
) -> None:
    connection.execute("CREATE VIEW public.things AS SELECT 1 AS a, pg_sleep(30)::text AS slept")
    with own_look(database) as look:
        assert look.with_null(("public", "things"), ["a", "slept"], timeout_s=0.05) is None
        assert look.columns([("public", "things")])[("public", "things")][0].name == "a"
    source = SchemaSource((ModelSpec("Thing", (field("a", "int"),), table="public.things"),))
    with own_look(database) as look:
        comparison = compare_live(source, look.columns(tables_of(source)))
    (told,) = [one for one in comparison.with_nulls({("public", "things"): None}) if one.where == "Thing.a"]
    assert told.in_table.startswith("may hold null")
    assert told.is_harmless


def test_fields_go_by_their_columns_and_models_share_tables(
    connection: psycopg.Connection, database: Database, settings: Settings
) -> None:
    connection.execute("CREATE TABLE public.things (title text NOT NULL, extra text NOT NULL)")
    one = ModelSpec(
        "One", (field("name", "str", column="title"), field("half", "int", column="")), table="public.things"
    )
    other = ModelSpec("Other", (field("extra", "str"),), table="public.things")
    apart = ModelSpec("Apart", (field("a", "int"),))

    assert live_differences(database, settings, SOURCE, SchemaSource((apart, one, other))) == ()


def test_a_name_without_a_schema_is_looked_for_where_the_role_looks(
    connection: psycopg.Connection, database: Database
) -> None:
    connection.execute('CREATE TABLE public."Odd ""Name" (a int)')
    with foreign_look(database.url) as look:
        found = look.columns([("", 'Odd "Name'), ("nowhere", "things"), ("", "nothing")])

    assert {name: [column.pg_type for column in columns] for name, columns in found.items()} == {
        ("", 'Odd "Name'): ["integer"]
    }


def test_the_database_of_the_models_is_only_read(connection: psycopg.Connection, database: Database) -> None:
    with pytest.raises(DatabaseError, match="cannot be looked at"), foreign_look(database.url) as look:
        look.connection.execute("CREATE TABLE public.things (a int)")


@pytest.mark.parametrize("url", ["sqlite://me:geheim@there/shop.db", "postgresql://me:geheim@127.0.0.1:9/shop"])
def test_a_database_that_cannot_be_looked_at_is_told_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseError) as refused, foreign_look(url):
        pass

    assert "geheim" not in str(refused.value)


def test_models_whose_database_is_not_named_are_told(database: Database, settings: Settings) -> None:
    source = SchemaSourceConfig("shop", "tortoise", SOURCE.output, database_url_env="SHOP_URL")

    with pytest.raises(ConfigurationError, match="SHOP_URL"):
        live_differences(database, settings, source, SchemaSource())
