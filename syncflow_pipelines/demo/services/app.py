"""Both demo services behind one port, each as its revision of the moment has it."""

from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from syncflow_pipelines.demo.services.parcels import Parcels, build_parcels
from syncflow_pipelines.demo.services.revisions import FIRST, SECOND, Service, revision_of
from syncflow_pipelines.demo.services.warehouse import Stock, build_warehouse
from syncflow_pipelines.demo.tokens import ensure_token


def warehouse_token_path(home: Path) -> Path:
    """The file that holds the warehouse's bearer token, readable by its owner only."""
    return home / "demo" / "warehouse.token"


def build_services(home: Path) -> Starlette:
    """The warehouse at `/warehouse` and the parcels at `/parcels`; what they hold is forgotten at the end."""
    stock, parcels = Stock(), Parcels()
    token = ensure_token(warehouse_token_path(home))
    warehouses = {revision: build_warehouse(stock, token, revision) for revision in (FIRST, SECOND)}
    couriers = {revision: build_parcels(parcels, revision) for revision in (FIRST, SECOND)}
    return Starlette(
        routes=[
            Mount("/warehouse", _Evolving(home, "warehouse", warehouses)),
            Mount("/parcels", _Evolving(home, "parcels", couriers)),
        ]
    )


class _Evolving:
    """Answers every request with the revision that holds at that moment."""

    def __init__(self, home: Path, service: Service, revisions: Mapping[int, ASGIApp]) -> None:
        self._home, self._service, self._revisions = home, service, revisions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        revision = await run_in_threadpool(revision_of, self._home, self._service)
        await self._revisions[revision](scope, receive, send)
