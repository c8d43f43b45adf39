"""`/registry`: which endpoints there are, and what becomes of them."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict

from syncflow_pipelines.config.gateway_endpoint import RegistrationSection
from syncflow_pipelines.gateway.control.dependencies import (
    ADMITTED,
    DATABASE_AWAY,
    EVERYWHERE,
    NO_SUCH_ENDPOINT,
    EndpointName,
    TheEndpoint,
    TheGateway,
)
from syncflow_pipelines.gateway.control.describing import registered_endpoint
from syncflow_pipelines.gateway.control.documents import (
    EndpointPage,
    EndpointVersions,
    RegisteredEndpoint,
    RegistryStatistics,
    SyncedRegistry,
    Unregistered,
)
from syncflow_pipelines.gateway.control.problems import documented
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines.gateway.registry import SyncReport

router = APIRouter(prefix="/registry", tags=["registry"], dependencies=ADMITTED, responses=EVERYWHERE)

CHANGING = {
    **DATABASE_AWAY,
    **documented({409: "Somebody else says what this endpoint is.", 412: "It was changed since it was read."}),
}


class Registration(BaseModel):
    """An endpoint to register; what it does not say, the gateway's file says for all."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "config": {
                        "url": "https://api.example.com/v2",
                        "name": "example_v2",
                        "version": "v2",
                        "methods": ["GET", "POST"],
                        "auth_type": "bearer",
                        "disabled": False,
                        "timeout": 30,
                    }
                }
            ]
        },
    )

    config: RegistrationSection


IfMatch = Annotated[
    str | None,
    Header(description='The revision that is to be changed, as the ETag says it: `"3"`.', pattern=r'^"\d{1,18}"$'),
]


@router.get("/endpoints", operation_id="listEndpoints")
async def list_endpoints(
    gateway: TheGateway,
    status: Annotated[Status | None, Query(description="Those of this status alone.")] = None,
    origin: Annotated[Origin | None, Query(description="Those that were registered so.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> EndpointPage:
    """List registered endpoints, by name and version."""
    found = [
        one
        for one in gateway.registry.endpoints()
        if (status is None or one.status is status) and (origin is None or one.origin is origin)
    ]
    page = found[offset : offset + limit]
    return EndpointPage(
        endpoints=[registered_endpoint(one) for one in page], total=len(found), limit=limit, offset=offset
    )


@router.post("/endpoints", operation_id="registerEndpoint", status_code=201, responses=CHANGING)
async def register_endpoint(registration: Registration, gateway: TheGateway, response: Response) -> RegisteredEndpoint:
    """Register an endpoint, which becomes the current version of its name.

    The same once more changes nothing, and answers alike.
    """
    endpoint = await gateway.registry.register(registration.config)
    response.headers["location"] = f"/registry/endpoints/{endpoint.config.key}"
    return _tagged(endpoint, response)


@router.get("/endpoints/{name}", operation_id="getEndpoint", responses=NO_SUCH_ENDPOINT)
async def get_endpoint(endpoint: TheEndpoint, response: Response) -> RegisteredEndpoint:
    """Show an endpoint: of several versions the current one."""
    return _tagged(endpoint, response)


@router.put("/endpoints/{name}", operation_id="updateEndpoint", responses={**NO_SUCH_ENDPOINT, **CHANGING})
async def update_endpoint(
    name: EndpointName, registration: Registration, gateway: TheGateway, response: Response, if_match: IfMatch = None
) -> RegisteredEndpoint:
    """Give an endpoint that was registered over the API another configuration."""
    return _tagged(await gateway.registry.update(name, registration.config, _revision(if_match)), response)


@router.delete("/endpoints/{name}", operation_id="unregisterEndpoint", responses={**NO_SUCH_ENDPOINT, **CHANGING})
async def unregister_endpoint(endpoint: TheEndpoint, gateway: TheGateway, if_match: IfMatch = None) -> Unregistered:
    """Remove an endpoint that was registered over the API."""
    await gateway.registry.unregister(endpoint.config.key, _revision(if_match))
    return Unregistered(unregistered=endpoint.config.key)


@router.put("/endpoints/{name}/status", operation_id="setEndpointStatus", responses={**NO_SUCH_ENDPOINT, **CHANGING})
async def set_endpoint_status(
    name: EndpointName,
    status: Annotated[Status, Query(description="`active` or `inactive`; only its configuration disables one.")],
    gateway: TheGateway,
    response: Response,
    if_match: IfMatch = None,
) -> RegisteredEndpoint:
    """Switch an endpoint on or off, whoever registered it; this survives every sync with the file."""
    return _tagged(await gateway.registry.set_status(name, status, _revision(if_match)), response)


@router.get("/endpoints/{name}/versions", operation_id="listEndpointVersions", responses=NO_SUCH_ENDPOINT)
async def list_endpoint_versions(endpoint: TheEndpoint, gateway: TheGateway) -> EndpointVersions:
    """List all versions of an endpoint; `/orchestrator/{name}@{version}/` leads to each."""
    name = endpoint.config.name
    versions = [one for one in gateway.registry.endpoints() if one.config.name == name]
    current = next((one.config.version for one in versions if one.is_current), None)
    return EndpointVersions(name=name, current=current, versions=[registered_endpoint(one) for one in versions])


@router.put(
    "/endpoints/{name}/current",
    operation_id="setCurrentEndpointVersion",
    responses={**NO_SUCH_ENDPOINT, **CHANGING},
)
async def set_current_endpoint_version(
    endpoint: TheEndpoint,
    version: Annotated[str, Query(description="One of its versions.", examples=["v2"], max_length=40)],
    gateway: TheGateway,
    response: Response,
    if_match: IfMatch = None,
) -> RegisteredEndpoint:
    """Make a version the one that `/orchestrator/{name}/` leads to."""
    key = f"{endpoint.config.name}@{version}"
    return _tagged(await gateway.registry.make_current(key, _revision(if_match)), response)


@router.get("/stats", operation_id="getRegistryStatistics")
async def get_registry_statistics(gateway: TheGateway) -> RegistryStatistics:
    """Count the endpoints."""
    stats = gateway.registry.stats()
    return RegistryStatistics(
        total=stats.endpoints,
        names=stats.names,
        by_status=dict(stats.by_status),
        by_origin=dict(stats.by_origin),
        revision=stats.revision,
        database="up" if stats.is_connected else "away",
        error=stats.error,
        synced_at=stats.synced_at,
        is_file_in_force=stats.is_file_in_force,
    )


@router.post("/sync", operation_id="syncRegistry", responses=DATABASE_AWAY)
async def sync_registry(gateway: TheGateway) -> SyncedRegistry:
    """Bring the registry to what the configuration in force says; what was registered over the API stays."""
    return synced(await gateway.registry.sync_with_file(), len(gateway.registry.endpoints()))


def synced(report: SyncReport, total: int) -> SyncedRegistry:
    return SyncedRegistry(
        added=list(report.added),
        changed=list(report.changed),
        removed=list(report.removed),
        unchanged=report.unchanged,
        hidden=list(report.hidden),
        waits_because=report.waits_because,
        total=total,
    )


def _tagged(endpoint: Registered, response: Response) -> RegisteredEndpoint:
    response.headers["etag"] = f'"{endpoint.revision}"'
    return registered_endpoint(endpoint)


def _revision(if_match: str | None) -> int | None:
    return None if if_match is None else int(if_match.strip('"'))
