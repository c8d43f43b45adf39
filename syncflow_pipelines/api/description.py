"""The OpenAPI document of the admin API: what FastAPI leaves out of it, and what of it is about this API alone."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from syncflow_pipelines.api.answers import answer
from syncflow_pipelines.api.dependencies import guarded
from syncflow_pipelines.gateway.control.problems import ProblemDocument

PREFIX: Final = "/api/v1"

_TITLE: Final = "SyncFlow admin API"
_ABOUT: Final = """Steers and watches SyncFlow: the entities that were discovered, their syncs, and what did not fit.
Lists come in parts, what is read has an `ETag`, and every error is a problem document (RFC 9457)."""
_SCHEME: Final = "token"
"""As the control plane names it."""
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_OPEN: Final = (f"{PREFIX}/health",)
_BESIDE: Final = ("/metrics",)
_SCHEMAS: Final = "#/components/schemas/"

router = APIRouter()


@router.get("/openapi.json", include_in_schema=False)
async def get_description(request: Request) -> Response:
    """This API alone, whatever it is served beside."""
    await guarded(request)
    return answer(request, own(request.app.openapi()))


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what is missing of this API's paths; the same object."""
    components = document.setdefault("components", {})
    problems = ProblemDocument.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    components.setdefault("schemas", {}).update(problems.pop("$defs", {}), ProblemDocument=problems)
    for schema in components["schemas"].values():
        if "examples" in schema:
            schema["examples"] = [_whole(one, schema, components["schemas"]) for one in schema["examples"]]
    components.setdefault("securitySchemes", {})[_SCHEME] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of SYNCFLOW_API_TOKENS; `read` is enough for GET, everything else needs `admin`.",
    }
    for path, operations in document.get("paths", {}).items():
        if _is_own(path) and path not in _OPEN:
            for method in _METHODS & operations.keys():
                operations[method]["security"] = [{_SCHEME: []}]
                _require_tags(operations[method])
    return document


def _whole(example: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The example with its nulls, which FastAPI takes out."""
    if not isinstance(example, dict):
        return example
    properties = schema.get("properties", {})
    nulls = dict.fromkeys(name for name in schema.get("required", ()) if name not in example)
    inner = {name: schemas.get(properties.get(name, {}).get("$ref", "").removeprefix(_SCHEMAS), {}) for name in example}
    return {name: _whole(value, inner[name], schemas) for name, value in example.items()} | nulls


def own(document: dict[str, Any]) -> dict[str, Any]:
    """What of an application's document is about this API."""
    paths = {path: operations for path, operations in document["paths"].items() if _is_own(path)}
    components = document["components"]
    used, left = {}, list(_named(paths))
    while left:
        name = left.pop()
        if name not in used:
            used[name] = components["schemas"][name]
            left += _named(used[name])
    return {
        "openapi": document["openapi"],
        "info": {**document["info"], "title": _TITLE, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(used.items())),
            "securitySchemes": {_SCHEME: components["securitySchemes"][_SCHEME]},
        },
    }


def _is_own(path: str) -> bool:
    return path.startswith(f"{PREFIX}/") or path in _BESIDE


def _named(part: object) -> Iterator[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(part, list):
        for one in part:
            yield from _named(one)
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)
        for one in part.values():
            yield from _named(one)


def _require_tags(operation: dict[str, Any]) -> None:
    """FastAPI would answer 422 where a required header is missing, HTTP has 428 for it."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "If-Match":
            parameter.update(required=True, schema={"type": "string"})
