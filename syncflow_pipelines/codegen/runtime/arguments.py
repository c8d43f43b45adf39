"""An operation → the arguments of its tool, and back: arguments of a call → the request."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncflow_pipelines.codegen.runtime.bodies import Body, build_body, kind_of
from syncflow_pipelines.codegen.runtime.definitions import Definitions, readable
from syncflow_pipelines.codegen.runtime.requests import (
    Parameter,
    Target,
    UnsendableValue,
    build_target,
    placeholders,
    read_parameter,
)
from syncflow_pipelines.codegen.runtime.shapes import ObjectShape, is_file, shape_of

Json = Any

NOT_ARGUMENTS = frozenset(
    {
        # "the parameter definition SHALL be ignored" (OpenAPI 3.1.1, Parameter Object)
        *("accept", "content-type", "authorization"),
        # what the connection is made of
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_PLACES = frozenset({"path", "query", "header", "cookie"})
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME = 64
"""Of an argument that common models accept."""
_PREFERRED = ("json", "multipart", "form", "text", "binary")
_FILE = {
    "type": ["string", "object"],
    "description": "A file: its content as base64, or {text | base64, filename, content_type}.",
}
_TEXT = {"type": "string"}


@dataclass(frozen=True, slots=True)
class BodyPlan:
    """How a body is made of arguments."""

    media_type: str
    is_required: bool
    encoding: Mapping[str, Json]
    properties: Mapping[str, str] | None
    """Arguments and the properties that they are; None where one argument is the whole body."""
    argument: str = "body"
    files: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    """Properties for which null is a value."""
    takes_more: bool = False
    """Whether arguments that nobody declared are properties, too."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a tool takes, and what becomes of it."""

    path: str
    parameters: Mapping[str, Parameter]
    """By argument."""
    body: BodyPlan | None
    schema: dict[str, Json]
    """JSON Schema of the arguments."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names as the spec spells them, where the argument has another."""

    def request(self, arguments: Mapping[str, Json]) -> tuple[Target, Body | None]:
        """What is to be sent for these arguments.

        Raises `UnsendableValue` where one is missing, unknown, or cannot be sent.
        """
        given = {self.aliases.get(name, name): value for name, value in arguments.items()}
        self._check(given)
        values = {self.parameters[name]: value for name, value in self._parameters(given)}
        return build_target(self.path, values), self._body(given)

    def _parameters(self, given: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
        return ((name, given[name]) for name in self.parameters if given.get(name) is not None)

    def _check(self, given: Mapping[str, Json]) -> None:
        missing = [name for name in self.schema["required"] if name not in given]
        if missing:
            raise UnsendableValue(f"missing arguments: {', '.join(missing)}")
        known = self.schema["properties"]
        unknown = sorted(given.keys() - known.keys())
        if unknown and not (self.body and self.body.takes_more):
            raise UnsendableValue(f"unknown arguments: {', '.join(unknown)}; there are: {', '.join(known) or 'none'}")

    def _body(self, given: Mapping[str, Json]) -> Body | None:
        plan = self.body
        if plan is None:
            return None
        if plan.properties is None:
            if plan.argument not in given:
                return None
            return build_body(plan.media_type, given[plan.argument], plan.encoding, plan.files)
        value = self._properties(plan, plan.properties, given)
        if not value and not plan.is_required:
            return None
        return build_body(plan.media_type, value, plan.encoding, plan.files)

    def _properties(self, plan: BodyPlan, names: Mapping[str, str], given: Mapping[str, Json]) -> dict[str, Json]:
        """In the order of the spec, then what nobody declared. Null counts only where it is a value."""
        declared = {
            property_name: given[argument]
            for argument, property_name in names.items()
            if argument in given and (given[argument] is not None or property_name in plan.nullable)
        }
        more = {name: value for name, value in given.items() if name not in names and name not in self.parameters}
        return declared | more


def plan_call(path: str, definition: Mapping[str, Json], schemas: Definitions, hidden: frozenset[str]) -> Call:
    """The arguments of an operation; `hidden` names headers (in lower case) that are not the caller's to set."""
    parameters = list(_parameters(path, definition, hidden))
    media_type, body = _media_type(definition.get("requestBody"))
    shape = _shape(media_type, body, schemas)
    names = _Names(parameters, _body_names(media_type, shape))
    properties: dict[str, Json] = {}
    referred: set[str] = set()
    for argument, parameter in names.parameters.items():
        properties[argument] = _described(parameter.schema, parameter, argument, schemas, referred)
    required = [argument for argument, parameter in names.parameters.items() if parameter.is_required]
    plan = None
    if media_type is not None:
        is_required = bool((definition.get("requestBody") or {}).get("required"))
        plan = _body_plan(media_type, body, shape, names, is_required, schemas)
        shown = _body_schemas(media_type, body, shape, plan, names, schemas, referred)
        properties |= shown
        required += _required(plan, shape, names)
    schema: dict[str, Json] = {"type": "object", "properties": properties, "required": required}
    if plan is None or not plan.takes_more:
        schema["additionalProperties"] = False
    if referred:
        schema["$defs"] = schemas.closure(referred)
    return Call(path, names.parameters, plan, schema, names.aliases)


class _Names:
    """Names of arguments: as in the spec; with `__place` where two places have one name; safe for models; unique."""

    def __init__(self, parameters: list[Parameter], body: tuple[str, ...]) -> None:
        self.aliases: dict[str, str] = {}
        self._taken: set[str] = set()
        counted = Counter([*(parameter.name for parameter in parameters), *body])
        self.body = {self._claim(name): name for name in body}
        self.parameters: dict[str, Parameter] = {}
        for parameter in parameters:
            is_alone = counted[parameter.name] == 1
            spelled = parameter.name if is_alone else f"{parameter.name}__{parameter.place}"
            self.parameters[self._claim(spelled)] = parameter

    def _claim(self, spelled: str) -> str:
        safe = (_UNSAFE.sub("_", spelled).strip("_") or "argument")[:_LONGEST_NAME]
        if spelled.startswith("_") and not _UNSAFE.search(spelled):
            safe = spelled[:_LONGEST_NAME]
        name, number = safe, 1
        while name in self._taken:
            number += 1
            name = f"{safe[: _LONGEST_NAME - 4]}_{number}"
        self._taken.add(name)
        if name != spelled:
            self.aliases[spelled] = name
        return name


def _parameters(path: str, definition: Mapping[str, Json], hidden: frozenset[str]) -> Iterator[Parameter]:
    needed = placeholders(path.partition("#")[0].partition("?")[0])
    declared = [read_parameter(each) for each in definition.get("parameters") or () if each.get("in") in _PLACES]
    found = {parameter.name for parameter in declared if parameter.place == "path"}
    for parameter in declared:
        is_unsent = parameter.place == "header" and parameter.name.lower() in NOT_ARGUMENTS | hidden
        if not is_unsent and (parameter.place != "path" or parameter.name in needed):
            yield parameter
    for name in needed:
        if name not in found:
            yield Parameter(name, "path", "simple", explode=False, is_required=True, schema=_TEXT)


def _media_type(request_body: Json) -> tuple[str | None, Mapping[str, Json]]:
    """The media type to send, of those that the operation takes: JSON before the others."""
    content = (request_body or {}).get("content") or {}
    if not content:
        return None, {}
    chosen = min(content, key=lambda media_type: _PREFERRED.index(kind_of(media_type)))
    return chosen, content[chosen] or {}


def _shape(media_type: str | None, body: Mapping[str, Json], schemas: Definitions) -> ObjectShape | None:
    if media_type is None or kind_of(media_type) in ("text", "binary"):
        return None
    return shape_of(body.get("schema", True), schemas)


def _body_names(media_type: str | None, shape: ObjectShape | None) -> tuple[str, ...]:
    if media_type is None:
        return ()
    return ("body",) if shape is None else tuple(shape.properties)


def _body_plan(
    media_type: str,
    body: Mapping[str, Json],
    shape: ObjectShape | None,
    names: _Names,
    is_required: bool,
    schemas: Definitions,
) -> BodyPlan:
    encoding = body.get("encoding") or {}
    if shape is None:
        return BodyPlan(media_type, is_required, encoding, None, next(iter(names.body)))
    is_multipart = kind_of(media_type) == "multipart"
    files = {name for name, each in shape.properties.items() if is_file(each, encoding.get(name) or {}, schemas)}
    return BodyPlan(
        media_type,
        is_required,
        encoding,
        properties=names.body,
        files=frozenset(files if is_multipart else ()),
        nullable=frozenset(shape.nullable) if kind_of(media_type) == "json" else frozenset(),
        takes_more=shape.takes_more,
    )


def _body_schemas(
    media_type: str,
    body: Mapping[str, Json],
    shape: ObjectShape | None,
    plan: BodyPlan,
    names: _Names,
    schemas: Definitions,
    referred: set[str],
) -> dict[str, Json]:
    if shape is None:
        kind = kind_of(media_type)
        described = body.get("schema", True)
        shown = _FILE if kind == "binary" else _text_body(media_type) if kind == "text" else None
        if shown is None:
            shown, found = schemas.convert(described)
            referred |= found
        return {plan.argument: shown}
    properties = {}
    for argument, name in names.body.items():
        shown, found = schemas.convert(shape.properties[name])
        referred |= found
        if name in plan.files:
            shown = _FILE if not _is_list(shape.properties[name], schemas) else {"type": "array", "items": _FILE}
        properties[argument] = shown
    return properties


def _text_body(media_type: str) -> dict[str, Json]:
    return {"type": "string", "description": f"The body, as {readable(media_type, 80)}."}


def _is_list(schema: Json, schemas: Definitions) -> bool:
    found = schemas.target(schema)
    return isinstance(found, Mapping) and found.get("type") == "array"


def _required(plan: BodyPlan, shape: ObjectShape | None, names: _Names) -> list[str]:
    if not plan.is_required:
        return []
    if shape is None:
        return [plan.argument]
    return [argument for argument, name in names.body.items() if name in shape.required]


def _described(schema: Json, parameter: Parameter, argument: str, schemas: Definitions, referred: set[str]) -> Json:
    """The schema with the parameter's own description, which says more of it."""
    shown, found = schemas.convert(schema)
    referred |= found
    text = readable(parameter.description)
    if argument != parameter.name:
        text = " ".join(
            part for part in (text, f"(Sent as {parameter.place} {readable(parameter.name, 80)!r}.)") if part
        )
    if not text:
        return shown
    return {**(shown if isinstance(shown, dict) else {}), "description": text}
