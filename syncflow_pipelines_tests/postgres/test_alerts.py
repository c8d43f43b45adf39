"""What is wrong opens one alert, people are told of it once, and again when it is over."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.config import AlertsConfig, ChannelConfig, Rule, Severity
from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.alerts import list_alerts
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines.events.alerts.evaluation import Evaluation, evaluate
from syncflow_pipelines_tests.postgres.alert_receiver import Receiver, http_receiver, smtp_receiver
from syncflow_pipelines_tests.postgres.world import World, row


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as served:
        yield served


@pytest.fixture
def config(tmp_path: Path, receiver: Receiver) -> AlertsConfig:
    """One channel `ops`, and recoveries that are told at once."""
    return AlertsConfig(channels=(channel(tmp_path, "ops", receiver.url),), recover_after_s=0)


@pytest.fixture
def synced(world: World) -> World:
    """An entity `items` of three rows, synced once; nothing is wrong."""
    world.offer("items")
    world.store.insert("items", [row(number) for number in range(3)])
    world.discover()
    world.sync("items")
    return world


def channel(folder: Path, name: str, url: str) -> ChannelConfig:
    file = folder / f"{name}-url"
    file.write_text(url)
    return ChannelConfig(name, SecretSource(None, file))


def fail(world: World, times: int = 3) -> None:
    world.store.break_entity("items", Fault(404))
    for _ in range(times):
        assert world.sync("items").status == "failed"


def mend(world: World) -> None:
    world.store.heal_entity("items")
    assert world.sync("items").status == "success"


def stand_endpoint(world: World) -> None:
    """An endpoint of the gateway that is unhealthy, and whose breaker one of two processes holds open."""
    world.query(
        "INSERT INTO gateway_health (name, version, is_current, health, since, last_error, latency_ms) "
        "VALUES ('crm', 'v1', true, 'unhealthy', now(), 'it answered 500', 12) RETURNING 1"
    )
    for process, state in (("a", "closed"), ("b", "open")):
        world.query(
            "INSERT INTO gateway_breakers (process, name, version, state, consecutive_failures, times_opened, refused) "
            "VALUES (%s, 'crm', 'v1', %s, 5, 1, 2) RETURNING 1",
            process,
            state,
        )


def open_alerts(database: Database) -> set[tuple[str, str]]:
    with database.connection() as connection:
        return {(alert.rule, alert.subject) for alert, _ in list_alerts(connection)}


def looked(world: World, config: AlertsConfig) -> set[tuple[str, str]]:
    """What is open after an evaluation."""
    evaluate(world.database, config)
    return open_alerts(world.database)


def test_three_failures_are_told_once_and_so_is_that_it_is_over(
    synced: World, config: AlertsConfig, receiver: Receiver
) -> None:
    fail(synced, 2)
    assert looked(synced, config) == set()
    fail(synced, 1)
    assert looked(synced, config) == {("sync_failing", "erp/items")}
    evaluate(synced.database, config)
    assert receiver.titles() == ["SyncFlow alerts: 1 new"]
    assert "[critical] sync_failing erp/items: 3 syncs failed in a row" in receiver.messages[0]["message"]
    mend(synced)
    assert looked(synced, config) == set()
    evaluate(synced.database, config)
    assert receiver.titles()[1:] == ["SyncFlow alerts: 1 recovered"]
    assert receiver.messages[1]["type"] == "success"


def test_an_alert_that_stays_open_is_told_again_after_a_while(
    synced: World, config: AlertsConfig, receiver: Receiver
) -> None:
    fail(synced)
    evaluate(synced.database, config)
    evaluate(synced.database, config)
    evaluate(synced.database, replace(config, remind_after_s=0.0))
    assert receiver.titles() == ["SyncFlow alerts: 1 new", "SyncFlow alerts: 1 still open"]


def test_what_is_over_for_less_than_the_pause_stays_open(
    synced: World, config: AlertsConfig, receiver: Receiver
) -> None:
    fail(synced)
    evaluate(synced.database, config)
    mend(synced)
    assert looked(synced, replace(config, recover_after_s=3600)) == {("sync_failing", "erp/items")}
    assert receiver.titles() == ["SyncFlow alerts: 1 new"]


def test_a_sync_longer_than_the_limit_of_its_entity_is_told_while_it_runs_and_after_it(
    synced: World, config: AlertsConfig
) -> None:
    synced.query("UPDATE sync_runs SET started_at = started_at - interval '11 minutes' RETURNING 1")
    assert looked(synced, config) == {("sync_too_long", "erp/items")}
    assert looked(synced, replace(config, entity_limits_s={"erp/items": 900.0})) == set()
    synced.query("UPDATE sync_runs SET status = 'running', started_at = now() - interval '20 minutes' RETURNING 1")
    assert looked(synced, replace(config, entity_limits_s={"erp/items": 900.0})) == {("sync_too_long", "erp/items")}


def test_a_source_that_does_not_answer_is_told_of_once_for_all_its_entities(
    synced: World, config: AlertsConfig
) -> None:
    there = synced.connector
    synced.connector = replace(there, base_url="http://127.0.0.1:9")
    synced.sync("items")
    assert looked(synced, config) == {("source_unreachable", "erp")}
    synced.connector = there
    synced.sync("items")
    assert looked(synced, config) == set()


def test_rejects_over_the_ratio_are_told_until_they_are_closed(synced: World, config: AlertsConfig) -> None:
    synced.store.insert("items", [row(9, label="x" * 50)])
    synced.query("SELECT 1")
    with synced.database.connection() as connection:
        connection.execute("ALTER TABLE erp.items ALTER label TYPE varchar(40)")
    assert synced.sync("items").counts.rejected == 1
    assert looked(synced, config) == {("rejects_over_ratio", "erp/items")}
    assert looked(synced, replace(config, ratio=0.5)) == set()
    looked(synced, config)
    synced.query("UPDATE rejected_rows SET status = 'dropped' RETURNING 1")
    assert looked(synced, config) == set()


def test_an_entity_that_was_not_synced_for_five_intervals_is_told(synced: World, config: AlertsConfig) -> None:
    synced.query("UPDATE entities SET last_sync_at = now() - interval '26 minutes' RETURNING 1")
    assert looked(synced, config) == {("freshness_missed", "erp/items")}
    synced.query("UPDATE entities SET sync_enabled = false RETURNING 1")
    assert looked(synced, config) == set(), "nobody wants it to be synced"


def test_a_spec_that_breaks_callers_is_told_until_somebody_accepts_it(world: World, config: AlertsConfig) -> None:
    world.query("INSERT INTO specs (service, checksum) VALUES ('crm', 'a') RETURNING 1")
    ((version,),) = world.query(
        "INSERT INTO spec_versions (service, checksum, contract, form, document) VALUES ('crm', 'a', 'a', '', '') "
        "RETURNING id"
    )
    world.query(
        "INSERT INTO spec_verdicts (version, service, contract, is_accepted) "
        "VALUES (%s, 'crm', 'a', false) RETURNING 1",
        version,
    )
    assert looked(world, config) == {("spec_breaking", "crm")}
    world.query("UPDATE spec_verdicts SET is_accepted = true RETURNING 1")
    assert looked(world, config) == set()


def test_a_pool_that_was_exhausted_is_told_for_a_while(world: World, config: AlertsConfig) -> None:
    small = Database(world.database.url, world.database.schema, max_connections=1, timeout_s=0.05)
    with closing(small), small.connection(), suppress(DatabaseError), small.connection():
        pass
    assert looked(world, config) == {("pool_exhausted", "database")}
    assert looked(world, replace(config, window_s=0.0)) == set()


def test_an_endpoint_that_fails_its_checks_and_a_breaker_that_is_open_are_told(
    world: World, config: AlertsConfig
) -> None:
    stand_endpoint(world)
    assert looked(world, config) == {("endpoint_unhealthy", "crm@v1"), ("breaker_open", "crm@v1")}
    world.query("UPDATE gateway_health SET health = 'healthy' RETURNING 1")
    world.query("UPDATE gateway_breakers SET state = 'closed' RETURNING 1")
    assert looked(world, config) == set()


def test_channels_are_told_of_what_they_want_alone(
    synced: World, config: AlertsConfig, receiver: Receiver, tmp_path: Path
) -> None:
    ops = config.channels[0]
    with http_receiver() as other:
        wants_nothing = [
            replace(channel(tmp_path, "rules", other.url), rules=(Rule.SPEC_BREAKING,)),
            replace(channel(tmp_path, "subjects", other.url), subjects=("crm/*",)),
            replace(channel(tmp_path, "off", other.url), enabled=False),
        ]
        few = replace(
            config, channels=(ops, *wants_nothing), severities={**config.severities, Rule.SYNC_FAILING: Severity.INFO}
        )
        urgent = replace(channel(tmp_path, "urgent", other.url), min_severity=Severity.WARNING)
        fail(synced)
        evaluate(synced.database, replace(few, channels=(*few.channels, urgent)))
        assert (len(receiver.messages), other.messages) == (1, [])


def test_a_channel_that_fails_keeps_nobody_else_and_is_tried_again(
    synced: World, config: AlertsConfig, receiver: Receiver, tmp_path: Path
) -> None:
    with http_receiver() as down:
        both = replace(config, channels=(channel(tmp_path, "down", down.url), *config.channels))
        down.status = 500
        fail(synced)
        first = evaluate(synced.database, both)
        assert (set(first.failed), set(first.sent)) == ({"down"}, {"ops"})
        down.status = 200
        second = evaluate(synced.database, both)
        assert (set(second.failed), set(second.sent)) == (set(), {"down"})
        assert down.titles() == receiver.titles() == ["SyncFlow alerts: 1 new"]


def test_the_url_of_a_channel_is_shown_nowhere(
    synced: World, config: AlertsConfig, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.status = 500
    fail(synced)
    (error,) = evaluate(synced.database, config).failed.values()
    with synced.database.connection() as connection:
        ((_, told),) = list_alerts(connection)
    for text in (error, told["ops"].error or "", caplog.text):
        assert "s3cr3t-pass" not in text
        assert "hook-t0ken" not in text
    assert "500" in error


def test_processes_that_look_at_once_send_one_message(synced: World, config: AlertsConfig, receiver: Receiver) -> None:
    fail(synced)
    with ThreadPoolExecutor(6) as threads:
        done: list[Evaluation] = list(threads.map(lambda _: evaluate(synced.database, config), range(12)))
    assert len(receiver.messages) == 1
    assert sum(bool(one.sent) for one in done) == 1


def test_a_message_whose_record_is_lost_is_sent_again(synced: World, config: AlertsConfig, receiver: Receiver) -> None:
    def end_connection() -> None:
        synced.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'syncflow alerts' AND datname = current_database()"
        )

    fail(synced)
    receiver.before_answer = end_connection
    with pytest.raises(DatabaseError):
        evaluate(synced.database, config)
    receiver.before_answer = bool
    evaluate(synced.database, config)
    evaluate(synced.database, config)
    assert receiver.titles() == ["SyncFlow alerts: 1 new"] * 2


def test_what_a_source_slips_into_an_error_neither_shows_a_secret_nor_drives_a_terminal(
    synced: World, config: AlertsConfig, receiver: Receiver
) -> None:
    fail(synced)
    said = "refused Authorization: Bearer hunter2-Xq9\r\nNEW [critical] \x1b[31mall is lost\u202e"
    with synced.database.connection() as connection:
        connection.execute("UPDATE sync_runs SET error_message = %s WHERE status = 'failed'", (said,))
    evaluate(synced.database, config)
    (message,) = receiver.messages
    assert "hunter2" not in message["message"]
    assert message["message"].replace("\n", "").isprintable()
    assert not [line for line in message["message"].splitlines() if line.startswith("NEW [critical] all")]


def test_a_thousand_alerts_are_one_message(synced: World, config: AlertsConfig, receiver: Receiver) -> None:
    observed = {Rule.RUN_FAILED: [(f"job {number}", "it failed") for number in range(1000)]}
    evaluate(synced.database, config, observed)
    assert receiver.titles() == ["SyncFlow alerts: 1000 new"]
    assert "and 980 more" in receiver.messages[0]["message"]


def test_what_was_not_looked_at_stays_as_it_is(synced: World, config: AlertsConfig) -> None:
    evaluate(synced.database, config, {Rule.RUN_FAILED: [("retention", "it failed")]})
    assert looked(synced, config) == {("run_failed", "retention")}
    evaluate(synced.database, config, {Rule.RUN_FAILED: []})
    assert open_alerts(synced.database) == set()


def test_mail_is_sent_through_a_server(synced: World, config: AlertsConfig, tmp_path: Path) -> None:
    with smtp_receiver() as (port, mails):
        mail = channel(tmp_path, "mail", f"mailto://127.0.0.1:{port}?from=syncflow@example.com&to=ops@example.com")
        fail(synced)
        done = evaluate(synced.database, replace(config, channels=(mail,)))
    assert done.failed == {}
    assert "sync_failing" in "".join(mails)


def test_a_url_that_apprise_does_not_know_is_told_without_showing_it(
    synced: World, config: AlertsConfig, tmp_path: Path
) -> None:
    fail(synced)
    done = evaluate(synced.database, replace(config, channels=(channel(tmp_path, "odd", "nonsense://s3cr3t"),)))
    assert "no URL that Apprise knows" in done.failed["odd"]
    assert "s3cr3t" not in done.failed["odd"]
