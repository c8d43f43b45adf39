"""What syncs came to, as a table."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from syncflow_pipelines.cli.output import Cell, print_table
from syncflow_pipelines.sync.model import SyncOutcome

HEADINGS = (
    "entity", "strategy", "status", "fetched", "inserted", "updated", "unchanged", "deleted", "rejected", "seconds",
)  # fmt: skip


def print_outcomes(outcomes: Iterable[SyncOutcome], title: str | None = None) -> None:
    """One line an entity, failed ones last, then the sums where there are several."""
    ordered = sorted(outcomes, key=lambda outcome: (outcome.status == "failed", outcome.entity))
    rows: list[Sequence[Cell]] = [_row(outcome) for outcome in ordered]
    if len(ordered) > 1:
        rows.append(_sums(ordered))
    print_table(HEADINGS, rows, title=title, wrap=("entity",))


def _row(outcome: SyncOutcome) -> tuple[Cell, ...]:
    counts = outcome.counts
    return (
        outcome.entity, outcome.strategy, as_status(outcome.status),
        counts.fetched, counts.inserted, counts.updated, counts.unchanged, counts.deleted, counts.rejected,
        outcome.seconds,
    )  # fmt: skip


def _sums(outcomes: Sequence[SyncOutcome]) -> tuple[Cell, ...]:
    every = [outcome.counts for outcome in outcomes]
    return (
        Text(f"{len(outcomes)} entities", style="bold"), "", "",
        sum(counts.fetched for counts in every),
        sum(counts.inserted for counts in every),
        sum(counts.updated for counts in every),
        sum(counts.unchanged for counts in every),
        sum(counts.deleted for counts in every),
        sum(counts.rejected for counts in every),
        "",
    )  # fmt: skip


def as_status(status: str | None) -> Text:
    """A status in its colour: green for success, red for failed."""
    return Text(status or "-", style={"success": "green", "failed": "bold red"}.get(status or "", ""))


def named_error(entity: str, error: str | None) -> str:
    """The error with its entity's name before it, once."""
    told = error or "failed"
    return told if told.startswith(entity) else f"{entity}: {told}"
