"""The hub: one MCP server with the tools of SyncFlow and those of every generated server."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastmcp import FastMCP
from fastmcp.server.auth import AuthProvider
from fastmcp.tools.base import Tool
from mcp_types import ToolAnnotations

from syncflow_pipelines import __version__
from syncflow_pipelines.config import McpOptions, Settings
from syncflow_pipelines.mcp_hub import answers
from syncflow_pipelines.mcp_hub.notices import Notices
from syncflow_pipelines.mcp_hub.project import Project
from syncflow_pipelines.mcp_hub.reading_tools import ReadingTools
from syncflow_pipelines.mcp_hub.services.keeper import RESERVED, Keeper
from syncflow_pipelines.mcp_hub.services.provider import HubSearch, ServicesProvider
from syncflow_pipelines.mcp_hub.services.served import listed_bytes
from syncflow_pipelines.mcp_hub.switch import Switch
from syncflow_pipelines.mcp_hub.work import Workshop

if TYPE_CHECKING:
    from syncflow_pipelines.sync.model import SyncOutcome

NAME = "SyncFlow"
INSTRUCTIONS = """\
SyncFlow keeps PostgreSQL tables in step with the APIs that they come from. Each table is an "entity", named
connector/entity. Begin with syncflow_list_entities. Every other tool calls an operation of the service that its name
begins with; syncflow_list_services tells which there are."""

_READING = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_WRITING = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)


def _nobody(_outcomes: "Sequence[SyncOutcome]") -> None:
    return None


@dataclass(frozen=True, slots=True)
class HubOptions:
    """What the hub offers, and to whom."""

    generated_dir: Path | None = None
    """Of the generated servers; None: none are served."""
    services: Collection[str] | None = None
    """Modules of those that are wanted; None: all."""
    allow_writes: bool = False
    size_budget_bytes: int = McpOptions().size_budget_bytes
    """Of `tools/list`; above it, tools of services are found by searching."""
    auth: AuthProvider | None = None
    who: str = "mcp"
    """In whose name rejected rows are tried again."""
    report: "Callable[[Sequence[SyncOutcome]], None]" = _nobody
    """Is given what syncs came to, for others who want to know."""


def build_hub(settings: Settings, options: HubOptions | None = None) -> FastMCP:
    """The hub as a server, to be run. It opens the database when the first tool asks for it."""
    options = options or HubOptions()
    project, workshop, notices = Project(settings), Workshop(options.who, options.report), Notices()
    switch = Switch(settings)

    @asynccontextmanager
    async def life(_hub: FastMCP) -> AsyncGenerator[None, None]:
        try:
            async with switch.watched(notices.tools_changed):
                yield
        finally:
            notices.end()
            await asyncio.to_thread(workshop.close)
            await asyncio.to_thread(project.close)

    hub = FastMCP(NAME, INSTRUCTIONS, version=__version__, lifespan=life, auth=options.auth, mask_error_details=True)
    notices.serve(hub)
    hub.add_middleware(switch)
    own = [_own(function, _READING) for function in ReadingTools(project).all()]
    if options.allow_writes:
        from syncflow_pipelines.mcp_hub.writing_tools import WritingTools

        own += [_own(function, _WRITING) for function in WritingTools(project, workshop).all()]
    if options.generated_dir is not None:
        _serve_services(hub, options, options.generated_dir, own, notices)
    for tool in own:
        hub.add_tool(tool)
    return hub


def _own(function: Callable[..., Any], annotations: ToolAnnotations) -> Tool:
    title = function.__name__.replace("_", " ").capitalize()
    return Tool.from_function(function, name=f"{RESERVED}_{function.__name__}", title=title, annotations=annotations)


def _serve_services(hub: FastMCP, options: HubOptions, folder: Path, own: list[Tool], notices: Notices) -> None:
    """Adds the services to the hub, and to `own` the tool that lists them."""

    async def list_services() -> answers.ServiceList:
        """List the services whose generated MCP servers are served here, and why some are not."""
        await keeper.fresh()
        return answers.ServiceList(services=keeper.told(), search=search.is_needed)

    own.append(_own(list_services, _READING))
    keeper = Keeper(folder, options.services, reserved=[tool.name for tool in own])
    keeper.on_change = notices.tools_changed
    search = HubSearch(keeper, options.size_budget_bytes, own, sum(map(listed_bytes, own)))
    hub.add_provider(ServicesProvider(keeper))
    hub.add_transform(search)
