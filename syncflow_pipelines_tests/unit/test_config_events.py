"""`events.yaml` becomes webhooks and periods; a wrong one is refused whole, with lines."""

from pathlib import Path

import pytest

from syncflow_pipelines.config import EventsConfig, load_events
from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.demo.companions import COMPANIONS, posts_events
from syncflow_pipelines_tests.unit.config_project import Project

WEBHOOK = "webhooks:\n- name: chat\n  url: https://example.com/hook/\n  secret_env: S\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_without_a_file_nobody_is_told(project: Project) -> None:
    assert load_events(project.settings()) == EventsConfig()


def test_everything_that_can_be_said_is_taken(project: Project) -> None:
    said = project.events(
        """
        retention_days: 3
        webhooks:
          - name: chat
            url: HTTPS://example.com:8443/hook/
            types: [sync_finished, sync_finished, code_generated]
            secret_file: secrets/chat
            headers: {X-Team: data}
            timeout_s: 2
            max_attempts: 3
            ca_file: /etc/ssl/chat.pem
            enabled: false
        """
    )
    [webhook] = said.webhooks
    assert (said.retention_days, said.undelivered_retention_days) == (3, 9)
    assert (webhook.name, webhook.url) == ("chat", "https://example.com:8443/hook/")
    assert webhook.types == ("sync_finished", "code_generated")
    assert webhook.secret == SecretSource(None, project.folder / "secrets" / "chat")
    assert webhook.headers == {"X-Team": "data"}
    assert (webhook.timeout_s, webhook.max_attempts, webhook.enabled) == (2.0, 3, False)
    assert webhook.ca_file == Path("/etc/ssl/chat.pem")


def test_neither_secrets_nor_headers_are_in_what_is_printed_of_a_webhook(project: Project) -> None:
    project.environ["S"] = "s3cret"
    [webhook] = project.events(f"{WEBHOOK}  headers: {{X-A: '${{S}}'}}\n").webhooks
    assert webhook.headers == {"X-A": "s3cret"}
    assert "s3cret" not in repr(webhook)


def test_syncflow_dev_posts_events_where_a_webhook_is_enabled(project: Project) -> None:
    assert not posts_events(project.settings())
    project.events(f"{WEBHOOK}  enabled: false\n")
    assert not posts_events(project.settings())
    project.events(WEBHOOK)
    assert posts_events(project.settings())
    assert [one.is_needed for one in COMPANIONS if one.name == "events deliver"] == [posts_events]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (f"retention_days: 0\n{WEBHOOK}", "1: retention_days: found 0, expected a whole number from 1 to 36,500"),
        (
            "retention_days: 30\nundelivered_retention_days: 29\n",
            "2: undelivered_retention_days: found 29, expected as many days as retention_days (30), or more",
        ),
        (f"{WEBHOOK}  secret_file: x\n", "2: webhooks[0]: found both, expected exactly one of secret_env"),
        (
            f"{WEBHOOK}- {{name: chat, url: 'http://x', secret_env: A}}\n",
            "5: webhooks[1].name: found 'chat', expected a name unlike webhooks[0].name",
        ),
        (f"{WEBHOOK}  types: [a b]\n", "5: webhooks[0].types[0]: found 'a b', expected a type of events"),
        (f"{WEBHOOK}  headers: {{X-A: 5}}\n", "5: webhooks[0].headers.X-A: found something else, expected text"),
        (f"{WEBHOOK}  headers: {{Webhook-Id: a}}\n", "a header that SyncFlow does not set itself"),
        (f"{WEBHOOK}  max_attempts: 0\n", "5: webhooks[0].max_attempts: found 0, expected a whole number"),
        (f"{WEBHOOK}  secret: abc\n", "5: webhooks[0].secret: "),
        (
            "webhooks:\n- {name: a, url: 'https://u:p@x', secret_env: S}\n",
            "2: webhooks[0].url: found a URL with a user name or a password, expected a URL such as",
        ),
        ("webhooks:\n- {name: a, secret_env: S}\n", "2: webhooks[0].url: found nothing, expected a URL such as"),
    ],
)
def test_a_mistake_is_told_with_its_line(project: Project, text: str, mistake: str) -> None:
    [told] = project.event_mistakes(text)
    assert mistake in told
    assert told.startswith("events.yaml:")
