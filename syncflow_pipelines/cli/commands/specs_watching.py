"""`syncflow specs watch`: looking at the specs of services again and again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from syncflow_pipelines.cli.commands.generate import print_reports
from syncflow_pipelines.cli.commands.specs_looking import looked_record, named, report_to_dagster, spec_counts
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ServiceName
from syncflow_pipelines.cli.output import print_json
from syncflow_pipelines.codegen.kept import generate_kept
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import Services, choose_services, load_services
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.openapi.refreshing import Refreshed, refresh


@click.command("watch")
@click.argument("names", nargs=-1, metavar="[SERVICE]...", type=ServiceName())
@click.option("--interval", "interval_s", type=click.FloatRange(min=1), metavar="SECONDS",
              help="Between two looks.  [settings.watch_interval, else 300]")  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object for each spec that changed, failed or recovered."
)
@pass_invocation
def watch_command(invocation: Invocation, names: tuple[str, ...], interval_s: float | None, as_json: bool) -> int:
    """Look at the specs again and again, and generate what changed, until Ctrl-C.

    \b
      syncflow specs watch                      all services, as often as the configuration says
      syncflow specs watch warehouse --interval 30

    Code is generated where settings.auto_regenerate says so. A service that fails is told once, and
    once more when it answers again; it never stops the others. auto_sync_services.yaml is read before each
    look. Dagster's sensor openapi_spec_changes does the same where `syncflow dev` or `dagster dev` runs.
    """
    watch = _Watch(invocation, names, as_json)
    services = invocation.services
    choose_services(services, names)
    with open_database(invocation.settings) as database:
        invocation.note("Watching the specs; Ctrl-C ends it.")
        while True:
            services = watch.look(database, services)
            time.sleep(interval_s or services.settings.watch_interval)


@dataclass(slots=True)
class _Watch:
    """Tells of a service when something becomes of it, and not again as long as it stays so."""

    invocation: Invocation
    names: Sequence[str]
    as_json: bool
    troubles: dict[str, str] = field(default_factory=dict)
    """What was told last of what does not work, by service; by '' what concerns all."""
    failures: dict[str, str | None] = field(default_factory=dict)
    """Why each service was not generated the last time."""
    left: set[str] | None = None
    """Services that are to be generated, changed or not, as the last try failed; None: all, before the first."""

    def look(self, database: Database, services: Services) -> Services:
        """One look at all; the configuration as it is by now, or as it was where it cannot be used."""
        try:
            services = load_services(self.invocation.settings)
            refreshed = refresh(services, self.invocation.settings, only=self.names, database=database)
            self._over("")
            self._tell(database, services, refreshed)
        except SyncflowError as error:
            self._trouble("", str(error))
        return services

    def _tell(self, database: Database, services: Services, refreshed: Sequence[Refreshed]) -> None:
        for one in refreshed:
            if one.error is not None:
                self._trouble(one.service, one.error)
            else:
                self._over(one.service)
        changed = [one for one in refreshed if one.status == "changed"]
        for one in changed:
            operations, left_out = spec_counts(services, one)
            if self.as_json:
                print_json(looked_record(one, operations, left_out))
            else:
                click.echo(f"{one.service}: changed, {operations} operations, checksum {one.checksum}")
        report_to_dagster(database, self.invocation, services, changed)
        if services.settings.auto_regenerate:
            known = {one.service for one in refreshed if one.checksum is not None}
            left = known if self.left is None else self.left & known
            self._generate(database, services, sorted(left | {one.service for one in changed}))

    def _generate(self, database: Database, services: Services, names: Sequence[str]) -> None:
        if not names:
            self.left = set()
            return
        settings = self.invocation.settings
        reports = generate_kept(services, settings, only=names, database=database).services
        self.left = {report.service for report in reports if report.status == "failed"}
        told = [report for report in reports if self._is_news(report)]
        print_reports(told, as_json=self.as_json)
        if any(report.status == "generated" for report in reports):
            from syncflow_pipelines.defs.spec_record import report_generated  # Dagster takes a second to import

            report_generated(settings, services, reports)

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
        if self.troubles.pop(service, None) is not None and service:
            self.invocation.note(f"{service}: answers again")
            if self.as_json:
                print_json({"service": service, "status": "recovered"})
