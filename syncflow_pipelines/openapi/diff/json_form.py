"""A diff for programs."""

from syncflow_pipelines.openapi.diff.model import Change, SpecDiff
from syncflow_pipelines.openapi.model import Json


def as_json(diff: SpecDiff) -> dict[str, Json]:
    """`{summary, is_empty, is_breaking, counts, changes}`, each change `{rule, severity, operations: [{id, method,
    path}], where, before, after, message}`; every key is always there."""
    return {
        "summary": diff.summary(),
        "is_empty": diff.is_empty,
        "is_breaking": diff.is_breaking,
        "counts": dict(diff.counts),
        "changes": [_change(change) for change in diff.changes],
    }


def _change(change: Change) -> dict[str, Json]:
    return {
        "rule": change.rule,
        "severity": change.severity,
        "operations": [
            {"id": touched.id, "method": touched.method, "path": touched.path} for touched in change.operations
        ],
        "where": change.where,
        "before": change.before,
        "after": change.after,
        "message": change.message,
    }
