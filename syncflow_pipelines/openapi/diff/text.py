"""A diff for the terminal."""

from collections.abc import Iterator
from textwrap import wrap

from syncflow_pipelines.openapi.diff.model import SEVERITIES, Change, Severity, SpecDiff
from syncflow_pipelines.openapi.diff.printable import change_text, operations_text, place_text, printable

_HEADINGS: dict[Severity, str] = {"breaking": "BREAKING", "warning": "WARNING", "info": "INFO"}
_OPERATIONS_SHOWN = 3
_NARROWEST = 40


def as_text(diff: SpecDiff, width: int = 100) -> str:
    """Plain text of lines that are no longer than `width` (at least 40); each change with its rule, which can be
    acknowledged, then where it is and what was there."""
    lines = [line for severity in SEVERITIES for line in _section(diff, severity, max(width, _NARROWEST))]
    return "\n".join([*wrap(diff.summary(), max(width, _NARROWEST)), *lines])


def _section(diff: SpecDiff, severity: Severity, width: int) -> Iterator[str]:
    changes = diff.of(severity)
    if changes:
        yield ""
        yield f"{_HEADINGS[severity]} ({len(changes):,})"
    for change in changes:
        for number, line in enumerate(_lines(change)):
            indent = "  " if number == 0 else "      "
            yield from wrap(line, width, initial_indent=indent, subsequent_indent="      ")


def _lines(change: Change) -> Iterator[str]:
    operations = ", ".join(operations_text(change.operations, _OPERATIONS_SHOWN))
    subject = " ".join(filter(None, [place_text(change.where), printable(change.message)]))
    yield f"{change.rule}: {subject}"
    if operations:
        yield f"in {operations}"
    if values := change_text(change):
        yield values
