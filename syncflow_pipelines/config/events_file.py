"""`events.yaml`: what it may say, and what comes out of it."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.config.auth_sections import HeaderName, exactly_one, from_project
from syncflow_pipelines.config.document import EACH, names_once, read_document, select
from syncflow_pipelines.config.events import EventsConfig, WebhookConfig
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.section import (
    ExactUrl,
    FilePath,
    Section,
    Switch,
    VariableName,
    matching,
    number,
    refused,
    whole,
)
from syncflow_pipelines.config.settings import Settings

FILE_NAME = "events.yaml"
LONGEST_RETENTION_DAYS = 36_500


def _free_header(value: str) -> str:
    if value.lower().startswith("webhook-") or value.lower() in ("content-type", "user-agent"):
        raise refused("a header that SyncFlow does not set itself, as it does content-type and webhook-…")
    return value


def _header_value(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise refused("text in ASCII, on one line", "something else")
    return str(value)


Days = Annotated[int, whole(1, LONGEST_RETENTION_DAYS)]
EventType = Annotated[str, matching(r"[!-~]{1,200}", "a type of events such as sync_finished")]


class WebhookSection(Section):
    name: Annotated[
        str, matching(r"[A-Za-z][A-Za-z0-9_-]{0,62}", "a letter, then letters, digits, _ and -, 63 characters or less")
    ] = Field(description="a name")
    url: ExactUrl = Field(description="a URL such as https://example.com/hooks/syncflow")
    types: list[EventType] = Field(default_factory=list)
    secret_env: VariableName | None = None
    secret_file: FilePath | None = None
    headers: dict[
        Annotated[HeaderName, AfterValidator(_free_header)], Annotated[str, BeforeValidator(_header_value)]
    ] = Field(default_factory=dict)
    timeout_s: Annotated[float, number(0.1, 3600)] = 10.0
    max_attempts: Annotated[int, whole(1, 1000)] = 16
    ca_file: FilePath | None = None
    enabled: Switch = True


class EventsSection(Section):
    retention_days: Days = 30
    undelivered_retention_days: Days | None = None
    webhooks: list[WebhookSection] = Field(default_factory=list)


def load_events(settings: Settings) -> EventsConfig:
    """What `events.yaml` says; the defaults where there is no such file.

    `undelivered_retention_days` is three times `retention_days` unless it is given. Relative paths start at
    `settings.project_dir`, and `${SYNCFLOW_HOME}` is `settings.home`. Raises `ConfigurationError` with every mistake of
    the file; whether a secret is where the file says is seen only when it is needed.
    """
    document = read_document(settings.config_dir / FILE_NAME, settings.environment, settings.document_variables)
    if document is None:
        return EventsConfig()
    said = document.validated(EventsSection, checks=(names_once("webhooks"), _one_secret, _undelivered_longer))
    return EventsConfig(
        tuple(_webhook(webhook, settings) for webhook in said.webhooks),
        said.retention_days,
        said.undelivered_retention_days or 3 * said.retention_days,
    )


def _webhook(said: WebhookSection, settings: Settings) -> WebhookConfig:
    return WebhookConfig(
        name=said.name,
        url=said.url,
        secret=SecretSource(said.secret_env, from_project(said.secret_file, settings), settings.environment),
        types=tuple(dict.fromkeys(said.types)),
        headers=dict(said.headers),
        timeout_s=said.timeout_s,
        max_attempts=said.max_attempts,
        ca_file=from_project(said.ca_file, settings),
        enabled=said.enabled,
    )


def _one_secret(data: Any) -> Iterator[Explanation]:
    for location, webhook in select(data, "webhooks", EACH):
        if isinstance(webhook, dict):
            yield from exactly_one(location, webhook, ("secret_env", "secret_file"))


def _undelivered_longer(data: Any) -> Iterator[Explanation]:
    for location, days in select(data, "undelivered_retention_days"):
        shortest = data.get("retention_days", 30)
        if isinstance(days, int) and isinstance(shortest, int) and days < shortest:
            yield Explanation(location, f"as many days as retention_days ({shortest:,}), or more")
