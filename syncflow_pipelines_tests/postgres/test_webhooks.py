"""Events posted to URLs: signed, repeated as the receiver asks, parked where it refuses."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.config import Settings, WebhookConfig
from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.subscriptions import ParkedEvent, parked_events, subscribers
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.events.subscribing import DurableEventBus
from syncflow_pipelines.events.webhooks import delivering, signed_headers
from syncflow_pipelines_tests.postgres.embedded_world import eventually
from syncflow_pipelines_tests.postgres.event_world import event
from syncflow_pipelines_tests.postgres.webhook_receiver import Receiver
from syncflow_pipelines_tests.server.raw_server import RawServer, hang, then_close

SECRET = "a-secret-that-must-never-be-shown"


@pytest.fixture
def webhook(tmp_path: Path) -> WebhookConfig:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    return WebhookConfig("chat", "http://127.0.0.1:1/", SecretSource(None, file), timeout_s=30)


@contextmanager
def posting(settings: Settings, *webhooks: WebhookConfig) -> Iterator[DurableEventBus]:
    with delivering(settings, webhooks) as bus:
        yield bus


def parked(database: Database) -> list[ParkedEvent]:
    with database.connection() as connection:
        return parked_events(connection)


def waits_s(database: Database) -> float:
    """How long the next attempt of the only event in trouble is away."""
    with database.connection() as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM next_attempt_at - failed_at)::float FROM event_troubles"
        ).fetchone()
    return -1.0 if row is None or row[0] is None else float(row[0])


def test_an_event_is_posted_as_a_cloudevent_and_signed(settings: Settings, webhook: WebhookConfig) -> None:
    with Receiver() as receiver:
        chat = replace(webhook, url=receiver.url, types=("happened",), headers={"X-Team": "data"})
        with posting(settings, chat) as bus:
            told = event(1)
            bus.publish(event(0, kind="other"), told, event(2))
            eventually(lambda: receiver.numbers == [1, 2])
    message = receiver.messages[0]
    assert message.path == "/hook/"
    assert message.event == {**told.structured(), "sequence": "2"}
    assert message.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert (message.headers["webhook-id"], message.headers["x-team"]) == (told.id, "data")
    assert abs(int(message.headers["webhook-timestamp"]) - time.time()) < 600
    assert message.is_signed_with(SECRET.encode())
    assert not message.is_signed_with(b"another")
    assert receiver.connections == 1


def test_while_secrets_change_messages_are_signed_with_both_and_a_new_one_is_read_at_once(
    settings: Settings, webhook: WebhookConfig
) -> None:
    file = webhook.secret.file
    assert file is not None
    encoded = base64.b64encode(b"\0raw\xff").decode()
    with Receiver() as receiver, posting(settings, replace(webhook, url=receiver.url)) as bus:
        bus.publish(event(1))
        eventually(lambda: receiver.numbers == [1])
        file.write_text(f"whsec_{encoded} {SECRET}")
        bus.publish(event(2))
        eventually(lambda: receiver.numbers == [1, 2])
    assert not receiver.messages[0].is_signed_with(b"\0raw\xff")
    assert receiver.messages[1].is_signed_with(b"\0raw\xff")
    assert receiver.messages[1].is_signed_with(SECRET.encode())


def test_the_example_of_the_specification_comes_out_as_it_says() -> None:
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["whsec_", "whsec_%%%", "s3cret whsec_"])
def test_a_secret_without_a_key_signs_nothing(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="begins with whsec_, but no base64 follows"):
        signed_headers(secret, "id", b"{}")


def test_410_parks_at_once_and_other_events_go_on(
    settings: Settings, database: Database, webhook: WebhookConfig
) -> None:
    gone = Receiver(lambda message: (410 if message.number == 1 else 200, {}))
    with gone as receiver, posting(settings, replace(webhook, url=receiver.url)) as bus:
        bus.publish(event(1), event(2))
        eventually(lambda: receiver.numbers == [1, 2])
        eventually(lambda: len(parked(database)) == 1)
    [one] = parked(database)
    assert (one.subscriber, one.error) == ("webhook chat", "webhook chat: it answered 410: it wants no more of this")


@pytest.mark.parametrize(("asked", "least"), [("1234", 1234), ("9" * 30, 86_000)])
def test_retry_after_is_honoured_up_to_a_day(
    settings: Settings, database: Database, webhook: WebhookConfig, asked: str, least: int
) -> None:
    busy = Receiver(lambda _: (429, {"Retry-After": asked}))
    with busy as receiver, posting(settings, replace(webhook, url=receiver.url)) as bus:
        bus.publish(event(1))
        eventually(lambda: least <= waits_s(database) <= 86_400)
    assert receiver.numbers == [1]


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (500, {}, "webhook chat: it answered 500"),
        (
            302,
            {"Location": "http://127.0.0.1:1/"},
            "it answered 302; it redirects, which is not followed: mend its url",
        ),
        (404, {}, "it answered 404"),
    ],
)
def test_what_is_not_accepted_is_parked_after_the_last_attempt(
    settings: Settings,
    database: Database,
    webhook: WebhookConfig,
    caplog: pytest.LogCaptureFixture,
    status: int,
    headers: dict[str, str],
    error: str,
) -> None:
    refusing = Receiver(lambda _: (status, headers))
    with refusing as receiver, posting(settings, replace(webhook, url=receiver.url, max_attempts=1)) as bus:
        bus.publish(event(1))
        eventually(lambda: len(parked(database)) == 1)
    assert error in str(parked(database)[0].error)
    assert SECRET not in caplog.text


def test_what_does_not_answer_in_http_or_in_time_fails_and_is_tried_again(
    settings: Settings, database: Database, webhook: WebhookConfig
) -> None:
    with RawServer(then_close(b"hello")) as rude, RawServer(hang) as silent:
        hooks = [
            replace(webhook, name="down", max_attempts=1),
            replace(webhook, name="rude", url=rude.url, max_attempts=1),
            replace(webhook, name="silent", url=silent.url, max_attempts=1, timeout_s=0.2),
        ]
        with posting(settings, *hooks) as bus:
            bus.publish(event(1))
            eventually(lambda: len(parked(database)) == 3)
    errors = [str(one.error) for one in parked(database)]
    assert "cannot be reached" in errors[0]
    assert "does not answer in HTTP (BadStatusLine)" in errors[1]
    assert "the reply was not complete after 0.2 s" in errors[2]


def test_a_secret_that_is_not_there_keeps_events_waiting(
    settings: Settings, database: Database, webhook: WebhookConfig
) -> None:
    file = webhook.secret.file
    assert file is not None
    file.unlink()
    with Receiver() as receiver, posting(settings, replace(webhook, url=receiver.url)) as bus:
        bus.publish(event(1))
        eventually(lambda: waits_s(database) > 0)
        assert receiver.messages == []


def test_one_that_hangs_is_not_waited_for_at_the_end_and_its_event_comes_again(
    settings: Settings, database: Database, webhook: WebhookConfig
) -> None:
    with RawServer(hang) as silent, posting(settings, replace(webhook, url=silent.url, timeout_s=3600)) as bus:
        bus.publish(event(1))
        eventually(lambda: len(silent.requests) == 1)
    assert waits_s(database) == -1.0
    with Receiver() as receiver, posting(settings, replace(webhook, url=receiver.url)):
        eventually(lambda: receiver.numbers == [1])


def test_a_webhook_that_is_switched_off_has_nothing_posted(
    settings: Settings, database: Database, webhook: WebhookConfig
) -> None:
    with posting(settings, replace(webhook, enabled=False)):
        pass
    with database.connection() as connection:
        assert subscribers(connection) == []
