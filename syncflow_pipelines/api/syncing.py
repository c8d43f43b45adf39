"""Syncs that are asked for over the API: queued, followed, and ended."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Body, Header, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.types import Receive, Scope, Send

from syncflow_pipelines.api.answers import answer_bytes
from syncflow_pipelines.api.database import ApiDatabase
from syncflow_pipelines.api.dependencies import UsedDatabase
from syncflow_pipelines.api.parameters import EntityUid, RunUid
from syncflow_pipelines.api.problems import problems, refused
from syncflow_pipelines.api.runs import RunDocument
from syncflow_pipelines.database import Connection
from syncflow_pipelines.errors import DatabaseError, UnknownEntity
from syncflow_pipelines.sync.inspection.run_list import run_document
from syncflow_pipelines.sync.launching import begin_now
from syncflow_pipelines.sync.model import Strategy
from syncflow_pipelines.sync.requests import NotRequested, SyncWish, cancel_run, request_sync
from syncflow_pipelines.sync.runs import close_dead_runs

router = APIRouter(tags=["syncs"])

POLL_S: Final = 1.0
KEEP_ALIVE_S: Final = 15.0
LONGEST_STREAM_S: Final = 3600.0
MOST_STREAMS: Final = 64
"""Of one process."""

_LOG = logging.getLogger(__name__)
_KINDS: Final = {
    "unknown": (404, None),
    "key_reused": (409, "idempotency-key-reused"),
    "connector_inactive": (409, "connector-inactive"),
    "gone": (409, "entity-gone"),
    "schema_refused": (409, "schema-refused"),
    "no_row_versions": (409, "no-row-versions"),
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Whoever asks again with the same key is told of the same run, however often that is.",
        examples=["nightly-2026-11-29"],
    ),
]


class SyncOrder(BaseModel):
    """How the entity is to be synced."""

    model_config = ConfigDict(extra="forbid")

    strategy: Strategy | None = Field(default=None, description="By this strategy, this once; null: by its own.")


_LINKS: Final = {
    "run": {"operationId": "getRun", "parameters": {"uid": "$response.body#/uid"}},
    "cancel": {"operationId": "cancelRun", "parameters": {"uid": "$response.body#/uid"}},
}
_LOCATION: Final = {"Location": {"description": "Of the run.", "schema": {"type": "string"}}}
_QUEUED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": RunDocument, "description": "It is queued", "headers": _LOCATION, "links": _LINKS},
    200: {"model": RunDocument, "description": "It was asked for before", "headers": _LOCATION, "links": _LINKS},
}


@router.post(
    "/entities/{uid}/sync",
    operation_id="syncEntity",
    summary="Ask for a sync",
    status_code=202,
    responses={**problems(404, 409), **_QUEUED},
)
async def sync_entity(
    request: Request,
    uid: EntityUid,
    database: UsedDatabase,
    order: Annotated[SyncOrder | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Queues a sync of what changed since the last one. Dagster runs it: at once, or within ten seconds.

    While the same is queued already, and for the same `Idempotency-Key`, the answer is 200 with that run.
    """
    strategy = order.strategy if order else None
    return await _requested(request, database, SyncWish(uid, False, strategy, idempotency_key))


@router.post(
    "/entities/{uid}/full-refresh",
    operation_id="refreshEntity",
    summary="Ask for a full refresh",
    status_code=202,
    responses={**problems(404, 409), **_QUEUED},
)
async def refresh_entity(
    request: Request, uid: EntityUid, database: UsedDatabase, idempotency_key: IdempotencyKey = None
) -> Response:
    """Queues a sync that forgets the cursor, reads the whole entity, and compares every column."""
    return await _requested(request, database, SyncWish(uid, True, None, idempotency_key))


