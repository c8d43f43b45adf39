"""Discovery: what a source offers, taken over one entity at a time, however it changes its mind."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString

import pytest
from psycopg import sql

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault, SourceStore
from syncflow_pipelines.errors import SourceProtocolError, SourceRefused, SourceUnreachable
from syncflow_pipelines.sync import discovery
from syncflow_pipelines.sync.checks import drift, duplicate_keys
from syncflow_pipelines.sync.discovery import discover
from syncflow_pipelines.sync.entities import find_entity, list_entities
from syncflow_pipelines.sync.model import Table
from syncflow_pipelines.sync.runs import try_lock
from syncflow_pipelines.sync.state import read_catalogue_state
from syncflow_pipelines_tests.postgres.world import World, row

SITE = SourceColumn("SITE", "VARCHAR2(10)", is_nullable=False)
NUMBER = SourceColumn("NO", "NUMBER(9)", alias="number", is_nullable=False)
LABEL = SourceColumn("LABEL", "VARCHAR2(40)")
QTY = SourceColumn("QTY", "NUMBER(12,3)")


def change(world: World, slug: str, **changes: Any) -> None:
    """The source says something else of an entity from now on."""
    spec = next(spec for spec in world.store.entities() if spec.slug == slug)
    world.store.alter_entity(replace(spec, **changes))


def types(world: World, slug: str) -> dict[str, str]:
    """The table's columns, without SyncFlow's own."""
    entity = world.entity(slug)
    found = world.query(
        "SELECT column_name, format_type(a.atttypid, a.atttypmod) FROM information_schema.columns c "
        "JOIN pg_attribute a ON a.attname = column_name AND a.attrelid = format('%%I.%%I', table_schema, table_name)"
        "::regclass WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        entity.table.schema,
        entity.table.name,
    )
    return {name: kind for name, kind in found if not name.startswith("_bridge_")}


def do(world: World, statements: LiteralString) -> None:
    """Carries statements out by hand, on the metadata's search path."""
    with world.database.connection() as connection:
        connection.execute(statements)


def recorded(world: World, *kinds: str) -> list[tuple[Any, ...]]:
    return world.query(
        "SELECT slug, kind, column_name, before_type, after_type, applied FROM schema_changes WHERE kind = ANY (%s) "
        "ORDER BY happened_at",
        list(kinds),
    )


def everything(world: World) -> dict[str, Any]:
    """All that SyncFlow keeps: rows of its tables, the tables there are, and the state file."""
    tables = world.query("SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information)'")
    kept: dict[str, Any] = {"columns": sorted(world.query("SELECT attrelid, attname, atttypid FROM pg_attribute"))}
    with world.database.connection() as connection:
        for schema, name in sorted(tables):
            statement = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name))
            kept[f"{schema}.{name}"] = sorted(map(repr, connection.execute(statement).fetchall()))
    kept["state"] = read_catalogue_state(world.settings.home)
    return kept


# Entities come, go and return


def test_entities_are_added_once_with_their_tables_and_the_state(world: World) -> None:
    for slug, strategy in (("orders", "rowversion"), ("items", "hash")):
        world.offer(slug, strategy)
    report = world.discover()
    assert (report.entities, sorted(report.added)) == (("items", "orders"), ["items", "orders"])
    assert (report.changed, report.gone, report.refused, report.findings) == ((), (), {}, ())
    assert types(world, "items") == {
        "site": "character varying(10)",
        "number": "integer",
        "label": "character varying(40)",
        "qty": "numeric(12,3)",
    }
    assert [state.slug for state in read_catalogue_state(world.settings.home)["erp"]] == ["items", "orders"]
    assert world.query("SELECT catalogue_digest FROM connectors") == [(report.digest,)]
    before = everything(world)
    again = world.discover()
    assert (again.added, again.changed, again.changes) == ((), (), ())
    after = everything(world)
    for kept in (before, after):
        kept.pop("bridge.connectors")  # holds the time of the last discovery
    assert after == before


