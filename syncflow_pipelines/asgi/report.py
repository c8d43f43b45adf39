"""What a sync in an application came to."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.openapi.refreshing import Refreshed

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """The status report, as it grows."""

    fetched: list[Refreshed] = field(default_factory=list)
    generated_files: list[str] = field(default_factory=list)
    troubles: list[tuple[str, str]] = field(default_factory=list)
    """Services, and what went wrong with them in a sentence; no name where it is about all of them."""
    skipped_because: str | None = None
    is_over: bool = False

    @property
    def errors(self) -> list[str]:
        """What went wrong, in sentences."""
        return [sentence for _, sentence in self.troubles]

    @property
    def changed(self) -> list[Refreshed]:
        """The services whose spec is another one, or that had none."""
        return [one for one in self.fetched if one.status == "changed"]

    def take_looks(self, looks: Iterable[Refreshed]) -> None:
        """Adds services that were looked at: what could be fetched, and why the rest could not."""
        for look in looks:
            if look.error is None:
                self.fetched.append(look)
            else:
                self.add_error(look.service, look.error)

    def take_generated(self, reports: Iterable[ServiceReport], folder: Path) -> None:
        """Adds what was written for services, and why nothing was for some."""
        for report in reports:
            if report.error is not None:
                self.add_error(report.service, str(report.error))
            elif report.status == "generated":
                self.generated_files += [str(folder / file.name) for file in report.files]

    def add_error(self, service: str, error: str) -> None:
        """Adds what went wrong with a service."""
        self.troubles.append((service, error if error.startswith(service) else f"{service}: {error}"))

    def complete(self, before: "Report", looked_at: Collection[str]) -> None:
        """Takes over what was known `before` of the services that were not looked at."""
        self.fetched += [replace(one, status="unchanged") for one in before.fetched if one.service not in looked_at]
        self.troubles += [trouble for trouble in before.troubles if trouble[0] and trouble[0] not in looked_at]

    def tell(self, before: "Report | None" = None) -> None:
        """Logs what came of it; of what was so `before` already, nothing."""
        if self.skipped_because is not None:
            if before is None or before.skipped_because != self.skipped_because:
                _LOG.info("auto-sync was skipped: %s", self.skipped_because)
            return
        for error in self.errors:
            if before is None or error not in before.errors:
                _LOG.error("auto-sync: %s", error)
        if before is None or self.changed:
            _LOG.info("auto-sync: %d specs fetched, %d changed", len(self.fetched), len(self.changed))

    def as_dict(self) -> dict[str, Any]:
        """The report in the words of the requirement; JSON values only."""
        report: dict[str, Any] = {
            "success": self.is_over and not self.errors,
            "fetched_specs": [
                {"service": one.service, "file": str(one.spec_file), "changed": one.status == "changed"}
                for one in self.fetched
            ],
            "changed_services": [one.service for one in self.changed],
            "generated_files": list(self.generated_files),
            "errors": list(self.errors),
            "skipped": self.skipped_because is not None,
        }
        if self.skipped_because is not None:
            report["reason"] = self.skipped_because
        return report
