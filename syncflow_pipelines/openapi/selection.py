"""Operations by tag, path and method: a spec of those alone that a service's `include` and `exclude` leave."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from syncflow_pipelines.config.services import OperationRule
from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.digests import references, with_digests
from syncflow_pipelines.openapi.graphs import reachable
from syncflow_pipelines.openapi.model import Json, Operation, Spec
from syncflow_pipelines.openapi.paths import paths_of

_PARTS: Final = re.compile(r"/\*\*(?=/|$)|\*\*|\*|[^*/]+|/")
_PATTERNS: Final = {"/**": "(?:/.*)?", "**": ".*", "*": "[^/]*"}


def select(spec: Spec, include: Sequence[OperationRule], exclude: Sequence[OperationRule]) -> Spec:
    """The spec with the operations that fit a rule of `include` (none: all) and none of `exclude`.

    Schemas that only left-out operations refer to are left out as well. Ids, digests of operations and the checksum
    stay; the contract is that of what is left. Raises `UnusableSpec` where no operation is left of some.
    """
    kept = tuple(operation for operation in spec.operations if _is_kept(operation, include, exclude))
    if len(kept) == len(spec.operations):
        return spec
    if not kept:
        raise UnusableSpec(
            f"include and exclude leave none of the {len(spec.operations)} operations of {spec.title[:80]!r}; mend them"
        )
    document = {**spec.document, "paths": paths_of(kept)}
    gone = _referred_to_by(spec, spec.operations) - _referred_to_by(spec, kept, document.get("webhooks"))
    schemas = spec.document["components"]["schemas"]
    left = {name: schema for name, schema in schemas.items() if name not in gone}
    document["components"] = {**spec.document["components"], "schemas": left}
    return with_digests(replace(spec, document=document, operations=kept))


def fits(operation: Operation, rule: OperationRule) -> bool:
    """Whether the operation fits everything that the rule says."""
    tags = operation.definition.get("tags", ())
    return (
        (not rule.methods or operation.method in rule.methods)
        and (not rule.tags or any(tag in tags for tag in rule.tags))
        and (not rule.paths or any(_pattern(glob).fullmatch(operation.path) for glob in rule.paths))
    )


def _is_kept(operation: Operation, include: Sequence[OperationRule], exclude: Sequence[OperationRule]) -> bool:
    is_included = not include or any(fits(operation, rule) for rule in include)
    return is_included and not any(fits(operation, rule) for rule in exclude)


def _referred_to_by(spec: Spec, operations: Sequence[Operation], *others: Json) -> set[str]:
    schemas = spec.document["components"]["schemas"]
    names = references([*(operation.definition for operation in operations), *others])
    return reachable(names, lambda name: references(schemas.get(name, {})))


@lru_cache(maxsize=1_000)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("".join(_PATTERNS.get(part, re.escape(part)) for part in _PARTS.findall(glob)), re.DOTALL)
