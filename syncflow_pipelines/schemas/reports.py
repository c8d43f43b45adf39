"""What became of the sources of schemas."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.schemas.comparison.manual import ManualComparison
from syncflow_pipelines.schemas.model import Finding, SchemaSource

Status = Literal["generated", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source. In a dry run `generated` says what would be."""

    source: str
    status: Status
    output: Path
    """The module; where the status is `failed`, it is what it was."""
    digest: str | None = None
    """Of what the schemas were made from; None where that is not known."""
    schemas: int = 0
    """Names that the module exports."""
    form: SchemaSource | None = None
    """The models in the inner form, where they were read now, and are no components of an OpenAPI document."""
    findings: tuple[Finding, ...] = ()
    """Parts of the source that cannot be used, or only with care."""
    diff: str = ""
    """Of the module, in a dry run."""
    before: bytes | None = None
    """The module as it was; None where there was none, or the status is `failed`."""
    comparison: ManualComparison | None = None
    """With the schemas that people keep, where there are some and the source was read now."""
    backup: str | None = None
    """The name of what was there before."""
    notes: tuple[str, ...] = ()
    """Sentences about what somebody may not expect."""
    error: SyncflowError | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """All sources that were looked at, in the order of the configuration."""

    sources: tuple[SourceReport, ...]
    is_dry_run: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether a source failed."""
        return any(report.status == "failed" for report in self.sources)

    @property
    def has_changed(self) -> bool:
        """Whether a module was written, or would have been."""
        return any(report.status == "generated" for report in self.sources)
