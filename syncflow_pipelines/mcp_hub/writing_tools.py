"""The tools that change tables. They are there only where somebody asked for them with `--allow-writes`."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastmcp import Context
from pydantic import Field

from syncflow_pipelines.mcp_hub import answers
from syncflow_pipelines.mcp_hub.project import Project, told
from syncflow_pipelines.mcp_hub.reading_tools import ConnectorName, EntityName
from syncflow_pipelines.mcp_hub.work import Workshop

Wait = Annotated[
    float, Field(ge=0, le=600, description="Seconds to wait for an entity that another sync holds; 0 fails at once.")
]


class WritingTools:
    """The tools, each a method."""

    def __init__(self, project: Project, workshop: Workshop) -> None:
        self._project = project
        self._workshop = workshop

    def all(self) -> tuple[Callable[..., Any], ...]:
        return (self.sync_entities, self.retry_rejects)

    async def sync_entities(
        self,
        ctx: Context,
        entities: Annotated[
            list[EntityName] | None, Field(max_length=500, description="These entities, enabled or not.")
        ] = None,
        connector: ConnectorName | None = None,
        full_refresh: Annotated[bool, Field(description="Read everything anew, whatever was read before.")] = False,
        strategy: Annotated[
            Literal["full", "rowversion", "hash"] | None,
            Field(description="By this strategy, this once; hash compares every row and finds deletes."),
        ] = None,
        wait_s: Wait = 0.0,
    ) -> answers.SyncList:
        """Sync entities from their source into their tables now: the named ones, or all enabled ones of a connector.

        Waits until all have ended and tells exact counts; reports progress meanwhile. A call that is cancelled stops
        its syncs, and nothing of those that had not ended is kept. One entity that fails does not stop the others.
        """
        from syncflow_pipelines.mcp_hub.syncing import SyncOrder, sync_ordered

        order = SyncOrder(tuple(entities or ()), connector, full_refresh, strategy, wait_s)
        with told():
            return await self._workshop.do(
                partial(sync_ordered, self._project, order, self._workshop.report), ctx.report_progress
            )

    @told()
    def retry_rejects(
        self,
        entity: EntityName,
        rejects: Annotated[
            list[UUID] | None, Field(max_length=1000, description="These alone; every open one by default.")
        ] = None,
        wait_s: Wait = 0.0,
        dry_run: Annotated[bool, Field(description="Tell what would come of it, and write nothing.")] = False,
    ) -> answers.RetryAnswer:
        """Try open rejected rows of an entity again, by the columns of today; the source is not asked.

        Rows that fit by now are stored and resolved, the others stay open with the reason of today.
        """
        from syncflow_pipelines.mcp_hub.syncing import RetryOrder, retry_ordered

        order = RetryOrder(entity, tuple(rejects) if rejects else None, wait_s, dry_run)
        return retry_ordered(self._project, order, self._workshop.who, self._workshop.report)
