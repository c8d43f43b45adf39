"""Webhooks: events posted to URLs, signed as the Standard Webhooks specification says.

The body is the event in the structured form of CloudEvents' JSON format. `webhook-signature` is the HMAC-SHA256 of
`{webhook-id}.{webhook-timestamp}.{body}` (https://www.standardwebhooks.com), once for each secret.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from typing import Final

from syncflow_pipelines.config import Settings, WebhookConfig
from syncflow_pipelines.errors import ConfigurationError, DeliveryFailed, SourceUnreachable
from syncflow_pipelines.events.handling import Retry
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.subscribing import DurableEventBus
from syncflow_pipelines.transport import Poster, Proxies

FIRST_RETRY_S: Final = 5.0
LONGEST_RETRY_S: Final = 3600.0

_PREFIX: Final = "whsec_"


@contextmanager
def delivering(
    settings: Settings, webhooks: tuple[WebhookConfig, ...], is_enabled: Callable[[], bool] | None = None
) -> Iterator[DurableEventBus]:
    """Posts events to every webhook that is enabled, each from a thread of its own, until the block is left.

    A webhook that is new begins with what is published from now on. Raises `ConfigurationError` where certificates
    cannot be read, and `DatabaseError`.
    """
    enabled = [webhook for webhook in webhooks if webhook.enabled]
    over = threading.Event()
    with ExitStack() as stack:
        # what is posted with is closed last, and what is being posted is not waited for
        posts = [stack.enter_context(closing(WebhookHandler(one, settings, over.is_set))) for one in enabled]
        bus = stack.enter_context(DurableEventBus(settings))
        stack.callback(over.set)
        stack.callback(bus.end)
        for webhook, post in zip(enabled, posts, strict=True):
            retry = Retry(webhook.max_attempts, FIRST_RETRY_S, LONGEST_RETRY_S)
            bus.subscribe(webhook.subscriber, webhook.types, post, retry=retry, is_enabled=is_enabled)
        yield bus


def check_webhooks(webhooks: Iterable[WebhookConfig], settings: Settings) -> None:
    """Raises `ConfigurationError` where `delivering` would, for a file of certificates that cannot be read."""
    for webhook in webhooks:
        WebhookHandler(webhook, settings, lambda: False).close()


class WebhookHandler:
    """Posts events to one webhook."""

    def __init__(self, webhook: WebhookConfig, settings: Settings, cancelled: Callable[[], bool]) -> None:
        self._webhook = webhook
        proxies = Proxies(settings.http_proxy, settings.https_proxy, settings.no_proxy)
        self._poster = Poster(
            webhook.url, timeout_s=webhook.timeout_s, ca_file=webhook.ca_file, proxies=proxies, cancelled=cancelled
        )

    def __call__(self, event: Event) -> None:
        """Posts the event. Raises `DeliveryFailed` where it was not accepted, and `ConfigurationError`."""
        body = json.dumps(event.structured(), ensure_ascii=False).encode()
        headers = {**self._webhook.headers, **signed_headers(self._webhook.secret.read(), event.id, body)}
        try:
            posted = self._poster.post(body, headers)
        except SourceUnreachable as error:
            raise self._failed(str(error)) from error
        status = posted.status
        if 200 <= status < 300:
            return
        if status == HTTPStatus.GONE:
            raise self._failed("it answered 410: it wants no more of this", is_final=True)
        moved = "; it redirects, which is not followed: mend its url" if 300 <= status < 400 else ""
        raise self._failed(f"it answered {status}{moved}", retry_after_s=posted.retry_after_s)

    def close(self) -> None:
        """Closes the connection that is kept."""
        self._poster.close()

    def _failed(self, why: str, *, retry_after_s: float | None = None, is_final: bool = False) -> DeliveryFailed:
        return DeliveryFailed(f"webhook {self._webhook.name}: {why}", retry_after_s, is_final)


def signed_headers(secrets: str, message_id: str, body: bytes, at: float | None = None) -> Mapping[str, str]:
    """The headers of a message; `secrets` are separated by blanks, `at` is its time in Unix seconds (default: now).

    Raises `ConfigurationError`, which does not show it, for a secret that begins with `whsec_` and is no base64.
    """
    timestamp = str(int(time.time() if at is None else at))
    said = message_id.encode() + b"." + timestamp.encode() + b"." + body
    signatures = (hmac.digest(_key(secret), said, hashlib.sha256) for secret in secrets.split())
    return {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "syncflow",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in signatures),
    }


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ConfigurationError(f"a webhook's secret begins with {_PREFIX}, but no base64 follows; mend it")
    return key