def test_an_entity_that_is_gone_is_marked_and_one_that_returns_goes_on(world: World) -> None:
    spec = world.offer("items", "hash")
    world.offer("orders", "hash")
    world.store.insert("items", [row(1)])
    world.discover()
    world.sync("items")
    world.store.drop_entity("items")
    report = world.discover()
    assert (report.gone, report.entities) == (("items",), ("orders",))
    assert not world.entity("items").is_present
    assert len(world.live("items")) == 1
    assert world.discover().gone == ()
    world.store.create_entity(spec)
    world.store.insert("items", [row(1), row(2)])
    report = world.discover()
    assert (report.changed, report.added) == (("items",), ())
    assert [kind for _, kind, *_ in recorded(world, "entity_gone", "entity_returned")] == [
        "entity_gone",
        "entity_returned",
    ]
    assert world.entity("items").is_present
    assert world.sync("items").counts.inserted == 1


def test_a_strategy_that_the_source_changes_is_followed_and_recorded(world: World) -> None:
    world.offer("items", "hash", versions="counter")
    world.store.insert("items", [row(1)])
    world.discover()
    change(world, "items", strategy="rowversion")
    assert world.discover().changed == ("items",)
    assert recorded(world, "strategy_changed") == [("items", "strategy_changed", None, "hash", "rowversion", True)]
    assert world.entity("items").strategy == "rowversion"
    assert world.sync("items").strategy == "rowversion"


def test_a_strategy_that_the_source_cannot_serve_is_refused_until_it_is_changed(world: World) -> None:
    world.offer("items", "hash")
    world.configure("items", strategy="rowversion")
    report = world.discover()
    assert "set hash or full" in report.refused["items"]
    assert report.entities == ()
    world.configure("items", strategy="full")
    assert world.discover().added == ("items",)
    world.configure("items", strategy="rowversion")
    assert "set hash or full" in world.discover().refused["items"]
    assert world.sync("items").error_type == "SchemaRefused"
    world.configure("items")
    assert world.discover().refused == {}
    assert world.sync("items").status == "success"


# Columns


def test_an_added_column_is_filled_everywhere_a_dropped_one_kept_and_one_that_returns_filled_again(
    world: World,
) -> None:
    world.offer("items")
    world.store.insert("items", [{**row(n), "more": f"more {n}"} for n in range(3)])
    world.discover()
    world.sync("items")
    more = SourceColumn("MORE", "CLOB")
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, more))
    assert world.discover().changed == ("items",)
    world.sync("items")
    assert {found["more"] for found in world.live("items").values()} == {"more 0", "more 1", "more 2"}

    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY))
    assert [c.kind for c in world.discover().changes] == ["column_dropped"]
    world.store.update("items", [{"site": "A", "number": 0, "more": "changed meanwhile"}], row_version=None)
    world.sync("items")
    assert world.query("SELECT more FROM erp.items WHERE number = 0") == [("more 0",)]

    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, more))
    assert world.discover().changed == ("items",)
    world.sync("items")
    assert world.query("SELECT more FROM erp.items WHERE number = 0") == [("changed meanwhile",)]
    assert recorded(world, "column_added", "column_dropped") == [
        ("items", "column_added", "more", None, "text", True),
        ("items", "column_dropped", "more", "text", None, True),
    ]


def test_a_renamed_column_is_a_new_one_beside_the_old(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1, "x")])
    world.discover()
    world.sync("items")
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, alias="title"), QTY))
    world.store.put("items", [{"site": "A", "number": 1, "title": "y", "qty": 1}])
    kinds = [(c.kind, c.column) for c in world.discover().changes]
    assert kinds == [("column_added", "title"), ("column_dropped", "label")]
    world.sync("items")
    assert world.query("SELECT label, title FROM erp.items") == [("x", "y")]


def test_a_widened_column_takes_the_values_that_were_refused(world: World) -> None:
    world.offer("items", columns=(SITE, NUMBER, replace(LABEL, data_type="VARCHAR2(3)"), QTY))
    world.store.insert("items", [row(1, "abc"), row(2, "abcdef")])
    world.discover()
    assert world.sync("items").counts.rejected == 1
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY))
    report = world.discover()
    assert [(c.kind, c.before, c.after) for c in report.changes] == [
        ("column_widened", "character varying(3)", "character varying(40)")
    ]
    assert world.sync("items").open_rejects == 0
    assert world.live("items") == world.expected("items")


