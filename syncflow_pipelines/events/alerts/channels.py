"""Sending a message through Apprise. The URL of a channel is read for it, and shown to nobody."""

import logging
import re
from types import ModuleType
from typing import Final
from urllib.parse import unquote

from syncflow_pipelines.config.alerts import ChannelConfig
from syncflow_pipelines.errors import ConfigurationError, DeliveryFailed
from syncflow_pipelines.events.alerts.messages import Kind

TIMEOUT_S: Final = 20.0
"""For one message."""
_SHORTEST_SECRET: Final = 4
_LONGEST_REASON: Final = 300


def send(channel: ChannelConfig, title: str, body: str, kind: Kind) -> None:
    """Sends a message. Raises `DeliveryFailed` where it was not taken, and `ConfigurationError`."""
    url = channel.url.read()
    apprise = _apprise()
    sender = apprise.Apprise(asset=apprise.AppriseAsset(app_id="SyncFlow", app_desc="SyncFlow"))
    if not sender.add(url):
        raise ConfigurationError(f"what the {channel.url} holds is no URL that Apprise knows; mend it")
    said: list[str] = []
    is_taken = sender.notify(
        title=title,
        body=body,
        notify_type=kind,
        body_format="text",
        timeout=TIMEOUT_S,
        log_callback=lambda entry, _: said.append(entry.message),
        log_level=logging.WARNING,
    )
    if not is_taken:
        reason = _without(url, "; ".join(said)) or "it gives no reason"
        raise DeliveryFailed(f"channel {channel.name} did not take the message: {reason}")


def _apprise() -> ModuleType:
    # imported here: it takes a third of a second, and is an extra
    try:
        import apprise
    except ImportError as error:
        raise ConfigurationError(
            "messages are sent by Apprise, which is not installed: pip install 'syncflow-pipelines[alerts]'"
        ) from error
    # their lines name URLs; what is to be known of a failure is in the error
    for name in (apprise.LOGGER_NAME, "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(apprise.LOGGER_NAME).propagate = False
    return apprise


def _without(url: str, text: str) -> str:
    """The text on one line, without any part of the URL that could be a secret."""
    pieces = set(re.split(r"[/:@?&=#,+]+", url.partition("://")[2]))
    pieces |= {unquote(piece) for piece in pieces}
    for piece in sorted((url, *pieces), key=len, reverse=True):
        if len(piece) >= _SHORTEST_SECRET:
            text = text.replace(piece, "***")
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"
