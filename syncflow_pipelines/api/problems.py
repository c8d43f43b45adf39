"""What is said where a request of the admin API cannot be answered: RFC 9457 problem documents."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from syncflow_pipelines.errors import (
    ConfigurationError,
    DatabaseError,
    EntityBusy,
    SourceError,
    SyncflowError,
    UnknownEntity,
)
from syncflow_pipelines.gateway.model import PROBLEM_MARK, Problem

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 2
"""Told to clients while the database is away, and while a sync holds the entity."""

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_UNTOLD = "…"
"""Stands for the name of a parameter that nobody would give one."""
_QUOTING: Final[Mapping[str, str]] = {
    "uuid_parsing": "Input should be a valid UUID",
    "json_invalid": "The body is no JSON",
}
"""Kinds of mistakes whose sentence would repeat some of the input."""
_TITLES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad-request", "The request cannot be read"),
    401: ("unauthorized", "No token that is accepted came with the request"),
    403: ("forbidden", "The token may not do this"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "The path has no such method"),
    409: ("conflict", "The request does not go with how things stand"),
    412: ("precondition-failed", "It was changed since it was read"),
    413: ("body-too-large", "The body is too large"),
    415: ("unsupported-media-type", "The body is of a type that is not read"),
    422: ("invalid-request", "The request says something that cannot be used"),
    428: ("precondition-required", "The request must say which state it changes"),
    500: ("internal-error", "Something went wrong here"),
    502: ("source-failed", "The source did not give what was asked of it"),
    503: ("unavailable", "The database cannot be asked now"),
}
"""What a status means where nothing closer is known: the end of the problem's type, and its title."""


class MistakeDocument(BaseModel):
    """One part of a request that cannot be used."""

    loc: list[str | int] = Field(description="Where it stands: `query`, `path`, `header` or `body`, then its name.")
    msg: str = Field(description="What is wrong with it; never what it was.")


class ProblemDocument(BaseModel):
    """Why a request was not answered, as RFC 9457 has it."""

    type: str = Field(description="The kind of problem; stable, for programs.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What happened, and what to do about it.")
    errors: list[MistakeDocument] | None = Field(default=None, description="Of a request that is not valid.")
    etag: str | None = Field(default=None, description="Of 412: the tag of what is there now.")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "type": "urn:syncflow:problem:not-found",
                    "title": "There is no such thing",
                    "status": 404,
                    "detail": "no run 0198a6f2-7a51-7cc3-8d35-0f6b1f6a2f10 is known",
                }
            ]
        }
    }


class Refused(Exception):
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def refused(
    status: int, detail: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
) -> Refused:
    """What to raise in a route: the problem of that status, `detail` a sentence without a secret or a row."""
    return Refused(problem(status, detail, kind=kind, headers=headers, **more))


def problem(
    status: int, detail: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
) -> Problem:
    """A problem titled by its status. `more`: further members of the document."""
    usual, title = _TITLES.get(status, ("refused", "The request was refused"))
    raw = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items())
    return Problem(status, kind or usual, title, detail, raw, more)


def problem_response(problem: Problem) -> Response:
    """The answer that tells the problem."""
    response = Response(problem.body(), problem.status, media_type=MEDIA_TYPE)
    response.raw_headers += [PROBLEM_MARK, (b"cache-control", b"no-store"), *problem.headers]
    return response


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's `responses` says of the problems that it may answer with, beside those of every route."""
    return {
        status: {
            "description": _TITLES[status][1],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
            **({"headers": _RETRY_HEADER} if status in (409, 503) else {}),
        }
        for status in sorted({*_EVERYWHERE, *statuses})
    }


_EVERYWHERE: Final = (400, 401, 403, 422, 503)
_RETRY_HEADER: Final = {
    "Retry-After": {"description": "Seconds after which it may be tried again.", "schema": {"type": "integer"}}
}


def install_problems(application: FastAPI) -> None:
    """Lets the application answer with problems, whatever goes wrong."""
    application.add_exception_handler(Refused, _refused)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(HTTPException, _http)
    application.add_exception_handler(SyncflowError, _ours)
    application.add_exception_handler(Exception, _unexpected)


def told(error: SyncflowError) -> Problem:
    """The problem that one of SyncFlow's own errors is to a client."""
    later = {"Retry-After": str(RETRY_AFTER_S)}
    match error:
        case DatabaseError():
            return problem(503, str(error), kind="database-unavailable", headers=later)
        case UnknownEntity():
            return problem(404, str(error))
        case EntityBusy():
            return problem(409, str(error), kind="entity-busy", headers=later)
        case SourceError():
            return problem(502, str(error))
        case ConfigurationError():
            return problem(500, str(error), kind="configuration")
        case _:
            return problem(409, str(error), kind="refused")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem_response(error.problem)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, SyncflowError)
    found = told(error)
    if found.status >= 500:
        _LOG.warning("%s %s: %s", request.method, request.url.path, error)
    return problem_response(found)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    mistakes = [_mistake(one) for one in error.errors()]
    where = ", ".join(dict.fromkeys(".".join(map(str, mistake["loc"])) for mistake in mistakes))
    return problem_response(problem(422, f"mend {where}: `errors` says how", errors=mistakes))


def _mistake(found: Mapping[str, Any]) -> dict[str, Any]:
    """The mistake without the input, which may hold anything."""
    kind = str(found["type"])
    return {"loc": _place(found["loc"]), "msg": _QUOTING.get(kind) or str(found["msg"])}


def _place(location: Sequence[str | int]) -> list[str | int]:
    """Where the mistake is; a name that the client made up is told where it looks like one."""
    return [part if isinstance(part, int) or _NAME.fullmatch(part) else _UNTOLD for part in location]


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(error.status_code) or str(error.detail)
    return problem_response(problem(error.status_code, detail, headers=error.headers))


_DETAILS: Final[Mapping[int, str]] = {
    404: "there is nothing at this path; /api/v1/openapi.json describes what there is",
    405: "this path has no such method; the header Allow names those that it has",
    400: "the body cannot be read; send it as JSON in UTF-8",
}


async def _unexpected(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem_response(problem(500, "something unexpected happened; the log says what"))
