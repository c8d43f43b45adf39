"""The commands on a real database and a real source."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.cli.interrupts import INTERRUPTED
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.erp import ensure_erp, erp_token, expected_rows, open_erp
from syncflow_pipelines.demo.mutate import mutate
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.sync.entities import find_entity
from syncflow_pipelines.sync.runs import list_runs, try_lock, unlock

ROWS = 1500
CONNECTORS = """\
connectors:
  - name: erp
    base_url: {url}
    auth: {{type: bearer, token_file: {home}/demo/erp.token}}
"""
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'syncflow sync'"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def record(self, entity: str) -> dict[str, Any]:
        return next(record for record in self.records if record["entity"] == entity)


Syncflow = Callable[..., Said]


@pytest.fixture(scope="module")
def source_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_erp(tmp_path_factory.mktemp("template"), ROWS)


@pytest.fixture
def syncflow(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Syncflow:
    """Runs `syncflow` with the test's database and folders."""
    settings.config_dir.mkdir(exist_ok=True)
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("SYNCFLOW_HOME", str(settings.home))
    monkeypatch.setenv("SYNCFLOW_CONFIG_DIR", str(settings.config_dir))
    monkeypatch.chdir(settings.config_dir.parent)
    capsys.readouterr()

    def call(*arguments: str) -> Said:
        code = run(arguments)
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return call


@pytest.fixture
def source(settings: Settings, source_template: Path) -> Iterator[str]:
    """The demo source, and a connectors.yaml that names it."""
    demo = settings.home / "demo"
    demo.mkdir(parents=True)
    (demo / source_template.name).write_bytes(source_template.read_bytes())
    with open_erp(settings.home) as store, serve_in_thread(build_app(store, erp_token(settings.home))) as url:
        settings.config_dir.mkdir(exist_ok=True)
        text = CONNECTORS.format(url=url, home=settings.home)
        (settings.config_dir / "connectors.yaml").write_text(text)
        yield url


def rows_at_source(settings: Settings, slug: str) -> int:
    return sum(1 for _ in expected_rows(settings.home, slug))


def test_a_new_source_is_discovered_listed_synced_and_told_of(
    syncflow: Syncflow, source: str, settings: Settings
) -> None:
    discovered = syncflow("discover", "--json")
    assert discovered.code == 0
    slugs = discovered.records[0]["entities"]
    assert len(slugs) >= 8
    assert sorted(discovered.records[0]["added"]) == slugs

    synced = syncflow("sync", "--all", "--json")
    assert (synced.code, synced.err) == (0, "")
    assert {record["entity"] for record in synced.records} == {f"erp/{slug}" for slug in slugs}
    assert all(record["status"] == "success" for record in synced.records)
    assert synced.record("erp/items")["inserted"] == rows_at_source(settings, "items")

    listed = syncflow("entities", "--json")
    assert listed.record("erp/items")["live_rows"] == rows_at_source(settings, "items")
    assert {record["last_sync_status"] for record in listed.records} == {"success"}

    runs = syncflow("runs", "erp/items", "--json")
    assert [record["run"] for record in runs.records] == [synced.record("erp/items")["run"]]


def test_a_second_sync_tells_what_was_done_at_the_source(syncflow: Syncflow, source: str, settings: Settings) -> None:
    syncflow("discover")
    syncflow("sync", "--all")
    changes = mutate(settings.home, 0.05)
    synced = syncflow("sync", "--all", "--json")
    told = {
        record["entity"]: tuple(record[name] for name in ("inserted", "updated", "deleted"))
        for record in synced.records
    }
    assert told == {
        f"erp/{change.entity}": (len(change.inserted), len(change.updated), len(change.deleted)) for change in changes
    }


def test_for_people_a_sync_prints_one_table(syncflow: Syncflow, source: str) -> None:
    syncflow("discover")
    said = syncflow("sync", "erp/items", "erp/prices")
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0] == ["entity", "strategy", "status", "fetched", "inserted", "updated", "unchanged", "deleted",
                        "rejected", "seconds"]  # fmt: skip
    assert [line[:3] for line in lines[1:3]] == [
        ["erp/items", "rowversion", "success"],
        ["erp/prices", "full", "success"],
    ]
    assert lines[3][:2] == ["2", "entities"]


