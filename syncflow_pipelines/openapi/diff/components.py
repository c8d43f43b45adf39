"""The shared schemas of two specs, and which of them can make a difference."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from syncflow_pipelines.openapi.diff.values import fingerprint, references
from syncflow_pipelines.openapi.model import Json, Spec


@dataclass(frozen=True, slots=True)
class Shared:
    """The component schemas of both specs."""

    old: Mapping[str, Json]
    new: Mapping[str, Json]
    sizes: Mapping[str, int]
    """Bytes, of the larger one of the two."""
    changed: frozenset[str]
    """Names of both that are not written alike, or refer to such, at any distance."""

    def rename(self, old_names: list[str], new_names: list[str]) -> list[tuple[str, str]]:
        """Names that are gone with those that have come for them, where that is beyond doubt."""
        gone = [name for name in old_names if name in self.old and name not in self.new]
        come = [name for name in new_names if name in self.new and name not in self.old]
        return [(gone[0], come[0])] if len(gone) == len(come) == 1 else []


def shared(old: Spec, new: Spec) -> Shared:
    """The component schemas of both specs."""
    return shared_schemas(schemas_of(old), schemas_of(new))


def shared_schemas(before: Mapping[str, Json], after: Mapping[str, Json]) -> Shared:
    """The same of schemas by name, wherever they come from."""
    written_before = {name: fingerprint(schema) for name, schema in before.items()}
    written_after = {name: fingerprint(schema) for name, schema in after.items()}
    sizes = {name: len(written) for name, written in written_before.items()}
    for name, written in written_after.items():
        sizes[name] = max(len(written), sizes.get(name, 0))
    differing = {name for name in before.keys() & after.keys() if written_before[name] != written_after[name]}
    return Shared(before, after, sizes, frozenset(_with_referrers(differing, written_after) & before.keys()))


def schemas_of(spec: Spec) -> Mapping[str, Json]:
    """The component schemas by name."""
    return members(members(spec.document, "components"), "schemas")


def members(node: Json, key: str) -> Mapping[str, Json]:
    """The object that stands under a key; empty where none does."""
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _with_referrers(names: set[str], written: Mapping[str, bytes]) -> set[str]:
    """The names, and all that refer to them at any distance."""
    if not names:
        return names
    referrers: defaultdict[str, set[str]] = defaultdict(set)
    for name, text in written.items():
        for target in references(text):
            referrers[target].add(name)
    found, left = set(names), list(names)
    while left:
        fresh = referrers[left.pop()] - found
        found |= fresh
        left += fresh
    return found
