"""Every error of the control plane and the admin API as a problem document (RFC 9457)."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope, Send

from syncflow_pipelines.errors import (
    ConfigurationError,
    DatabaseError,
    EndpointChanged,
    EndpointRefused,
    EndpointTaken,
    SyncflowError,
    UnknownEndpoint,
)
from syncflow_pipelines.gateway.model import PROBLEM_MARK, Problem

MEDIA_TYPE: Final = "application/problem+json"
DATABASE_RETRY_S: Final = 5
"""When a request that found no database is worth another try."""

_LOG = logging.getLogger(__name__)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_UNTOLD: Final = "…"
"""Stands for the name of a parameter or a member that nobody would give one."""
_KINDS: Final = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}


class Mistake(BaseModel):
    """One thing about a request that cannot be used; what was sent is not repeated."""

    loc: list[str | int] = Field(examples=[["query", "limit"]])
    msg: str = Field(examples=["Input should be greater than or equal to 1"])


class ProblemDocument(BaseModel):
    """What every error answers: RFC 9457."""

    type: str = Field(examples=["urn:syncflow:problem:not-found"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["No endpoint is called 'billing'; GET /registry/endpoints lists all."])
    errors: list[Mistake] | None = None


class Refused(Exception):
    """A request that is answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def refused(status: int, kind: str, title: str, detail: str, **more: Any) -> Refused:
    """To be raised by a route."""
    return Refused(Problem(status, kind, title, detail, more=more))


def documented(problems: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: by status, when that is answered."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {"description": description, "content": {MEDIA_TYPE: schema}}
        for status, description in problems.items()
    }


def problem_response(problem: Problem) -> Response:
    """The problem as an answer, marked as ours."""
    response = Response(problem.body(), problem.status, media_type=MEDIA_TYPE)
    response.raw_headers.extend((PROBLEM_MARK, (b"cache-control", b"no-store"), *problem.headers))
    return response


async def send_problem(scope: Scope, send: Send, problem: Problem) -> None:
    """The same, for an ASGI application that is no route: to a request, or in the place of a WebSocket."""
    if scope["type"] == "http":
        kind = "http.response"
    elif "websocket.http.response" in scope.get("extensions", {}):
        kind = "websocket.http.response"
    else:
        await send({"type": "websocket.close", "code": 1013 if problem.status == 503 else 1008})
        return
    response = problem_response(problem)
    await send({"type": f"{kind}.start", "status": problem.status, "headers": response.raw_headers})
    await send({"type": f"{kind}.body", "body": response.body})


def add_problem_handlers(app: FastAPI) -> None:
    """From now on, whatever goes wrong in a route of the application is answered with a problem document."""

    @app.exception_handler(Refused)
    async def refusal(_request: Request, error: Refused) -> Response:
        return problem_response(error.problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return problem_response(_invalid(error))

    @app.exception_handler(HTTPException)
    async def usual(_request: Request, error: HTTPException) -> Response:
        return problem_response(_usual(error))

    @app.exception_handler(SyncflowError)
    async def expected(_request: Request, error: SyncflowError) -> Response:
        return problem_response(problem_of(error))

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Response:
        detail = "Something went wrong that nobody expected; the log of the server says more."
        return problem_response(Problem(500, "internal-error", "Internal error", detail))


def problem_of(error: SyncflowError) -> Problem:
    """What an expected error means to whoever sent the request."""
    if isinstance(error, DatabaseError):
        retry = ((b"retry-after", str(DATABASE_RETRY_S).encode()),)
        return Problem(503, "database-unavailable", "The database cannot be used", str(error), retry)
    if isinstance(error, ConfigurationError):
        more = {"mistakes": list(error.mistakes)} if error.mistakes else {}
        return Problem(422, "unusable-configuration", "Unusable configuration", error.message, more=more)
    for kind, (status, name) in _ERRORS.items():
        if isinstance(error, kind):
            return Problem(status, name, name.replace("-", " ").capitalize(), str(error))
    _LOG.warning("A request failed: %s", error)
    return Problem(500, "failed", "Failed", str(error))


_ERRORS: Final[Mapping[type[SyncflowError], tuple[int, str]]] = {
    UnknownEndpoint: (404, "unknown-endpoint"),
    EndpointTaken: (409, "endpoint-taken"),
    EndpointChanged: (412, "endpoint-changed"),
    EndpointRefused: (422, "endpoint-refused"),
}


def _invalid(error: RequestValidationError) -> Problem:
    mistakes = [{"loc": _place(one["loc"]), "msg": _without_input(one)} for one in error.errors()]
    detail = "The request cannot be used; `errors` says what about it."
    return Problem(422, "invalid-request", "Invalid request", detail, more={"errors": mistakes})


def _place(location: Sequence[str | int]) -> list[str | int]:
    """Where the mistake is; a name that the client made up is told where it looks like one."""
    return [part if isinstance(part, int) or _NAME.fullmatch(part) else _UNTOLD for part in location]


def _without_input(error: Mapping[str, Any]) -> str:
    if error["type"] == "union_tag_invalid":
        return f"Input should be one of {error['ctx']['expected_tags']}"
    if error["type"] in ("value_error", "assertion_error"):  # raised by a validator, whose text may quote
        return "Value is not acceptable"
    return str(error["msg"])


def _usual(error: HTTPException) -> Problem:
    headers = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _items(error))
    kind = _KINDS.get(error.status_code, f"http-{error.status_code}")
    details = {
        404: "There is nothing at this path; GET /openapi.json lists what there is.",
        405: "The path does not take this method; the header Allow lists those it takes.",
    }
    title = kind.replace("-", " ").capitalize()
    return Problem(error.status_code, kind, title, details.get(error.status_code, str(error.detail)), headers)


def _items(error: HTTPException) -> list[tuple[str, str]]:
    return list((error.headers or {}).items())
