"""Whether the process is alive, and whether it can ask its database."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from syncflow_pipelines.api.answers import written
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.problems import problems
from syncflow_pipelines.database.standing import database_standing

router = APIRouter(tags=["health"])

_ALIVE = b'{"status":"up"}'
_FRESH = {"Cache-Control": "no-store"}


class HealthDocument(BaseModel):
    """That the process is alive."""

    status: str = Field(description="Always `up`.", examples=["up"])


class DatabaseHealthDocument(BaseModel):
    """That the database can be asked."""

    status: str = Field(description="Always `up`; where it is down, the answer is a problem with 503.", examples=["up"])
    server_version: str = Field(description="Of PostgreSQL.", examples=["18.1"])
    revision: str = Field(description="Of SyncFlow's own tables.", examples=["0009"])
    latency_ms: float = Field(description="How long the database took to say so.", examples=[0.4])


@router.get(
    "/health",
    operation_id="getHealth",
    summary="Is the process alive?",
    response_model=HealthDocument,
    responses={400: problems()[400]},
)
async def get_health() -> Response:
    """It is, whatever becomes of the database. Needs no token."""
    return Response(_ALIVE, media_type="application/json", headers=_FRESH)


@router.get(
    "/health/db",
    operation_id="getDatabaseHealth",
    summary="Can the database be asked?",
    response_model=DatabaseHealthDocument,
    responses=problems(),
)
async def get_database_health(database: UsedDatabase) -> Response:
    """Asks it. While it is away, the answer is 503, and says why."""
    standing = await database.read(database_standing)
    document = {
        "status": "up",
        "server_version": standing.server_version,
        "revision": standing.revision,
        "latency_ms": round(standing.latency_s * 1000, 3),
    }
    return Response(written(document), media_type="application/json", headers=_FRESH)