def test_a_column_that_would_narrow_stays_as_it_is_and_the_entity_goes_on(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1, "x" * 40)])
    world.discover()
    world.sync("items")
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="VARCHAR2(5)"), QTY))
    report = world.discover()
    assert "would narrow" in report.refused["items"]
    assert types(world, "items")["label"] == "character varying(40)"
    assert world.entity("items").schema_error is None
    assert world.sync("items").status == "success"
    do(world, "UPDATE entities SET next_attempt_at = '2999-01-01'")
    before = everything(world)
    assert world.discover().refused == report.refused
    after = everything(world)
    assert after["bridge.entities"] == before["bridge.entities"]
    assert after["bridge.schema_changes"] == before["bridge.schema_changes"]
    assert len(recorded(world, "column_refused")) == 1


def test_an_incompatible_column_stops_its_entity_alone_until_it_is_settled(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    world.store.insert("items", [row(1)])
    world.discover()
    world.sync("items")
    columns = (SITE, NUMBER, replace(LABEL, data_type="NUMBER(5)"), QTY, SourceColumn("MORE", "CLOB"))
    change(world, "items", columns=columns)
    change(world, "orders", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    report = world.discover()
    assert list(report.refused) == ["items"]
    assert report.changed == ("orders",)
    assert "more" not in types(world, "items")
    assert "more" in types(world, "orders")
    outcome = world.sync("items")
    assert (outcome.status, outcome.error_type) == ("failed", "SchemaRefused")
    assert "alter the column's type yourself" in str(outcome.error)
    assert len(world.live("items")) == 1
    assert world.discover().refused == report.refused
    assert len(recorded(world, "column_refused")) == 1

    do(world, "ALTER TABLE erp.items RENAME COLUMN label TO old_label")
    world.store.put("items", [row(1, label=None)])
    assert world.discover().refused == {}
    assert world.sync("items").status == "success"
    assert types(world, "items")["label"] == "integer"


def test_several_reasons_are_all_told(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="JSON"), replace(QTY, data_type="UUID")))
    reason = world.discover().refused["items"]
    assert "column label" in reason
    assert "column qty" in reason
    assert world.entity("items").schema_error == reason


def test_new_keys_stop_the_entity_until_the_table_has_them(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1), row(2)])
    world.discover()
    world.sync("items")
    nullable_site = replace(SITE, is_nullable=True)
    world.store.drop_entity("items")
    world.offer("items", "hash", business_keys=("number",), columns=(nullable_site, NUMBER, LABEL, QTY))
    world.store.insert("items", [{"site": None, "number": n, "label": "y", "qty": 2} for n in (1, 3)])
    assert "(number)" in world.discover().refused["items"]
    assert world.sync("items").status == "failed"
    do(world, "ALTER TABLE erp.items DROP CONSTRAINT items_business_key, ADD UNIQUE (number)")
    assert world.discover().refused == {}
    counts = world.sync("items").counts
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 1, 1)
    assert world.query("SELECT number, site, _bridge_deleted FROM erp.items ORDER BY 1") == [
        (1, None, False),
        (2, "A", True),
        (3, None, False),
    ]


def test_a_view_on_a_column_that_would_grow_is_named_and_the_others_go_on(world: World) -> None:
    for slug in ("a_first", "items", "z_last"):
        world.offer(slug, "hash")
    world.discover()
    do(world, "CREATE VIEW erp.labels AS SELECT label FROM erp.items")
    wider = replace(LABEL, data_type="CLOB")
    for slug in ("a_first", "items", "z_last"):
        change(world, slug, columns=(SITE, NUMBER, wider, QTY, SourceColumn("MORE", "CLOB")))
    report = world.discover()
    assert sorted(report.changed) == ["a_first", "z_last"]
    (reason,) = report.refused.values()
    for word in ("column label of erp.items", "view erp.labels", "drop what depends on it, discover again"):
        assert word in reason
    assert "more" not in types(world, "items")
    assert [c for c in report.changes if c.entity == "items"] == []
    do(world, "DROP VIEW erp.labels")
    assert world.discover().changed == ("items",)
    assert world.sync("items").status == "success"


