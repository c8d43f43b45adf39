"""JSON values compared, told apart from their documentation, and cut to a size that can be shown.

Nothing here recurses: how deep a value nests is the document's choice.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from syncflow_pipelines.openapi.model import Json

DOCUMENTATION_KEYS = frozenset(
    {"description", "summary", "title", "example", "examples", "externalDocs", "tags", "$comment", "operationId"}
)
NAMES_BELOW = frozenset(
    {
        "properties", "patternProperties", "$defs", "dependentSchemas", "dependentRequired", "responses", "headers",
        "content", "callbacks", "schemas", "mapping", "encoding", "variables", "scopes", "links", "webhooks", "paths",
    }
)  # fmt: skip
"""Keywords whose values are objects of free names."""
LITERALS = frozenset({"default", "enum", "const"})

REFERENCE = "#/components/schemas/"
_REFERENCES = re.compile(rb'"\$ref":"#/components/schemas/((?:[^"\\]|\\.)+)"')

LONGEST_TEXT = 120
LONGEST_LIST = 20


def fingerprint(value: Json) -> bytes:
    """Equal for equal JSON, whatever the order of its keys; `1`, `1.0` and `true` are three values."""
    written = quick_fingerprint(value)
    return b"\0" + "\n".join(_tokens(value)).encode("utf-8", "surrogatepass") if written is None else written


def quick_fingerprint(value: Json) -> bytes | None:
    """The same, where it comes cheaply: `None` for what no ordinary document holds."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested too deeply, numbers beyond 64 bits, half surrogates
        return None


def _tokens(value: Json) -> Iterator[str]:
    """The value in preorder, keys sorted."""
    left: list[Any] = [value]
    while left:
        node = left.pop()
        match node:
            case _Token():
                yield node
            case Mapping():
                yield f"{{{len(node)}"
                left += [part for key in sorted(node, reverse=True) for part in (node[key], _Token(repr(key)))]
            case list() | tuple():
                yield f"[{len(node)}"
                left += reversed(node)
            case int() if not isinstance(node, bool):
                yield _digits(node)
            case _:
                yield repr(node)


class _Token(str):
    """A key among the values that are left."""

    __slots__ = ()


def references(written: bytes) -> set[str]:
    """The components that a value refers to, from its fingerprint. Names in texts may be among them."""
    return {_unescaped(name.decode("utf-8", "replace")) for name in _REFERENCES.findall(written)}


def referred(schema: Mapping[str, Json]) -> str | None:
    """The component that a schema refers to, without the schema's other keywords being looked at."""
    target = schema.get("$ref")
    if not isinstance(target, str) or not target.startswith(REFERENCE):
        return None
    return _unescaped(target.removeprefix(REFERENCE))


def reference(name: str) -> str:
    """The `$ref` of a component."""
    return REFERENCE + name.replace("~", "~0").replace("/", "~1")


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def is_documentation(key: str) -> bool:
    """Whether no caller notices what stands under that keyword."""
    return key in DOCUMENTATION_KEYS or key.startswith("x-")


def without_documentation(value: Json, *, holds_names: bool = False) -> Json:
    """The value without its texts, examples and `x-*`. `holds_names`: its own keys are names, not keywords."""
    top: list[Json] = []
    left: list[tuple[Json, bool, Any]] = [(value, holds_names, top.append)]
    while left:
        node, is_named, put = left.pop()
        if isinstance(node, Mapping):
            kept: dict[str, Json] = {}
            put(kept)
            left += _parts_of(node, is_named, kept)
        elif isinstance(node, list):
            items: list[Json] = [None] * len(node)
            put(items)
            left += [(item, False, _setter(items, position)) for position, item in enumerate(node)]
        else:
            put(node)
    return top[0]


def _parts_of(node: Mapping[str, Json], is_named: bool, kept: dict[str, Json]) -> Iterator[tuple[Json, bool, Any]]:
    for key, part in node.items():
        if is_named:
            yield part, False, _setter(kept, key)
        elif key in LITERALS:
            kept[key] = part
        elif not is_documentation(key):
            yield part, key in NAMES_BELOW, _setter(kept, key)


def _setter(into: Any, key: Any) -> Any:
    return lambda value: into.__setitem__(key, value)


def contract(value: Json) -> bytes:
    """Equal for values that differ in documentation alone."""
    return fingerprint(without_documentation(value))


def excerpt(value: Json) -> Json:
    """The value where it is small, and else what can be shown of it."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…"
    if isinstance(value, list | tuple) and len(value) > LONGEST_LIST:
        return [*(_flat(item) for item in value[:LONGEST_LIST]), f"… and {len(value) - LONGEST_LIST:,} more"]
    if isinstance(value, list | tuple):
        return [_flat(item) for item in value]
    return _flat(value)


def _flat(value: Json) -> Json:
    """Texts and numbers as they are, and everything else as a short text."""
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, int) or abs(value) < 1 << 63 else excerpt(_digits(value))
    if isinstance(value, str):
        return excerpt(value)
    return excerpt(fingerprint(value).decode("utf-8", "replace"))


def _digits(value: int) -> str:
    """In hexadecimal, since Python refuses to write more than 4,300 decimal digits."""
    return hex(value)
