"""The demo source's HTTP face: the APISmith contract over a `SourceStore`."""

import gzip
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files

import anyio
import zstandard
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from syncflow_pipelines.demo.store import Fault, SourceStore
from syncflow_pipelines.errors import UnknownEntity

MAX_PAGE_SIZE = 1000
_CATALOGUE = ""
"""The slug under which faults of the catalogue are kept."""
_PLAIN_BELOW = 1000
"""Bytes; a shorter answer is not worth encoding."""
_PARAMETERS = ("page", "page_size", "rowversion_gt")
_WHOLE = re.compile(r"[0-9]{1,4000}\Z")


def contract() -> str:
    """The OpenAPI document that the demo source publishes and keeps to, as YAML."""
    return files("syncflow_pipelines.demo").joinpath("openapi.yaml").read_text("utf-8")


def build_app(store: SourceStore, token: str | None) -> FastAPI:
    """The source as an ASGI application. Everything but `/api/v1/health` and the contract needs the token, if any."""
    app = FastAPI(title="Demo APISmith", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(HTTPException, _problem)
    guarded = [Depends(_bearer(token))]

    @app.get("/api/v1/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/openapi.yaml")
    async def document() -> Response:
        return Response(contract(), media_type="application/yaml")

    @app.get("/api/v1/apis", dependencies=guarded)
    async def list_apis(request: Request) -> Response:
        await _suffer(store, _CATALOGUE)
        body = await run_in_threadpool(store.catalogue)
        etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
        if _matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers={"ETag": etag})
        return await run_in_threadpool(_answer, body, request, {"ETag": etag})

    @app.get("/api/v1/data/{slug:path}", dependencies=guarded)
    async def list_rows(slug: str, request: Request) -> Response:
        _refuse_unknown(request)
        page = _whole(request, "page", 1, None)
        page_size = _whole(request, "page_size", MAX_PAGE_SIZE, MAX_PAGE_SIZE)
        rowversion_gt = _single(request, "rowversion_gt")
        await _suffer(store, slug)
        try:
            body = await run_in_threadpool(store.page, slug, page, page_size, rowversion_gt)
        except UnknownEntity:
            raise HTTPException(404, "This source offers no such entity.") from None
        return await run_in_threadpool(_answer, body, request, {})

    return app


def _bearer(token: str | None) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses a request without the token. Compares in constant time."""
    expected = None if token is None else f"Bearer {token}".encode()

    async def check(request: Request) -> None:
        sent = request.headers.get("authorization", "").encode("latin-1")
        if expected is not None and not hmac.compare_digest(sent, expected):
            raise HTTPException(401, "A valid bearer token is needed.", {"WWW-Authenticate": "Bearer"})

    return check


async def _problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return JSONResponse({"detail": problem.detail}, problem.status_code, problem.headers)


async def _suffer(store: SourceStore, slug: str) -> None:
    """Carry out the fault that was put on the slug, if any."""
    fault: Fault | None = await run_in_threadpool(store.next_fault, slug)
    if fault is None:
        return
    await anyio.sleep(fault.delay_s)
    if fault.status is not None:
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else None
        raise HTTPException(fault.status, "This source was told to fail.", headers)


def _refuse_unknown(request: Request) -> None:
    """A misspelt cursor would be a read of everything: better to hear of it."""
    unknown = sorted(set(request.query_params) - set(_PARAMETERS))
    if unknown:
        raise HTTPException(422, f"{unknown[0]!r} is not a parameter here: {', '.join(_PARAMETERS)} are.")


def _single(request: Request, name: str) -> str | None:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise HTTPException(422, f"{name} is given {len(values)} times; give it once.")
    return values[0] if values else None


def _whole(request: Request, name: str, default: int, maximum: int | None) -> int:
    text = _single(request, name)
    if text is None:
        return default
    value = int(text) if _WHOLE.match(text) else 0
    if value < 1 or (maximum is not None and value > maximum):
        limit = "or more" if maximum is None else f"to {maximum}"
        raise HTTPException(422, f"{name} must be a whole number of 1 {limit}.")
    return value


def _matches(if_none_match: str, etag: str) -> bool:
    candidates = [candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")]
    return etag in candidates or "*" in candidates


def _answer(body: bytes, request: Request, headers: dict[str, str]) -> Response:
    encoding = _encoding(request.headers.get("accept-encoding", "")) if len(body) >= _PLAIN_BELOW else "identity"
    headers = {**headers, "Vary": "Accept-Encoding"}
    if encoding == "gzip":
        body = gzip.compress(body, 1)
    if encoding == "zstd":
        body = zstandard.ZstdCompressor(level=1).compress(body)
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    return Response(body, media_type="application/json", headers=headers)


def _encoding(accepted: str) -> str:
    """The encoding that the client likes best; zstd before gzip where it has no preference."""
    weights = dict(map(_weight, accepted.split(",")))
    name = max(("identity", "gzip", "zstd"), key=lambda name: (weights.get(name, 0.0), name))
    return name if weights.get(name, 0.0) > 0 else "identity"


def _weight(item: str) -> tuple[str, float]:
    name, _, weight = item.partition(";q=")
    try:
        return name.strip().lower(), float(weight or 1)
    except ValueError:
        return name.strip().lower(), 0.0