def test_columns_in_another_order_are_no_change_and_rows_stay_as_they_are(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    change(world, "items", columns=(QTY, LABEL, NUMBER, SITE))
    assert world.discover().changed == ()
    assert world.sync("items").counts.unchanged == 3
    change(world, "items", columns=(QTY, SourceColumn("MORE", "CLOB"), LABEL, NUMBER, SITE))
    assert world.discover().changed == ("items",)
    assert list(types(world, "items")) == ["site", "number", "label", "qty", "more"]


# Tables and their names


def test_a_foreign_table_in_the_way_is_left_alone_and_named(world: World) -> None:
    do(world, "CREATE SCHEMA erp; CREATE TABLE erp.items (mine text); INSERT INTO erp.items VALUES ('x')")
    world.offer("items", "hash")
    world.offer("orders", "hash")
    report = world.discover()
    assert report.added == ("orders",)
    assert "erp.items exists and is not SyncFlow's" in report.refused["items"]
    assert [finding.entity for finding in report.findings] == ["items"]
    assert world.query("SELECT * FROM erp.items") == [("x",)]
    world.configure("items", target_table="items_too")
    assert world.discover().added == ("items",)
    assert world.entity("items").table == Table("erp", "items_too")


def test_slugs_that_fold_to_one_name_get_tables_of_their_own_that_they_keep(world: World) -> None:
    slugs = ["Items", "items", "ITEMS", "items!"]
    for slug in slugs:
        world.offer(slug, "hash")
        world.store.insert(slug, [row(1, slug)])
    world.discover()
    tables = {slug: world.entity(slug).table for slug in slugs}
    assert len(set(tables.values())) == 4
    for slug in slugs:
        assert world.sync(slug).status == "success"
        assert world.live(slug) == world.expected(slug)
    world.store.drop_entity("ITEMS")
    world.discover()
    world.discover()
    assert {slug: world.entity(slug).table for slug in slugs} == tables


def test_two_connectors_that_fill_one_schema_never_share_a_table(world: World) -> None:
    world.offer("items", "hash")
    other = replace(world.connector, name="crm", target_schema="erp")
    world.discover()
    discover(world.database, other, world.settings)
    with world.database.connection() as connection:
        mine, theirs = (find_entity(connection, name, "items").table for name in ("erp", "crm"))
    assert (mine.schema, theirs.schema) == ("erp", "erp")
    assert mine != theirs


def test_a_target_table_that_another_entity_has_is_refused(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    world.configure("orders", target_table="Items")
    report = world.discover()
    assert "belongs to erp/items already" in report.refused["orders"]
    assert report.added == ("items",)


def test_another_target_is_filled_from_the_beginning_and_the_old_table_stays(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    world.configure("items", target_schema="elsewhere", target_table="things")
    world.discover()
    assert world.entity("items").table == Table("elsewhere", "things")
    assert world.sync("items").counts.inserted == 3
    assert world.query("SELECT count(*) FROM erp.items") == [(3,)]


def test_a_table_that_was_renamed_away_is_filled_anew_under_its_name(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    do(world, "ALTER TABLE erp.items RENAME TO items_old")
    assert world.discover().changed == ("items",)
    assert world.sync("items").counts.inserted == 3


def test_tables_are_taken_up_where_the_metadata_was_lost(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(n) for n in range(3)])
    world.discover()
    world.sync("items")
    do(world, "DELETE FROM connectors")
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="VARCHAR2(5)"), QTY))
    report = world.discover()
    assert report.added == ("items",)
    assert "would narrow" in report.refused["items"]
    assert world.sync("items").counts.unchanged == 3


HOSTILE_SLUGS = [
    "a/b",
    "a?b=c#d",
    "a%2Fb",
    "../../etc",
    "'; DROP TABLE entities; --",
    'quo"ted',
    "select",
    "ж" * 60,
    "A" * 100,
    "ü b",
    "__",
    "1",
    "\U0001f600",
]


def test_hostile_slugs_are_synced_like_any_other(world: World) -> None:
    for slug in HOSTILE_SLUGS:
        world.offer(slug, "hash")
        world.store.insert(slug, [row(1, slug[:40])])
    report = world.discover()
    assert report.entities == tuple(sorted(HOSTILE_SLUGS))
    assert len({world.entity(slug).table for slug in HOSTILE_SLUGS}) == len(HOSTILE_SLUGS)
    for slug in HOSTILE_SLUGS:
        outcome = world.sync(slug)
        assert outcome.status == "success", (slug, outcome.error)
        assert world.live(slug) == world.expected(slug)


