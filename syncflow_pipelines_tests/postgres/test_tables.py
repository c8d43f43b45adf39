"""Entity tables in PostgreSQL: made, grown, taken up as they stand, and never anybody else's."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import SchemaRefused
from syncflow_pipelines.sync.schema.table_plans import columns_of, plan_table, unique_keys
from syncflow_pipelines.sync.schema.tables import apply_plan, ensure_table
from syncflow_pipelines.sync.schema.types import widening
from syncflow_pipelines_tests.postgres.one_table import AUDIT, ITEMS, SPEC, ask, column, ensure, fill, with_type


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.dedicated("test") as opened:
        yield opened


def test_a_new_table_has_the_entitys_columns_the_audit_columns_and_what_keeps_them(
    connection: psycopg.Connection,
) -> None:
    spec = replace(
        SPEC, description="It's 100% {good}; --", columns=(*SPEC.columns, column("note", description="a'b\\"))
    )
    assert ensure(connection, spec) == ()
    assert columns_of(connection, ITEMS) == {c.identifier: c.pg_type for c in spec.columns} | AUDIT
    assert ["number", "site"] in unique_keys(connection, ITEMS)
    assert ask(connection, "SELECT obj_description('erp.items'::regclass)") == spec.description
    assert ask(connection, "SELECT col_description('erp.items'::regclass, 5)") == "a'b\\"
    indexes = {name for (name,) in connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'erp'")}
    assert indexes == {"items_pkey", "items_business_key", "idx_items_rowversion"}
    assert plan_table(connection, spec, ITEMS).is_empty


@pytest.mark.parametrize(
    ("strategy", "version_column", "indexed"),
    [
        ("hash", None, None),
        ("full", "qty", "qty"),
        ("rowversion", None, "_bridge_rowversion"),
        ("rowversion", "qty", "qty"),
    ],
)
def test_the_row_version_has_an_index_where_there_is_one(
    connection: psycopg.Connection, strategy: Any, version_column: str | None, indexed: str | None
) -> None:
    ensure(connection, replace(SPEC, strategy=strategy, rowversion_column=version_column))
    found = ask(connection, "SELECT indexdef FROM pg_indexes WHERE indexname = 'idx_items_rowversion'")
    assert (found is None) if indexed is None else found.endswith(f"({indexed})")


def test_a_plan_changes_nothing(connection: psycopg.Connection) -> None:
    plan = plan_table(connection, SPEC, ITEMS)
    assert plan.create
    assert columns_of(connection, ITEMS) == {}


def test_columns_are_added_and_widened_and_rows_stay(connection: psycopg.Connection) -> None:
    ensure(connection)
    fill(connection)
    wider = with_type("label", "text")
    wider = replace(wider, columns=(*wider.columns, column("more", "jsonb", description="New")))
    changes = ensure(connection, wider)
    assert [(change.kind, change.column, change.before, change.after) for change in changes] == [
        ("column_added", "more", None, "jsonb"),
        ("column_widened", "label", "character varying(10)", "text"),
    ]
    assert connection.execute("SELECT site, number, label, qty, more FROM erp.items").fetchone() is not None
    assert ask(connection, "SELECT col_description('erp.items'::regclass, 11)") == "New"
    assert plan_table(connection, wider, ITEMS).is_empty


@pytest.mark.parametrize(
    ("before", "value", "after", "kept"),
    [
        ("smallint", "-32768", "integer", "-32768"),
        ("integer", "2147483647", "bigint", "2147483647"),
        ("bigint", "9223372036854775807", "numeric(30,2)", "9223372036854775807.00"),
        ("numeric(10,2)", "12345678.90", "numeric(12,4)", "12345678.9000"),
        ("numeric(10,2)", "12345678.90", "numeric", "12345678.90"),
        ("character varying(3)", "äöü", "character varying(9)", "äöü"),
        ("real", "0.1", "double precision", "0.10000000149011612"),
        ("date", "2025-12-08", "timestamp without time zone", "2025-12-08 00:00:00"),
        ("timestamp with time zone", "2025-12-08 12:00:00+02", "text", "2025-12-08 10:00:00+00"),
        ("boolean", "true", "text", "true"),
        ("uuid", "00000000-0000-0000-0000-00000000000a", "text", "00000000-0000-0000-0000-00000000000a"),
    ],
)
def test_a_widened_column_keeps_its_values(
    connection: psycopg.Connection, before: str, value: str, after: str, kept: str
) -> None:
    ensure(connection, with_type("qty", before))
    connection.execute("INSERT INTO erp.items (site, number, qty) VALUES ('A', 1, %s)", (value,))
    assert [change.kind for change in ensure(connection, with_type("qty", after))] == ["column_widened"]
    assert ask(connection, "SELECT qty::text FROM erp.items") == kept
    assert columns_of(connection, ITEMS)["qty"] == after


@pytest.mark.parametrize(
    ("name", "after", "blocks"),
    [
        ("label", "character varying(5)", False),
        ("qty", "numeric(9,2)", False),
        ("qty", "integer", False),
        ("label", "integer", True),
        ("qty", "jsonb", True),
        ("qty", "boolean", True),
        ("label", "bytea", True),
    ],
)
def test_a_change_that_would_lose_values_is_refused_and_told(
    connection: psycopg.Connection, name: str, after: str, blocks: bool
) -> None:
    ensure(connection)
    fill(connection)
    before = columns_of(connection, ITEMS)
    spec = with_type(name, after)
    plan = plan_table(connection, spec, ITEMS)
    assert (plan.is_empty, plan.blocks) == (True, blocks)
    (refusal,) = plan.refused
    assert (refusal.kind, refusal.column, refusal.before, refusal.after, refusal.applied) == (
        "column_refused",
        name,
        before[name],
        after,
        False,
    )
    for word in ("erp.items", name, before[name], after, "discover again"):
        assert word in refusal.message
    assert columns_of(connection, ITEMS) == before
    if blocks or widening(after, before[name]) not in ("same", "widen"):
        with pytest.raises(SchemaRefused, match="discover again"):
            ensure_table(connection, spec, ITEMS)
    else:
        assert ensure_table(connection, spec, ITEMS).is_empty


def test_a_column_that_is_gone_at_the_source_or_was_added_by_hand_stays(connection: psycopg.Connection) -> None:
    ensure(connection)
    fill(connection)
    connection.execute("ALTER TABLE erp.items ADD COLUMN mine text DEFAULT 'x'")
    assert ensure(connection, replace(SPEC, columns=SPEC.columns[:3])) == ()
    assert connection.execute("SELECT qty, mine FROM erp.items").fetchone() is not None


def test_a_dropped_column_is_added_again(connection: psycopg.Connection) -> None:
    ensure(connection)
    connection.execute("ALTER TABLE erp.items DROP COLUMN qty")
    plan = plan_table(connection, SPEC, ITEMS)
    assert ([c.identifier for c in plan.add], plan.refills) == (["qty"], True)


def test_new_keys_are_refused_until_the_table_has_them(connection: psycopg.Connection) -> None:
    ensure(connection)
    spec = replace(SPEC, business_keys=("number",))
    plan = plan_table(connection, spec, ITEMS)
    assert plan.blocks
    assert [change.kind for change in plan.refused] == ["keys_refused"]
    assert "(number)" in plan.refused[0].message
    connection.execute("ALTER TABLE erp.items DROP CONSTRAINT items_business_key, ADD UNIQUE (number)")
    plan = plan_table(connection, spec, ITEMS, before=SPEC)
    assert (plan.blocks, plan.relax, plan.refills) == (False, ("site",), False)
    with connection.transaction():
        assert apply_plan(connection, spec, plan).changes == ()
    connection.execute("INSERT INTO erp.items (number) VALUES (1)")
    with pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO erp.items (site) VALUES ('A')")


@pytest.mark.parametrize(
    ("index", "is_unique"),
    [
        ("CREATE UNIQUE INDEX ON erp.items (number, site)", True),
        ("CREATE UNIQUE INDEX ON erp.items (number, site) INCLUDE (label)", True),
        ("CREATE UNIQUE INDEX ON erp.items (site) INCLUDE (number)", False),
        ("CREATE UNIQUE INDEX ON erp.items (site, number, lower(label))", False),
        ("CREATE UNIQUE INDEX ON erp.items (site, number) WHERE NOT _bridge_deleted", False),
        ("CREATE UNIQUE INDEX ON erp.items (site, number, label)", False),
        ("CREATE INDEX ON erp.items (site, number)", False),
    ],
)
def test_only_a_unique_index_on_just_the_keys_counts(
    connection: psycopg.Connection, index: LiteralString, is_unique: bool
) -> None:
    ensure(connection)
    connection.execute("ALTER TABLE erp.items DROP CONSTRAINT items_business_key")
    connection.execute(index)
    assert plan_table(connection, SPEC, ITEMS).blocks is not is_unique


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("CREATE TABLE erp.items (site text, number integer, label text, qty numeric)", "table erp.items"),
        ("CREATE TABLE erp.items ()", "table erp.items"),
        ("CREATE VIEW erp.items AS SELECT 1 AS site", "view erp.items"),
        ("CREATE MATERIALIZED VIEW erp.items AS SELECT 1 AS site", "materialized view erp.items"),
        ("CREATE SEQUENCE erp.items", "sequence erp.items"),
        ("CREATE TABLE erp.t (a int); CREATE INDEX items ON erp.t (a)", "index erp.items"),
        ("CREATE TYPE erp.items AS (a int)", "type erp.items"),
    ],
)
def test_what_is_not_syncflows_is_left_alone(
    connection: psycopg.Connection, statement: LiteralString, word: str
) -> None:
    connection.execute("CREATE SCHEMA erp")
    connection.execute(statement)
    with pytest.raises(SchemaRefused, match=rf"^{word} exists and is not SyncFlow's; rename it"):
        plan_table(connection, SPEC, ITEMS)


def test_a_view_in_the_place_of_the_table_is_not_taken_for_it(connection: psycopg.Connection) -> None:
    ensure(connection)
    connection.execute(
        "ALTER TABLE erp.items RENAME TO items_all; CREATE VIEW erp.items AS SELECT * FROM erp.items_all"
    )
    with pytest.raises(SchemaRefused, match=r"view erp\.items"):
        ensure_table(connection, SPEC, ITEMS)


def test_a_table_that_was_renamed_away_is_made_anew(connection: psycopg.Connection) -> None:
    for number in range(3):
        ensure(connection)
        fill(connection)
        connection.execute(sql.SQL("ALTER TABLE erp.items RENAME TO {}").format(sql.Identifier(f"old_{number}")))
    ensure(connection)
    assert ask(connection, "SELECT count(*) FROM erp.items") == 0
    assert ask(connection, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'erp'") == 12


def test_views_grants_indexes_comments_and_triggers_survive_every_change(connection: psycopg.Connection) -> None:
    ensure(connection)
    fill(connection)
    connection.execute("""
        CREATE ROLE reader_of_tables;
        GRANT SELECT (label), INSERT ON erp.items TO reader_of_tables;
        GRANT SELECT ON erp.items TO reader_of_tables;
        CREATE VIEW erp.labels AS SELECT site, qty FROM erp.items;
        CREATE INDEX mine ON erp.items (label);
        COMMENT ON COLUMN erp.items.label IS 'by hand';
        COMMENT ON TABLE erp.items IS 'by hand, too';
        ALTER TABLE erp.items ADD CHECK (number > 0)
    """)
    try:
        before = ask(connection, "SELECT 'erp.items'::regclass::oid")
        wider = with_type("label", "text")
        ensure(connection, replace(wider, columns=(*wider.columns, column("more")), description="from the source"))
        assert ask(connection, "SELECT 'erp.items'::regclass::oid") == before
        assert connection.execute("SELECT * FROM erp.labels").fetchall() != []
        assert ask(connection, "SELECT has_table_privilege('reader_of_tables', 'erp.items', 'SELECT, INSERT')")
        assert ask(connection, "SELECT count(*) FROM pg_indexes WHERE indexname = 'mine'") == 1
        assert ask(connection, "SELECT col_description('erp.items'::regclass, 3)") == "by hand"
        assert ask(connection, "SELECT obj_description('erp.items'::regclass)") == "by hand, too"
        assert ask(connection, "SELECT count(*) FROM pg_constraint WHERE conname = 'items_number_check'") == 1
    finally:
        connection.execute("DROP OWNED BY reader_of_tables; DROP ROLE reader_of_tables")


@pytest.mark.parametrize(
    ("dependant", "name"),
    [
        ("CREATE VIEW erp.labels AS SELECT label FROM erp.items", "view erp.labels"),
        ("CREATE MATERIALIZED VIEW erp.labels AS SELECT label FROM erp.items", "materialized view erp.labels"),
        ("CREATE RULE r AS ON UPDATE TO erp.items WHERE new.label = 'x' DO ALSO NOTHING", "rule r on table erp.items"),
        ("CREATE POLICY mine ON erp.items USING (label <> 'x')", "policy mine on table erp.items"),
        (
            "ALTER TABLE erp.items ADD loud text GENERATED ALWAYS AS (upper(label)) STORED",
            "default value for column loud of table erp.items",
        ),
        (
            "CREATE FUNCTION erp.f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT max(label) FROM erp.items; END",
            "function erp.f()",
        ),
        (
            "CREATE TRIGGER t BEFORE UPDATE OF label ON erp.items EXECUTE FUNCTION tsvector_update_trigger()",
            "trigger t on table erp.items",
        ),
        (
            "CREATE PUBLICATION p FOR TABLE erp.items (site, number, label, _bridge_id)",
            "publication of table erp.items in publication p",
        ),
    ],
)
def test_what_stands_on_a_column_that_would_grow_is_named(
    connection: psycopg.Connection, dependant: LiteralString, name: str
) -> None:
    ensure(connection)
    connection.execute(dependant)
    plan = plan_table(connection, with_type("label", "text"), ITEMS)
    assert (plan.is_empty, plan.blocks) == (True, False)
    (refusal,) = plan.refused
    assert refusal.message.startswith(
        f"column label of erp.items stays character varying(10) and does not grow to text, because it is used by {name}"
    )
    assert columns_of(connection, ITEMS)["label"] == "character varying(10)"
