"""What routes ask for beside their parameters."""

from typing import Annotated

from fastapi import Depends, Request

from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.gateway.control.access import caller_of


async def guarded(request: Request) -> None:
    """Dependency of routers that use no database: one that stands behind no guard answers nobody."""
    caller_of(request.scope)


async def _database(request: Request) -> ApiDatabase:
    caller_of(request.scope)
    found: ApiDatabase = request.app.state.database
    return found


async def _caller(request: Request) -> str:
    caller = caller_of(request.scope)
    return f"{caller.name} (API)" if caller.name else "somebody on this machine (API)"


UsedDatabase = Annotated[ApiDatabase, Depends(_database)]
"""The database of the installation; a route that stands behind no guard gets none."""
Caller = Annotated[str, Depends(_caller)]
"""Who asks, as it is kept on record: the token's name."""
