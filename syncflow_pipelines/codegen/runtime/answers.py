"""A service's answer → what a tool gives back, within a bound and without credentials."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

import httpx2
from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult
from mcp_types import AudioContent, BlobResourceContents, ContentBlock, EmbeddedResource, ImageContent, TextContent

from syncflow_pipelines.transport.redaction import Redaction

Json = Any

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TEXT_SUBTYPES = ("json", "xml", "yaml", "javascript", "x-www-form-urlencoded", "graphql", "ndjson", "jsonl", "csv")
_SHOWN_HEADERS = ("content-type", "content-length", "etag", "last-modified", "location", "link", "retry-after")
_SHOWN_OF_ERROR = 4_000
"""Bytes of an error's body that are read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as far as it was read."""

    status: int
    headers: httpx2.Headers
    content: bytes
    is_cut: bool
    method: str

    @property
    def media_type(self) -> str:
        """In lower case, without parameters; `''` where none is named."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def status_line(self) -> str:
        """`HTTP 404 Not Found`."""
        try:
            return f"HTTP {self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"HTTP {self.status}"


async def read_answer(response: httpx2.Response, max_bytes: int) -> Answer:
    """The answer, read no further than `max_bytes`."""
    limit = max_bytes if response.status_code < 300 else min(max_bytes, _SHOWN_OF_ERROR)
    kept = bytearray()
    async for chunk in response.aiter_bytes(65_536):
        kept += chunk[: limit + 1 - len(kept)]
        if len(kept) > limit:
            break
    method = response.request.method
    return Answer(response.status_code, response.headers, bytes(kept[:limit]), len(kept) > limit, method)


def to_result(answer: Answer, declared: Mapping[str, Json], redaction: Redaction, max_bytes: int) -> ToolResult:
    """What the tool gives back. A redirect is a result where the spec declares it.

    Raises `ToolError` for any other answer that is not 2xx.
    """
    if 300 <= answer.status < 400 and str(answer.status) in declared:
        return ToolResult(content=[_text(_head(answer, redaction))])
    if not 200 <= answer.status < 300:
        _refuse(answer, redaction)
    if not answer.content:
        return ToolResult(content=[_text(_head(answer, redaction) if answer.method == "HEAD" else answer.status_line)])
    if not _is_text(answer):
        return ToolResult(content=[_binary(answer, max_bytes)])
    text = redaction.mask(_decoded(answer))
    if answer.is_cut:
        note = f"[The answer is longer than {max_bytes:,} bytes and was cut here. Ask for less of it.]"
        return ToolResult(content=[_text(text), _text(note)])
    return _structured(text)


def _structured(text: str) -> ToolResult:
    """The text as the service wrote it, and beside it what it means, where it is JSON."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return ToolResult(content=[_text(text)])
    if isinstance(value, dict):
        return ToolResult(content=[_text(text)], structured_content=value)
    return ToolResult(
        content=[_text(text)], structured_content={"result": value}, meta={"fastmcp": {"wrap_result": True}}
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse(answer: Answer, redaction: Redaction) -> NoReturn:
    parts = [answer.status_line]
    if location := answer.headers.get("location"):
        parts.append(f"(Location: {location})")
    if _is_text(answer) and "html" not in answer.media_type and answer.content:
        parts[-1] += ":"
        parts.append(_decoded(answer))
    raise ToolError(redaction.clean(" ".join(parts), 1_000))


def _head(answer: Answer, redaction: Redaction) -> str:
    shown = (f"{name}: {answer.headers[name]}" for name in _SHOWN_HEADERS if name in answer.headers)
    return "\n".join((answer.status_line, *(redaction.clean(line) for line in shown)))


def _is_text(answer: Answer) -> bool:
    kind, _, subtype = answer.media_type.partition("/")
    if kind == "text" or any(subtype.endswith(known) for known in _TEXT_SUBTYPES):
        return True
    return not kind and b"\0" not in answer.content


def _decoded(answer: Answer) -> str:
    charset = httpx2.Response(200, headers=answer.headers).charset_encoding or "utf-8"
    try:
        return answer.content.decode(charset, "replace")
    except LookupError:
        return answer.content.decode("utf-8", "replace")


def _binary(answer: Answer, max_bytes: int) -> ContentBlock:
    media_type = answer.media_type or "application/octet-stream"
    if answer.is_cut:
        return _text(f"[The answer is {media_type}, longer than {max_bytes:,} bytes, and cannot be shown.]")
    data = base64.b64encode(answer.content).decode()
    if media_type in _IMAGES:
        return ImageContent(type="image", data=data, mime_type=media_type)
    if media_type.startswith("audio/"):
        return AudioContent(type="audio", data=data, mime_type=media_type)
    resource = BlobResourceContents(uri="syncflow:answer", mime_type=media_type, blob=data)
    return EmbeddedResource(type="resource", resource=resource)


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)
