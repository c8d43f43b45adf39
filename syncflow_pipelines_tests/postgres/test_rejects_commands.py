"""`syncflow rejects` on a real database."""

import sys
from collections.abc import Callable
from io import StringIO

import pytest

from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.runs import try_lock
from syncflow_pipelines_tests.postgres.test_cli_commands import Syncflow, syncflow  # noqa: F401 - a fixture
from syncflow_pipelines_tests.postgres.test_rejects_retry import LONG, retype
from syncflow_pipelines_tests.postgres.world import World, row


@pytest.fixture
def erp(world: World) -> World:
    """Two entities with a rejected row each, and a connectors.yaml that names their source."""
    for slug in ("items", "parts"):
        world.offer(slug)
        world.store.insert(slug, [row(1), row(2, LONG), row(3)])
    world.discover()
    for slug in ("items", "parts"):
        world.sync(slug)
    world.settings.config_dir.mkdir(exist_ok=True)
    text = f"connectors: [{{name: erp, base_url: '{world.connector.base_url}'}}]"
    (world.settings.config_dir / "connectors.yaml").write_text(text)
    return world


def test_a_retry_stores_what_fits_and_tells_so(erp: World, syncflow: Syncflow) -> None:
    retype(erp, "label", "VARCHAR2(50)")
    said = syncflow("rejects", "retry", "erp/items", "--json")
    (told,) = said.records
    assert (said.code, said.err) == (0, "")
    assert told.pop("run")
    assert told.pop("seconds") >= 0
    assert told == {
        "entity": "erp/items", "status": "success", "tried": 1, "resolved": 1, "superseded": 0, "inserted": 1,
        "updated": 0, "unchanged": 0, "deleted": 0, "rejected": 0, "open": 0, "error": None,
    }  # fmt: skip
    assert erp.live("items") == erp.expected("items")
    run = syncflow("runs", "erp/items", "--json").records[0]
    assert (run["trigger"], run["status"], run["inserted"]) == ("retry", "success", 1)


def test_one_row_is_chosen_by_its_uid_and_everything_by_all(erp: World, syncflow: Syncflow) -> None:
    retype(erp, "label", "VARCHAR2(50)", "items")
    retype(erp, "label", "VARCHAR2(50)", "parts")
    uid = syncflow("rejects", "erp/parts", "--json").records[0]["reject"]
    assert [told["entity"] for told in syncflow("rejects", "retry", uid, "--json").records] == ["erp/parts"]
    assert [told["entity"] for told in syncflow("rejects", "retry", "--all", "--json").records] == ["erp/items"]
    assert syncflow("rejects").err == "No row is rejected.\n"
    again = syncflow("rejects", "retry", uid)
    assert (again.code, again.err) == (1, f"Error: rejected row {uid} of erp/parts was resolved already\n")
    assert syncflow("rejects", "retry", "--all").err == "No row is rejected.\n"


def test_rows_that_are_still_bad_are_no_failure(erp: World, syncflow: Syncflow) -> None:
    said = syncflow("rejects", "retry", "--all")
    assert said.code == 0
    assert said.err == "Some do not fit yet; why: syncflow rejects list\n"
    assert [line.split()[:4] for line in said.out.splitlines()[1:]] == [
        ["erp/items", "success", "1", "0"],
        ["erp/parts", "success", "1", "0"],
    ]


def test_a_dry_run_of_a_retry_changes_nothing(erp: World, syncflow: Syncflow) -> None:
    retype(erp, "label", "VARCHAR2(50)")
    said = syncflow("rejects", "retry", "erp/items", "--dry-run", "--json")
    assert [(told["inserted"], told["run"]) for told in said.records] == [(1, None)]
    assert said.err == "Nothing of this was kept: --dry-run.\n"
    assert len(syncflow("rejects", "--json").records) == 2


