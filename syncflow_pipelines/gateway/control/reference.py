"""What the documentation page shows of an OpenAPI description."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    """`query`, `path` or `header`."""
    description: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    name: str
    """The operation's id."""
    summary: str
    parameters: tuple[Parameter, ...]
    has_body: bool
    body: str
    """An example of it in JSON; empty where there is none."""
    answers: tuple[tuple[str, str], ...]
    """Statuses, each with when it is answered."""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    operations: tuple[Operation, ...]


def operations_of(document: Mapping[str, Any]) -> tuple[Group, ...]:
    """Every operation, in the order of the paths, below its tag."""
    tags: dict[str, list[Operation]] = {}
    for tag, operation in _operations(document):
        tags.setdefault(tag, []).append(operation)
    return tuple(Group(tag.capitalize(), tuple(found)) for tag, found in tags.items())


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                found = item[method]
                yield next(iter(found.get("tags", ())), "other"), _operation(method, path, found, document)


def _operation(method: str, path: str, found: Mapping[str, Any], document: Mapping[str, Any]) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        name=found.get("operationId", ""),
        summary=found.get("description") or found.get("summary", ""),
        parameters=tuple(_parameter(one) for one in found.get("parameters", ())),
        has_body="requestBody" in found,
        body=_example(found.get("requestBody", {}), document),
        answers=tuple((status, answer.get("description", "")) for status, answer in found["responses"].items()),
    )


def _parameter(found: Mapping[str, Any]) -> Parameter:
    return Parameter(found["name"], found["in"], found.get("description", ""), bool(found.get("required")))


def _example(body: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    content = body.get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    of_schema = next(iter(schema.get("examples", ())), None)
    example = next((one["value"] for one in content.get("examples", {}).values()), content.get("example", of_schema))
    return "" if example is None else json.dumps(example, ensure_ascii=False)
