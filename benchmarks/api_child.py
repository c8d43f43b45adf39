"""The admin API as `python -m benchmarks api` measures it, with a handler that does nothing beside its own.

It prints `{"url": …}` once it listens, and serves until it is ended.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response

from syncflow_pipelines.api.application import create_application
from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import ApiTokens
from syncflow_pipelines.demo.serving import base_url, listen


def main() -> None:
    request = json.loads(sys.argv[1])
    folder = Path(request["folder"])
    application = create_application(Settings(folder, folder, database_url=request["url"]), ApiTokens())
    _add_empty_handler(application)
    config = uvicorn.Config(application, access_log=False, log_level="warning", lifespan="on")
    with listen("127.0.0.1", 0) as listener:
        print(json.dumps({"url": base_url(listener)}), flush=True)
        asyncio.run(uvicorn.Server(config).serve([listener]))


def _add_empty_handler(application: FastAPI) -> None:
    @application.get("/api/v1/empty")
    async def empty() -> Response:
        return Response(b"{}", media_type="application/json")


if __name__ == "__main__":
    main()
