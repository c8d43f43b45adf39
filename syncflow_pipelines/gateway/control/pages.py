"""What a person meets first: the gateway's own description, its documentation, and its status."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from syncflow_pipelines import __version__
from syncflow_pipelines.gateway.control.dependencies import ADMITTED, EVERYWHERE, TheGateway
from syncflow_pipelines.gateway.control.documents import ServiceDocument
from syncflow_pipelines.gateway.control.html import page
from syncflow_pipelines.gateway.control.reference import operations_of
from syncflow_pipelines.gateway.control.status_page import status_of

router = APIRouter(tags=["service"], dependencies=ADMITTED, responses=EVERYWHERE)

REFRESH_S: Final = 5

_LINKS: Final = {
    "status": "/status",
    "health": "/health",
    "docs": "/docs",
    "openapi": "/openapi.json",
    "endpoints": "/registry/endpoints",
    "gateway": "/orchestrator/{name}/{path}",
}


@router.get("/", operation_id="getService")
async def get_service(gateway: TheGateway) -> ServiceDocument:
    """Say what this is, and where to look next."""
    return ServiceDocument(
        service="SyncFlow gateway",
        version=__version__,
        status=gateway.phase.value,
        endpoints=len(gateway.registry.endpoints()),
        passes_on=gateway.switch.is_on,
        links=_LINKS,
    )


@router.get("/openapi.json", include_in_schema=False)
async def get_openapi(request: Request) -> JSONResponse:
    """The description of all this for programs."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", include_in_schema=False)
@router.get("/redoc", include_in_schema=False)
async def get_reference(request: Request) -> HTMLResponse:
    """The same for people."""
    document = request.app.openapi()
    return page("reference.html.jinja", info=document["info"], groups=operations_of(document))


@router.get("/status", include_in_schema=False)
async def get_status(
    gateway: TheGateway, refresh: Annotated[int, Query(ge=0, le=3600, description="Seconds; 0: never.")] = REFRESH_S
) -> HTMLResponse:
    """How all endpoints do, at a glance."""
    return page("status.html.jinja", refresh_s=refresh, **status_of(gateway))
