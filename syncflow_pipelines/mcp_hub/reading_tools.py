"""The tools that look at SyncFlow: entities and their tables, runs, rejected rows, schema changes."""

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from syncflow_pipelines.mcp_hub import answers
from syncflow_pipelines.mcp_hub.project import Project, told

EntityName = Annotated[
    str,
    Field(
        pattern="^[^/]+/.+$", max_length=250, description="connector/entity, as list_entities shows it.",
        examples=["erp/items"],
    ),
]  # fmt: skip
ConnectorName = Annotated[str, Field(max_length=100, description="The name of a connector.")]
Scalar = str | int | float | bool | None
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]


class ReadingTools:
    """The tools, each a method. They import the sync engine when they are called: the hub has to start quickly."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def all(self) -> tuple[Callable[..., Any], ...]:
        return (
            self.list_connectors,
            self.list_entities,
            self.describe_entity,
            self.sample_rows,
            self.list_runs,
            self.show_run,
            self.list_rejects,
            self.show_reject,
            self.list_schema_changes,
        )

    @told()
    def list_connectors(self) -> answers.ConnectorList:
        """List the sources that are configured, with how many entities of each are known and how many are failing."""
        from syncflow_pipelines.mcp_hub import reading

        return reading.connectors(self._project)

    @told()
    def list_entities(
        self,
        connector: ConnectorName | None = None,
        strategy: Literal["full", "rowversion", "hash"] | None = None,
        freshness: answers.Freshness | None = None,
        last_sync_status: Literal["running", "success", "failed"] | None = None,
        search: Annotated[
            str | None, Field(max_length=100, description="Part of its name, its table or its description.")
        ] = None,
        limit: Annotated[int, Field(ge=1, le=200, description="How many at most.")] = 50,
        offset: Annotated[int, Field(ge=0, description="How many to pass over.")] = 0,
    ) -> answers.EntityList:
        """List the entities, each a PostgreSQL table that is kept in step with a source.

        Tells the table, the number of rows, the last sync and how fresh the rows are. Every filter that is given has
        to fit. Start here: the other tools want an entity's name.
        """
        from syncflow_pipelines.mcp_hub import reading

        wanted = reading.EntityFilter(connector, strategy, freshness, last_sync_status, search)
        return reading.entities(self._project, wanted, limit, offset)

    @told()
    def describe_entity(self, entity: EntityName) -> answers.EntityDescription:
        """Describe an entity and its table: columns with types, keys and comments, indexes, size, state of its syncs.

        Columns that begin with _bridge_ are SyncFlow's own; _bridge_deleted marks rows that the source deleted.
        """
        from syncflow_pipelines.mcp_hub import reading

        return reading.entity_description(self._project, entity)

    @told()
    def sample_rows(
        self,
        entity: EntityName,
        limit: Limit = 10,
        equals: Annotated[
            dict[str, Scalar] | None,
            Field(
                max_length=20,
                description="Only rows with these values, by column; null for a column without one. Write a number "
                "with more than 15 digits as a text.",
                examples=[{"item_number": "AK-001000"}],
            ),
        ] = None,
        columns: Annotated[
            list[str] | None,
            Field(max_length=200, description="These columns only; else all but SyncFlow's own."),
        ] = None,
        include_deleted: Annotated[bool, Field(description="Also rows that the source has deleted.")] = False,
        longest_value: Annotated[int, Field(ge=20, le=2000, description="Characters to show of one value.")] = 500,
    ) -> answers.SampleAnswer:
        """Show some rows of an entity's table, in the order of its business key.

        Rows that the source has deleted are left out. Values are exact: a number that JSON would round is a text.
        `cut_values` names the values of which only the beginning is shown, and `has_more` says whether more rows fit.
        """
        from syncflow_pipelines.mcp_hub import reading
        from syncflow_pipelines.sync.inspection.sample import SampleRequest

        request = SampleRequest(limit, equals or {}, tuple(columns or ()), include_deleted, longest_value)
        return reading.sample_of(self._project, entity, request)

    @told()
    def list_runs(
        self,
        entity: EntityName | None = None,
        status: Literal["running", "success", "failed"] | None = None,
        limit: Limit = 20,
    ) -> answers.RunList:
        """List past and running syncs, the newest first: exact counts of rows, and the error of those that failed."""
        from syncflow_pipelines.mcp_hub import reading

        return reading.runs(self._project, entity, status, limit)

    @told()
    def show_run(
        self, run: Annotated[str, Field(min_length=1, max_length=36, description="Its uid, or how that begins.")]
    ) -> answers.RunDescription:
        """Show one sync with its whole error, its row versions and its notes."""
        from syncflow_pipelines.mcp_hub import reading

        return reading.run_description(self._project, run)

    @told()
    def list_rejects(
        self,
        entity: EntityName | None = None,
        status: Literal["open", "resolved", "dropped", "all"] = "open",
        limit: Limit = 20,
    ) -> answers.RejectList:
        """List rows of a source that did not fit their table, the newest first: column and reason, but no values."""
        from syncflow_pipelines.mcp_hub import reading

        return reading.rejects(self._project, entity, None if status == "all" else status, limit)

    @told()
    def show_reject(
        self,
        reject: Annotated[UUID, Field(description="Its uid, as list_rejects shows it.")],
        include_row: Annotated[
            bool, Field(description="Also the whole row as the source sent it; it may hold personal data.")
        ] = False,
    ) -> answers.RejectDescription:
        """Show one rejected row: the value that was refused and why; with include_row, all of it."""
        from syncflow_pipelines.mcp_hub import reading

        return reading.reject_description(self._project, reject, with_row=include_row)

    @told()
    def list_schema_changes(
        self, connector: ConnectorName | None = None, entity: EntityName | None = None, limit: Limit = 20
    ) -> answers.SchemaChangeList:
        """List how tables and their sources came apart and together, the newest first.

        Entities and columns that came or went, types that were widened, and changes that were refused because they
        would lose data: on those a person has to decide.
        """
        from syncflow_pipelines.mcp_hub import reading

        return reading.schema_changes(self._project, connector, entity, limit)
