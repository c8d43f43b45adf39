"""What two specs differ in, as values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from syncflow_pipelines.openapi.model import Json

Severity = Literal["breaking", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("breaking", "warning", "info")
"""From the worst to the least: a caller stops working, a caller may notice, a caller gains or loses nothing."""

DOCUMENTATION = "documentation-changed"
"""The one rule of what no caller can notice."""


@dataclass(frozen=True, slots=True, order=True)
class Touched:
    """An operation that a change concerns; as the new spec names it, unless it was removed."""

    path: str
    method: str
    id: str

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was. Names and values are as the specs have them: escape them to show them."""

    rule: str
    """A key of `RULES`; kebab-case, and the same in every version of SyncFlow."""
    severity: Severity
    operations: tuple[Touched, ...]
    """Sorted. Many where the change is in a shared component, or the same in each of them."""
    where: str
    """`query.limit`, `request.body.application/json#/items/name`, `response.200.application/json#/id`,
    `components.schemas.Pet#/name`; `''` for the operation itself. After the `#`, properties go by their names, and what
    lies below a keyword (`items`, `oneOf`, …) by the keyword."""
    before: Json
    """What stood there, `None` where nothing did; large values are cut."""
    after: Json
    message: str
    """One sentence, without the place."""

    @property
    def operation(self) -> Touched | None:
        """The operation, where it is exactly one."""
        return self.operations[0] if len(self.operations) == 1 else None


@dataclass(frozen=True, slots=True)
class SpecDiff:
    """All changes from one spec to another: the worst first, then by path, method and place."""

    changes: tuple[Change, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed, documentation included."""
        return not self.changes

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes that stop callers from working."""
        return self.of("breaking")

    @property
    def is_breaking(self) -> bool:
        return bool(self.breaking)

    @property
    def counts(self) -> dict[Severity, int]:
        """How many changes there are of each severity, zeros too."""
        return {severity: len(self.of(severity)) for severity in SEVERITIES}

    def of(self, severity: Severity) -> tuple[Change, ...]:
        """The changes of one severity."""
        return tuple(change for change in self.changes if change.severity == severity)

    def without_documentation(self) -> "SpecDiff":
        """The same but for what only a reader notices."""
        return SpecDiff(tuple(change for change in self.changes if change.rule != DOCUMENTATION))

    def summary(self) -> str:
        """One line: `2 breaking changes, 1 warning and 4 other changes in 12 operations`."""
        if self.is_empty:
            return "No changes"
        breaking, warnings, others = self.counts.values()
        parts = _parts([(breaking, "breaking change"), (warnings, "warning"), (others, "other change")])
        touched = len({operation for change in self.changes for operation in change.operations})
        return parts + (f" in {_counted(touched, 'operation')}" if touched else "")


def _parts(counted: Iterable[tuple[int, str]]) -> str:
    parts = [_counted(number, word) for number, word in counted if number]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")
