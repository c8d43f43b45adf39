"""The operations of a spec as tools: names, descriptions, arguments and hints, each worked out when it is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mcp_types import ToolAnnotations

from syncflow_pipelines.codegen.runtime.arguments import Call, plan_call
from syncflow_pipelines.codegen.runtime.bodies import kind_of
from syncflow_pipelines.codegen.runtime.definitions import Definitions, readable
from syncflow_pipelines.codegen.runtime.stored import StoredOperation, StoredSpec
from syncflow_pipelines.codegen.runtime.tool_names import tool_name

Json = Any

SAFE_METHODS = frozenset({"get", "head", "options", "query"})
"""Those that change nothing (RFC 9110, 9.2.1; RFC 9110 has `trace` too, which tells what the server was sent)."""
_IDEMPOTENT = SAFE_METHODS | {"put", "delete", "trace"}
_DESTRUCTIVE = frozenset({"put", "patch", "delete"})
_DESCRIPTION_LENGTH = 1_200


@dataclass(slots=True, weakref_slot=True)
class ToolPlan:
    """One operation as a tool."""

    name: str
    operation: StoredOperation
    definitions: Definitions = field(repr=False)
    servers: Sequence[Mapping[str, Json]]
    """The first says what comes before the path."""
    hidden: frozenset[str]
    is_open_world: bool
    _call: Call | None = None

    @property
    def call(self) -> Call:
        """Its arguments."""
        if self._call is None:
            self._call = plan_call(self.operation.path, self.operation.definition, self.definitions, self.hidden)
        return self._call

    @property
    def description(self) -> str:
        """What the operation does, and which request that is."""
        definition = self.operation.definition
        told = (readable(str(definition.get(key) or ""), _DESCRIPTION_LENGTH) for key in ("summary", "description"))
        summary, description = told
        text = summary if summary and summary in description else "\n\n".join(filter(None, (summary, description)))
        if definition.get("deprecated") is True:
            text = f"Deprecated. {text}"
        return readable(text, _DESCRIPTION_LENGTH) or readable(self.request, _DESCRIPTION_LENGTH)

    @property
    def request(self) -> str:
        """`GET /pets/{id}`."""
        return f"{self.operation.method.upper()} {self.operation.path}"

    @property
    def output_schema(self) -> dict[str, Json] | None:
        """Of the first JSON that a success answers, wrapped in `result` where it is no object."""
        schema = _answered(self.operation.definition.get("responses") or {})
        if schema is None:
            return None
        definitions = Definitions(self.definitions.schemas, left_out="writeOnly")
        shown, names = definitions.convert(definitions.target(schema))
        if not (isinstance(shown, dict) and shown.get("type") == "object"):
            result = {"type": "object", "properties": {"result": shown}, "required": ["result"]}
            shown = {**result, "x-fastmcp-wrap-result": True}
        return {**shown, "$defs": definitions.closure(names)} if names else shown

    @property
    def annotations(self) -> ToolAnnotations:
        """Hints by the method."""
        method = self.operation.method
        return ToolAnnotations(
            read_only_hint=method in SAFE_METHODS,
            destructive_hint=method in _DESTRUCTIVE,
            idempotent_hint=method in _IDEMPOTENT,
            open_world_hint=self.is_open_world,
        )


@dataclass(frozen=True)
class Catalogue:
    """All tools of a spec."""

    spec: StoredSpec
    hidden: frozenset[str] = frozenset()
    """Headers, in lower case, that are no arguments: the credentials' own."""
    is_read_only: bool = False
    is_open_world: bool = True

    @cached_property
    def plans(self) -> Mapping[str, ToolPlan]:
        """By name, in the order of the operations."""
        definitions = Definitions(self.spec.schemas)
        plans: dict[str, ToolPlan] = {}
        for operation in self._operations():
            name = tool_name(operation.id)
            servers = operation.definition.get("servers") or self.spec.servers
            plans[name] = ToolPlan(name, operation, definitions, servers, self.hidden, self.is_open_world)
        return plans

    def _operations(self) -> Iterator[StoredOperation]:
        for operation in self.spec.operations:
            if not self.is_read_only or operation.method in SAFE_METHODS:
                yield operation


def _answered(responses: Mapping[str, Json]) -> Json:
    for status in sorted(responses):
        if status.startswith("2"):
            for media_type, body in (responses[status].get("content") or {}).items():
                if kind_of(media_type) == "json":
                    return (body or {}).get("schema", True)
    return None
