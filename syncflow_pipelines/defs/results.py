"""A sync's outcome in Dagster's words: metadata that the UI plots, and sentences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import dagster as dg

from syncflow_pipelines.sync.model import SyncOutcome

# Another try of the daemon's cannot mend these: a person has to do something first.
_LASTING = frozenset(
    {
        "ConfigurationError",
        "SourceRefused",
        "EntityGone",
        "SchemaRefused",
        "UnknownEntity",
        "TooManyRejects",
        "UnusableSpec",
        "SpecTooLarge",
        "GenerationFailed",
        "ModelsError",
        "SchemasNotGenerated",
        "SyncCancelled",
    }
)
_NAMED_IN_FULL = 20


def metadata_of(outcome: SyncOutcome) -> Mapping[str, Any]:
    """Counts and durations as numbers, and what else there is to tell."""
    counts = outcome.counts
    return {
        "fetched": counts.fetched,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "deleted": counts.deleted,
        "rejected": counts.rejected,
        "missing": counts.missing,
        "open_rejects": outcome.open_rejects,
        "seconds": round(outcome.seconds, 3),
        "pages": outcome.pages,
        "received_bytes": outcome.received_bytes,
        "strategy": outcome.strategy,
        **_where_there_is_one(outcome),
    }


def _where_there_is_one(outcome: SyncOutcome) -> dict[str, Any]:
    optional = {
        "dagster/row_count": outcome.live_rows,
        "dagster/table_name": str(outcome.table) if outcome.table else None,
        "run": str(outcome.run_uid) if outcome.run_uid else None,
        "run_told_by": _where_told(outcome.run_uid) if outcome.run_uid else None,
        "recorded_changes": outcome.recorded_changes,
        "rowversion_start": outcome.rowversion_start,
        "rowversion_end": outcome.rowversion_end,
        "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in outcome.notes)) if outcome.notes else None,
    }
    return {name: value for name, value in optional.items() if value is not None}


def _where_told(run: UUID) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"`syncflow runs show {run}`, or `GET /api/v1/runs/{run}` of the admin API")


def _sentence(outcome: SyncOutcome) -> str:
    error = str(outcome.error)
    return error if error.startswith(outcome.entity) else f"{outcome.entity}: {error}"


def failure_of(failed: Sequence[SyncOutcome], tried: int) -> dg.Failure:
    """The failure of a run, naming each entity that failed and why, in one sentence each."""
    sentences = [_sentence(outcome) for outcome in failed]
    shown = sentences[:_NAMED_IN_FULL]
    if len(sentences) > len(shown):
        shown.append(f"and {len(sentences) - len(shown)} more; `syncflow runs --status failed` lists them")
    headline = sentences[0] if tried == 1 else f"{len(failed)} of {tried} entities failed:"
    return dg.Failure(
        description=headline if tried == 1 else "\n".join((headline, *shown)),
        metadata={"failed": len(failed), "tried": tried, "entities": [outcome.entity for outcome in failed]},
    )


def give_up(instance: dg.DagsterInstance, run_id: str, error_types: Iterable[str | None]) -> None:
    """Keeps the daemon from trying the run again, where no other end can be hoped for."""
    if all(error_type in _LASTING for error_type in error_types):
        # The daemon reads the tag when the run has failed.
        instance.add_run_tags(run_id, {"dagster/max_retries": "0"})
