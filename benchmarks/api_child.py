"""What `syncflow serve` serves, with a handler that does nothing beside it: the child of `python -m benchmarks api`.

The environment says where the database is. It prints `{"url": …}` once it listens, and serves until it is ended.
"""

import json

from fastapi import FastAPI
from fastapi.responses import Response

from syncflow_pipelines.api.application import join_gateway
from syncflow_pipelines.config import load_settings
from syncflow_pipelines.config.serving import Serving
from syncflow_pipelines.gateway.application import build_application
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.root import Root
from syncflow_pipelines.gateway.serving import Worker, listen, url_of

_GRACE_PERIOD_S = 5.0


def application() -> Root:
    return build_application(load_settings(), join_gateway, _add_empty_handler)


def main() -> None:
    with listen("127.0.0.1", 0) as listener:
        print(json.dumps({"url": url_of(listener)}), flush=True)
        Worker("benchmarks.api_child:application", Serving(), _GRACE_PERIOD_S).serve(load_settings(), [listener])


def _add_empty_handler(application: FastAPI, _: Gateway) -> None:
    @application.get("/api/v1/empty")
    async def empty() -> Response:
        return Response(b"{}", media_type="application/json")


if __name__ == "__main__":
    main()
