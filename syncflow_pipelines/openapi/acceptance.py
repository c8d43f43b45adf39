"""Whether callers of a service can live with its spec as it is now.

The first version is accepted, and each that breaks nothing of the last accepted one. Another one waits until somebody
accepts it, and so does whatever follows it, unless it breaks nothing any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from syncflow_pipelines.config import ServiceConfig
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.spec_verdicts import Verdict, decide, spec_verdicts
from syncflow_pipelines.database.specs import SpecVersion
from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.diff import SpecDiff, compare
from syncflow_pipelines.openapi.history import kept_versions, spec_of

CONFIGURED = "auto_sync_services.yaml"
"""Who accepted what `settings.acknowledged` names."""


@dataclass(frozen=True)
class Standing:
    """A service's spec, and the last version of it that was accepted."""

    database: Database
    service: ServiceConfig
    current: SpecVersion
    before: SpecVersion
    """The version that was accepted last before the current one; the current one itself where it is the first."""
    verdict: Verdict
    """On the current version."""

    @property
    def is_accepted(self) -> bool:
        """Whether nothing is left to be accepted."""
        return self.verdict.is_accepted

    @property
    def baseline(self) -> SpecVersion:
        """The last version that is accepted."""
        return self.current if self.is_accepted else self.before

    @cached_property
    def diff(self) -> SpecDiff:
        """What the current version brings to those who could live with the one before; needs the database, once."""
        return _compared(self.database, self.service, self.before, self.current)


def judge(
    database: Database, service: ServiceConfig, acknowledged: Mapping[str, tuple[str, ...]] | None = None
) -> Standing:
    """How the spec stands; every version that nobody has judged yet is judged first, in the order they came.

    What `acknowledged` names by its contract is accepted, too. Raises `SpecError` where no version is kept.
    """
    *older, current = kept_versions(database, service.name)[::-1]
    with database.connection() as connection:
        verdicts = spec_verdicts(connection, service.name)
    named = frozenset((acknowledged or {}).get(service.name, ()))
    accepted = older[0] if older else current
    for version in (*older, current):
        verdict = verdicts.get(version.id)
        if verdict is None or (not verdict.is_accepted and version.contract in named):
            verdict = verdicts[version.id] = _judged(database, service, accepted, version, named)
        if verdict.is_accepted and version is not current:
            accepted = version
    return Standing(database, service, current, accepted, verdicts[current.id])


def acknowledge(database: Database, service: ServiceConfig, by: str, note: str | None = None) -> Standing:
    """Accepts the spec as it is now, breaking or not.

    Raises `SpecError` where no version is kept.
    """
    standing = judge(database, service)
    if standing.is_accepted:
        return standing
    return replace(standing, verdict=_recorded(database, standing.current, is_accepted=True, by=by, note=note))


def _judged(
    database: Database, service: ServiceConfig, accepted: SpecVersion, version: SpecVersion, named: frozenset[str]
) -> Verdict:
    if not _compared(database, service, accepted, version).is_breaking:
        return _recorded(database, version, is_accepted=True)
    if version.contract in named:
        return _recorded(database, version, is_accepted=True, by=CONFIGURED)
    return _recorded(database, version, is_accepted=False)


def _recorded(
    database: Database, version: SpecVersion, *, is_accepted: bool, by: str | None = None, note: str | None = None
) -> Verdict:
    with database.connection() as connection:
        decide(connection, version, is_accepted=is_accepted, by=by, note=note)
        return spec_verdicts(connection, version.service)[version.id]


def _compared(database: Database, service: ServiceConfig, old: SpecVersion, new: SpecVersion) -> SpecDiff:
    if old.contract == new.contract:
        return SpecDiff()
    try:
        return compare(spec_of(database, old, service), spec_of(database, new, service))
    except UnusableSpec:  # the configuration leaves no operation of one of them
        return compare(spec_of(database, old), spec_of(database, new))
