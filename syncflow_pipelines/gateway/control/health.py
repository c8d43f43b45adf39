"""`/health`: is the gateway there, and how do its endpoints do?"""

from fastapi import APIRouter

from syncflow_pipelines import __version__
from syncflow_pipelines.gateway.control.dependencies import (
    ADMITTED,
    EVERYWHERE,
    NO_SUCH_ENDPOINT,
    TheEndpoint,
    TheGateway,
)
from syncflow_pipelines.gateway.control.describing import (
    circuit_breakers,
    endpoint_health,
    endpoints_health,
    health_status,
    health_summary,
)
from syncflow_pipelines.gateway.control.documents import (
    CircuitBreakers,
    EndpointHealth,
    EndpointsHealth,
    HealthStatus,
    HealthSummary,
    Liveness,
    Readiness,
)
from syncflow_pipelines.gateway.control.problems import documented, refused
from syncflow_pipelines.gateway.gateway import Phase
from syncflow_pipelines.gateway.model import Health

router = APIRouter(prefix="/health", tags=["health"], dependencies=ADMITTED, responses=EVERYWHERE)


@router.get("", operation_id="getLiveness")
async def get_liveness(gateway: TheGateway) -> Liveness:
    """Say that the process is alive. Needs no token."""
    return Liveness(status=gateway.phase.value, version=__version__, uptime_s=round(gateway.uptime_s, 1))


@router.get("/ready", operation_id="getReadiness", responses=documented({503: "It starts, or will end: send nothing."}))
async def get_readiness(gateway: TheGateway) -> Readiness:
    """Say whether requests may be sent here: not while the process starts or drains. Needs no token."""
    if gateway.phase is not Phase.RUNNING:
        why = "starts" if gateway.phase is Phase.STARTING else "drains, and will end"
        raise refused(503, gateway.phase.value, "Not ready", f"The process {why}.")
    return Readiness(status="ready")


@router.get("/status", operation_id="getHealthStatus")
async def get_health_status(gateway: TheGateway) -> HealthStatus:
    """Show how the system does, with its circuit breakers."""
    return health_status(gateway)


@router.get("/summary", operation_id="getHealthSummary")
async def get_health_summary(gateway: TheGateway) -> HealthSummary:
    """Show the same with requests, errors, and the names of what is broken."""
    return health_summary(gateway)


@router.get("/endpoints", operation_id="listEndpointsHealth")
async def list_endpoints_health(gateway: TheGateway) -> EndpointsHealth:
    """List how every endpoint does."""
    return _listed(endpoints_health(gateway))


@router.get("/endpoints/{name}", operation_id="getEndpointHealth", responses=NO_SUCH_ENDPOINT)
async def get_endpoint_health(endpoint: TheEndpoint, gateway: TheGateway) -> EndpointHealth:
    """Show how an endpoint does, with its circuit breaker once there was a request."""
    return endpoint_health(gateway, endpoint)


@router.post("/check/{name}", operation_id="checkEndpoint", responses=NO_SUCH_ENDPOINT)
async def check_endpoint(endpoint: TheEndpoint, gateway: TheGateway) -> EndpointHealth:
    """Check an endpoint now, whenever the next check is due; it counts like any other check."""
    await gateway.health.check_now(endpoint.config.key)
    return endpoint_health(gateway, endpoint)


@router.get("/unhealthy", operation_id="listUnhealthyEndpoints")
async def list_unhealthy_endpoints(gateway: TheGateway) -> EndpointsHealth:
    """List the endpoints whose checks fail."""
    return _listed([one for one in endpoints_health(gateway) if one.health is Health.UNHEALTHY])


@router.get("/circuit-breakers", operation_id="listCircuitBreakers")
async def list_circuit_breakers(gateway: TheGateway) -> CircuitBreakers:
    """List the circuit breakers of the endpoints that had requests."""
    found = circuit_breakers(gateway)
    return CircuitBreakers(circuit_breakers=found, total=len(found))


@router.get("/circuit-breakers/open", operation_id="listOpenCircuitBreakers")
async def list_open_circuit_breakers(gateway: TheGateway) -> CircuitBreakers:
    """List those that let nothing through, or probes alone."""
    found = [one for one in circuit_breakers(gateway) if one.state != "closed"]
    return CircuitBreakers(circuit_breakers=found, total=len(found))


def _listed(endpoints: list[EndpointHealth]) -> EndpointsHealth:
    return EndpointsHealth(endpoints=endpoints, total=len(endpoints))
