"""How answers are sent: as JSON, with a tag that tells one state from another."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
import xxhash
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from syncflow_pipelines.api.problems import Responses, refused

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')
_OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


_TEXT: Final = {"schema": {"type": "string"}}
_ETAG: Final = {"ETag": {"description": "Tells this state from another; send it as `If-None-Match`.", **_TEXT}}
_LINK: Final = {"Link": {"description": "The parts around this one (RFC 8288), relative to the server.", **_TEXT}}


def tagged(responses: Responses) -> Responses:
    """The same of a route that answers with `answer`."""
    unchanged = {"description": "Nothing has changed since the state of `If-None-Match`."}
    return {200: {"headers": _ETAG}, 304: unchanged, **responses}


def listed(responses: Responses) -> Responses:
    """The same of a route that answers with a part of a list."""
    return {**tagged(responses), 200: {"headers": {**_ETAG, **_LINK}}}


def linked(responses: Responses, **links: dict[str, Any]) -> Responses:
    """The same of a route whose answer says what can be asked next: operation id to its parameters."""
    told = {name: {"operationId": name, "parameters": parameters} for name, parameters in links.items()}
    return {**responses, 200: {**responses.get(200, {}), "links": told}}


def answer(
    request: Request, document: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The document as JSON with its tag; 304 without it where the client has that already.

    `document`: what orjson can write, or a pydantic model. What is sent is not checked again.
    """
    return answer_bytes(request, written(document), status=status, headers=headers)


def answer_bytes(
    request: Request, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The same of a document that is written already."""
    tag = tag_of(body)
    shown = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    if status == 200 and _has(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=shown)
    return Response(body, status, shown, "application/json")


def written(document: object) -> bytes:
    """The document as JSON, times in UTC."""
    return orjson.dumps(document, default=_plain, option=_OPTIONS)


def tag_of(body: bytes) -> str:
    """The strong entity tag of a representation."""
    return f'"{xxhash.xxh3_128_hexdigest(body)}"'


def must_match(request: Request, body: bytes) -> None:
    """Refuses a change of something that is not, or no longer, what the client has read: 428 or 412.

    `body` is what a GET of it answers now, read in the transaction that changes it.
    """
    given, tag = request.headers.get("if-match"), tag_of(body)
    if given is None:
        raise refused(428, "send the ETag of the state that is to be changed as If-Match; a GET tells it")
    if given.strip() != "*" and tag not in _strong(given):
        raise refused(412, "it was changed since it was read; GET it again, and decide anew", etag=tag)


def _has(given: str | None, tag: str) -> bool:
    return given is not None and (given.strip() == "*" or tag in _TAG.findall(given))


def _strong(given: str) -> list[str]:
    return [part for part in map(str.strip, given.split(",")) if not part.startswith("W/")]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
