"""Two versions of a source's schemas compared: what breaks those who read with them, and those who write with them.

The comparison is that of OpenAPI documents: who reads a row with `XResponse` notices what a caller notices of an
answer, and who writes one with `XCreate` or `XUpdate` what a caller notices of a request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from syncflow_pipelines.openapi.diff.model import SEVERITIES, Severity
from syncflow_pipelines.openapi.diff.model import Change as Found
from syncflow_pipelines.openapi.diff.named import compare_schemas
from syncflow_pipelines.openapi.diff.printable import change_text, place_text, printable
from syncflow_pipelines.openapi.diff.rules import SCHEMA_RULES, Direction, Rule
from syncflow_pipelines.openapi.diff.schemas import WORK
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.schemas.comparison.contracts import Contract

Side = Literal["readers", "writers"]

_DIRECTIONS: Final[Mapping[Side, Direction]] = {"readers": "response", "writers": "request"}
_PLACE: Final = "components.schemas."
_CUT_SHORT: Final = "comparison-cut-short"
# A caller of a service is told that a property is ignored, or is not. Here nobody tells, and what was written is lost.
_HEAVIER: Final[Mapping[str, Severity]] = {"request-property-removed": "breaking"}


def _all_rules() -> Iterator[Rule]:
    for side, direction in _DIRECTIONS.items():
        for rule in SCHEMA_RULES[direction]:
            kind = rule.name.removeprefix(f"{direction}-")
            yield Rule(f"{side}-{kind}", _HEAVIER.get(rule.name, rule.severity), rule.meaning)
        yield Rule(f"{side}-schema-removed", "breaking", "a schema is gone")
        yield Rule(f"{side}-schema-added", "info", "a schema is new")
        yield Rule(f"{side}-{_CUT_SHORT}", "warning", "the schemas are too entangled to be compared to the end")


RULES: Final[Mapping[str, Rule]] = {rule.name: rule for rule in sorted(_all_rules(), key=lambda rule: rule.name)}
"""The names never change their meaning. `docs/schemas.md` tells the most frequent ones."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was. Names and values are as the source has them: escape them to show them."""

    rule: str
    """A key of `RULES`."""
    severity: Severity
    where: str
    """`ProductCreate`, `ProductCreate#/name`, `Color`."""
    before: Json
    after: Json
    message: str
    """One sentence, without the place."""


@dataclass(frozen=True, slots=True)
class Compatibility:
    """All changes from one version to another, for each side; the worst first, then by place."""

    readers: tuple[Change, ...] = ()
    writers: tuple[Change, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Those of both sides."""
        return (*self.readers, *self.writers)

    @property
    def is_empty(self) -> bool:
        return not self.changes

    @property
    def is_breaking(self) -> bool:
        """Whether somebody who reads or writes with the old version fails with the new one."""
        return any(change.severity == "breaking" for change in self.changes)

    def summary(self) -> str:
        """One line: `readers: 1 breaking, 2 info; writers: nothing`."""
        if self.is_empty:
            return "nothing changed that readers or writers notice"
        return f"readers: {_counted(self.readers)}; writers: {_counted(self.writers)}"


def compare(old: Contract, new: Contract, *, work: int = WORK) -> Compatibility:
    """What readers and writers notice of the step from the old version to the new one.

    `work` bounds how many schemas are compared for each side; past it, a rule that says so is among the changes.
    """
    readers = _compared("readers", (old, new), (set(old.readers), set(new.readers)), work)
    writers = _compared("writers", (old, new), (set(old.writers), set(new.writers)), work)
    return Compatibility(readers, writers)


def as_json(compatibility: Compatibility) -> dict[str, Json]:
    """`{summary, is_empty, is_breaking, readers, writers}`, both lists of `{rule, severity, where, before, after,
    message}`; every key is always there."""
    return {
        "summary": compatibility.summary(),
        "is_empty": compatibility.is_empty,
        "is_breaking": compatibility.is_breaking,
        "readers": [_record(change) for change in compatibility.readers],
        "writers": [_record(change) for change in compatibility.writers],
    }


def as_text(compatibility: Compatibility) -> str:
    """A line for each change, below a line for each side that has some; nothing in it moves a terminal's cursor."""
    sides = {"readers": compatibility.readers, "writers": compatibility.writers}
    lines = [compatibility.summary()]
    for side, changes in sides.items():
        lines += [f"for {side}:"] if changes else []
        lines += [f"  {change.severity}: {change_line(change)} ({change.rule})" for change in changes]
    return "\n".join(lines)


def change_line(change: Change) -> str:
    """The place, what became of it, and the values, on one line of printable characters."""
    values = change_text(Found(change.rule, change.severity, (), change.where, change.before, change.after, ""))
    told = f"{place_text(change.where)} {printable(change.message)}".strip()
    return f"{told}: {values}" if values else told


def _compared(
    side: Side, contracts: tuple[Contract, Contract], names: tuple[set[str], set[str]], work: int
) -> tuple[Change, ...]:
    (old, new), (before, after) = contracts, names
    diff = compare_schemas(old.schemas, new.schemas, before & after, _DIRECTIONS[side], work=work)
    found = [_weighed(side, change) for change in diff.changes]
    found += [_listed(side, "schema-removed", name, "is gone") for name in before - after]
    found += [_listed(side, "schema-added", name, "is new") for name in after - before]
    return tuple(sorted(found, key=lambda change: (SEVERITIES.index(change.severity), change.where, change.rule)))


def _weighed(side: Side, change: Found) -> Change:
    rule = RULES[f"{side}-{change.rule.removeprefix(f'{_DIRECTIONS[side]}-')}"]
    where = change.where.removeprefix(_PLACE)
    return Change(rule.name, rule.severity, where, change.before, change.after, change.message)


def _listed(side: Side, kind: str, name: str, message: str) -> Change:
    rule = RULES[f"{side}-{kind}"]
    return Change(rule.name, rule.severity, name, None, None, message)


def _record(change: Change) -> dict[str, Json]:
    return {
        "rule": change.rule,
        "severity": change.severity,
        "where": change.where,
        "before": change.before,
        "after": change.after,
        "message": change.message,
    }


def _counted(changes: tuple[Change, ...]) -> str:
    counts = [(severity, sum(change.severity == severity for change in changes)) for severity in SEVERITIES]
    return ", ".join(f"{count} {severity}" for severity, count in counts if count) or "nothing"