# Nothing by half, and nothing twice


def test_a_dry_run_tells_everything_and_changes_nothing(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    world.offer("prices", "hash")
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, replace(LABEL, data_type="CLOB"), SourceColumn("MORE", "CLOB")))
    change(world, "orders", columns=(SITE, NUMBER, replace(LABEL, data_type="JSON"), QTY))
    world.store.drop_entity("prices")
    world.offer("new one", "hash")
    before = everything(world)
    told = discover(world.database, world.connector, world.settings, dry_run=True)
    assert everything(world) == before
    done = world.discover()
    assert replace(told, seconds=0) == replace(done, seconds=0)
    assert (done.added, done.changed, done.gone, list(done.refused)) == (
        ("new one",),
        ("items",),
        ("prices",),
        ["orders"],
    )


def test_a_first_dry_run_leaves_no_trace(world: World) -> None:
    world.offer("items", "hash")
    before = everything(world)
    assert discover(world.database, world.connector, world.settings, dry_run=True).added == ("items",)
    assert everything(world) == before


def test_an_entity_that_is_being_synced_follows_the_next_time(world: World) -> None:
    world.offer("items", "hash")
    world.offer("orders", "hash")
    digest = world.discover().digest
    more = (SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB"))
    change(world, "items", columns=more)
    change(world, "orders", columns=more)
    with world.database.dedicated("a sync") as sync:
        assert try_lock(sync, world.entity("items").uid)
        report = world.discover()
    assert report.changed == ("orders",)
    assert [(finding.severity, finding.entity) for finding in report.findings] == [("warning", "items")]
    assert "is being synced" in report.findings[0].message
    assert report.refused == {}
    assert world.query("SELECT catalogue_digest FROM connectors") == [(digest,)]
    assert world.discover().changed == ("items",)
    assert world.query("SELECT catalogue_digest <> %s FROM connectors", digest) == [(True,)]


def test_a_table_that_somebody_reads_for_long_is_left_for_the_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "_WAIT_FOR_LOCKS", "SET LOCAL lock_timeout = '100ms'")
    world.offer("items", "hash")
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    with world.database.connection() as reader:
        reader.execute("SELECT * FROM erp.items")
        report = world.discover()
    assert (report.changed, report.refused) == ((), {})
    assert "lock timeout" in report.findings[0].message
    assert world.entity("items").schema_error is None
    assert world.sync("items").status == "success"
    assert world.discover().changed == ("items",)


