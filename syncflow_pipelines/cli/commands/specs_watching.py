"""`syncflow specs watch`: the specs of services followed, and code generated when they change."""

import logging
import queue
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import click

from syncflow_pipelines.cli.commands.generate import print_reports
from syncflow_pipelines.cli.commands.specs_looking import looked_record, named, spec_counts
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ServiceName
from syncflow_pipelines.cli.output import counted, print_json
from syncflow_pipelines.codegen.following import SpecFollower
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import Services, choose_services
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.openapi.refreshing import Refreshed

END_S: Final = 5.0
"""How long the recording in Dagster may take to end."""

_LOG = logging.getLogger(__name__)


@click.command("watch")
@click.argument("names", nargs=-1, metavar="[SERVICE]...", type=ServiceName())
@click.option("--interval", "interval_s", type=click.FloatRange(min=1), metavar="SECONDS",
              help="Between two looks at what is no file.  [settings.watch_interval, else 300]")  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object for each spec that changed, failed or recovered."
)
@pass_invocation
def watch_command(invocation: Invocation, names: tuple[str, ...], interval_s: float | None, as_json: bool) -> int:
    """Follow the specs, and generate what changed, until Ctrl-C.

    \b
      syncflow specs watch                      all services, as often as the configuration says
      syncflow specs watch warehouse --interval 30

    A spec that is a file is read as soon as it has changed and been quiet for settings.debounce_ms; others
    are looked at again and again. Code is generated where settings.auto_regenerate says so. A service that
    fails is told once, and once more when it works again; it never stops the others. auto_sync_services.yaml
    is followed, too: one that cannot be used is told, and the one before stays in force. `syncflow dev` runs
    this beside Dagster, whose assets show what it did.
    """
    services = invocation.services
    choose_services(services, names)
    if not services.services:
        invocation.note(invocation.no_service)
    with ExitStack() as stack:
        database = stack.enter_context(open_database(invocation.settings))
        watch = _Watch(invocation, database, stack.enter_context(_Dagster(invocation, database)), as_json)
        follower = SpecFollower(services, invocation.settings, database, watch, names=names, interval_s=interval_s)
        stack.enter_context(follower)
        invocation.note("Watching the specs; Ctrl-C ends it.")
        follower.run()
    return 0


@dataclass(slots=True)
class _Watch:
    """Tells of a service when something becomes of it, and not again as long as it stays so."""

    invocation: Invocation
    database: Database
    dagster: "_Dagster"
    as_json: bool
    troubles: dict[str, str] = field(default_factory=dict)
    """What was told last of what does not work, by service; by '' what concerns all."""
    failures: dict[str, str | None] = field(default_factory=dict)
    """Why each service was not generated the last time."""

    def looked(self, services: Services, refreshed: Sequence[Refreshed]) -> None:
        for one in refreshed:
            if one.error is not None:
                self._trouble(one.service, one.error)
            else:
                self._over(one.service)
            if one.status == "changed":
                self._changed(services, one)

    def generated(self, services: Services, reports: Sequence[ServiceReport]) -> None:
        print_reports([report for report in reports if self._is_news(report)], as_json=self.as_json)

    def done(self, services: Services, refreshed: Sequence[Refreshed], reports: Sequence[ServiceReport]) -> None:
        self.dagster.record(services, refreshed, reports)

    def trouble(self, error: str | None) -> None:
        if error is None:
            self._over("")
        else:
            self._trouble("", error)

    def told(self, sentence: str) -> None:
        self.invocation.note(sentence)

    def _changed(self, services: Services, one: Refreshed) -> None:
        operations, left_out = spec_counts(services, one)
        if self.as_json:
            print_json(looked_record(one, operations, left_out))
        else:
            told = "not readable" if operations is None else counted(operations, "operation", "operations")
            click.echo(f"{one.service}: changed, {told}, checksum {one.checksum}")

    def _is_news(self, report: ServiceReport) -> bool:
        """Whether it says something else than the last time."""
        before = self.failures.get(report.service)
        self.failures[report.service] = str(report.error) if report.error else None
        return report.status == "generated" or (report.error is not None and str(report.error) != before)

    def _trouble(self, service: str, error: str) -> None:
        if self.troubles.get(service) != error:
            self.troubles[service] = error
            click.echo(f"Error: {named(service, error)}", err=True)
            if self.as_json and service:
                print_json({"service": service, "status": "failed", "error": error})

    def _over(self, service: str) -> None:
        if self.troubles.pop(service, None) is None:
            return
        self.invocation.note(f"{service}: works again" if service else "What did not work before works again.")
        if self.as_json and service:
            print_json({"service": service, "status": "recovered"})


class _Dagster:
    """Shows in Dagster what was done, where there is an instance of it: in a thread, so that nothing waits for it."""

    def __init__(self, invocation: Invocation, database: Database) -> None:
        self._settings = invocation.settings
        self._database = database
        self._work: queue.SimpleQueue[_Done | None] = queue.SimpleQueue()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="syncflow-dagster", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # what is not recorded by now is left to the sensor, as is an import that is still going on
        self._is_over = True
        self._work.put(None)
        self._thread.join(END_S)

    def record(self, services: Services, refreshed: Sequence[Refreshed], reports: Sequence[ServiceReport]) -> None:
        """Records what changed, service by service. Where that cannot be done, the log says so."""
        changed = [one for one in refreshed if one.status == "changed"]
        generated = [one for one in reports if one.status == "generated"]
        for name in dict.fromkeys([*(one.service for one in changed), *(one.service for one in generated)]):
            looks = tuple(one for one in changed if one.service == name)
            self._work.put(_Done(services, looks, tuple(one for one in generated if one.service == name)))

    def _run(self) -> None:
        from syncflow_pipelines.defs.spec_record import SpecRecord  # Dagster takes a second to import

        with SpecRecord(self._settings) as record:
            with suppress(Exception):
                record.open()
            while (done := self._work.get()) is not None and not self._is_over:
                try:
                    record.specs(self._database, done.services, done.refreshed)
                    record.generated(done.services, done.reports)
                except Exception as error:  # noqa: BLE001 - Dagster and its storage have errors of their own
                    _LOG.warning("what changed is not in Dagster's record (%s): its sensor will see to it", error)


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done for one service."""

    services: Services
    refreshed: tuple[Refreshed, ...]
    reports: tuple[ServiceReport, ...]
