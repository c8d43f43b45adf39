"""Whether callers of a service can live with its spec as it is now.

The first version is accepted, and each that breaks nothing of the last accepted one. Another one waits until somebody
accepts it, and so does whatever follows it, unless it breaks nothing any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from syncflow_pipelines.config import ServiceConfig
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.spec_acceptances import Acceptance, accept, latest_acceptance
from syncflow_pipelines.database.specs import SpecVersion
from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.diff import SpecDiff, compare
from syncflow_pipelines.openapi.history import kept_versions, spec_of

CONFIGURED = "auto_sync_services.yaml"
"""Who accepted what `settings.acknowledged` names."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A service's spec, and the last version of it that was accepted."""

    current: SpecVersion
    baseline: SpecVersion
    """The current one itself where that is accepted."""
    diff: SpecDiff
    """From the baseline to the current version."""
    acceptance: Acceptance | None
    """Of the baseline; None where nobody had to accept anything yet."""

    @property
    def is_accepted(self) -> bool:
        """Whether nothing is left to be accepted."""
        return self.current.id == self.baseline.id


def judge(
    database: Database, service: ServiceConfig, acknowledged: Mapping[str, tuple[str, ...]] | None = None
) -> Standing:
    """How the spec stands. A version that breaks nothing, or that `acknowledged` names by its contract, is accepted.

    Raises `SpecError` where no version is kept.
    """
    versions = kept_versions(database, service.name)
    current = versions[0]
    with database.connection() as connection:
        acceptance = latest_acceptance(connection, service.name)
    baseline = _baseline(versions, acceptance)
    diff = _compared(database, service, baseline, current)
    is_configured = current.contract in (acknowledged or {}).get(service.name, ())
    if baseline.id == current.id and acceptance is not None:
        return Standing(current, current, diff, acceptance)
    if diff.is_breaking and not is_configured:
        return Standing(current, baseline, diff, acceptance)
    return _accepted(database, current, diff, CONFIGURED if diff.is_breaking else None, None)


def acknowledge(database: Database, service: ServiceConfig, by: str, note: str | None = None) -> Standing:
    """Accepts the spec as it is now, breaking or not; the result has what was accepted with it.

    Raises `SpecError` where no version is kept.
    """
    before = judge(database, service)
    if before.is_accepted:
        return before
    return _accepted(database, before.current, before.diff, by, note)


def _accepted(database: Database, current: SpecVersion, diff: SpecDiff, by: str | None, note: str | None) -> Standing:
    with database.connection() as connection:
        accept(connection, current, by, note)
        return Standing(current, current, diff, latest_acceptance(connection, current.service))


def _baseline(versions: list[SpecVersion], acceptance: Acceptance | None) -> SpecVersion:
    """The version that was accepted last; the oldest one where none was."""
    if acceptance is None:
        return versions[-1]
    return next(version for version in versions if version.id == acceptance.version)


def _compared(database: Database, service: ServiceConfig, old: SpecVersion, new: SpecVersion) -> SpecDiff:
    if old.contract == new.contract:
        return SpecDiff()
    try:
        return compare(spec_of(database, old, service), spec_of(database, new, service))
    except UnusableSpec:  # the configuration leaves no operation of one of them
        return compare(spec_of(database, old), spec_of(database, new))
