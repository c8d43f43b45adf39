"""What became of a service's spec and of its modules, in Dagster's words."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from syncflow_pipelines.codegen.configured import settings_digest
from syncflow_pipelines.codegen.manifest import ToolSizes
from syncflow_pipelines.codegen.reports import ServiceReport
from syncflow_pipelines.config import Component, ServiceConfig
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.specs import SpecVersion, spec_versions
from syncflow_pipelines.defs.names import spec_key
from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.diff import SpecDiff, as_markdown, compare
from syncflow_pipelines.openapi.history import selected, spec_of
from syncflow_pipelines.openapi.model import Finding, Spec
from syncflow_pipelines.openapi.refreshing import Refreshed

DATA_VERSION_TAG = "dagster/data_version"
SPEC_TAG = "syncflow/spec"
"""On materialisations of what is generated: the checksum of the spec that it was generated from."""

SETTINGS_TAG = "syncflow/settings"
"""Beside it: the digest of what the configuration said of the module."""

_FINDINGS_SHOWN = 50
_MODULE_SUFFIX: Mapping[Component, str] = {"mcp": "_mcp.py", "rest": "_resolver.py"}


def spec_result(
    database: Database, service: ServiceConfig, refreshed: Refreshed, before: str | None
) -> dg.MaterializeResult[None]:
    """A spec that was looked at. `before` is the checksum of the one that Dagster saw last, to compare it with."""
    assert refreshed.checksum is not None
    diff = _diff(database, service, before, refreshed.checksum)
    return dg.MaterializeResult(
        asset_key=spec_key(service.name),
        metadata=spec_metadata(service, refreshed, diff),
        data_version=dg.DataVersion(refreshed.checksum),
    )


def spec_metadata(service: ServiceConfig, refreshed: Refreshed, diff: SpecDiff | None) -> dict[str, Any]:
    """Counts, sizes, links and, where there is something to compare with, the changes as markdown."""
    spec = _chosen(refreshed.spec, service)
    quarantined = sum(finding.is_fatal for finding in spec.findings)
    metadata: dict[str, Any] = {
        "operations": len(spec.operations),
        "quarantined": quarantined,
        "findings": len(spec.findings),
        "title": spec.title,
        "version": spec.version,
        "written_as": spec.written_as,
        "checksum": refreshed.checksum,
        "contract": spec.contract,
        "seconds": round(refreshed.seconds, 3),
        "operation_list": dg.MetadataValue.md(_operations(spec)),
    }
    if refreshed.files:
        metadata["file"] = dg.MetadataValue.path(str(refreshed.files[0]))
    elif refreshed.url:
        metadata["url"] = dg.MetadataValue.url(refreshed.url)
    if refreshed.spec_file is not None and refreshed.spec_file.exists():
        metadata["bytes"] = refreshed.spec_file.stat().st_size
        metadata["spec_file"] = dg.MetadataValue.path(str(refreshed.spec_file))
    if spec.findings:
        metadata["finding_list"] = dg.MetadataValue.md(_findings(spec.findings))
    if diff is not None:
        metadata |= {"diff": dg.MetadataValue.md(as_markdown(diff)), "breaking": len(diff.breaking)}
    return metadata


def component_result(
    key: dg.AssetKey,
    component: Component,
    service: ServiceConfig,
    folder: Path,
    report: ServiceReport,
    checksum: str | None,
) -> dg.MaterializeResult[None]:
    """A module that was generated, or is up to date."""
    module = folder / f"{service.module_name}{_MODULE_SUFFIX[component]}"
    tags = {SPEC_TAG: checksum, SETTINGS_TAG: settings_digest(service, component, folder)} if checksum else {}
    return dg.MaterializeResult(
        asset_key=key,
        metadata=component_metadata(component, folder, report, module),
        data_version=dg.DataVersion(hashlib.md5(module.read_bytes(), usedforsecurity=False).hexdigest()),
        tags=tags,
    )


def component_metadata(component: Component, folder: Path, report: ServiceReport, module: Path) -> dict[str, Any]:
    """What was done, where the files are, and of an MCP server what a client gets to see."""
    stored = next((folder / file.name for file in report.files if not file.name.endswith(".py")), folder)
    metadata: dict[str, Any] = {
        "status": report.status,
        "module": dg.MetadataValue.path(str(module)),
        "bytes": sum(file.bytes for file in report.files if file.name == module.name),
        "skipped": len(report.skipped),
        "stored_spec": dg.MetadataValue.path(str(stored)),
    }
    if component == "mcp" and report.sizes is not None:
        metadata |= _tools(report.sizes)
    return metadata


def data_version_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """Of the asset's last materialisation; to be asked for one asset, not in a loop."""
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    return (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None


def _diff(database: Database, service: ServiceConfig, before: str | None, now: str) -> SpecDiff | None:
    """From the version that was seen before; None where that is not kept, or was the first."""
    if before is None or before == now:
        return SpecDiff() if before else None
    with database.connection() as connection:
        versions = spec_versions(connection, service.name)
    old, new = _newest(versions, before), _newest(versions, now)
    if old is None or new is None:
        return None
    try:
        return compare(spec_of(database, old, service), spec_of(database, new, service))
    except SpecError:
        return None


def _chosen(spec: Spec, service: ServiceConfig) -> Spec:
    """What the configuration leaves of the spec; all of it where that is nothing, of which the generation tells."""
    try:
        return selected(spec, service)
    except SpecError:
        return spec


def _newest(versions: list[SpecVersion], checksum: str) -> SpecVersion | None:
    return next((version for version in versions if version.checksum == checksum), None)


def _tools(sizes: ToolSizes) -> dict[str, Any]:
    return {
        "tools": sizes.tools,
        "mode": sizes.mode,
        "list_bytes": sizes.list_bytes,
        "list_tokens": sizes.list_tokens,
        "largest_tool": sizes.largest,
        "largest_tool_bytes": sizes.largest_bytes,
    }


def _operations(spec: Spec) -> str:
    shown = spec.operations[:_FINDINGS_SHOWN]
    lines = [f"| {_code(one.id)} | {one.method.upper()} | {_code(one.path)} |" for one in shown]
    more = len(spec.operations) - len(shown)
    return "\n".join(
        ["| operation | method | path |", "|---|---|---|", *lines, *([f"\n... and {more:,} more"] if more else [])]
    )


def _findings(findings: tuple[Finding, ...]) -> str:
    shown = sorted(findings, key=lambda finding: not finding.is_fatal)[:_FINDINGS_SHOWN]
    lines = [f"| {_code(one.pointer)} | {_code(one.reason)} | {'yes' if one.is_fatal else ''} |" for one in shown]
    more = len(findings) - len(shown)
    return "\n".join(
        ["| where | what | left out |", "|---|---|---|", *lines, *([f"\n... and {more:,} more"] if more else [])]
    )


def _code(text: str) -> str:
    """What a spec says, as code: Markdown finds nothing in it."""
    plain = "".join(char if char.isprintable() else " " for char in text).replace("`", "'").replace("|", "\\|")
    return f"`{plain or ' '}`"
