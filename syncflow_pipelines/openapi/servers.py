"""Where a document says that its service is, as OpenAPI 3.1 writes it."""

import re
from typing import Final

from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.pointers import below
from syncflow_pipelines.openapi.schema_words import LEFT_OUT, picked, text, texts
from syncflow_pipelines.openapi.source import Source

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_SCHEMES: Final = ("https", "http", "wss", "ws")


def servers_of(source: Source) -> list[dict[str, Json]]:
    """The servers of a whole document; without any, the one that gave the document."""
    if source.version.is_swagger:
        return _of_swagger(source.document)
    return servers_at(source, source.document, "") or [{"url": "/"}]


def servers_at(source: Source, holder: dict[str, Json], pointer: str) -> list[dict[str, Json]] | None:
    """The usable servers that an operation, a path or a document names; None where it names none."""
    value = holder.get("servers")
    if not isinstance(value, list):
        return None
    read = [_server(source, item, below(below(pointer, "servers"), index)) for index, item in enumerate(value)]
    return [server for server in read if server] or None


def _server(source: Source, value: Json, pointer: str) -> dict[str, Json] | None:
    if not isinstance(value, dict) or not isinstance(value.get("url"), str):
        source.note(pointer, "a server has no url; left out")
        return None
    server = picked(value, {"url": text, "description": text})
    given = value.get("variables")
    variables = {name: _variable(item) for name, item in given.items()} if isinstance(given, dict) else {}
    names = _PLACEHOLDER.findall(server["url"])
    missing = next((name for name in names if not variables.get(name)), None)
    if missing is not None:
        source.note(pointer, f"the variable {missing[:80]!r} of a server has no default; the server is left out")
        return None
    return server | ({"variables": {name: variables[name] for name in dict.fromkeys(names)}} if names else {})


def _variable(value: Json) -> dict[str, Json] | None:
    default = text(value.get("default")) if isinstance(value, dict) else LEFT_OUT
    if default is LEFT_OUT:
        return None
    choices = value.get("enum")
    named = [said for said in map(text, choices) if said is not LEFT_OUT] if isinstance(choices, list) else []
    return {"default": default, **picked(value, {"description": text}), **({"enum": named} if named else {})}


def _of_swagger(document: dict[str, Json]) -> list[dict[str, Json]]:
    base = document.get("basePath")
    path = "/" + base.strip("/") if isinstance(base, str) else "/"
    host = document.get("host")
    if not isinstance(host, str) or not host or any(sign in host for sign in "/?#{} "):
        return [{"url": path}]
    found = texts(document.get("schemes"))
    schemes = [scheme for scheme in (found if found is not LEFT_OUT else ()) if scheme in _SCHEMES] or ["https"]
    return [{"url": f"{scheme}://{host}{path if path != '/' else ''}"} for scheme in schemes]
