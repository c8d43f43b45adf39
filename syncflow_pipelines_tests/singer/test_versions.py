"""Taps that tell a table anew under a version, and then activate it: what they did not tell again is gone.

No stream of the SDK has such messages; `target-postgres` tests them with files of its own.
"""

import json

from syncflow_pipelines_tests.singer.streams import Message, read_messages
from syncflow_pipelines_tests.singer.target import Target

SCHEMA = {
    "type": "SCHEMA",
    "stream": "parts",
    "key_properties": ["code"],
    "schema": {"properties": {"code": {"type": "string"}, "label": {"type": ["null", "string"]}}},
}


def told(version: int, *codes: str) -> list[Message]:
    """A whole telling of the table, and its activation."""
    common = {"stream": "parts", "version": version}
    records = [{"type": "RECORD", "record": {"code": code, "label": f"v{version}"}, **common} for code in codes]
    messages = [SCHEMA, *records, {"type": "ACTIVATE_VERSION", **common}]
    return read_messages(json.dumps(message).encode() for message in messages)


def marked_deleted(target: Target) -> list[str]:
    with target.database.connection() as connection:
        rows = connection.execute("SELECT code FROM singer.parts WHERE _bridge_deleted ORDER BY code").fetchall()
    return [code for (code,) in rows]


def test_rows_of_earlier_versions_are_marked_deleted(target: Target) -> None:
    target.hear(told(1, "a", "b", "c"))
    assert target.follow()["parts"].counts.inserted == 3
    target.hear(told(2, "b", "d"))
    counts = target.follow()["parts"].counts
    assert (counts.inserted, counts.updated, counts.deleted) == (1, 1, 2)
    assert {key: row["label"] for key, row in target.live("parts").items()} == {'"b"': "v2", '"d"': "v2"}
    assert marked_deleted(target) == ["a", "c"]


def test_rows_that_a_later_version_tells_again_come_back(target: Target) -> None:
    for version, codes in enumerate(("ab", "b", "ab"), start=1):
        target.hear(told(version, *codes))
        target.follow()
    assert target.live("parts") == target.told("parts")
    assert marked_deleted(target) == []


def test_a_version_without_rows_empties_the_table(target: Target) -> None:
    target.hear(told(1, "a", "b"))
    target.follow()
    target.hear(told(2))
    assert target.follow()["parts"].counts.deleted == 2
    assert target.live("parts") == {}
    assert marked_deleted(target) == ["a", "b"]
