"""The changes as they are found, and which operations each of them reaches."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from syncflow_pipelines.openapi.diff.model import SEVERITIES, Change, SpecDiff, Touched
from syncflow_pipelines.openapi.diff.rules import RULES, Direction
from syncflow_pipelines.openapi.diff.values import excerpt, fingerprint
from syncflow_pipelines.openapi.graphs import knots
from syncflow_pipelines.openapi.model import Json


@dataclass(frozen=True, slots=True)
class Pair:
    """A component of the old spec, the component of the new one that stands in its place, and who writes it."""

    direction: Direction
    old: str
    new: str


Origin = Touched | Pair | Literal["document"]
"""Where a change was found. What is found in a pair concerns all operations from which the pair is reached; what is
found in the document itself concerns none of them."""

_Entry = tuple[str, str, bytes, bytes, str]


@dataclass(slots=True)
class Ledger:
    """Collects changes; equal ones of several operations become one."""

    pending: list[Pair] = field(default_factory=list)
    """Pairs that were reached and not compared yet."""
    _found: dict[_Entry, tuple[Change, list[Origin]]] = field(default_factory=dict)
    _below: dict[Origin, set[Pair]] = field(default_factory=dict)
    _reached: set[Pair] = field(default_factory=set)

    def tell(
        self, origin: Origin, rule: str, where: str, message: str, *, before: Json = None, after: Json = None
    ) -> None:
        """A change."""
        shown = Change(rule, RULES[rule].severity, (), where, excerpt(before), excerpt(after), message)
        entry = (rule, where, fingerprint(before), fingerprint(after), message)
        _, origins = self._found.setdefault(entry, (shown, []))
        origins.append(origin)

    def link(self, origin: Origin, pair: Pair) -> None:
        """The origin refers to the pair, which is to be compared, too."""
        self._below.setdefault(origin, set()).add(pair)
        if pair not in self._reached:
            self._reached.add(pair)
            self.pending.append(pair)

    def has_told(self) -> set[Touched]:
        """The operations that some change concerns."""
        reach, order = self._reach()
        told = 0
        for _, origins in self._found.values():
            told |= _union(reach.get(origin, 0) for origin in origins)
        return {operation for position, operation in enumerate(order) if told >> position & 1}

    def diff(self) -> SpecDiff:
        """All changes, sorted."""
        reach, order = self._reach()
        changes = [
            _with(change, _union(reach.get(origin, 0) for origin in origins), order)
            for change, origins in self._found.values()
        ]
        return SpecDiff(tuple(sorted(changes, key=_rank)))

    def _reach(self) -> tuple[dict[Origin, int], list[Touched]]:
        """Of every origin the operations from which it is reached, as bits; and the operations in that order."""
        order = sorted(self._operations())
        reach: dict[Origin, int] = {operation: 1 << position for position, operation in enumerate(order)}
        origins: list[Origin] = [*order, *self._reached]
        below: dict[Origin, Iterable[Origin]] = {origin: self._below.get(origin, set()) for origin in origins}
        # those that refer to others first, so that each reference is followed once
        for together in reversed(list(knots(below))):
            reached_by = _union(reach.get(one, 0) for one in together)
            reach.update(dict.fromkeys(together, reached_by))
            for pair in {pair for one in together for pair in below[one]}:
                reach[pair] = reach.get(pair, 0) | reached_by
        return reach, order

    def _operations(self) -> set[Touched]:
        origins = {origin for _, found in self._found.values() for origin in found} | self._below.keys()
        return {origin for origin in origins if isinstance(origin, Touched)}


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _with(change: Change, mask: int, order: list[Touched]) -> Change:
    operations = tuple(operation for position, operation in enumerate(order) if mask >> position & 1)
    return Change(change.rule, change.severity, operations, change.where, change.before, change.after, change.message)


def _rank(change: Change) -> tuple[object, ...]:
    first = (change.operations[0].path, change.operations[0].method) if change.operations else ("", "")
    shown = (fingerprint(change.before), fingerprint(change.after))
    return SEVERITIES.index(change.severity), first, change.where, change.rule, *shown, change.message