def test_a_failed_entity_exits_1_and_does_not_stop_the_others(
    syncflow: Syncflow, source: str, settings: Settings
) -> None:
    syncflow("discover")
    with open_erp(settings.home) as store:
        store.break_entity("items", Fault(status=403))
    said = syncflow("sync", "erp/items", "erp/orders", "--json")
    assert said.code == 1
    assert said.record("erp/orders")["status"] == "success"
    failed = said.record("erp/items")
    assert failed["status"] == "failed"
    assert said.err == f"Error: erp/items: {failed['error']}\n"
    assert syncflow("runs", "--status", "failed", "--json").records[0]["error_message"] == failed["error"]


def test_an_entity_that_another_sync_holds_is_refused_by_name(
    syncflow: Syncflow, source: str, database: Database
) -> None:
    syncflow("discover")
    with database.dedicated("other sync") as other:
        assert try_lock(other, find_entity(other, "erp", "items").uid)
        said = syncflow("sync", "erp/items")
    assert said.code == 1
    assert "Error: erp/items is being synced" in said.err
    assert syncflow("sync", "erp/items").code == 0


def test_with_wait_a_sync_goes_on_when_the_other_one_ends(syncflow: Syncflow, source: str, database: Database) -> None:
    syncflow("discover")
    with database.dedicated("other sync") as other:
        uid = find_entity(other, "erp", "items").uid
        assert try_lock(other, uid)
        with started("sync", "erp/items", "--wait", "60", "--json") as process:
            wait_for(lambda: other.execute(WAITING).fetchone(), "the sync waits")
            assert list_runs(other) == ()
            unlock(other, uid)
            out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["status"]) == (0, "success")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("erp/items", "--all"),
        ("--all", "--connector", "erp"),
        ("items",),
        ("erp/items", "--strategy", "quick"),
        ("--all", "--full-refresh", "--strategy", "hash"),
    ],
)
def test_a_sync_of_nothing_or_of_two_things_is_a_usage_error(syncflow: Syncflow, arguments: tuple[str, ...]) -> None:
    assert syncflow("sync", *arguments).code == 2


def test_an_unknown_entity_is_told_with_the_nearest_known(syncflow: Syncflow, source: str) -> None:
    syncflow("discover")
    said = syncflow("sync", "erp/itmes")
    assert (said.code, said.out) == (1, "")
    assert "erp/itmes" in said.err
    assert "erp/items" in said.err


def test_an_unknown_connector_is_told_with_the_nearest_known(syncflow: Syncflow, source: str) -> None:
    said = syncflow("discover", "epr")
    assert (said.code, said.out) == (1, "")
    assert said.err == "Error: no connector is called 'epr'; did you mean 'erp'?\n"


def test_entities_of_an_unknown_connector_are_refused_as_its_sync_is(syncflow: Syncflow, source: str) -> None:
    syncflow("discover")
    said = syncflow("entities", "--connector", "exp")
    assert (said.code, said.out) == (1, "")
    assert said.err == "Error: no connector is called 'exp'; did you mean 'erp'?\n"
    assert syncflow("sync", "--connector", "exp").err == said.err


