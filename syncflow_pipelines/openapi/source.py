"""The document that is being normalised: what refers to what in it, and what was found about it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from syncflow_pipelines.openapi.grammar import ANYTHING, children, kind_at, reference_in
from syncflow_pipelines.openapi.limits import LIMITS, Limits, too_many_values
from syncflow_pipelines.openapi.model import Finding, Json
from syncflow_pipelines.openapi.pointers import MISSING, look_up, pointer_to, split_reference, steps_of
from syncflow_pipelines.openapi.versions import Version, named

MAX_FINDINGS: Final = 10_000
_MAX_CHAIN: Final = 100
_MAX_STEPS: Final = 1_000
_MAX_LENGTH: Final = 20_000


class Unfit(Exception):
    """What stands at the pointer cannot be used; whoever can do without it catches this."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(pointer, reason)
        self.pointer = pointer
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Place:
    """A value, and where it stands."""

    value: Json
    pointer: str


@dataclass(slots=True)
class Source:
    """A bundled document. Nothing in it is altered."""

    document: dict[str, Json]
    version: Version
    limits: Limits = LIMITS
    findings: list[Finding] = field(default_factory=list)
    _noted: set[tuple[str, str]] = field(default_factory=set)
    _names: dict[str, str] | None = None
    _spent: int = 0
    _untold: int = 0

    def note(self, pointer: str, reason: str, *, is_fatal: bool = False) -> None:
        """Keep a finding; the same one is kept once."""
        if (pointer, reason) in self._noted:
            return
        if len(self.findings) >= MAX_FINDINGS:
            self._untold += 1
            return
        self._noted.add((pointer, reason))
        self.findings.append(Finding(pointer, reason, is_fatal))

    def all_findings(self) -> tuple[Finding, ...]:
        if not self._untold:
            return tuple(self.findings)
        return (*self.findings, Finding("", f"{self._untold:,} more findings are not told", is_fatal=False))

    def spend(self, count: int) -> None:
        """Count what has to be looked at: many places may refer to one that is large.

        Raises `SpecTooLarge` where it is more than a document may hold.
        """
        self._spent += count
        if self._spent > self.limits.max_values:
            raise too_many_values(self.limits, ", with what it refers to at each place")

    def resolved(self, value: Json, kind: str, pointer: str) -> Place:
        """The value itself, or what it refers to in the end, which is a mapping.

        Raises `Unfit` where there is nothing of this kind.
        """
        place = Place(value, pointer)
        seen: set[str] = set()
        while (reference := reference_in(place.value)) is not None:
            if place.pointer in seen:
                raise Unfit(pointer, f"it refers to itself by way of {reference[:200]!r}")
            seen.add(place.pointer)
            if len(seen) > _MAX_CHAIN:
                raise Unfit(pointer, f"it refers onwards more than {_MAX_CHAIN} times")
            place = self.target(reference, kind, place.pointer)
        if not isinstance(place.value, dict):
            raise Unfit(pointer, f"{named(place.value)} stands where a mapping ({_words(kind)}) is wanted")
        return place

    def target(self, reference: str, kind: str, pointer: str) -> Place:
        """What a reference refers to, one step. Raises `Unfit`."""
        if len(reference) > _MAX_LENGTH:
            raise Unfit(pointer, f"the reference {reference[:200]!r}… has more than {_MAX_LENGTH:,} characters")
        location, fragment = split_reference(reference)
        if location:
            raise Unfit(pointer, f"the reference {reference[:200]!r} leads outside, and was not brought in")
        steps = steps_of(fragment if fragment[:1] in ("", "/") else self.named(fragment))
        found = look_up(self.document, steps) if len(steps) < _MAX_STEPS else MISSING
        if found is MISSING and "%" in reference:
            # a key may have a % of its own, and be referred to as it is
            steps = steps_of(reference.partition("#")[2])
            found = look_up(self.document, steps) if len(steps) < _MAX_STEPS else MISSING
        if found is MISSING:
            raise Unfit(pointer, f"the reference {reference[:200]!r} leads to nothing")
        there = kind_at(steps)
        if there not in (kind, ANYTHING) and not _may_stand(there, kind):
            raise Unfit(pointer, f"the reference {reference[:200]!r} does not lead to a {_words(kind)}")
        return Place(found, pointer_to(steps))

    def named(self, name: str) -> str:
        """The pointer to the schema with the `$anchor`, or with the `$id` after a `#`; one to nothing without it."""
        if self._names is None:
            self._names = dict(_anchors(self.document))
        return self._names.get(name, f"/{name}")


def _may_stand(there: str | None, kind: str) -> bool:
    # headers and parameters say the same, and are mistaken for each other
    return there is not None and {there, kind} <= {"header", "parameter"}


def _words(kind: str) -> str:
    return kind.removeprefix("{}").removeprefix("[]").replace("_", " ")


def _anchors(document: dict[str, Json]) -> Iterator[tuple[str, str]]:
    waiting: list[tuple[Json, str, str]] = [(document, "document", "")]
    while waiting:
        value, kind, pointer = waiting.pop()
        if kind == "schema" and isinstance(value, dict):
            yield from ((value[word], pointer) for word in _ANCHORS if isinstance(value.get(word), str))
        waiting.extend((item, below, pointer + pointer_to((key,))) for key, item, below in children(value, kind))


_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
