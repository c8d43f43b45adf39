"""A request's body ↔ what the spec says of it: media type, JSON, and the fields of forms."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from syncflow_pipelines.codegen.runtime.asgi import Receive, Scope
from syncflow_pipelines.codegen.runtime.forms import multipart, urlencoded
from syncflow_pipelines.codegen.runtime.header_rules import content_length
from syncflow_pipelines.codegen.runtime.parameter_values import UNCHECKED, ParameterReader, Unreadable, is_json
from syncflow_pipelines.codegen.runtime.problems import Problem
from syncflow_pipelines.codegen.runtime.schema_checks import SchemaChecks
from syncflow_pipelines.codegen.runtime.schema_keywords import TooEntangled

Json = Any
Error = dict[str, str]

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii", ""}
_MISSING = {"in": "body", "pointer": "", "rule": "required", "detail": "is required"}


class Unsupported(Exception):
    """A body in an encoding that is not known here; the text says which are."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body that has been read."""

    content: bytes
    """As it came."""
    content_type: str
    encodings: tuple[str, ...]
    """In the order in which they were applied."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a body is held against the spec."""

    media: Mapping[str, Json]
    kind: str
    """`json`, `form` or `multipart`."""
    is_required: bool


class BodyChecks:
    """The checks of bodies by the schemas of one document."""

    def __init__(self, checks: SchemaChecks, reader: ParameterReader) -> None:
        self._checks, self._reader = checks, reader

    def plan(self, definition: Mapping[str, Json], content_type: str, has_body: bool) -> Plan | Problem | None:
        """How the body is checked; None where it is not, and goes on as it streams."""
        said = definition.get("requestBody")
        if not said:
            return None
        if not has_body:
            missing = Problem(
                400, "invalid-request", "the operation takes a body, and the request has none", [_MISSING]
            )
            return missing if said.get("required") is True else None
        media = media_for(said.get("content") or {}, content_type)
        if media is None:
            known = ", ".join(list(said.get("content") or {})[:20])
            return Problem(
                415, "unsupported-body", f"the operation takes no body of this Content-Type; it takes {known}"
            )
        kind = _kind(content_type)
        if kind is None or (media.get("schema", True) is True and kind != "json"):
            return None
        return Plan(media, kind, said.get("required") is True)

    def errors(self, plan: Plan, body: Body, limit: int) -> list[Error]:
        """What is wrong with the body. Raises `Unsupported` or `TooEntangled`."""
        content = decoded(body, limit)
        if not content:
            return [_MISSING] if plan.is_required else []
        schema = plan.media.get("schema", True)
        try:
            value = self._value(plan, body.content_type, content, schema)
        except Unreadable as error:
            return [{"in": "body", "pointer": "", "rule": "syntax", "detail": str(error)}]
        if plan.kind == "json":
            return self._mistakes(value, schema, len(content))
        return self._form_mistakes(value, schema, len(content))

    def _value(self, plan: Plan, content_type: str, content: bytes, schema: Json) -> Json:
        if plan.kind == "json":
            return _json(content)
        properties = self._checks.property_schemas(schema)
        if plan.kind == "form":
            return urlencoded(self._reader, properties, plan.media, content)
        return multipart(self._reader, properties, content_type, content)

    def _form_mistakes(self, fields: dict[str, Json], schema: Json, size: int) -> list[Error]:
        """Fields that cannot be checked count as there, and that is all that is said of them."""
        unchecked = {name for name, value in fields.items() if value is UNCHECKED}
        values = {name: "" if name in unchecked else value for name, value in fields.items()}
        found = self._mistakes(values, schema, size)
        if unchecked:
            found = [error for error in found if error["rule"] == "required" and not error["pointer"]]
            properties = self._checks.property_schemas(schema)
            for name in sorted(set(properties) & set(fields) - unchecked):
                part = self._mistakes(fields[name], properties[name], size)
                found += [{**error, "pointer": f"/{name}{error['pointer']}"} for error in part]
        return found

    def _mistakes(self, value: Json, schema: Json, size: int) -> list[Error]:
        found = self._checks.mistakes(value, schema, size)
        return [{"in": "body", "pointer": each.pointer, "rule": each.rule, "detail": each.detail} for each in found]


def media_for(content: Mapping[str, Json], content_type: str) -> Mapping[str, Json] | None:
    """What the spec says of bodies of that type; the closest name counts."""
    wanted = _name(content_type)
    by_name = {_name(key): media for key, media in content.items()}
    for name in (wanted, f"{wanted.partition('/')[0]}/*", "*/*", "*"):
        if name in by_name and (wanted or name.startswith("*")):
            media = by_name[name]
            return media if isinstance(media, Mapping) else {}
    return None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body; None where it is larger than the limit. A caller who hangs up has sent what came until then."""
    length = content_length(scope)
    if length is not None and length.isdigit() and int(length) > limit:
        return None
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            return None
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(pieces)


def decoded(body: Body, limit: int) -> bytes:
    """The content without its Content-Encoding. Raises `Unsupported`, or `TooEntangled` beyond the limit."""
    content = body.content
    for name in reversed(body.encodings):
        if name not in _WINDOWS:
            raise Unsupported(f"bodies in Content-Encoding {name!r} cannot be held against the spec; send gzip or none")
        decompressor = zlib.decompressobj(_WINDOWS[name])
        try:
            content = decompressor.decompress(content, limit + 1)
        except zlib.error as error:
            raise Unsupported("the body is not in the Content-Encoding that its header says") from error
        if len(content) > limit:
            raise TooEntangled
    charset = body.content_type.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in _CHARSETS and is_json(body.content_type):
        raise Unsupported("JSON in another charset than UTF-8 cannot be held against the spec; send UTF-8")
    return content


def _json(content: bytes) -> Json:
    try:
        return orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise Unreadable("is not JSON") from error


def _kind(content_type: str) -> str | None:
    name = _name(content_type)
    return "json" if is_json(name) else {_FORM: "form", _MULTIPART: "multipart"}.get(name)


def _name(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
