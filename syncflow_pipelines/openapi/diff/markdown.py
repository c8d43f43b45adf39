"""A diff for pull requests and for Dagster's pages.

Whatever a spec brings stands in code spans, where Markdown knows no links, no HTML and no mentions; everything else is
ours.
"""

import re
from collections.abc import Iterator

from syncflow_pipelines.openapi.diff.model import SEVERITIES, Change, Severity, SpecDiff
from syncflow_pipelines.openapi.diff.printable import change_text, operation_text, place_text, printable
from syncflow_pipelines.openapi.diff.rules import RULES

LONGEST = 20_000
"""Characters. Pull requests take 65,536, and event logs are read."""
_OPERATIONS_SHOWN = 3
_HEADINGS: dict[Severity, str] = {"breaking": "Breaking", "warning": "Warnings", "info": "Other changes"}
_BACKTICKS = re.compile("`+")


def as_markdown(diff: SpecDiff, longest: int = LONGEST) -> str:
    """Markdown of at most `longest` characters (and a line that says how many changes it leaves out)."""
    lines = [f"**{diff.summary()}**"]
    length = len(lines[0])
    left = len(diff.changes)
    for severity in SEVERITIES:
        for line in _section(diff, severity):
            if length + len(line) > longest:
                return "\n".join([*lines, "", f"... and {left:,} more"])
            lines.append(line)
            length += len(line) + 1
            left -= line.startswith("- ")
    return "\n".join(lines)


def _section(diff: SpecDiff, severity: Severity) -> Iterator[str]:
    changes = diff.of(severity)
    if changes:
        yield f"\n### {_HEADINGS[severity]} ({len(changes):,})\n"
    yield from map(_item, changes)


def _item(change: Change) -> str:
    parts = [_span(place_text(change.where)) if change.where else "", _operations(change), _values(change)]
    return f"- **{change.rule}** ({RULES[change.rule].meaning})" + "".join(f" · {part}" for part in parts if part)


def _operations(change: Change) -> str:
    shown = [_span(operation_text(operation)) for operation in change.operations[:_OPERATIONS_SHOWN]]
    more = len(change.operations) - len(shown)
    return ", ".join([*shown, f"{more:,} more"] if more else shown)


def _values(change: Change) -> str:
    values = change_text(change)
    return _span(values) if values else ""


def _span(text: str) -> str:
    """A code span that nothing in the text can end."""
    text = printable(text)
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"
