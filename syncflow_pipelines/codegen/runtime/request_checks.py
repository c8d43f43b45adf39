"""`mode: validate`: a request is held against the spec before it is forwarded."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncflow_pipelines.codegen.runtime.asgi import Receive, Scope, replay, values_of
from syncflow_pipelines.codegen.runtime.body_checks import Body, BodyChecks, Unsupported, read_body
from syncflow_pipelines.codegen.runtime.header_rules import content_length, is_chunked
from syncflow_pipelines.codegen.runtime.parameter_values import (
    ABSENT,
    UNCHECKED,
    ParameterReader,
    Unreadable,
    split_pairs,
)
from syncflow_pipelines.codegen.runtime.problems import Problem
from syncflow_pipelines.codegen.runtime.requests import Parameter, read_parameter
from syncflow_pipelines.codegen.runtime.routes import Match, Route
from syncflow_pipelines.codegen.runtime.schema_checks import SchemaChecks
from syncflow_pipelines.codegen.runtime.schema_keywords import TooEntangled

Json = Any
Error = dict[str, str]

_SAID_ELSEWHERE = frozenset(("accept", "content-type", "authorization"))
"""Headers that OpenAPI describes by other means than parameters."""
_IN_A_THREAD_FROM = 65_536
"""Bytes of a body whose check would keep other requests waiting."""


class RequestChecks:
    """The checks of one service's requests."""

    def __init__(
        self, schemas: Mapping[str, Json], max_body_bytes: int, own_headers: frozenset[str] = frozenset()
    ) -> None:
        """`own_headers` are those that the resolver adds itself, in lower case: callers need not send them."""
        self._checks = SchemaChecks(schemas)
        self._reader = ParameterReader(self._checks)
        self._bodies = BodyChecks(self._checks, self._reader)
        self._max_body_bytes = max_body_bytes
        self._unchecked = _SAID_ELSEWHERE | own_headers
        self._parameters: dict[str, list[Parameter]] = {}

    async def check(self, match: Match, scope: Scope, receive: Receive) -> Receive | Problem:
        """What is wrong with the request, or the `receive` by which it can be forwarded.

        Of several operations that it may be meant for it has to fit one; else the first one's problem is told.
        """
        errors = {route: self._parameter_errors(route, match.arguments, scope) for route in match.routes}
        fitting = [route for route, found in errors.items() if not found]
        if not fitting:
            return _invalid(errors[match.routes[0]])
        return await self._check_body(fitting, scope, receive)

    async def _check_body(self, routes: Sequence[Route], scope: Scope, receive: Receive) -> Receive | Problem:
        content_type = b", ".join(values_of(scope, b"content-type")).decode("latin-1")
        has_body = is_chunked(scope) or content_length(scope) not in (None, "0")
        plans = [self._bodies.plan(route.definition, content_type, has_body) for route in routes]
        if all(isinstance(plan, Problem) for plan in plans):
            return next(plan for plan in plans if isinstance(plan, Problem))
        if None in plans:
            return receive  # one of them takes it as it is
        content = await read_body(scope, receive, self._max_body_bytes)
        if content is None:
            return _too_large(self._max_body_bytes)
        body = Body(content, content_type, _decoded_by(scope))
        problems = [
            await self._body_problem(plan, body) for plan in plans if plan is not None and not isinstance(plan, Problem)
        ]
        return replay(content, receive) if None in problems else next(each for each in problems if each is not None)

    async def _body_problem(self, plan: Any, body: Body) -> Problem | None:
        try:
            if len(body.content) < _IN_A_THREAD_FROM:
                errors = self._bodies.errors(plan, body, self._max_body_bytes)
            else:
                errors = await asyncio.to_thread(self._bodies.errors, plan, body, self._max_body_bytes)
        except Unsupported as error:
            return Problem(415, "unsupported-body", str(error))
        except TooEntangled:
            return Problem(413, "body-too-entangled", "the body is too large or too deep to be held against its schema")
        return _invalid(errors) if errors else None

    def _parameter_errors(self, route: Route, arguments: Mapping[str, bytes], scope: Scope) -> list[Error]:
        request = _Request(arguments, scope, split_pairs(scope["query_string"].decode("latin-1")))
        found: list[Error] = []
        for parameter in self._parameters_of(route):
            found += self._errors_of(parameter, request)
        return found

    def _parameters_of(self, route: Route) -> list[Parameter]:
        if route.id not in self._parameters:
            said = (read_parameter(each) for each in route.definition.get("parameters") or ())
            self._parameters[route.id] = [
                each for each in said if each.place != "header" or each.name.lower() not in self._unchecked
            ]
        return self._parameters[route.id]

    def _errors_of(self, parameter: Parameter, request: "_Request") -> Iterator[Error]:
        place = {"in": parameter.place, "name": parameter.name}
        try:
            value = self._value(parameter, request)
            if value is ABSENT and parameter.is_required:
                yield {**place, "pointer": "", "rule": "required", "detail": "is required"}
            if value is ABSENT or value is UNCHECKED or (value == "" and parameter.allows_empty):
                return
            for mistake in self._checks.mistakes(value, parameter.schema):
                yield {**place, "pointer": mistake.pointer, "rule": mistake.rule, "detail": mistake.detail}
        except Unreadable as error:
            yield {**place, "pointer": "", "rule": "style", "detail": str(error)}
        except TooEntangled:
            yield {**place, "pointer": "", "rule": "size", "detail": "is too entangled to be held against its schema"}

    def _value(self, parameter: Parameter, request: "_Request") -> Json:
        match parameter.place:
            case "path":
                argument = request.arguments.get(parameter.name)
                return ABSENT if argument is None else self._reader.from_text(parameter, argument.decode("ascii"))
            case "query":
                return self._reader.from_pairs(parameter, request.query)
            case "header":
                values = values_of(request.scope, parameter.name.lower().encode("utf-8"))
                text = b", ".join(values).decode("utf-8", "replace")
                return self._reader.from_text(parameter, text, escaped=False) if values else ABSENT
            case "cookie":
                return self._reader.from_pairs(parameter, self._cookies(parameter, request), plus=False)
        return UNCHECKED

    def _cookies(self, parameter: Parameter, request: "_Request") -> list[tuple[str, str]]:
        """Lists and objects that are exploded stand in one cookie at times, joined as in a query."""
        text = b"; ".join(values_of(request.scope, b"cookie")).decode("utf-8", "replace")
        if parameter.explode and self._reader.kind(parameter.schema) != "string":
            text = text.replace("&", ";")
        return split_pairs(text, ";", plus=False)


@dataclass(frozen=True, slots=True)
class _Request:
    arguments: Mapping[str, bytes]
    scope: Scope
    query: list[tuple[str, str]]


def _decoded_by(scope: Scope) -> tuple[str, ...]:
    said = b",".join(values_of(scope, b"content-encoding")).decode("latin-1").lower()
    return tuple(name for name in (each.strip() for each in said.split(",")) if name and name != "identity")


def _invalid(errors: Sequence[Error]) -> Problem:
    return Problem(400, "invalid-request", "the request is not what the operation takes; see `errors`", errors)


def _too_large(limit: int) -> Problem:
    return Problem(413, "body-too-large", f"the body is larger than the {limit:,} bytes that are held against the spec")
