"""Path templates: their placeholders, and the parameters that fill them."""

import re
from collections.abc import Sequence
from typing import Final

from syncflow_pipelines.openapi.model import METHODS, Json, Operation
from syncflow_pipelines.openapi.source import Source, Unfit

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_DECORATION: Final = re.compile(r"^[+#./;?&]|[*+]$|:.*$")
_MAX_PLACEHOLDERS: Final = 100
Parameter = dict[str, Json]


def request_target(path: str) -> tuple[str, str]:
    """What a request for this key of `paths` is sent to: the path, and the query that it always has.

    A fragment (`/files/{id}#copy`) tells operations of one path apart, and is never sent.
    """
    sent = path.partition("#")[0]
    path_alone, _, query = sent.partition("?")
    return path_alone, query


def paths_of(operations: Sequence[Operation]) -> dict[str, dict[str, Json]]:
    """The `paths` of a document with these operations, but for those of methods that OpenAPI 3.1 does not know."""
    paths: dict[str, dict[str, Json]] = {}
    for operation in operations:
        if operation.method in METHODS:
            paths.setdefault(operation.path, {})[operation.method] = operation.definition
    return paths


def placeholders(path: str, pointer: str) -> tuple[str, ...]:
    """The names between braces. Raises `Unfit` where one is empty or is there twice, or braces do not pair."""
    names = tuple(_PLACEHOLDER.findall(path))
    if "{" in (rest := _PLACEHOLDER.sub("", path)) or "}" in rest:
        raise Unfit(pointer, f"the braces in the path {path[:200]!r} do not pair")
    if any(not name.strip() for name in names):
        raise Unfit(pointer, f"a placeholder in the path {path[:200]!r} has no name")
    if len(names) > _MAX_PLACEHOLDERS:
        raise Unfit(pointer, f"the path {path[:200]!r} has more than {_MAX_PLACEHOLDERS} placeholders")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unfit(pointer, f"the placeholder {twice[:80]!r} is in the path {path[:200]!r} twice")
    return names


def filling(names: tuple[str, ...], given: list[Parameter], source: Source, pointer: str) -> list[Parameter]:
    """The parameters with exactly one in the path for each placeholder.

    One that differs in case or decoration (`{id*}`, `{proxy+}`) is taken for the placeholder's; for one that is missing
    there is a text, and one that has no placeholder is left out: it cannot be sent. All three with a finding.
    """
    in_path = {parameter["name"]: parameter for parameter in given if parameter["in"] == "path"}
    filled = [_for(name, names, in_path, source, pointer) for name in names]
    for name in in_path:
        source.note(pointer, f"the path has no placeholder for the parameter {name[:80]!r}; left out")
    return [*filled, *(parameter for parameter in given if parameter["in"] != "path")]


def _for(name: str, names: tuple[str, ...], in_path: dict[str, Parameter], source: Source, pointer: str) -> Parameter:
    if name in in_path:
        return in_path.pop(name)
    plain = _plain(name)
    near = next((other for other in in_path if other not in names and _plain(other) == plain), None)
    if near is not None:
        source.note(pointer, f"the parameter {near[:80]!r} is taken for the placeholder {name[:80]!r}")
        return in_path.pop(near) | {"name": name}
    source.note(pointer, f"no parameter for the placeholder {name[:80]!r}; taken for a text")
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _plain(name: str) -> str:
    return _DECORATION.sub("", name).casefold()