@pytest.mark.parametrize("arguments", [("--connector", "crm"), ("crm/customers",), ("erp/items", "crm/customers")])
def test_a_connector_that_was_not_discovered_is_not_synced(
    arguments: tuple[str, ...], syncflow: Syncflow, source: str, settings: Settings
) -> None:
    syncflow("discover")
    add_connector(settings, "crm")
    said = syncflow("sync", *arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err == "Error: crm was not discovered yet; run: syncflow discover crm\n"
    listed = syncflow("entities", "--connector", "crm")
    assert (listed.code, listed.err) == (0, "crm was not discovered yet; run: syncflow discover crm\n")


def test_entities_of_a_connector_that_has_left_the_file_say_so(
    syncflow: Syncflow, source: str, settings: Settings
) -> None:
    syncflow("discover")
    (settings.config_dir / "connectors.yaml").write_text("connectors: [{name: crm, base_url: 'http://127.0.0.1:9'}]")
    said = syncflow("entities", "--connector", "erp")
    assert said.code == 0
    assert all(line.endswith("not in connectors.yaml") for line in said.out.splitlines()[1:])


def add_connector(settings: Settings, name: str) -> None:
    file = settings.config_dir / "connectors.yaml"
    file.write_text(f"{file.read_text()}  - {{name: {name}, base_url: 'http://127.0.0.1:9'}}\n")


def test_a_dry_run_of_a_discovery_writes_nothing(syncflow: Syncflow, source: str, settings: Settings) -> None:
    said = syncflow("discover", "--dry-run", "--json")
    assert said.code == 0
    assert said.records[0]["added"]
    assert syncflow("entities").err == "Nothing was discovered yet; run: syncflow discover\n"
    assert not (settings.home / "catalogue").exists()


def test_a_dry_run_of_a_sync_tells_what_would_be_read(syncflow: Syncflow, source: str) -> None:
    syncflow("discover")
    said = syncflow("sync", "erp/items", "--dry-run", "--json")
    assert said.records == [
        {
            "entity": "erp/items",
            "strategy": "rowversion",
            "reads": "everything",
            "table": "erp.items",
            "live_rows": None,
        }
    ]
    assert syncflow("runs").err == "Nothing was synced yet; run: syncflow sync --all\n"


def test_disabled_entities_are_left_out_of_all_and_synced_by_name(
    syncflow: Syncflow, source: str, settings: Settings
) -> None:
    syncflow("discover")
    file = settings.config_dir / "connectors.yaml"
    file.write_text(file.read_text() + "    entities:\n      items: {enabled: false}\n")
    said = syncflow("sync", "--all", "--json")
    assert said.err == "Left out: 1 entity that is disabled or gone from the source.\n"
    assert "erp/items" not in {record["entity"] for record in said.records}
    assert syncflow("sync", "erp/items", "--json").records[0]["status"] == "success"


def test_a_source_is_tested_by_its_health_and_its_catalogue(
    syncflow: Syncflow, source: str, settings: Settings
) -> None:
    said = syncflow("connectors", "--test", "--json")
    assert said.code == 0
    assert (said.records[0]["ok"], said.records[0]["told"]) == (True, "answers")
    token = settings.home / "demo" / "erp.token"
    token.write_text("not-the-token")
    refused = syncflow("connectors", "--test")
    assert refused.code == 1
    assert "not-the-token" not in refused.out + refused.err


def test_a_source_that_is_down_is_one_sentence(syncflow: Syncflow, settings: Settings) -> None:
    text = "connectors: [{name: erp, base_url: 'http://127.0.0.1:9'}, {name: other, base_url: 'http://127.0.0.1:9'}]"
    (settings.config_dir / "connectors.yaml").write_text(text)
    said = syncflow("discover")
    assert (said.code, said.out) == (1, "")
    assert [line.split(":")[1].strip() for line in said.err.splitlines()] == ["erp", "other"]


def test_rejected_rows_are_listed_and_shown_whole(syncflow: Syncflow, source: str, settings: Settings) -> None:
    syncflow("discover")
    with open_erp(settings.home) as store:
        row = next(store.live_rows("items"))
        store.update("items", [{"item_number": row.key[0], "lead_time_days": "soon"}])
    assert syncflow("sync", "erp/items", "--json").records[0]["rejected"] == 1
    listed = syncflow("rejects", "erp/items", "--json").records
    assert [(one["entity"], one["column"], one["value"]) for one in listed] == [
        ("erp/items", "lead_time_days", '"soon"')
    ]
    shown = syncflow("rejects", "show", listed[0]["reject"])
    assert f'"{row.key[0]}"' in shown.out
    assert listed[0]["reason"] in shown.out


def test_an_entity_is_shown_with_its_columns(syncflow: Syncflow, source: str) -> None:
    syncflow("discover")
    shown = syncflow("entities", "show", "erp/order_lines", "--json").records[0]
    assert shown["business_keys"] == ["order_no", "line_no"]
    columns = {column["column"]: column for column in shown["columns"]}
    assert columns["unit_price"]["type"] == "numeric(18,4)"
    assert columns["unit_price"]["source_type"] == "NUMBER(18,4)"
    assert "numeric(18,4)" in syncflow("entities", "show", "erp/order_lines").out


def test_some_rows_of_an_entity_are_shown(syncflow: Syncflow, source: str, settings: Settings) -> None:
    syncflow("discover")
    syncflow("sync", "erp/items")
    with open_erp(settings.home) as store:
        first = next(store.live_rows("items"))
    shown = syncflow("entities", "show", "erp/items", "--rows", "3")
    assert shown.out.count("item_number") == 3
    assert first.key[0] in shown.out.splitlines()[0]
    rows = syncflow("entities", "show", "erp/items", "--rows", "3", "--json").records
    assert rows[0]["item_number"] == first.key[0]
    assert Decimal(rows[0]["standard_cost"]) == first.data["standard_cost"]


def test_a_run_is_shown_by_its_uid(syncflow: Syncflow, source: str) -> None:
    syncflow("discover")
    uid = syncflow("sync", "erp/items", "--json").records[0]["run"]
    shown = syncflow("runs", "show", uid)
    assert shown.code == 0
    assert uid in shown.out
    assert syncflow("runs", "show", uid[:9]).out == shown.out
    assert syncflow("runs", "show", uid.replace("-", "").upper()).out == shown.out
    assert syncflow("runs", "show", "00000000-0000-0000-0000-000000000000").code == 1
    assert syncflow("runs", "show", "nonsense").code == 2


def test_the_beginning_of_a_uid_that_several_runs_share_is_refused(syncflow: Syncflow, source: str) -> None:
    syncflow("discover")
    for _ in range(2):
        syncflow("sync", "--all")
    uids = [record["run"] for record in syncflow("runs", "--json").records]
    assert len(uids) > 16  # so that two begin with the same digit
    shared = next(digit for digit in "0123456789abcdef" if sum(uid[0] == digit for uid in uids) > 1)
    said = syncflow("runs", "show", shared)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"Error: several runs begin with {shared};")


