"""`syncflow changes` shows what is on record, chosen by key, run, time and kind."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines_tests.postgres.changing_world import do
from syncflow_pipelines_tests.postgres.world import World, row


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Changes = Callable[..., Said]


@pytest.fixture
def runs(world: World) -> list[str]:
    """The uids of three syncs: two rows inserted; one updated; one deleted, one inserted."""
    world.offer("items")
    world.configure("items", history=True)
    world.discover()
    uids = []
    for put, deleted in (
        ([row(1, "x", "1.50"), row(2, "ж\t\x1b[31m", "12345678.125")], []),
        ([row(1, None, "1.50")], []),
        ([row(1, site="B")], [("A", 2)]),
    ):
        world.store.put("items", put)
        world.store.delete("items", deleted)
        uids.append(str(world.sync("items").run_uid))
    return uids


@pytest.fixture
def changes(
    world: World, runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Changes:
    """Runs `syncflow changes`, or another command, on the test's database."""
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", str(world.settings.database_url))
    monkeypatch.setenv("SYNCFLOW_HOME", str(world.settings.home))
    world.settings.config_dir.mkdir()
    monkeypatch.chdir(world.settings.config_dir.parent)
    capsys.readouterr()

    def call(*arguments: str, command: tuple[str, ...] = ("changes",)) -> Said:
        code = run([*command, *arguments])
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return call


def numbers(said: Said) -> list[tuple[str, str, int]]:
    """Kind, site and number of each change, in the order in which they were printed."""
    assert said.code == 0, said.err
    return [(one["operation"], one["key"]["site"], one["key"]["number"]) for one in said.records]


def test_the_newest_change_comes_first(changes: Changes) -> None:
    found = numbers(changes("erp/items", "--json"))
    assert sorted(found[:2]) == [("delete", "A", 2), ("insert", "B", 1)]
    assert found[2] == ("update", "A", 1)
    assert sorted(found[3:]) == [("insert", "A", 1), ("insert", "A", 2)]
    assert numbers(changes("erp/items", "--json", "--limit", "2")) == found[:2]


def test_a_change_is_told_whole_with_every_digit(changes: Changes, runs: list[str]) -> None:
    said = changes("erp/items", "--operation", "delete", "--json")
    (record,) = said.records
    assert '"qty":12345678.125' in said.out.replace(" ", "")
    assert (record["entity"], record["run"], record["new"]) == ("erp/items", runs[2], None)
    assert record["old"] == {"site": "A", "number": 2, "label": "ж\t\x1b[31m", "qty": 12345678.125}
    assert "\x1b" not in said.out
    moment = datetime.fromisoformat(record["changed_at"])
    assert timedelta(0) <= datetime.now(UTC) - moment < timedelta(minutes=10)


def test_people_see_what_an_update_changed_from_what_to_what(changes: Changes, runs: list[str]) -> None:
    said = changes("erp/items", "--operation", "update")
    heading, line = said.out.splitlines()
    assert heading.split() == ["changed", "run", "operation", "key", "columns"]
    assert line.split(maxsplit=3)[2:] == [runs[1][:8], 'update     site: "A", number: 1  label: "x" → null']
    assert "\x1b" not in changes("erp/items").out


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--key", "site=A", "--key", "number=1"], [("update", "A", 1), ("insert", "A", 1)]),
        (["--key", "site=A", "--key", "number=01"], [("update", "A", 1), ("insert", "A", 1)]),
        (["--key", "site=B"], [("insert", "B", 1)]),
        (["--key", "site=AA"], []),
        (["--key", "site=A", "--key", "number=2", "--operation", "insert"], [("insert", "A", 2)]),
        (["--since", "2020-01-31", "--operation", "delete"], [("delete", "A", 2)]),
        (["--since", "2999-01-31T00:00:00+02:00"], []),
        (["--operation", "revive"], []),
    ],
)
def test_changes_are_chosen_by_key_time_and_kind(
    changes: Changes, arguments: list[str], found: list[tuple[str, str, int]]
) -> None:
    assert numbers(changes("erp/items", "--json", *arguments)) == found


def test_a_key_is_not_cut_to_what_its_column_holds(changes: Changes, world: World) -> None:
    world.store.insert("items", [row(1, site="ABCDEFGHIJ")])
    world.sync("items")
    assert numbers(changes("erp/items", "--json", "--key", "site=ABCDEFGHIJ")) == [("insert", "ABCDEFGHIJ", 1)]
    assert numbers(changes("erp/items", "--json", "--key", "site=ABCDEFGHIJK")) == []


def test_changes_are_chosen_by_run_also_when_the_run_itself_is_forgotten(
    changes: Changes, runs: list[str], world: World
) -> None:
    beginning = next(
        runs[1][:length] for length in range(4, 36) if runs[0][:length] != runs[1][:length] != runs[2][:length]
    )
    assert numbers(changes("erp/items", "--json", "--run", beginning)) == [("update", "A", 1)]
    do(world, "DELETE FROM sync_runs")
    assert numbers(changes("erp/items", "--json", "--run", runs[1].upper())) == [("update", "A", 1)]
    assert changes("erp/items", "--run", beginning).code == 1


def test_where_nothing_is_found_it_says_why(changes: Changes, world: World) -> None:
    assert changes("erp/items", "--operation", "revive").err == "No change matches.\n"
    do(world, "DELETE FROM record_changes")
    assert "`history: true`" in changes("erp/items").err
    assert changes("erp/items", "--json") == Said(0, "", "")


@pytest.mark.parametrize("said", ["true", "false"])
def test_an_entity_tells_whether_its_changes_are_kept(changes: Changes, world: World, said: str) -> None:
    (world.settings.config_dir / "connectors.yaml").write_text(
        f"connectors: [{{name: erp, base_url: 'http://erp', entities: {{items: {{history: {said}}}}}}}]"
    )
    told = changes("erp/items", command=("entities", "show"))
    assert re.search(rf"^history +{'yes' if said == 'true' else 'no'}$", told.out, re.MULTILINE)
    assert f'"history": {said}' in changes("erp/items", "--json", command=("entities", "show")).out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["erp/itms"], 1, "did you mean erp/items"),
        (["erp/items", "--key", "label=x"], 1, "label is no business key of erp/items; its key is site, number"),
        (["erp/items", "--key", "number=one"], 1, "no row of erp/items can have that key; number is integer"),
        (["erp/items", "--key", "number"], 2, "'number' is no key; write column=value"),
        (["erp/items", "--key", "number=1", "--key", "number=2"], 2, "--key names a column twice"),
        (["erp/items", "--since", "yesterday"], 2, "'yesterday' is no time"),
        (["erp/items", "--run", "xyz"], 2, "is not the beginning of a run's uid"),
        (["erp/items", "--operation", "drop"], 2, "insert"),
        (["items"], 2, "write connector/entity"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(changes: Changes, arguments: list[str], code: int, sentence: str) -> None:
    said = changes(*arguments)
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
