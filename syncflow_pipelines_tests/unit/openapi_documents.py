"""Small OpenAPI documents for tests."""

from typing import Any

from syncflow_pipelines.openapi.model import Json, Operation, Spec
from syncflow_pipelines.openapi.normalising import normalise

OK: Json = {"200": {"description": "fine"}}


def openapi(paths: Json, version: str = "3.0.3", **more: Any) -> dict[str, Json]:
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}


def swagger(paths: Json, **more: Any) -> dict[str, Json]:
    return {"swagger": "2.0", "info": {"title": "Shop", "version": "1"}, "paths": paths, **more}


def with_schemas(schemas: Json, version: str = "3.0.3") -> dict[str, Json]:
    """A document with these components, whose one operation refers to the first of them."""
    first = {"$ref": f"#/components/schemas/{next(iter(schemas))}"}
    response = {"200": {"description": "", "content": {"application/json": {"schema": first}}}}
    return openapi({"/a": {"get": {"responses": response}}}, version, components={"schemas": schemas})


def converted(schema: Json, version: str = "3.0.3") -> Json:
    """A schema in the inner form."""
    return normalise(with_schemas({"A": schema, "B": {"type": "object"}}, version)).document["components"]["schemas"][
        "A"
    ]


def operation(spec: Spec) -> Operation:
    (only,) = spec.operations
    return only


def one_operation(definition: Json, path: str = "/a", method: str = "get", **more: Any) -> Operation:
    """The only operation of a document of OpenAPI 3.0 in the inner form."""
    return operation(normalise(openapi({path: {method: {"responses": OK, **definition}}}, **more)))


def reasons(spec: Spec) -> list[str]:
    return [finding.reason for finding in spec.findings]