def test_why_an_entity_failed_is_told_until_it_works_again(syncflow: Syncflow, source: str, settings: Settings) -> None:
    syncflow("discover")
    with open_erp(settings.home) as store:
        store.break_entity("items", Fault(status=403))
        error = syncflow("sync", "erp/items", "--json").records[0]["error"]
        assert syncflow("entities").out.count("failed once") == 1
        shown = syncflow("entities", "show", "erp/items").out
        assert f"last error     {error}" in shown
        assert syncflow("entities", "show", "erp/items", "--json").records[0]["last_error"] == error
        assert syncflow("runs", "--status", "failed").err == "syncflow runs show RUN tells why\n"
        store.heal_entity("items")
    syncflow("sync", "erp/items")
    assert "last error" not in syncflow("entities", "show", "erp/items").out


def test_the_database_in_use_is_told_and_migrated(syncflow: Syncflow, settings: Settings) -> None:
    told = syncflow("db", "url")
    assert (told.out, told.err) == (f"{settings.database_url}\n", "")
    assert "the newest" in syncflow("db", "migrate").out
    status = syncflow("db", "status", "--json").records[0]
    assert (status["running"], status["revision"]) == (True, status["newest_revision"])
    refused = syncflow("db", "stop")
    assert refused.code == 2
    assert "there is nothing to stop" in refused.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_sync_at_once_and_its_run_as_failed(
    number: signal.Signals, code: int, syncflow: Syncflow, source: str, settings: Settings, database: Database
) -> None:
    syncflow("discover")
    with open_erp(settings.home) as store:
        store.break_entity("items", Fault(status=None, delay_s=60))
    with started("sync", "erp/items", "--json") as process:
        wait_for_run(database, "running")
        asked = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        took_s = time.monotonic() - asked
    assert process.returncode == code
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["failed"]
    assert err.strip() == INTERRUPTED  # click ends the line that the terminal has begun with ^C
    assert took_s < 15
    assert wait_for_run(database, "failed") == "erp/items"


def test_a_reader_that_goes_away_ends_the_syncs_that_it_does_not_see(
    syncflow: Syncflow, source: str, settings: Settings, database: Database
) -> None:
    syncflow("discover")
    with open_erp(settings.home) as store:
        store.break_entity("order_lines", Fault(status=None, delay_s=60))
        store.break_entity("orders", Fault(status=None, delay_s=2))
    with started("sync", "erp/sites", "erp/orders", "erp/order_lines", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["entity"] == "erp/sites"
        process.stdout.close()
        assert process.wait(timeout=30) == 1
        assert process.stderr.read() == ""
    assert wait_for_run(database, "failed") == "erp/order_lines"


def started(*arguments: str) -> subprocess.Popen[str]:
    """`syncflow` in a process of its own, with this one's environment."""
    command = [sys.executable, "-m", "syncflow_pipelines.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_run(database: Database, status: str) -> str:
    """The entity of the first run of that status."""
    found: list[str] = []

    def look() -> bool:
        with database.connection() as connection:
            found.extend(record.entity for record in list_runs(connection, status=status))
        return bool(found)

    wait_for(look, f"a run became {status}")
    return found[0]


def wait_for(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
