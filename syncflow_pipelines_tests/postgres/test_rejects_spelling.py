"""A row is known again under its business key, however the source spells it."""

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines_tests.postgres.raw_world import RawEntity, raw_world

SPELLINGS = [
    ("NUMBER", "1", "1.0"),
    ("NUMBER", "-120", '"-1.2e2"'),
    ("NUMBER", "0", "-0.00"),
    (
        "NUMBER",
        "12345678901234567890123456789012345678901234567890",
        "1234567890123456789012345678901234567890123456789e1",
    ),
    ("NUMBER(9,3)", "1.5", "1.500"),
    ("NUMBER(9)", "1", "1.0"),
    ("FLOAT", "0.1", "1e-1"),
    ("FLOAT", "0", "-0.0"),
    ("GUID", '"12345678-1234-1234-1234-123456789abc"', '"{12345678123412341234123456789ABC}"'),
    ("TIMESTAMP", '"2025-12-08T11:12:00"', '"2025-12-08 11:12"'),
    ("TIMESTAMP", '"2025-12-08T11:12:13.5"', '"2025-12-08T12:12:13.500+01:00"'),
    ("TIMESTAMP WITH TIME ZONE", '"2025-12-08T11:12:13Z"', '"2025-12-08 12:12:13,0 +01"'),
    ("date", '"2025-12-08"', '"20251208"'),
    ("TIME", '"11:12"', '"11:12:00.0"'),
    ("BLOB", '"0xdeadbeef"', '"3q2+7w=="'),
    ("BOOLEAN", "true", '"Y"'),
    ("CLOB", '"\\u00e4"', '"ä"'),
]
OTHERS = [
    ("NUMBER", "1", "10"),
    ("NUMBER", "1", "-1"),
    ("CLOB", '"1"', '"1.0"'),
    ("CLOB", '"a"', '"A"'),
    ("FLOAT", "1", "1.1"),
]


SOME_KEY = {
    "FLOAT": "77",
    "GUID": '"00000000-0000-0000-0000-000000000077"',
    "TIMESTAMP": '"2001-01-01T00:00:00"',
    "TIMESTAMP WITH TIME ZONE": '"2001-01-01T00:00:00Z"',
    "date": '"2001-01-01"',
    "TIME": '"01:02:03"',
    "BLOB": '"77"',
    "BOOLEAN": "false",
    "CLOB": '"z"',
}
"""Of another row, from whose row version the second sync goes on."""


def row(key: str, value: str, version: int) -> bytes:
    return f'{{"data":{{"n":{key},"v":"{value}"}},"row_version":"{version}"}}'.encode()


def open_after(key_type: str, bad: str, good: str, settings: Settings, database: Database) -> int:
    """Open rejects after a bad row under the one key, and then a good one under the other."""
    with raw_world(settings, database) as world:
        world.entities["items"] = entity = RawEntity({"v": "VARCHAR2(3)"}, "rowversion", key_type=key_type)
        world.discover()
        other = row(SOME_KEY.get(key_type, "77"), "x", 1)
        entity.put({1: other, 2: row(bad, "too long", 2)})
        assert world.sync("items").open_rejects == 1
        entity.put({1: other, 3: row(good, "x", 3)})
        done = world.sync("items")
        assert (done.rowversion_start, done.counts.fetched, done.counts.inserted) == ("1", 1, 1), done.error
        return done.open_rejects


@pytest.mark.parametrize(("key_type", "bad", "good"), SPELLINGS)
def test_a_good_row_closes_the_reject_of_another_spelling(
    key_type: str, bad: str, good: str, settings: Settings, database: Database
) -> None:
    assert open_after(key_type, bad, good, settings, database) == 0


@pytest.mark.parametrize(("key_type", "bad", "good"), OTHERS)
def test_a_good_row_of_another_key_does_not(
    key_type: str, bad: str, good: str, settings: Settings, database: Database
) -> None:
    assert open_after(key_type, bad, good, settings, database) == 1
