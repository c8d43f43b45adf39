"""Schemas by name compared, without operations that use them: what their readers notice, or their writers."""

from collections.abc import Iterable, Mapping

from syncflow_pipelines.openapi.diff.components import shared_schemas
from syncflow_pipelines.openapi.diff.ledger import Ledger, Pair
from syncflow_pipelines.openapi.diff.model import SpecDiff
from syncflow_pipelines.openapi.diff.rules import Direction
from syncflow_pipelines.openapi.diff.schemas import WORK, SchemaComparison
from syncflow_pipelines.openapi.model import Json


def compare_schemas(
    old: Mapping[str, Json], new: Mapping[str, Json], names: Iterable[str], direction: Direction, *, work: int = WORK
) -> SpecDiff:
    """All changes of the schemas of those names, and of what they refer to as `#/components/schemas/…`.

    Names that only one side has are passed over. `direction` says who writes what they describe: `request` is the side
    of those who write it, `response` of those who read it. The places of changes are `components.schemas.NAME#/…`, and
    no operations are named. `work` bounds how many schemas are compared; past it, `comparison-cut-short` is among the
    changes.
    """
    comparison = SchemaComparison(shared_schemas(old, new), Ledger(), work)
    for name in sorted({*names} & comparison.shared.changed):
        comparison.ledger.link("document", Pair(direction, name, name))
    comparison.compare_components()
    if comparison.was_cut_short:
        message = "the schemas are too entangled to be compared to the end"
        comparison.ledger.tell("document", "comparison-cut-short", "", message)
    return comparison.ledger.diff()
