"""`/api/v1/connectors`: the sources, those of connectors.yaml to be read, and those that are managed here."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Request
from fastapi import Query as QueryParameters
from fastapi.responses import Response
from pydantic import Field
from starlette.background import BackgroundTask

from syncflow_pipelines.api.answers import answer, must_match, written
from syncflow_pipelines.api.connector_documents import (
    ConnectorAnswer,
    ConnectorDocument,
    ConnectorList,
    DiscoveryDocument,
    connector_document,
    discovery_document,
)
from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.paging import OffsetQuery, offset_links
from syncflow_pipelines.api.parameters import IfMatch, Text
from syncflow_pipelines.api.problems import problems, refused
from syncflow_pipelines.api.yaml_connectors import YamlConnectors
from syncflow_pipelines.config import ConnectorConfig
from syncflow_pipelines.config.managed_connectors import ManagedConnector, mistakes_of
from syncflow_pipelines.database import Connection, Database
from syncflow_pipelines.errors import ConfigurationError, SourceError
from syncflow_pipelines.gateway.control.problems import Refused
from syncflow_pipelines.sync.connectors import follow_connectors
from syncflow_pipelines.sync.inspection.asking import ask_source
from syncflow_pipelines.sync.managed import (
    ConnectorFilter,
    ConnectorLine,
    NotManaged,
    add_connector,
    change_connector,
    find_managed,
    list_managed,
    remove_connector,
)
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines.sync.state import state_path
from syncflow_pipelines.transport.dagster_webserver import ask_reload

T = TypeVar("T")

router = APIRouter(prefix="/connectors", tags=["connectors"])

TEST_LIMIT_S: Final = 20.0
LONGEST_WAIT_S: Final = 20.0
"""For one answer of a source."""
RELOAD_LIMIT_S: Final = 60.0


async def _at_hand(request: Request) -> YamlConnectors:
    found: YamlConnectors = request.app.state.yaml_connectors
    return found


AtHand = Annotated[YamlConnectors, Depends(_at_hand)]
ConnectorUid = Annotated[UUID, Path(description="The uid of a connector, as the list has it.")]
Sort = Literal["name", "-name", "updated_at", "-updated_at", "created_at", "-created_at"]
Order = Annotated[
    ManagedConnector,
    Body(
        openapi_examples={
            "shortest": {
                "summary": "A token that stands in a variable",
                "value": {
                    "name": "crm",
                    "base_url": "https://crm.example.com",
                    "auth": {"type": "bearer", "reference": "env:CRM_TOKEN"},
                },
            },
            "kept": {
                "summary": "A token that is kept here, encrypted",
                "value": {
                    "name": "crm",
                    "base_url": "https://crm.example.com",
                    "auth": {"type": "bearer", "token": "…"},
                    "sync_interval_seconds": 60,
                },
            },
        }
    ),
]


class ConnectorQuery(OffsetQuery):
    """Which connectors, in which order."""

    managed_by: Literal["yaml", "api"] | None = Field(default=None, description="Only those that are managed so.")
    enabled: bool | None = Field(default=None, description="Only those that are enabled, or are not.")
    q: Text | None = Field(default=None, description="Part of the name or the address, in any case.")
    sort: Sort = Field(default="name", description="By what; `-`: the largest first.")


_LINKS: Final = {
    "connector": {"operationId": "getConnector", "parameters": {"uid": "$response.body#/uid"}},
    "change": {
        "operationId": "putConnector",
        "parameters": {"uid": "$response.body#/uid", "If-Match": "$response.header.ETag"},
    },
    "discover": {"operationId": "discoverConnector", "parameters": {"uid": "$response.body#/uid"}},
}
_ETAG: Final = {"ETag": {"description": "To be sent as If-Match with a PUT.", "schema": {"type": "string"}}}
_SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": ConnectorDocument, "description": "The connector", "headers": _ETAG, "links": _LINKS}
}


@router.get(
    "", operation_id="listConnectors", summary="List connectors", response_model=ConnectorList, responses=problems()
)
async def list_connectors(
    request: Request, query: Annotated[ConnectorQuery, QueryParameters()], database: UsedDatabase, at_hand: AtHand
) -> Response:
    """Every connector, of connectors.yaml and of this API, those that the file has given up included."""
    configured = await at_hand.now()
    which = ConnectorFilter(query.managed_by, query.enabled, query.q)
    lines, total = await database.read(
        lambda found: list_managed(found, which, sort=query.sort, limit=query.limit, offset=query.offset)
    )
    items = [connector_document(line, configured, database.settings) for line in lines]
    return answer(request, {"items": items, "total": total}, headers=offset_links(request, query, total))


@router.post(
    "",
    operation_id="addConnector",
    summary="Register a connector",
    status_code=201,
    response_model=ConnectorDocument,
    responses={
        **problems(409),
        201: {
            "model": ConnectorDocument,
            "description": "It is registered",
            "headers": {**_ETAG, "Location": {"description": "Of the connector.", "schema": {"type": "string"}}},
            "links": _LINKS,
        },
    },
)
async def add(request: Request, order: Order, database: UsedDatabase, at_hand: AtHand) -> Response:
    """Registers a source. Nothing is read from it yet: discover it, and its entities are synced from then on."""
    _refuse_mistakes(order, database)
    configured = await at_hand.now()

    def added(connection: Connection) -> ConnectorLine:
        uid = _done(add_connector(connection, order, configured, database.settings))
        return find_managed(connection, uid)

    line = await _changed(database, added)
    document = connector_document(line, configured, database.settings)
    response = answer(request, document, status=201, headers={"Location": f"/api/v1/connectors/{line.uid}"})
    return _followed(response, database)


@router.get("/{uid}", operation_id="getConnector", summary="Show a connector", responses={**problems(404), **_SHOWN})
async def get(request: Request, uid: ConnectorUid, database: UsedDatabase, at_hand: AtHand) -> Response:
    """One connector, without its secret. Its `ETag` is what a PUT of it has to send as `If-Match`."""
    configured = await at_hand.now()
    line = await database.read(lambda connection: find_managed(connection, uid))
    return answer(request, connector_document(line, configured, database.settings))


@router.put(
    "/{uid}",
    operation_id="putConnector",
    summary="Change a connector",
    responses={**problems(404, 409, 412, 428), **_SHOWN},
)
async def put(
    request: Request,
    uid: ConnectorUid,
    order: Order,
    database: UsedDatabase,
    at_hand: AtHand,
    _if_match: IfMatch = None,
) -> Response:
    """Makes the connector what is said; what is not said has its default again.

    But for the secret: `auth` without one keeps the one that is kept, as long as `base_url` leads to the same host.
    """
    _refuse_mistakes(order, database)
    configured = await at_hand.now()

    def put_in(connection: Connection) -> ConnectorLine:
        line = find_managed(connection, uid, hold=True)
        must_match(request, written(connector_document(line, configured, database.settings)))
        _done(change_connector(connection, line, order, database.settings))
        return find_managed(connection, uid)

    line = await _changed(database, put_in)
    return _followed(answer(request, connector_document(line, configured, database.settings)), database)


@router.delete(
    "/{uid}",
    operation_id="deleteConnector",
    summary="Delete a connector",
    status_code=204,
    response_class=Response,
    responses={**problems(404, 409, 412), 204: {"description": "It is gone"}},
)
async def delete(request: Request, uid: ConnectorUid, database: UsedDatabase, at_hand: AtHand) -> Response:
    """Forgets the connector, its entities and the history of their syncs. Their tables stay, with all rows.

    `If-Match` need not be sent; where it is, it has to be the state of now.
    """
    configured = await at_hand.now()

    def remove(connection: Connection) -> ConnectorLine:
        line = find_managed(connection, uid, hold=True)
        if "if-match" in request.headers:
            must_match(request, written(connector_document(line, configured, database.settings)))
        _done(remove_connector(connection, line))
        return line

    line = await _changed(database, remove)
    await database.work(lambda _: state_path(database.settings.home, line.name).unlink(missing_ok=True))
    return _followed(Response(status_code=204), database)


@router.post(
    "/{uid}/test",
    operation_id="testConnector",
    summary="Test a connector",
    response_model=ConnectorAnswer,
    responses=problems(404, 409),
)
async def test(uid: ConnectorUid, database: UsedDatabase, at_hand: AtHand) -> Response:
    """Asks the source for its health and its catalogue, and changes nothing. The answer is 200 where it fails, too."""
    connector = await _usable(uid, database, at_hand)
    found = await database.ask(lambda _: ask_source(connector, database.settings, limit_s=TEST_LIMIT_S))
    document = {"ok": found.ok, "told": found.told, "entities": found.entities, "latency_ms": found.latency_ms}
    return Response(written(document), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.post(
    "/{uid}/discover",
    operation_id="discoverConnector",
    summary="Discover a connector",
    response_model=DiscoveryDocument,
    responses=problems(404, 409),
)
async def discover_now(
    uid: ConnectorUid,
    database: UsedDatabase,
    at_hand: AtHand,
    accept_gone: Annotated[
        bool, QueryParameters(description="Believe a catalogue that lost all or most of its entities.")
    ] = False,
) -> Response:
    """Asks the source what it offers, makes and follows the tables, and tells what came of it."""
    connector = await _usable(uid, database, at_hand)

    def work(opened: Database) -> dict[str, Any]:
        try:
            return discovery_document(discover(opened, connector, database.settings, accept_gone=accept_gone))
        except ConfigurationError as error:
            raise refused(409, str(error), kind="connector-unusable") from error
        except SourceError as error:
            raise refused(409, str(error), kind="source-failed") from error

    found = await database.ask(work)
    response = Response(written(found), media_type="application/json", headers={"Cache-Control": "no-store"})
    return _followed(response, database)


async def _usable(uid: UUID, database: ApiDatabase, at_hand: YamlConnectors) -> ConnectorConfig:
    """The connector with its secret, to be asked now; patient for no longer than a client is."""
    await at_hand.now()
    line = await database.read(lambda connection: find_managed(connection, uid))
    every = await database.work(lambda opened: follow_connectors(opened, database.settings))
    found = next((one for one in every if one.name == line.name and one.managed_by == line.managed_by), None)
    if found is None:
        raise refused(409, f"connector {line.name} cannot be used; GET it to see why", kind="connector-unusable")
    return replace(
        found,
        timeout_s=min(found.timeout_s, LONGEST_WAIT_S),
        max_retry_after_s=min(found.max_retry_after_s, LONGEST_WAIT_S),
    )


def _refuse_mistakes(order: ManagedConnector, database: ApiDatabase) -> None:
    found = mistakes_of(order, database.settings)
    if found:
        errors = [{"loc": ["body", *place.split(".")], "msg": mistake} for place, mistake in found.items()]
        told = f"this installation does not accept {', '.join(found)}: `errors` says why"
        raise refused(409, told, kind="connector-not-accepted", errors=errors)


async def _changed(database: ApiDatabase, change: Callable[[Connection], T]) -> T:
    try:
        return await database.change(change)
    except ConfigurationError as error:
        raise refused(409, str(error), kind="secret-key") from error


def _done(outcome: T | NotManaged) -> T:
    if isinstance(outcome, NotManaged):
        raise _refusal(outcome)
    return outcome


def _refusal(outcome: NotManaged) -> Refused:
    return refused(409, outcome.reason, kind=f"connector-{outcome.kind.replace('_', '-')}")


def _followed(response: Response, database: ApiDatabase) -> Response:
    """The response, after which Dagster is told."""
    response.background = BackgroundTask(_follow_later, database)
    return response


async def _follow_later(database: ApiDatabase) -> None:
    database.following.add(lambda: _follow(database))


def _follow(database: ApiDatabase) -> None:
    """Brings the state that Dagster loads in step, and asks it to load; its sensor does both in any case."""
    follow_connectors(database.opened(), database.settings)
    ask_reload(database.settings.dagster_url, timeout_s=RELOAD_LIMIT_S)