@router.post(
    "/runs/{uid}/cancel",
    operation_id="cancelRun",
    summary="End a sync",
    status_code=202,
    responses={
        **problems(404, 409),
        202: {"model": RunDocument, "description": "It ends within seconds", "links": _LINKS},
        200: {"model": RunDocument, "description": "It was queued, and is not begun any more"},
    },
)
async def cancel(request: Request, uid: RunUid, database: UsedDatabase) -> Response:
    """Ends a sync that is queued or running, whichever process runs it; nothing of it is kept."""
    url = database.settings.dagster_url

    def end(connection: Connection) -> tuple[str, str]:
        close_dead_runs(connection)
        return cancel_run(connection, uid), run_document(connection, uid, url)

    became, run = await database.change(end)
    if became == "ended":
        raise refused(409, f"run {uid} has ended already; GET it to see how", kind="run-ended")
    if became == "cannot":
        raise refused(409, f"run {uid} tries rejected rows again, which ends by itself soon", kind="run-cannot-end")
    return answer_bytes(request, run.encode(), status=200 if became == "closed" else 202)


@router.get(
    "/runs/{uid}/events",
    operation_id="followRun",
    summary="Follow a sync",
    response_class=StreamingResponse,
    responses={
        **problems(404),
        200: {
            "description": "Server-sent events: `progress` whenever something changed, and `end` when it has ended; "
            "the data of each is the run as RunDocument",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
)
async def follow(uid: RunUid, database: UsedDatabase) -> StreamingResponse:
    """Streams how far the sync is, about once a second, until it has ended."""
    run = await _found(database, uid)
    # After the wait, or however many ask at once would all find a place.
    if _streams.count >= MOST_STREAMS:
        told = f"{MOST_STREAMS} syncs are being followed here already; try again, or GET the run now and then"
        raise refused(503, told, headers={"Retry-After": "5"})
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return _Followed(_events(database, uid, run), media_type="text/event-stream", headers=headers)


async def _requested(request: Request, database: ApiDatabase, wish: SyncWish) -> Response:
    found = await database.change(lambda connection: request_sync(connection, wish))
    if isinstance(found, NotRequested):
        status, kind = _KINDS[found.kind]
        raise refused(status, found.reason, kind=kind)
    run = await _found(database, found.run_uid)
    headers = {"Location": f"/api/v1/runs/{found.run_uid}"}
    response = answer_bytes(request, run.encode(), status=202 if found.is_new else 200, headers=headers)
    if orjson.loads(run)["status"] == "queued":
        # After the answer: it is queued whether Dagster is there or not.
        response.background = BackgroundTask(_begin, database, found.run_uid)
    return response


async def _found(database: ApiDatabase, uid: UUID) -> str:
    """The run's document."""
    return await database.read(lambda connection: run_document(connection, uid, database.settings.dagster_url))


async def _begin(database: ApiDatabase, uid: UUID) -> None:
    def begin() -> None:
        begin_now(database.opened(), database.settings, uid)

    if not database.launching.add(begin):
        _LOG.info("run %s is left to the sensor: too many wait to be begun", uid)


class _Streams:
    """How many runs are being followed."""

    count = 0


_streams = _Streams()


class _Followed(StreamingResponse):
    """A stream that has its place from when it is made until it ends, whether it was begun or not."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        _streams.count += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            _streams.count -= 1


async def _events(database: ApiDatabase, uid: UUID, run: str) -> AsyncIterator[str]:
    """The run's documents until it has ended; ends with the client, too."""
    clock = asyncio.get_running_loop().time
    end, said, last = clock() + LONGEST_STREAM_S, clock(), ""
    yield "retry: 2000\n\n"
    while clock() < end:
        is_over = orjson.loads(run)["completed_at"] is not None
        if run != last:
            last, said = run, clock()
            yield f"event: {'end' if is_over else 'progress'}\ndata: {run}\n\n"
        elif clock() - said > KEEP_ALIVE_S:
            said = clock()
            yield ": nothing new\n\n"
        if is_over:
            return
        await asyncio.sleep(POLL_S)
        try:
            run = await _found_again(database, uid, run)
        except UnknownEntity:
            return  # its connector was deleted; whoever asks again is told so


async def _found_again(database: ApiDatabase, uid: UUID, before: str) -> str:
    try:
        return await _found(database, uid)
    except DatabaseError:
        return before  # until it is back
