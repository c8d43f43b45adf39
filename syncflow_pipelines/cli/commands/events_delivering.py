"""`syncflow events deliver`: posting events to webhooks."""

import time
from contextlib import suppress
from dataclasses import dataclass

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.config import EVENTS_FILE, EventsConfig, WebhookConfig, load_events
from syncflow_pipelines.errors import ConfigurationError, SyncflowError
from syncflow_pipelines.events.flags import Flag, standing
from syncflow_pipelines.events.webhooks import check_webhooks, delivering

LOOK_S = 2.0
"""Between two looks at the file and the flag."""


@click.command("deliver")
@pass_invocation
def deliver_command(invocation: Invocation) -> int:
    """Post events to the webhooks of events.yaml until Ctrl-C.

    A webhook that is new hears of what happens from now on, any other of what it has not had yet. Where one fails,
    events are tried again, longer and longer apart, and then parked; the other webhooks go on. events.yaml is read
    again when it changes. While the flag `events` is off, nothing is posted, and events wait. Of several processes
    that do this, one works for a webhook, and another takes over when it ends.
    """
    config = load_events(invocation.settings)
    if not _enabled(config):
        file = invocation.settings.config_dir / EVENTS_FILE
        raise ConfigurationError(f"{file} names no webhook that is enabled; add one, as the comments in it show")
    course = _Course(invocation)
    with suppress(KeyboardInterrupt):  # which is how it is meant to end
        while True:
            config = course.deliver(config)
    return 0


def _enabled(config: EventsConfig) -> tuple[WebhookConfig, ...]:
    return tuple(webhook for webhook in config.webhooks if webhook.enabled)


@dataclass(slots=True)
class _Course:
    """Tells a person of what changes, once."""

    invocation: Invocation
    is_on: bool = True
    trouble: str = ""

    def deliver(self, config: EventsConfig) -> EventsConfig:
        """Delivers as long as the file says the same; what it says then."""
        names = ", ".join(webhook.name for webhook in _enabled(config)) or "no webhook"
        self.invocation.note(f"Events are posted to {names}; Ctrl-C ends it.")
        self._look_at_flag()
        with delivering(self.invocation.settings, config.webhooks, lambda: self.is_on):
            while True:
                time.sleep(LOOK_S)
                self._look_at_flag()
                if (said := self._said(config)) != config:
                    return said

    def _said(self, config: EventsConfig) -> EventsConfig:
        """What the file says; what it said before where it cannot be used."""
        try:
            said = load_events(self.invocation.settings)
            if said != config:
                check_webhooks(_enabled(said), self.invocation.settings)
        except SyncflowError as error:
            if str(error) != self.trouble:
                click.echo(f"Error: {error}", err=True)
            self.trouble = str(error)
            return config
        self.trouble = ""
        return said

    def _look_at_flag(self) -> None:
        now = standing(Flag.EVENTS, self.invocation.settings)
        if now.is_on != self.is_on:
            off = now.reason("nothing is posted, and events wait")
            self.invocation.note(f"The flag {now.flag} is on: events are posted." if now.is_on else off)
        self.is_on = now.is_on
