"""What routes ask for beside their parameters."""

from typing import Annotated

from fastapi import Depends, Request

from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.gateway.control.access import CALLER
from syncflow_pipelines.gateway.control.access import Caller as Asking


async def guarded(request: Request) -> None:
    """Dependency of routers that use no database: one that stands behind no guard answers nobody."""
    if not isinstance(request.scope.get(CALLER), Asking):
        raise RuntimeError("the application does not stand behind a Guard")


async def _database(request: Request) -> ApiDatabase:
    await guarded(request)
    found: ApiDatabase = request.app.state.database
    return found


async def _caller(request: Request) -> str:
    caller: Asking = request.scope[CALLER]
    return f"{caller.name} (API)" if caller.name else "somebody on this machine (API)"


UsedDatabase = Annotated[ApiDatabase, Depends(_database)]
"""The database of the installation; a route that stands behind no guard gets none."""
Caller = Annotated[str, Depends(_caller)]
"""Who asks, as it is kept on record: the token's name."""
