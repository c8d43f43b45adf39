"""What became of a source of schemas, in Dagster's words."""

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from syncflow_pipelines.config import Settings
from syncflow_pipelines.defs.names import schemas_key
from syncflow_pipelines.schemas.comparison.versions import read_versions
from syncflow_pipelines.schemas.model import Finding
from syncflow_pipelines.schemas.reports import SourceReport

ROWS_SHOWN = 50
DIFF_LINES = 400
DIFF_CHARACTERS = 20_000
LARGEST_COMPARED = 20_000
"""Lines of a module; a diff of two larger ones takes longer than to generate them."""


def schemas_result(settings: Settings, report: SourceReport) -> dg.MaterializeResult[None]:
    """A module that was generated, or is up to date."""
    text = _module_text(report.output)
    return dg.MaterializeResult(
        asset_key=schemas_key(report.source),
        metadata=schemas_metadata(settings, report, text),
        data_version=dg.DataVersion(hashlib.sha256(text.encode()).hexdigest()),
    )


def schemas_metadata(settings: Settings, report: SourceReport, text: str) -> dict[str, Any]:
    """Counts, the place of the module, what changed in it, and what could not be carried over."""
    versions = read_versions(settings.home, report.source)
    metadata: dict[str, Any] = {
        "status": report.status,
        "classes": report.schemas,
        "module": dg.MetadataValue.path(str(report.output)),
        "bytes": len(text.encode()),
        "findings": len(report.findings),
        "seconds": round(report.seconds, 3),
        "source_digest": report.digest,
    }
    if versions is not None:
        form, components = versions.current.form, versions.current.components
        metadata["models"] = len(form.models) if form is not None else len(components or {})
    if report.backup is not None:
        metadata["backup"] = report.backup
    before = report.before.decode("utf-8", "replace") if report.before is not None else text
    if before != text:
        metadata["diff"] = dg.MetadataValue.md(unified_diff(before, text, report.output.name))
    if report.comparison is not None:
        told = report.comparison.as_text()[:DIFF_CHARACTERS].replace("````", "` ` ` `")
        metadata["manual_schemas"] = dg.MetadataValue.md(f"````text\n{told}\n````")
    if report.findings:
        metadata["finding_list"] = dg.MetadataValue.md(_findings(report.findings))
    return metadata


def unified_diff(before: str, after: str, name: str) -> str:
    """What changed in a module, as Markdown, and no more of it than a page holds."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > LARGEST_COMPARED:
        return f"{len(old):,} lines became {len(new):,}; `git diff` shows which."
    found = list(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm=""))
    text = "\n".join(found[:DIFF_LINES])[:DIFF_CHARACTERS]
    is_cut = len(found) > DIFF_LINES or text != "\n".join(found)
    # four, since a docstring may hold three
    fenced = text.replace("````", "` ` ` `")
    return f"````diff\n{fenced}\n````" + ("\n\n... and more" if is_cut else "")


def table(headings: Sequence[str], rows: Sequence[Iterable[str]]) -> str:
    """The first rows as a table of Markdown; names and values of a source stand in it as code."""
    shown = [f"| {' | '.join(row)} |" for row in rows[:ROWS_SHOWN]]
    more = len(rows) - len(shown)
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}", *shown]
    return "\n".join([*lines, *([f"\n... and {more:,} more"] if more else [])])


def code(text: str) -> str:
    """What a source says, as code: Markdown finds nothing in it."""
    plain = "".join(char if char.isprintable() else " " for char in text).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain.strip() else ""


def _module_text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # somebody was quick to take it away
        return ""


def _findings(findings: Sequence[Finding]) -> str:
    ordered = sorted(findings, key=lambda finding: not finding.is_fatal)
    rows = [(code(one.where), code(one.reason), "yes" if one.is_fatal else "") for one in ordered]
    return table(("where", "what", "left out"), rows)
