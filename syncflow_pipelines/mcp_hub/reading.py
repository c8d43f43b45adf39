"""What the reading tools find in the database, in the form in which they answer it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from syncflow_pipelines.config import ConnectorConfig, choose_connectors
from syncflow_pipelines.mcp_hub import answers
from syncflow_pipelines.mcp_hub.project import Project
from syncflow_pipelines.sync.entities import find_entity, list_entities
from syncflow_pipelines.sync.inspection.freshness import Freshness, freshness
from syncflow_pipelines.sync.inspection.looking import looking
from syncflow_pipelines.sync.inspection.sample import SampleRequest, sample
from syncflow_pipelines.sync.inspection.table_description import TableColumn, TableDescription, describe_table
from syncflow_pipelines.sync.model import Entity
from syncflow_pipelines.sync.rejects.record import (
    RejectedRow,
    Status,
    count_rejects,
    count_rejects_by_entity,
    find_reject,
    list_rejects,
)
from syncflow_pipelines.sync.runs import SyncRun, close_dead_runs, find_run, list_runs, run_beginning
from syncflow_pipelines.sync.schema.schema_changes import list_schema_changes

LONGEST_TEXT = 500
"""Characters of a description, a message or a reason."""
LONGEST_ROW = 100_000
"""Characters of a rejected row."""


@dataclass(frozen=True, slots=True)
class EntityFilter:
    """Which entities are asked for; what is None does not matter."""

    connector: str | None = None
    strategy: str | None = None
    freshness: Freshness | None = None
    status: str | None = None
    """Of the last sync."""
    search: str | None = None
    """Part of its name, its table or its description."""

    def fits(self, found: answers.EntitySummary, name: str) -> bool:
        wanted = (self.strategy, self.freshness, self.status)
        had = (found.strategy, found.freshness, found.last_sync_status)
        text = " ".join((found.entity, found.table, name, found.description or ""))
        return all(want in (None, has) for want, has in zip(wanted, had, strict=True)) and (
            (self.search or "").casefold() in text.casefold()
        )


def connectors(project: Project) -> answers.ConnectorList:
    configured = project.connectors
    with looking(project.database, "the entities") as connection:
        entities = list_entities(connection)
    told = []
    for one in configured:
        own = [entity for entity in entities if entity.connector == one.name]
        failing = sum(entity.last_sync_status == "failed" or entity.schema_error is not None for entity in own)
        told.append(
            answers.ConnectorAnswer(
                name=one.name,
                base_url=one.base_url,
                enabled=one.enabled,
                target_schema=one.target_schema,
                sync_interval_seconds=one.sync_interval_seconds,
                entities=len(own),
                failing_entities=failing,
            )
        )
    return answers.ConnectorList(connectors=told)


def entities(project: Project, wanted: EntityFilter, limit: int, offset: int) -> answers.EntityList:
    with looking(project.database, "the entities") as connection:
        found = list_entities(connection, connector=wanted.connector)
    if wanted.connector and not found:  # one that connectors.yaml no longer names may still have some
        choose_connectors(project.connectors, [wanted.connector])
    now = datetime.now(UTC)
    told = [(_summary(entity, now), entity.spec.name) for entity in found]
    fitting = [summary for summary, name in told if wanted.fits(summary, name)]
    end = offset + limit
    return answers.EntityList(
        total=len(fitting), entities=fitting[offset:end], next_offset=end if end < len(fitting) else None
    )


def entity_description(project: Project, name: str) -> answers.EntityDescription:
    configured = project.connectors
    with looking(project.database, name) as connection:
        entity = find_entity(connection, *parts(name))
        table = describe_table(connection, entity.table)
        failed = list_runs(connection, entity=entity.key, status="failed", limit=1)
        open_rejects = count_rejects(connection, entity.uid)
    error = failed[0].error_message if failed and entity.last_sync_status == "failed" else None
    return answers.EntityDescription(
        **_summary(entity, datetime.now(UTC)).model_dump(),
        name=entity.spec.name,
        source_strategy=entity.spec.strategy,
        business_keys=list(entity.spec.business_keys),
        rowversion_column=entity.spec.rowversion_column,
        last_rowversion=entity.last_rowversion,
        history=has_history(entity, configured),
        next_attempt_at=entity.next_attempt_at,
        last_error=short(error),
        open_rejects=open_rejects,
        **_table(entity, table),
    )


def sample_of(project: Project, name: str, request: SampleRequest) -> answers.SampleAnswer:
    with looking(project.database, f"the table of {name}") as connection:
        found = sample(connection, find_entity(connection, *parts(name)), request)
    return answers.SampleAnswer(
        entity=name,
        rows=list(found.rows),
        cut_values=[answers.CutValueAnswer(**asdict(cut)) for cut in found.cut],
        has_more=found.has_more,
    )


def runs(project: Project, name: str | None, status: str | None, limit: int) -> answers.RunList:
    _close_dead_runs(project)
    with looking(project.database, "the runs") as connection:
        key = find_entity(connection, *parts(name)).key if name else None
        found = list_runs(connection, entity=key, status=status, limit=limit)
    return answers.RunList(runs=[answers.RunAnswer(**_run(run)) for run in found])


def run_description(project: Project, beginning: str) -> answers.RunDescription:
    _close_dead_runs(project)
    with looking(project.database, "the runs") as connection:
        run = find_run(connection, run_beginning(connection, beginning.strip().lower()))
    return answers.RunDescription(
        **{**_run(run), "error": run.error_message},
        missing=run.missing,
        rowversion_start=run.rowversion_start,
        rowversion_end=run.rowversion_end,
        dagster_run_id=run.dagster_run_id,
        error_type=(run.error_details or {}).get("type"),
        details=run.details,
    )


def rejects(project: Project, name: str | None, status: Status | None, limit: int) -> answers.RejectList:
    with looking(project.database, "the rejected rows") as connection:
        key = find_entity(connection, *parts(name)).key if name else None
        found = list_rejects(connection, entity=key, status=status, limit=limit)
        counts = count_rejects_by_entity(connection, status)
    total = counts.get(key, 0) if key else sum(counts.values())
    return answers.RejectList(total=total, rejects=[answers.RejectAnswer(**_reject(one)) for one in found])


def reject_description(project: Project, uid: UUID, *, with_row: bool) -> answers.RejectDescription:
    with looking(project.database, "the rejected rows") as connection:
        found = find_reject(connection, uid)
    return answers.RejectDescription(
        **_reject(found),
        value=short(found.value),
        page=found.page,
        closed_at=found.closed_at,
        closed_by=found.closed_by,
        note=short(found.note),
        row=short(found.raw, LONGEST_ROW) if with_row else None,
        row_characters=len(found.raw),
    )


def schema_changes(project: Project, connector: str | None, name: str | None, limit: int) -> answers.SchemaChangeList:
    of, slug = parts(name) if name else (connector, None)
    with looking(project.database, "the schema changes") as connection:
        if name:
            find_entity(connection, *parts(name))
        found = list_schema_changes(connection, connector=of, slug=slug, limit=limit)
    return answers.SchemaChangeList(
        changes=[
            answers.SchemaChangeAnswer(
                happened_at=one.happened_at,
                entity=one.entity,
                kind=one.kind,
                column=one.column_name,
                before=one.before_type,
                after=one.after_type,
                applied=one.applied,
                message=short(one.message),
            )
            for one in found
        ]
    )


def parts(name: str) -> tuple[str, str]:
    """Connector and slug of `connector/slug`."""
    connector, _, slug = name.partition("/")
    return connector, slug


def has_history(entity: Entity, configured: Iterable[ConnectorConfig]) -> bool:
    """Whether the changes of its rows are kept."""
    return any(one.entity(entity.spec.slug).history for one in configured if one.name == entity.connector)


def short(text: str | None, longest: int = LONGEST_TEXT) -> str | None:
    """The text, cut where it is too long for an answer."""
    return text if text is None or len(text) <= longest else text[: longest - 1] + "…"


def _close_dead_runs(project: Project) -> None:
    """As `syncflow runs` does: a run whose process was killed would else be told of as running."""
    with project.database.connection() as connection:
        close_dead_runs(connection)


def _summary(entity: Entity, now: datetime) -> answers.EntitySummary:
    since = entity.last_sync_at
    return answers.EntitySummary(
        entity=entity.key,
        table=str(entity.table),
        description=short(entity.spec.description),
        strategy=entity.strategy,
        enabled=entity.enabled,
        live_rows=entity.live_rows,
        last_sync_at=since,
        last_sync_status=entity.last_sync_status,
        freshness=freshness(entity, now),
        age_seconds=max(round((now - since).total_seconds()), 0) if since else None,
        interval_seconds=entity.interval_s,
        consecutive_failures=entity.consecutive_failures,
        problem=_problem(entity),
    )


def _problem(entity: Entity) -> str | None:
    if not entity.is_present:
        return "gone from the source"
    if entity.schema_error:
        return short(entity.schema_error)
    return None if entity.enabled else "disabled in the configuration"


def _table(entity: Entity, table: TableDescription | None) -> dict[str, Any]:
    if table is None:
        nothing = {"table_comment": None, "estimated_rows": None, "total_bytes": None}
        return {"table_exists": False, "columns": [], "indexes": [], **nothing}
    return {
        "table_exists": True,
        "table_comment": short(table.comment),
        "estimated_rows": table.estimated_rows,
        "total_bytes": table.total_bytes,
        "columns": [_column(entity, column) for column in table.columns],
        "indexes": [
            answers.IndexAnswer(
                name=index.name, unique=index.is_unique, primary=index.is_primary, definition=index.definition
            )
            for index in table.indexes
        ],
    }


def _column(entity: Entity, column: TableColumn) -> answers.ColumnAnswer:
    known = next((one for one in entity.spec.columns if one.identifier == column.name), None)
    return answers.ColumnAnswer(
        name=column.name,
        type=column.pg_type,
        nullable=column.is_nullable,
        business_key=column.name in entity.spec.business_keys,
        source_name=known.name if known else None,
        source_type=known.data_type if known else None,
        description=short(column.comment or (known.description if known else None)),
    )


def _run(run: SyncRun) -> dict[str, Any]:
    return {
        "run": run.uid,
        "entity": run.entity,
        "status": run.status,
        "strategy": run.strategy,
        "full_refresh": run.is_full_refresh,
        "trigger": run.trigger,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "seconds": run.seconds,
        "fetched": run.fetched,
        "inserted": run.inserted,
        "updated": run.updated,
        "unchanged": run.unchanged,
        "deleted": run.deleted,
        "rejected": run.rejected,
        "error": short(run.error_message),
    }


def _reject(reject: RejectedRow) -> dict[str, Any]:
    return {
        "reject": reject.uid,
        "entity": reject.entity,
        "run": reject.run_uid,
        "first_seen_at": reject.first_seen_at,
        "last_seen_at": reject.last_seen_at,
        "column": reject.column_name,
        "reason": short(reject.reason),
        "status": reject.status,
    }
