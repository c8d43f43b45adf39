"""The properties of an object: which came, went, or must be there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from syncflow_pipelines.openapi.diff.components import members
from syncflow_pipelines.openapi.diff.constraints import Difference, Own
from syncflow_pipelines.openapi.diff.rules import Direction
from syncflow_pipelines.openapi.diff.shapes import Components, as_schema, shape_of
from syncflow_pipelines.openapi.diff.values import reference, referred
from syncflow_pipelines.openapi.model import Json

_GAINS = frozenset({"property-added", "property-became-required", "required-property-added"})
"""What the old spec may have said already, if only in a component."""
_LISTED = frozenset({"property-added", "required-property-added", "property-removed", "property-refused"})

_HIDDEN: dict[Direction, str] = {"request": "readOnly", "response": "writeOnly"}
"""The keyword of a property that is not sent that way."""


@dataclass(frozen=True)
class Side:
    """The object in one of the two specs."""

    own: Own
    components: Components
    direction: Direction
    names: Sequence[str] = ()
    """Components that hold beside `own`, and are compared by themselves."""

    @property
    def properties(self) -> Mapping[str, Json]:
        return members(self.own, "properties")

    @property
    def required(self) -> frozenset[str]:
        """Names that must be there, of those that are sent this way."""
        names = self.own.get("required")
        listed = names if isinstance(names, list) else ()
        return frozenset(name for name in listed if isinstance(name, str) and not self.hides(name))

    @property
    def is_closed(self) -> bool:
        """Whether other properties than the listed ones are refused."""
        return self.own.get("additionalProperties") is False or self.own.get("unevaluatedProperties") is False

    def hides(self, name: str) -> bool:
        """Whether the property is not sent this way."""
        return self._says(name, _HIDDEN[self.direction]) is True

    def has_default(self, name: str) -> bool:
        return self._says(name, "default") is not None

    @cached_property
    def inherited(self) -> "Side":
        """What the components say together."""
        references = [{"$ref": reference(name)} for name in self.names]
        return Side(
            shape_of({"allOf": references}, self.components, self.components).own, self.components, self.direction
        )

    def _says(self, name: str, keyword: str) -> Json:
        schema = as_schema(self.properties.get(name))
        target = referred(schema)
        if keyword not in schema and target is not None:
            schema = as_schema(self.components.get(target))
        return schema.get(keyword)


def property_differences(old: Side, new: Side) -> Iterator[tuple[str | None, Difference]]:
    """What became of the properties, with their names; `None` for the object itself."""
    required = old.required, new.required
    for name in sorted(old.properties.keys() | new.properties.keys() | required[0] | required[1]):
        before, after = _presence(old, name), _presence(new, name)
        found = _listing(name, before, after, new, is_required=name in required[1] and name not in required[0])
        if found is None and before == after:
            found = _requirement(name, new, was_required=name in required[0], is_required=name in required[1])
        if found is not None and not _is_inherited(name, old if found.kind in _GAINS else new, found.kind):
            yield name, found
    if old.is_closed != new.is_closed:
        kind = "additional-properties-refused" if new.is_closed else "additional-properties-allowed"
        yield None, Difference(kind, f"other properties are {'refused' if new.is_closed else 'possible'}")


Presence = Literal["unlisted", "hidden", "listed"]


def _presence(side: Side, name: str) -> Presence:
    if name not in side.properties:
        return "unlisted"
    return "hidden" if side.hides(name) else "listed"


def _listing(name: str, before: Presence, after: Presence, new: Side, *, is_required: bool) -> Difference | None:
    if before != "listed" and after == "listed":
        return _added(name, new, is_required=is_required)
    if before == "listed" and after == "hidden":
        return _became_hidden(new.direction)
    return _removed(new) if before == "listed" and after == "unlisted" else None


def _requirement(name: str, new: Side, *, was_required: bool, is_required: bool) -> Difference | None:
    if was_required == is_required:
        return None
    if was_required:
        return Difference("property-became-optional", "may be missing")
    has_default = new.direction == "request" and new.has_default(name)
    kind = "property-with-default-became-required" if has_default else "property-became-required"
    return Difference(kind, "is required")


def _is_inherited(name: str, other: Side, kind: str) -> bool:
    """Whether the side that lacks it here has it from a component."""
    if not other.names:
        return False
    inherited = other.inherited
    return name in (inherited.properties if kind in _LISTED else inherited.required)


def _added(name: str, new: Side, *, is_required: bool) -> Difference:
    if not is_required:
        return Difference("property-added", "is new")
    if new.direction == "request" and new.has_default(name):
        return Difference("required-property-with-default-added", "is new and required, and has a default")
    return Difference("required-property-added", "is new and required")


def _became_hidden(direction: Direction) -> Difference:
    if direction == "request":
        return Difference("property-became-read-only", "is read-only")
    return Difference("property-became-write-only", "is write-only, and so not answered any more")


def _removed(new: Side) -> Difference:
    if new.direction == "request" and new.is_closed:
        return Difference("property-refused", "is gone, and refused where it is sent")
    return Difference("property-removed", "is gone")