def test_a_change_is_committed_before_a_sync_may_begin(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    do(
        world,
        """
        CREATE TABLE locks_at_commit (held bigint);
        CREATE FUNCTION note_locks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO bridge.locks_at_commit SELECT count(*) FROM pg_locks
          WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER noted AFTER UPDATE ON entities DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note_locks()
    """,
    )
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    world.discover()
    assert world.query("SELECT held FROM locks_at_commit") == [(2,)]  # the discovery's and the entity's


def test_discoveries_at_once_end_like_one(world: World) -> None:
    for number in range(6):
        world.offer(f"items {number}", "hash")
    others = [replace(world.connector, name=name, target_schema="erp") for name in ("erp2", "erp3")]
    reports = at_once(
        *(lambda c=c: discover(world.database, c, world.settings) for c in [world.connector] * 2 + others)
    )
    assert sorted(len(report.added) for report in reports) == [0, 6, 6, 6]
    assert all(report.refused == {} and report.findings == () for report in reports)
    with world.database.connection() as connection:
        tables = [entity.table for entity in list_entities(connection)]
    assert len(set(tables)) == len(tables) == 18
    assert set(read_catalogue_state(world.settings.home)) == {"erp", "erp2", "erp3"}


def test_discoveries_and_syncs_at_once_lose_nothing(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [{**row(n), "more": f"more {n}"} for n in range(300)])
    world.discover()
    change(world, "items", columns=(SITE, NUMBER, LABEL, QTY, SourceColumn("MORE", "CLOB")))
    at_once(
        *(lambda: world.sync("items", wait_s=20) for _ in range(3)),
        *[world.discover] * 3,
    )
    world.discover()
    world.sync("items")
    assert {found["more"] for found in world.live("items").values()} == {f"more {n}" for n in range(300)}


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Runs all of it in threads, from one moment on; what each returned, or the first error raised."""
    start, results = threading.Barrier(len(works)), [None] * len(works)
    errors: list[BaseException] = []

    def run(place: int) -> None:
        start.wait(10)
        try:
            results[place] = works[place]()
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for error in errors:
        raise error
    return results


# Sources that fail, and catalogues that are none


def test_a_source_that_is_down_leaves_everything_as_it_was(world: World) -> None:
    world.offer("items", "hash")
    world.discover()
    before = everything(world)
    for fault, error in ((Fault(status=500), SourceUnreachable), (Fault(status=403), SourceRefused)):
        world.store.break_entity("", fault)
        with pytest.raises(error):
            world.discover()
        assert everything(world) == before
    world.store.heal_entity("")
    assert world.discover().changed == ()


class ToldStore(SourceStore):
    """A source whose catalogue says what a test tells it to."""

    told: bytes = b"[]"

    def catalogue(self) -> bytes:
        return self.told


class Told:
    """A connector of a source that says what it is told to say."""

    def __init__(self, store: ToldStore, connector: ConnectorConfig, settings: Settings, database: Database) -> None:
        self._store, self.connector, self._settings, self._database = store, connector, settings, database

    def say(self, *entries: Any) -> None:
        self._store.told = (
            b"[" + b",".join(e if isinstance(e, bytes) else json.dumps(e).encode() for e in entries) + b"]"
        )

    def say_raw(self, body: bytes) -> None:
        self._store.told = body

    def discover(self) -> Any:
        return discover(self._database, self.connector, self._settings)

    def known(self) -> dict[str, bool]:
        with self._database.connection() as connection:
            return {entity.spec.slug: entity.is_present for entity in list_entities(connection)}


@pytest.fixture
def told(tmp_path: Path, settings: Settings, database: Database) -> Iterator[Told]:
    with ToldStore(tmp_path / "told.sqlite") as store, serve_in_thread(build_app(store, None)) as url:
        yield Told(store, ConnectorConfig(name="told", base_url=url, timeout_s=10), settings, database)


def api(slug: Any, **more: Any) -> dict[str, Any]:
    columns = [{"name": "ID", "data_type": "NUMBER(9)"}, {"name": "TEXT", "data_type": "CLOB"}]
    entry = {"slug": slug, "name": slug, "delta_strategy": "hash", "business_key_columns": ["id"], "columns": columns}
    return {**entry, **more}


@pytest.mark.parametrize("body", [b"{}", b"[", b'[{"slug":"a"'])
def test_a_catalogue_that_is_none_is_refused_and_nothing_is_marked_gone(told: Told, body: bytes) -> None:
    told.say(api("items"))
    told.discover()
    told.say_raw(body)
    with pytest.raises((SourceProtocolError, SourceUnreachable)):
        told.discover()
    assert told.known() == {"items": True}


def test_entries_that_cannot_be_used_are_findings_and_the_rest_goes_on(told: Told) -> None:
    told.say(
        api("good"),
        api("keys", business_key_columns=["nothing"]),
        api("columns", columns=[]),
        api("strategy", delta_strategy="guess"),
        api("twice"),
        api("twice", name="other"),
        17,
        {"slug": "torn"},
        api("odd", columns=[{"name": "ID", "data_type": "NUMBER(9)"}, {"name": "X", "data_type": "SDO_GEOMETRY"}]),
    )
    report = told.discover()
    assert report.added == ("good", "odd")
    assert {f.entity for f in report.findings if f.severity == "error"} == {
        "keys", "columns", "strategy", "twice", None, "torn",
    }  # fmt: skip
    assert [f.entity for f in report.findings if f.severity == "warning"] == ["odd"]


def test_an_entity_whose_entry_is_broken_now_is_not_gone(told: Told) -> None:
    told.say(api("items"), api("orders"))
    told.discover()
    told.say(api("items", columns=[]))
    assert told.discover().gone == ("orders",)
    assert told.known() == {"items": True, "orders": False}


def test_nothing_is_gone_while_an_entry_without_a_name_may_be_it(told: Told) -> None:
    told.say(api("items"), api("orders"))
    told.discover()
    told.say(api("items"), {"name": "a thing without a slug"})
    assert told.discover().gone == ()
    assert told.known() == {"items": True, "orders": True}


def test_columns_that_postgresql_keeps_for_itself_are_renamed(told: Told) -> None:
    names = ["ID", "ctid", "XMIN", "_bridge_hash", "_BRIDGE_ID", "tableoid", "Größe", "GRÖSSE", "a.b", "a b", "x" * 100]
    told.say(api("items", columns=[{"name": name, "data_type": "CLOB"} for name in names]))
    report = told.discover()
    assert (report.added, report.refused) == (("items",), {})


def test_more_columns_than_a_table_holds_are_one_finding(told: Told) -> None:
    columns = [{"name": "ID", "data_type": "NUMBER(9)"}]
    told.say(
        api("wide", columns=columns + [{"name": f"C{n}", "data_type": "CLOB"} for n in range(1589)]),
        api("wider", columns=columns + [{"name": f"C{n}", "data_type": "CLOB"} for n in range(1590)]),
        api("items"),
    )
    report = told.discover()
    assert set(report.added) == {"wide", "items"}
    assert [finding.entity for finding in report.findings] == ["wider"]
    told.say(
        api("wide", columns=[*columns, *({"name": f"D{n}", "data_type": "CLOB"} for n in range(1589))]), api("items")
    )
    refused = told.discover().refused
    assert "1600 columns" in refused["wide"]
    assert told.known() == {"wide": True, "items": True}


def test_a_catalogue_fetched_earlier_never_comes_after_a_newer_one(told: Told, database: Database) -> None:
    told.say(api("items"))
    with database.dedicated("another discovery") as other:
        other.execute(discovery._ONE_AT_A_TIME, ("told",))
        waiting = threading.Thread(target=told.discover)
        waiting.start()
        seen = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while other.execute(seen).fetchone() is None:
            threading.Event().wait(0.01)
        told.say(api("items"), api("orders"))
    waiting.join(20)
    assert told.known() == {"items": True, "orders": True}


# The questions of the checks


def test_drift_tells_every_way_in_which_a_table_does_not_fit(world: World) -> None:
    world.offer("items", "hash")
    world.discover()

    def told_now() -> tuple[str, ...]:
        with world.database.connection() as connection:
            return drift(connection, find_entity(connection, "erp", "items"))

    assert told_now() == ()
    do(world, "ALTER TABLE erp.items DROP COLUMN label, ALTER COLUMN qty TYPE numeric(5,1)")
    assert [sentence.split(" is ")[0] for sentence in told_now()] == ["column label", "column qty of erp.items"]
    do(world, "ALTER TABLE erp.items DROP CONSTRAINT items_business_key")
    assert "no unique constraint" in told_now()[-1]
    do(world, "DROP TABLE erp.items")
    assert told_now() == ("table erp.items does not exist",)
    do(world, "CREATE VIEW erp.items AS SELECT 1 AS x")
    assert "view erp.items exists" in told_now()[0]


def test_duplicate_keys_are_counted_where_nothing_prevents_them(world: World) -> None:
    world.offer("items", "hash")
    world.store.insert("items", [row(1), row(2)])
    world.discover()
    world.sync("items")

    def repeated() -> int:
        with world.database.connection() as connection:
            return duplicate_keys(connection, find_entity(connection, "erp", "items"))

    assert repeated() == 0
    do(world, "ALTER TABLE erp.items DROP CONSTRAINT items_business_key")
    do(world, "INSERT INTO erp.items (site, number) VALUES ('A', 1), ('A', 1), ('A', 2)")
    assert repeated() == 2
    do(world, "UPDATE erp.items SET _bridge_deleted = true WHERE number = 1")
    assert repeated() == 1
    do(world, "ALTER TABLE erp.items DROP COLUMN number")
    assert repeated() == 0
    do(world, "DROP TABLE erp.items")
    assert repeated() == 0
