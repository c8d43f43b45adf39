"""What routes ask for beside their parameters."""

from typing import Annotated

from fastapi import Depends, Request

from syncflow_pipelines.api.database import ApiDatabase


async def _database(request: Request) -> ApiDatabase:
    found: ApiDatabase = request.app.state.database
    return found


async def _caller(request: Request) -> str:
    return str(request.state.caller)


UsedDatabase = Annotated[ApiDatabase, Depends(_database)]
"""The database of the installation."""
Caller = Annotated[str, Depends(_caller)]
"""Who asks, as it is kept on record: the token's name."""
