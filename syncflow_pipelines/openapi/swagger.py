"""What Swagger 2.0 says in other places than OpenAPI 3: its parameters, bodies and responses as 3.0 writes them.

Nothing is resolved or checked here; schemas and references stay as they are.
"""

from collections.abc import Iterable
from typing import Final

from syncflow_pipelines.openapi.model import Json

_ABOUT_THE_PARAMETER: Final = frozenset(
    {
        "name",
        "in",
        "description",
        "required",
        "allowEmptyValue",
        "collectionFormat",
        "schema",
        "deprecated",
        "x-example",
    }
)
_STYLES: Final[dict[str, dict[str, Json]]] = {
    "csv": {"style": "form", "explode": False},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
    "multi": {"style": "form", "explode": True},
}
_FORMS: Final = ("multipart/form-data", "application/x-www-form-urlencoded")
_JSON: Final = "application/json"
_BINARY: Final = {"type": "string", "format": "binary"}


def parameter(value: dict[str, Json]) -> dict[str, Json]:
    """A parameter in path, query or header."""
    return {
        **{word: item for word, item in value.items() if word in _ABOUT_THE_PARAMETER and word != "collectionFormat"},
        **({"example": value["x-example"]} if "x-example" in value else {}),
        "schema": schema_of(value),
        **_style(value),
    }


def header(value: dict[str, Json]) -> dict[str, Json]:
    return {"schema": schema_of(value), **({"description": value["description"]} if "description" in value else {})}


def schema_of(value: dict[str, Json]) -> dict[str, Json]:
    """The words of a parameter or a header that are a schema in OpenAPI 3."""
    if isinstance(value.get("schema"), dict):
        return dict(value["schema"])
    schema = {word: item for word, item in value.items() if word not in _ABOUT_THE_PARAMETER}
    return schema | _BINARY if value.get("type") == "file" else schema


def _style(value: dict[str, Json]) -> dict[str, Json]:
    if value.get("type") != "array":
        return {}
    written = value.get("collectionFormat")
    style = _STYLES.get(written if isinstance(written, str) else "csv", _STYLES["csv"])
    # in paths and headers there is one way only
    return style if value.get("in") in ("query", "formData") else {"style": "simple"}


def body(value: dict[str, Json], consumes: Iterable[str]) -> dict[str, Json]:
    """The body of a parameter `in: body`."""
    media_type = {"schema": value["schema"]} if "schema" in value else {}
    if "x-example" in value:
        media_type["example"] = value["x-example"]
    kept: dict[str, Json] = {word: value[word] for word in ("description", "required") if word in value}
    return {**kept, "content": dict.fromkeys(list(consumes) or [_JSON], media_type)}


def form(fields: list[dict[str, Json]], consumes: Iterable[str]) -> dict[str, Json]:
    """The body of all parameters `in: formData`."""
    has_file = any(field.get("type") == "file" for field in fields)
    declared = [name for name in consumes if name.split(";")[0].strip().lower() in _FORMS]
    if has_file:
        declared = [name for name in declared if name.lower().startswith("multipart/")] or [_FORMS[0]]
    required = [field["name"] for field in fields if field.get("required") is True]
    schema = {
        "type": "object",
        "properties": {field["name"]: _field(field) for field in fields},
        **({"required": required} if required else {}),
    }
    encoding = {field["name"]: _style(field) for field in fields if _style(field)}
    media_type = {"schema": schema} | ({"encoding": encoding} if encoding else {})
    return {"required": bool(required), "content": dict.fromkeys(declared or [_FORMS[1]], media_type)}


def _field(field: dict[str, Json]) -> dict[str, Json]:
    schema = schema_of(field)
    return schema | {"description": field["description"]} if "description" in field else schema


def response(value: dict[str, Json], produces: Iterable[str]) -> dict[str, Json]:
    """The response, its schema under each of the media types."""
    read: dict[str, Json] = {"description": value.get("description")}
    if isinstance(value.get("headers"), dict):
        read["headers"] = {
            name: header(item) if isinstance(item, dict) and "$ref" not in item else item
            for name, item in value["headers"].items()
        }
    schema = value.get("schema")
    if isinstance(schema, dict):
        is_file = schema.get("type") == "file"
        media_types = list(produces) or ["application/octet-stream" if is_file else _JSON]
        read["content"] = {name: {"schema": _BINARY if is_file else schema} for name in media_types}
    return read
