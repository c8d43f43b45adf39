"""`syncflow events` on a real database."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.subscriptions import parked_events
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.subscribing import DurableEventBus
from syncflow_pipelines.events.tailing import follow
from syncflow_pipelines_tests.postgres.embedded_world import CHECKOUT, eventually
from syncflow_pipelines_tests.postgres.event_world import SOON, Heard, event, publish_now
from syncflow_pipelines_tests.postgres.test_cli_commands import Syncflow, syncflow  # noqa: F401 - a fixture
from syncflow_pipelines_tests.postgres.webhook_receiver import Receiver


def test_events_are_listed_the_newest_last_as_a_table_or_as_cloudevents(database: Database, syncflow: Syncflow) -> None:
    assert syncflow("events").err == "Nothing happened yet.\n"
    told = event(1)
    publish_now(database, told, event(2, "b\x1b[31m"), event(3, kind="other"))
    lines = syncflow("events").out.splitlines()
    assert lines[0].split() == ["place", "time", "type", "subject", "what"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert lines[1].split()[-4:] == ["happened", "erp/items", "n:", "1"]
    assert "\x1b" not in "".join(lines)
    assert syncflow("events", "--json").records[0] == {**told.structured(), "sequence": "1"}
    assert [one["data"]["n"] for one in syncflow("events", "list", "--limit", "2", "--json").records] == [2, 3]
    assert [one["data"]["n"] for one in syncflow("events", "--type", "other", "--json").records] == [3]
    assert [one["data"]["n"] for one in syncflow("events", "--subject", "erp/items", "--json").records] == [1, 3]
    assert syncflow("events", "--since", "2999-01-01").err == "No event matches.\n"


def test_one_event_is_shown_by_place_or_id(database: Database, syncflow: Syncflow) -> None:
    told = event(1)
    publish_now(database, told)
    facts = dict(line.split(maxsplit=1) for line in syncflow("events", "show", "1").out.splitlines())
    assert (facts["id"], facts["data.n"], facts["type"]) == (told.id, "1", "happened")
    assert syncflow("events", "show", told.id, "--json").records[0]["data"] == {"n": 1}
    said = syncflow("events", "show", "7")
    assert (said.code, said.err) == (1, "Error: no event 7 is kept; `syncflow events` lists those that are\n")


def test_what_an_event_says_drives_no_terminal(database: Database, syncflow: Syncflow) -> None:
    publish_now(database, Event("a\x1b[2J", "b\n9 forged", {"[/bold]": "\x1b[31m", "n": 1}))
    for command in (("tail",), ("list",), ("show", "1")):
        said = syncflow("events", *command)
        assert (said.code, "\x1b" in said.out) == (0, False)
    assert len(syncflow("events", "tail").out.splitlines()) == 1
    assert "data.[/bold]" in syncflow("events", "show", "1").out


def test_what_is_no_plain_value_is_shown_as_json(database: Database, syncflow: Syncflow) -> None:
    publish_now(database, Event("changed", "crm", {"diff": {"is_breaking": False, "before": None}, "files": ["a.py"]}))
    assert 'diff: {"before": null, "is_breaking": false}' in syncflow("events").out
    publish_now(database, Event("changed", "crm", {"diff": {"counts": {}, "summary": "1 other change"}}))
    assert "diff: 1 other change" in syncflow("events", "tail").out
    assert 'data.files       ["a.py"]' in syncflow("events", "show", "1").out


def test_the_tail_is_a_line_an_event(database: Database, syncflow: Syncflow) -> None:
    publish_now(database, *(event(n) for n in range(1, 13)), event(13, kind="other"))
    lines = syncflow("events", "tail").out.splitlines()
    assert len(lines) == 10
    assert lines[-1].split()[0] == "13"
    assert lines[-1].endswith("other erp/items n: 13")
    assert len(syncflow("events", "tail", "--from", "2").out.splitlines()) == 12
    assert syncflow("events", "tail", "--type", "other", "--json").records[0]["data"] == {"n": 13}


@contextmanager
def running(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """`syncflow` in a process of its own, in the environment that the fixture made."""
    command = [sys.executable, "-m", "syncflow_pipelines.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "SYNCFLOW_FLAG_EVENTS": ""}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_tail_that_follows_prints_what_comes_until_a_signal(database: Database, syncflow: Syncflow) -> None:
    publish_now(database, event(1), event(2, "b"))
    with running("events", "tail", "--follow", "--json", "--subject", "b") as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["data"] == {"n": 2}
        publish_now(database, event(3), event(4, "b"))
        assert json.loads(tail.stdout.readline())["data"] == {"n": 4}
        tail.send_signal(signal.SIGTERM)
        assert tail.wait(60) == 143
        assert tail.stderr is not None
        assert "Traceback" not in tail.stderr.read()


def test_following_goes_on_when_its_connection_is_lost(settings: Settings, database: Database) -> None:
    publish_now(database, event(1))
    events = follow(settings, 0)
    assert next(events).data == {"n": 1}
    with database.connection() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'syncflow events tail'"
        )
    publish_now(database, event(2))
    assert next(events).data == {"n": 2}
    events.close()  # type: ignore[attr-defined]


def test_subscribers_are_listed_and_forgotten(settings: Settings, database: Database, syncflow: Syncflow) -> None:
    assert syncflow("events", "subscribers").err.startswith("Nobody is told of events")
    with DurableEventBus(settings) as bus:
        bus.subscribe("mine", ["happened"], Heard())
        eventually(lambda: syncflow("events", "subscribers", "--json").records[0]["is_active"])
        refused = syncflow("events", "subscribers", "forget", "mine")
        assert (refused.code, "mine is at work" in refused.err) == (1, True)
    publish_now(database, event(1))
    (one,) = syncflow("events", "subscribers", "--json").records
    assert (one["subscriber"], one["types"], one["lag"], one["is_active"]) == ("mine", ["happened"], 1, False)
    assert syncflow("events", "subscribers").out.splitlines()[1].split()[:5] == ["mine", "happened", "no", "0", "1"]
    assert syncflow("events", "subscribers", "forget", "mine").code == 0
    said = syncflow("events", "subscribers", "forget", "mine")
    assert (said.code, "no subscriber is called mine" in said.err) == (1, True)


def test_parked_events_are_listed_dropped_and_tried_again(
    settings: Settings, database: Database, syncflow: Syncflow
) -> None:
    assert syncflow("events", "parked").err == "No event is parked.\n"
    with DurableEventBus(settings) as bus:
        bus.subscribe("mine", [], Heard(lambda _: True), retry=SOON)
        bus.publish(*(event(n, f"s{n}") for n in range(1, 4)))
        eventually(lambda: len(parked(database)) == 3)
    records = syncflow("events", "parked", "mine", "--json").records
    assert [(one["place"], one["attempts"]) for one in records] == [(1, 3), (2, 3), (3, 3)]
    assert syncflow("events", "parked").out.splitlines()[1].split()[:4] == ["mine", "1", "happened", "s1"]
    assert syncflow("events", "parked", "drop", "mine", "1").err == "1 event is dropped.\n"
    assert syncflow("events", "parked", "retry", "mine", "2", "1").code == 1
    assert syncflow("events", "parked", "retry", "mine").code == 2
    assert syncflow("events", "parked", "retry", "nobody", "--all").code == 1
    assert syncflow("events", "parked", "retry", "mine", "--all").err == "1 event is tried again.\n"
    heard = Heard()
    with DurableEventBus(settings) as bus:
        bus.subscribe("mine", [], heard)
        heard.wait_for_numbers([2, 3])


def parked(database: Database) -> list[int]:
    with database.connection() as connection:
        return [one.seq for one in parked_events(connection)]


def test_without_a_webhook_there_is_nothing_to_deliver(syncflow: Syncflow) -> None:
    said = syncflow("events", "deliver")
    assert said.code == 2
    assert "events.yaml names no webhook that is enabled; add one" in said.err


@pytest.mark.slow
def test_deliver_posts_to_webhooks_follows_its_file_and_its_flag_and_ends_by_a_signal(
    settings: Settings, database: Database, syncflow: Syncflow
) -> None:
    (settings.config_dir / "secret").write_text("s3cret")
    with Receiver() as first, Receiver() as second:
        write_webhooks(settings, first.url)
        with running("events", "deliver") as deliver:
            assert deliver.stderr is not None
            assert deliver.stderr.readline() == "Events are posted to one; Ctrl-C ends it.\n"
            eventually(lambda: len(syncflow("events", "subscribers", "--json").records) == 1)
            publish_now(database, event(1))
            eventually(lambda: first.numbers == [1])
            write_webhooks(settings, first.url, second.url)
            assert deliver.stderr.readline() == "Events are posted to one, two; Ctrl-C ends it.\n"
            eventually(lambda: len(syncflow("events", "subscribers", "--json").records) == 2)
            publish_now(database, event(2))
            eventually(lambda: (first.numbers, second.numbers) == ([1, 2], [2]))
            write_webhooks(settings, first.url, "https://127.0.0.1:9", more=", ca_file: config/nothing.pem")
            assert "config/nothing.pem" in deliver.stderr.readline()
            write_webhooks(settings, first.url, second.url)
            (settings.config_dir / "flags.yaml").write_text("flags: {events: false}")
            assert "so nothing is posted, and events wait." in deliver.stderr.readline()
            publish_now(database, event(3))
            (settings.config_dir / "flags.yaml").unlink()
            assert deliver.stderr.readline() == "The flag events is on: events are posted.\n"
            eventually(lambda: (first.numbers, second.numbers) == ([1, 2, 3], [2, 3]))
            deliver.send_signal(signal.SIGTERM)
            assert deliver.wait(60) == 0
            assert deliver.stderr.read() == ""


def write_webhooks(settings: Settings, *urls: str, more: str = "") -> None:
    hooks = [
        f"- {{name: {name}, url: '{url}', secret_file: config/secret{more}}}\n"
        for name, url in zip(("one", "two"), urls, strict=False)
    ]
    (settings.config_dir / "events.yaml").write_text("webhooks:\n" + "".join(hooks))
