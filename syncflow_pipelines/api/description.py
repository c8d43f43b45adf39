"""What FastAPI leaves out of the API's OpenAPI document: problems, and who needs a token."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from syncflow_pipelines.gateway.control.problems import ProblemDocument

_SCHEME: Final = "token"
"""As the control plane names it."""
_METHODS: Final = ("get", "put", "post", "delete", "patch")
_OPEN: Final = ("/health",)
_METRICS: Final = "/metrics"
"""Where Prometheus looks for it: not below the prefix."""


def completed(document: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The document with what is missing of the paths below `prefix`; the same object."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(_problem_schemas())
    components.setdefault("securitySchemes", {})[_SCHEME] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of SYNCFLOW_API_TOKENS; `read` is enough for GET, everything else needs `admin`.",
    }
    for path, operations in document.get("paths", {}).items():
        if path == _METRICS or (path.startswith(prefix) and path.removeprefix(prefix) not in _OPEN):
            for method in _METHODS & operations.keys():
                operations[method]["security"] = [{_SCHEME: []}]
                _require_tags(operations[method])
    return document


def _require_tags(operation: dict[str, Any]) -> None:
    """FastAPI would answer 422 where a required header is missing, HTTP has 428 for it."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "If-Match":
            parameter.update(required=True, schema={"type": "string"})


def _problem_schemas() -> dict[str, Any]:
    _, found = models_json_schema([(ProblemDocument, "serialization")], ref_template="#/components/schemas/{model}")
    return dict(found["$defs"])
