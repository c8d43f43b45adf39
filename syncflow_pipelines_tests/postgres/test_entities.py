"""The entities that SyncFlow knows: in step with the configuration, found by name, due in their time."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from syncflow_pipelines.config import ConnectorConfig, EntityOverride, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.errors import UnknownEntity
from syncflow_pipelines.sync.entities import (
    EntityRecord,
    connector_uid,
    due_entities,
    find_entity,
    list_entities,
    mark_gone,
    mark_refused,
    register_connectors,
    save_entity,
    table_owner,
)
from syncflow_pipelines.sync.model import Column, EntitySpec, Table

ERP = ConnectorConfig(name="erp", base_url="http://erp.example")
CRM = ConnectorConfig(name="crm", base_url="http://crm.example", sync_interval_seconds=60)


def spec(slug: str) -> EntitySpec:
    columns = (
        Column("NO", 'nu"mber', 'nu"mber', "NUMBER(9)", "integer", is_nullable=False, is_business_key=True),
        Column("ÜBER", "über", "über", "CLOB", "text", is_nullable=True, is_business_key=False, description="it's"),
    )
    return EntitySpec(slug, slug.title(), "words", "hash", ('nu"mber',), "über", columns)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    """With the connectors `erp` (items, orders) and `crm` (items)."""
    with database.dedicated("test") as opened:
        register_connectors(opened, [ERP, CRM])
        for connector, slug in ((ERP, "items"), (ERP, "orders"), (CRM, "items")):
            record = EntityRecord(spec(slug), Table(connector.name, slug), "hash", enabled=True, interval_s=300)
            save_entity(opened, connector_uid(opened, connector.name), record, is_new=True)
        register_connectors(opened, [ERP, CRM])
        yield opened


def due(connection: psycopg.Connection) -> list[str]:
    return [entity.key for entity in due_entities(connection)]


def test_an_entity_comes_back_as_it_was_saved(connection: psycopg.Connection) -> None:
    found = find_entity(connection, "erp", "items")
    assert found.spec == spec("items")
    assert (found.table, found.strategy, found.enabled, found.interval_s) == (Table("erp", "items"), "hash", True, 300)
    assert (found.is_present, found.schema_error, found.last_rowversion, found.live_rows) == (True, None, None, None)
    assert [entity.key for entity in list_entities(connection)] == ["crm/items", "erp/items", "erp/orders"]
    assert [entity.key for entity in list_entities(connection, connector="crm")] == ["crm/items"]


@pytest.mark.parametrize(
    ("connector", "slug", "hint"),
    [("erp", "itmes", "did you mean erp/items"), ("erp", "zzz", "`syncflow discover`"), ("'; --", "%s", "discover")],
)
def test_an_unknown_name_is_told_with_the_nearest(
    connection: psycopg.Connection, connector: str, slug: str, hint: str
) -> None:
    with pytest.raises(UnknownEntity) as caught:
        find_entity(connection, connector, slug)
    assert f"no entity {connector}/{slug} is known" in str(caught.value)
    assert hint in str(caught.value)


def test_an_unknown_connector_is_told(connection: psycopg.Connection) -> None:
    with pytest.raises(UnknownEntity, match=r"no connector hr is known; add it to connectors\.yaml"):
        connector_uid(connection, "hr")


def test_registering_writes_only_what_differs(connection: psycopg.Connection) -> None:
    def rows() -> list[tuple[object, ...]]:
        return connection.execute(
            "SELECT uid, xmin::text FROM connectors UNION ALL SELECT uid, xmin::text FROM entities ORDER BY 1"
        ).fetchall()

    before = rows()
    register_connectors(connection, [ERP, CRM])
    assert rows() == before
    override = {"items": EntityOverride(strategy="full", sync_interval_seconds=5, enabled=False)}
    register_connectors(connection, [replace(ERP, entities=override), CRM])
    changed = find_entity(connection, "erp", "items")
    assert (changed.strategy, changed.interval_s, changed.enabled) == ("full", 5, False)
    assert find_entity(connection, "crm", "items").interval_s == 60
    assert len(set(rows()) - set(before)) == 1
    register_connectors(connection, [ERP, CRM])
    assert find_entity(connection, "erp", "items").strategy == "hash"


def test_a_connector_that_the_configuration_drops_is_retired_and_its_entities_kept(
    connection: psycopg.Connection,
) -> None:
    register_connectors(connection, [ERP])
    assert due(connection) == ["erp/items", "erp/orders"]
    assert len(list_entities(connection)) == 3
    register_connectors(connection, [])
    assert due(connection) == []
    register_connectors(connection, [ERP, replace(CRM, enabled=False)])
    assert due(connection) == ["erp/items", "erp/orders"]
    register_connectors(connection, [ERP, CRM])
    assert len(due(connection)) == 3


def test_the_owner_of_a_table_is_found_by_its_exact_name(connection: psycopg.Connection) -> None:
    assert table_owner(connection, Table("erp", "items")) == ("erp", "items")
    assert table_owner(connection, Table("erp", "Items")) is None


@pytest.mark.parametrize(
    ("column", "value", "is_due"),
    [
        ("last_sync_at", "now() - interval '301 seconds'", True),
        ("last_sync_at", "now() - interval '290 seconds'", False),
        ("next_attempt_at", "now() - interval '1 second'", True),
        ("next_attempt_at", "now() + interval '1 minute'", False),
        ("sync_enabled", "false", False),
        ("is_present", "false", False),
        ("schema_error", "'narrow'", False),
        ("last_sync_status", "'failed'", True),
    ],
)
def test_an_entity_is_due_by_its_interval_and_its_back_off(
    connection: psycopg.Connection, column: str, value: str, is_due: bool
) -> None:
    statement = f"UPDATE entities SET {column} = {value} WHERE target_schema = 'erp' AND slug = 'items'"
    connection.execute(statement.encode())
    assert ("erp/items" in due(connection)) is is_due
    assert "erp/orders" in due(connection)


def test_who_waited_longest_comes_first(connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE entities SET last_sync_at = now() - interval '1 hour' * (1 + length(target_schema || slug))"
        " WHERE target_schema <> 'crm'"
    )
    assert due(connection) == ["crm/items", "erp/orders", "erp/items"]


def test_an_entity_is_marked_and_what_else_is_known_of_it_stays(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE entities SET last_rowversion = '7', live_rows = 5")
    uid = find_entity(connection, "erp", "items").uid
    mark_gone(connection, uid)
    gone = find_entity(connection, "erp", "items")
    assert (gone.is_present, gone.last_rowversion, gone.live_rows) == (False, "7", 5)
    mark_refused(connection, uid, "a reason")
    refused = find_entity(connection, "erp", "items")
    assert (refused.is_present, refused.schema_error, refused.last_rowversion) == (True, "a reason", "7")
    kept = "SELECT xmin::text FROM entities WHERE uid = %s"
    before = connection.execute(kept, (uid,)).fetchone()
    mark_refused(connection, uid, "a reason")
    assert connection.execute(kept, (uid,)).fetchone() == before


def test_a_refill_forgets_the_cursor_and_nothing_else(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE entities SET last_rowversion = '7', last_sync_at = now(), schema_error = 'x'")
    record = EntityRecord(spec("items"), Table("erp", "items"), "hash", enabled=True, interval_s=300)
    save_entity(connection, connector_uid(connection, "erp"), record, is_new=False)
    kept = find_entity(connection, "erp", "items")
    assert (kept.last_rowversion, kept.last_sync_at is None, kept.schema_error) == ("7", False, None)
    save_entity(connection, connector_uid(connection, "erp"), replace(record, refill=True), is_new=False)
    forgotten = find_entity(connection, "erp", "items")
    assert (forgotten.last_rowversion, forgotten.last_sync_at) == (None, None)
    assert find_entity(connection, "erp", "orders").last_rowversion == "7"


def test_a_table_cannot_be_given_to_two(connection: psycopg.Connection, settings: Settings) -> None:
    record = EntityRecord(spec("more"), Table("erp", "items"), "hash", enabled=True, interval_s=300)
    with pytest.raises(psycopg.errors.UniqueViolation):
        save_entity(connection, connector_uid(connection, "erp"), record, is_new=True)