def test_an_entity_that_is_held_fails_alone(erp: World, syncflow: Syncflow) -> None:
    for slug in ("items", "parts"):
        retype(erp, "label", "VARCHAR2(50)", slug)
    with erp.database.dedicated("other") as other:
        assert try_lock(other, find_entity(other, "erp", "items").uid)
        said = syncflow("rejects", "retry", "--all", "--json")
        dropped = syncflow("rejects", "drop", "erp/items", "--yes")
    assert said.code == dropped.code == 1
    assert {told["entity"]: told["status"] for told in said.records} == {"erp/items": "failed", "erp/parts": "success"}
    assert "Error: erp/items is being synced" in said.err
    assert "Error: erp/items is being synced" in dropped.err


def test_a_dropped_row_is_kept_on_record_and_open_again_when_it_comes_again(erp: World, syncflow: Syncflow) -> None:
    said = syncflow("rejects", "drop", "erp/items", "--yes", "--reason", "test data", "--json")
    assert (said.code, said.records) == (0, [{"entity": "erp/items", "dropped": 1, "open": 0, "error": None}])
    assert [one["entity"] for one in syncflow("rejects", "--json").records] == ["erp/parts"]
    (dropped,) = syncflow("rejects", "list", "--status", "dropped", "--json").records
    assert (dropped["entity"], dropped["status"], dropped["note"]) == ("erp/items", "dropped", "test data")
    assert dropped["closed_by"]
    assert dropped["closed_at"]
    shown = syncflow("rejects", "show", dropped["reject"]).out
    assert "test data" in shown
    assert len(syncflow("rejects", "list", "--status", "all", "--json").records) == 2
    assert erp.sync("items", full_refresh=True).open_rejects == 1
    assert {one["reject"] for one in syncflow("rejects", "--json").records} >= {dropped["reject"]}


def test_without_a_terminal_nothing_is_dropped_unasked(erp: World, syncflow: Syncflow) -> None:
    said = syncflow("rejects", "drop", "--all")
    assert (said.code, "say --yes" in said.err) == (2, True)
    planned = syncflow("rejects", "drop", "--all", "--dry-run", "--json")
    assert planned.records == [
        {"entity": "erp/items", "would_drop": 1},
        {"entity": "erp/parts", "would_drop": 1},
    ]
    assert len(syncflow("rejects", "--json").records) == 2


class Terminal(StringIO):
    """Somebody who answers; something may happen while the question stands."""

    happens: Callable[[], object] = staticmethod(lambda: None)

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override] # as the text stream that it is
        self.happens()
        return super().readline(-1 if size is None else size)


def test_what_comes_while_the_question_stands_is_not_dropped(
    erp: World, syncflow: Syncflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal("y\n")
    erp.store.insert("items", [row(7, LONG)])
    terminal.happens = lambda: erp.sync("items")
    monkeypatch.setattr(sys, "stdin", terminal)
    said = syncflow("rejects", "drop", "erp/items", "--json")
    assert said.records == [{"entity": "erp/items", "dropped": 1, "open": 1, "error": None}]


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, 2), ("y\n", 0, 1)])
def test_on_a_terminal_somebody_is_asked(
    answer: str, code: int, left: int, erp: World, syncflow: Syncflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    said = syncflow("rejects", "drop", "erp/items")
    assert said.code == code
    assert "Drop 1 rejected row of erp/items?" in said.err
    assert len(syncflow("rejects", "--json").records) == left


@pytest.mark.parametrize("what", ["retry", "drop"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("erp/items", "--all"), 2),
        (("items",), 2),
        (("erp/nothing", "--dry-run"), 1),
        (("00000000-0000-0000-0000-000000000000", "--dry-run"), 1),
    ],
)
def test_what_is_misspelt_is_refused(
    what: str, arguments: tuple[str, ...], code: int, erp: World, syncflow: Syncflow
) -> None:
    said = syncflow("rejects", what, *arguments)
    assert (said.code, said.out) == (code, "")
