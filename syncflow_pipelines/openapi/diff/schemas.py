"""Two schemas compared, from the side of the one who writes what they describe."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from syncflow_pipelines.openapi.diff.alternatives import match
from syncflow_pipelines.openapi.diff.components import Shared
from syncflow_pipelines.openapi.diff.constraints import (
    ANY,
    Difference,
    allows_null,
    constraint_differences,
    share_a_type,
    type_difference,
    types_of,
    unjudged,
)
from syncflow_pipelines.openapi.diff.ledger import Ledger, Origin, Pair
from syncflow_pipelines.openapi.diff.properties import Side, property_differences
from syncflow_pipelines.openapi.diff.rules import Direction
from syncflow_pipelines.openapi.diff.shapes import Components, Shape, as_schema, shape_of
from syncflow_pipelines.openapi.diff.values import fingerprint, quick_fingerprint, reference, references, referred
from syncflow_pipelines.openapi.model import Json

WORK = 400_000
"""Schemas that are compared at the most, large ones counting for several; two specs of GitHub need 10,000."""
_BYTES_A_STEP = 4_000
_STEPS_OF_THE_UNWRITABLE = 60
"""Of a schema that is not worth a fingerprint, because it nests too deeply to be one of a normalised spec."""
_DEEPEST_SWAP = 32
"""How many times, one within the other, a component is compared in place with something else than itself."""

_KEYWORDS = ("items", "prefixItems", "additionalProperties", "allOf", "anyOf", "oneOf", "properties")
"""Parts of a place that are not names; a property with such a name is told as `properties/NAME`."""

_CHOICES = ("oneOf", "anyOf")
_ASIDE = ("default", "deprecated", "discriminator", "readOnly", "writeOnly")
"""What may stand beside alternatives and says nothing about the shape."""

_REFUSED = Difference("type-narrowed", "no value is possible any more")
_ADMITTED = Difference("type-widened", "values are possible")

_Chain = frozenset[tuple[object, object]]


@dataclass(frozen=True, slots=True)
class _Task:
    """Two schemas that are to be compared."""

    old: Json
    new: Json
    place: str
    inside: _Chain = frozenset()
    """What is being compared in place around it, since a component may hold itself."""

    def below(self, old: Json, new: Json, *steps: str) -> "_Task":
        names = (step.replace("~", "~0").replace("/", "~1") for step in steps)
        return _Task(old, new, "/".join((self.place, *names)), self.inside)


@dataclass(slots=True)
class SchemaComparison:
    """Compares schemas of two specs, and tells a ledger what it finds."""

    shared: Shared
    ledger: Ledger
    work_left: int = WORK
    _cut_short: bool = field(default=False, init=False)

    @property
    def was_cut_short(self) -> bool:
        return self._cut_short

    def compare(self, origin: Origin, direction: Direction, where: str, old: Json, new: Json) -> None:
        """All changes from one schema to the other, those of components left for `compare_components()`."""
        walk = _Walk(self, origin, direction, [_Task(old, new, f"{where}#")])
        while walk.left:
            if self.work_left <= 0:
                self._cut_short = True
                return
            walk.step(walk.left.pop())

    def compare_components(self) -> None:
        """The components that were referred to, and those that they refer to."""
        while self.ledger.pending:
            pair = self.ledger.pending.pop()
            old, new = self.shared.old.get(pair.old), self.shared.new.get(pair.new)
            self.compare(pair, pair.direction, f"components.schemas.{pair.new}", old, new)


@dataclass(slots=True)
class _Walk:
    """One comparison, from an operation or a component, down to the components that it refers to."""

    run: SchemaComparison
    origin: Origin
    direction: Direction
    left: list[_Task]

    def step(self, task: _Task) -> None:
        written, rewritten = quick_fingerprint(task.old), quick_fingerprint(task.new)
        self.run.work_left -= _steps(written) + _steps(rewritten)
        if written is not None and written == rewritten:
            self._link(references(written))
        elif (task.old is False) != (task.new is False):
            self._tell(task.place, _REFUSED if task.new is False else _ADMITTED)
        else:
            self._compare_unequal(task)

    def _compare_unequal(self, task: _Task) -> None:
        shared = self.run.shared
        old, new = shape_of(task.old, shared.old), shape_of(task.new, shared.new)
        renamed = self._link_names(old, new)
        ours = [name for name in old.names if name in shared.old and name not in new.names and name not in renamed]
        theirs = [name for name in new.names if name in shared.new and name not in old.names and name not in renamed]
        swap = (tuple(ours) or id(task.old), tuple(theirs) or id(task.new))
        if not ours and not theirs:
            self._compare_shapes(task, old, new)
        elif swap not in task.inside and len(task.inside) < _DEEPEST_SWAP:
            inside = task.inside | {swap}
            self._compare_in_place(_Task(task.old, task.new, task.place, inside), {*ours}, {*theirs})

    def _link_names(self, old: Shape, new: Shape) -> set[str]:
        """Hands components of both sides to the ledger; the names of those that are only called otherwise now."""
        self._link(set(old.names) & set(new.names))
        pairs = self.run.shared.rename(
            [name for name in old.names if name not in new.names], [name for name in new.names if name not in old.names]
        )
        for before, after in pairs:
            self.run.ledger.link(self.origin, Pair(self.direction, before, after))
        return {name for pair in pairs for name in pair}

    def _link(self, names: set[str]) -> None:
        for name in sorted(names & self.run.shared.changed):
            self.run.ledger.link(self.origin, Pair(self.direction, name, name))

    def _compare_in_place(self, task: _Task, ours: set[str], theirs: set[str]) -> None:
        """The components of one side only are merged in, with what they refer to beside their own keywords."""
        shared = self.run.shared
        while self.run.work_left > 0:
            self.run.work_left -= 1 + sum(shared.sizes[name] for name in ours | theirs) // _BYTES_A_STEP
            old, new = shape_of(task.old, shared.old, ours), shape_of(task.new, shared.new, theirs)
            more_ours = {name for name in old.names if name in shared.old} - set(new.names)
            more_theirs = {name for name in new.names if name in shared.new} - set(old.names)
            if not more_ours and not more_theirs:
                self._link_names(old, new)
                return self._compare_shapes(task, old, new)
            ours, theirs = ours | more_ours, theirs | more_theirs
        return None

    def _compare_shapes(self, task: _Task, old: Shape, new: Shape) -> None:
        if self._became_one_of_many(task, old, new) or not self._types_go_on(task, old, new):
            return
        for difference in constraint_differences(old.own, new.own):
            self._tell(task.place, difference)
        for keyword in unjudged(old.own) & unjudged(new.own):
            self._link(references(fingerprint(old.own[keyword])) & references(fingerprint(new.own[keyword])))
        self._compare_properties(task, old, new)
        self._compare_items(task, old, new)
        self._compare_conflicts(task, old, new)
        for keyword, before, after in _alternatives(old, new):
            self._compare_alternatives(task, keyword, before, after)

    def _became_one_of_many(self, task: _Task, old: Shape, new: Shape) -> bool:
        """Compares a schema with the alternatives that have come for it, or the other way round."""
        for keyword in _CHOICES:
            before, after = _list(old, keyword), _list(new, keyword)
            if before and not after and _is_choice(old) and _stands_alone(new):
                after = [_alone(task.new, new, self.run.shared.new)]
            elif after and not before and _is_choice(new) and _stands_alone(old):
                before = [_alone(task.old, old, self.run.shared.old)]
            else:
                continue
            self._compare_nullability(task, old, new)
            self._compare_alternatives(task, keyword, before, after)
            return True
        return False

    def _types_go_on(self, task: _Task, old: Shape, new: Shape) -> bool:
        """Tells how the types differ; whether it makes sense to look any further."""
        before, after = types_of(old), types_of(new)
        if (before == ANY) == (after == ANY):
            self._compare_nullability(task, old, new)
        if before is None or after is None:
            return True
        difference = type_difference(before, after)
        if difference is None:
            return True
        self._tell(task.place, difference)
        return ANY not in (before, after) and share_a_type(before, after)

    def _compare_nullability(self, task: _Task, old: Shape, new: Shape) -> None:
        before, after = allows_null(old), allows_null(new)
        if after and not before:
            self._tell(task.place, Difference("became-nullable", "null is possible"))
        elif before and not after:
            self._tell(task.place, Difference("became-not-nullable", "null is not possible any more"))

    def _compare_properties(self, task: _Task, old: Shape, new: Shape) -> None:
        before = Side(old.own, self.run.shared.old, self.direction, old.names)
        after = Side(new.own, self.run.shared.new, self.direction, new.names)
        for name, difference in property_differences(before, after):
            self._tell(task.place if name is None else task.below(None, None, *_named(name)).place, difference)
        for name in before.properties.keys() & after.properties.keys():
            if not before.hides(name) and not after.hides(name):
                self.left.append(task.below(before.properties[name], after.properties[name], *_named(name)))
        if not before.is_closed and not after.is_closed:
            self._below(task, "additionalProperties", old, new)

    def _below(self, task: _Task, keyword: str, old: Shape, new: Shape) -> None:
        if keyword in old.own or keyword in new.own:
            self.left.append(task.below(old.own.get(keyword, True), new.own.get(keyword, True), keyword))

    def _compare_items(self, task: _Task, old: Shape, new: Shape) -> None:
        self._below(task, "items", old, new)
        before, after = _list(old, "prefixItems"), _list(new, "prefixItems")
        if len(before) != len(after):
            message = f"{len(after)} items have a schema of their own where {len(before)} had"
            self._tell(task.place, Difference("constraint-changed", message, len(before), len(after)))
        for position, (ours, theirs) in enumerate(zip(before, after, strict=False)):
            self.left.append(task.below(ours, theirs, "prefixItems", str(position)))

    def _compare_conflicts(self, task: _Task, old: Shape, new: Shape) -> None:
        """What `allOf` says twice, in different words."""
        before, after = _list(old, "allOf"), _list(new, "allOf")
        if len(before) != len(after):
            message = f"{len(after)} parts of allOf contradict or repeat each other where {len(before)} did"
            self._tell(task.place, Difference("constraint-changed", message, before, after))
        for position, (ours, theirs) in enumerate(zip(before, after, strict=False)):
            self.left.append(task.below(ours, theirs, "allOf", str(position)))

    def _compare_alternatives(self, task: _Task, keyword: str, before: list[Json], after: list[Json]) -> None:
        if not before or not after:
            kind, end = ("alternatives-added", "new") if after else ("alternatives-removed", "gone")
            return self._tell(task.place, Difference(kind, f"{keyword} is {end}", before or None, after or None))
        self.run.work_left -= (len(before) + len(after)) // 10
        matched = match(before, after, self.run.shared.old, self.run.shared.new)
        for ours, theirs in matched.pairs:
            self.left.append(task.below(before[ours], after[theirs], keyword, _called(after[theirs], theirs)))
        for position in matched.removed:
            message = f"{_called(before[position], position)} is not possible any more"
            self._tell(task.place, Difference("alternative-removed", message, before=before[position]))
        for position in matched.added:
            message = f"{_called(after[position], position)} is possible, too"
            self._tell(task.place, Difference("alternative-added", message, after=after[position]))
        return None

    def _tell(self, place: str, difference: Difference) -> None:
        rule, where = f"{self.direction}-{difference.kind}", place.removesuffix("#")
        before, after = difference.before, difference.after
        self.run.ledger.tell(self.origin, rule, where, difference.message, before=before, after=after)


def _steps(written: bytes | None) -> int:
    return _STEPS_OF_THE_UNWRITABLE if written is None else 1 + len(written) // _BYTES_A_STEP


def _named(name: str) -> Iterator[str]:
    if name in _KEYWORDS:
        yield "properties"
    yield name


def _list(shape: Shape, keyword: str) -> list[Json]:
    value = shape.own.get(keyword)
    return value if isinstance(value, list) else []


def _alternatives(old: Shape, new: Shape) -> Iterator[tuple[str, list[Json], list[Json]]]:
    """What is compared with what; `anyOf` and `oneOf` with each other where each side has one of the two."""
    ours, theirs = (sorted(shape.own.keys() & {*_CHOICES}) for shape in (old, new))
    if len(ours) == len(theirs) == 1:
        yield theirs[0], _list(old, ours[0]), _list(new, theirs[0])
        return
    for keyword in sorted({*ours, *theirs}):
        yield keyword, _list(old, keyword), _list(new, keyword)


def _is_choice(shape: Shape) -> bool:
    """Whether the schema is nothing but alternatives."""
    return not shape.names and len(shape.own.keys() & {*_CHOICES}) == 1 and shape.own.keys() <= {*_CHOICES, *_ASIDE}


def _stands_alone(shape: Shape) -> bool:
    """Whether the schema says something, and offers no alternatives."""
    return bool(shape.own.keys() - {*_ASIDE} or shape.names) and not shape.own.keys() & {*_CHOICES}


def _alone(schema: Json, shape: Shape, components: Components) -> Json:
    """The schema as an alternative: a reference where it is no more than that, and without null."""
    written = shape_of(schema, components)
    if len(written.names) == 1 and not written.own:
        return {"$ref": reference(written.names[0])}
    return shape.own


def _called(schema: Json, position: int) -> str:
    """What an alternative goes by: its component, its title, or else its position."""
    written = as_schema(schema)
    title = written.get("title")
    return referred(written) or (title if isinstance(title, str) and title else str(position))
