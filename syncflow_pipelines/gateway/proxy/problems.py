"""Answers of the data plane's own."""

import math
from typing import Any, Final

from syncflow_pipelines.gateway.limits import Refusal
from syncflow_pipelines.gateway.model import PROBLEM_MARK, Problem
from syncflow_pipelines.transport.detour import BREAKER_OPEN

Header = tuple[bytes, bytes]

_CLOSE: Final = (b"connection", b"close")


def unknown_endpoint(name: str) -> Problem:
    detail = f"No endpoint {name[:100]!r} is registered; GET /registry/endpoints lists them"
    return Problem(404, "unknown-endpoint", "There is no such endpoint", detail)


def method_not_allowed(method: str, endpoint: str, allow: bytes) -> Problem:
    return Problem(
        405,
        "method-not-allowed",
        "The method is not passed on",
        f"{endpoint} passes on {allow.decode('latin-1')}, and not {method}",
        ((b"allow", allow),),
        {"endpoint": endpoint},
    )


PATH_LEAVES_BASE: Final = Problem(
    400,
    "path-leaves-base",
    "The path leads upwards",
    "The path holds a segment `..`, in some spelling; resolve it first",
)
LOOP: Final = Problem(
    508,
    "loop",
    "The request goes round in circles",
    "It has passed too many gateways; an endpoint leads back to this one",
)


def body_too_large(endpoint: str, most_bytes: int) -> Problem:
    return Problem(
        413,
        "body-too-large",
        "The body is too large",
        f"{endpoint} takes bodies of at most {most_bytes} bytes",
        (_CLOSE,),
        {"endpoint": endpoint},
    )


def refused(refusal: Refusal, endpoint: str) -> Problem:
    what = "too many requests a second" if refusal.reason == "rate" else "too many requests in flight"
    return Problem(
        refusal.status,
        f"limit-{refusal.reason}",
        "The limit of the endpoint is reached",
        f"There are {what} for {endpoint}",
        (_retry_after(refusal.retry_after_s),),
        {"endpoint": endpoint},
    )


def breaker_open(endpoint: str, retry_after_s: float) -> Problem:
    return Problem(
        503,
        BREAKER_OPEN,
        "The endpoint is not asked for a while",
        f"{endpoint} failed too often; it is tried again by itself",
        (_retry_after(retry_after_s),),
        {"endpoint": endpoint},
    )


async def say(problem: Problem, request_id: bytes, send: Any) -> None:
    """Answers with the problem; a HEAD loses its body to the server."""
    body = problem.body(request_id.decode("latin-1"))
    headers: list[Header] = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        PROBLEM_MARK,
        (b"x-request-id", request_id),
        *problem.headers,
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _retry_after(seconds: float) -> Header:
    return b"retry-after", str(max(1, math.ceil(seconds))).encode()
