"""Discovery: sources that fail, and catalogues that are none."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault, SourceStore
from syncflow_pipelines.errors import SourceProtocolError, SourceRefused, SourceUnreachable
from syncflow_pipelines.sync.entities import list_entities
from syncflow_pipelines.sync.schema import discovery
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines_tests.postgres.changing_world import (
    everything,
)
from syncflow_pipelines_tests.postgres.world import World


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
