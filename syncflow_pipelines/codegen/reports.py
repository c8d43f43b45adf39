"""What a generation came to."""

from dataclasses import dataclass
from typing import Literal

from syncflow_pipelines.codegen.manifest import OwnedFile, ToolSizes
from syncflow_pipelines.errors import SyncflowError

Status = Literal["generated", "unchanged", "failed", "removed"]


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service."""

    service: str
    status: Status
    files: tuple[OwnedFile, ...] = ()
    """That are there now, or would be after a dry run; of a removed one, those that were removed."""
    sizes: ToolSizes | None = None
    """None where there is no MCP server."""
    skipped: tuple[tuple[str, str], ...] = ()
    """Parts of the spec that were left out: JSON pointer and reason."""
    error: SyncflowError | None = None
    notes: tuple[str, ...] = ()
    """Sentences about what somebody may not expect."""


@dataclass(frozen=True, slots=True)
class GenerationReport:
    """All services that were looked at, by name."""

    services: tuple[ServiceReport, ...]
    is_dry_run: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether a service failed."""
        return any(report.status == "failed" for report in self.services)

    @property
    def has_changed(self) -> bool:
        """Whether files were written or removed, or would have been."""
        return any(report.status in ("generated", "removed") for report in self.services)
