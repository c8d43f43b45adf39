"""What is said where a request of the admin API cannot be answered: the control plane's problems, and some more."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from syncflow_pipelines.errors import EntityBusy, SourceError, SyncflowError, UnknownEntity
from syncflow_pipelines.gateway.control.problems import MEDIA_TYPE, Refused, problem_of, problem_response
from syncflow_pipelines.gateway.model import Problem

RETRY_AFTER_S: Final = 5
"""Told to clients while a sync holds the entity."""
Responses = dict[int | str, dict[str, Any]]
"""What a route's `responses` says, by status."""

_TITLES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad-request", "The request cannot be read"),
    401: ("token-needed", "No token that is accepted came with the request"),
    403: ("role-too-low", "The token may not do this"),
    404: ("not-found", "There is no such thing"),
    409: ("conflict", "The request does not go with how things stand"),
    412: ("precondition-failed", "It was changed since it was read"),
    413: ("body-too-large", "The body is too large"),
    422: ("invalid-request", "The request says something that cannot be used"),
    428: ("precondition-required", "The request must say which state it changes"),
    502: ("source-failed", "The source did not give what was asked of it"),
    503: ("database-unavailable", "The database cannot be used"),
}
"""What a status means where nothing closer is known: the end of the problem's type, and its title."""
_EVERYWHERE: Final = (400, 401, 403, 422, 503)
_RETRY_HEADER: Final = {
    "Retry-After": {"description": "Seconds after which it may be tried again.", "schema": {"type": "integer"}}
}


def refused(
    status: int, detail: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
) -> Refused:
    """What to raise in a route: the problem of that status, `detail` a sentence without a secret or a row.

    `more`: further members of the document.
    """
    usual, title = _TITLES[status]
    raw = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items())
    return Refused(Problem(status, kind or usual, title, detail, raw, more))


def problems(*statuses: int) -> Responses:
    """What a route's `responses` says of the problems that it may answer with, beside those of every route."""
    return {
        status: {
            "description": _TITLES[status][1],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
            **({"headers": _RETRY_HEADER} if status in (409, 503) else {}),
        }
        for status in sorted({*_EVERYWHERE, *statuses})
    }


def add_own_problems(application: FastAPI) -> None:
    """Beside those of the control plane: what the sync engine's errors mean to a client."""
    for kind in (UnknownEntity, EntityBusy, SourceError, SyncflowError):
        application.add_exception_handler(kind, _told)


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, SyncflowError)
    return problem_response(told(error))


def told(error: SyncflowError) -> Problem:
    """The problem that an expected error is to a client."""
    match error:
        case UnknownEntity():
            return refused(404, str(error)).problem
        case EntityBusy():
            return refused(409, str(error), kind="entity-busy", headers={"Retry-After": str(RETRY_AFTER_S)}).problem
        case SourceError():
            return refused(502, str(error)).problem
        case _:
            found = problem_of(error)
            return refused(409, str(error), kind="refused").problem if found.status == 500 else found
