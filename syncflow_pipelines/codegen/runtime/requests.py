"""An operation and values of its parameters → the request that the spec asks for, to the byte."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from syncflow_pipelines.codegen.runtime import styles

Json = Any

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_LITERAL = "/:@!$&'()*+,;=~%"
_MAX_LAYERS = 32
"""Of escapes within escapes that are looked through for a `..`."""
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class UnsendableValue(ValueError):
    """A value that its place in a request cannot carry; the text says which, and shows no more than its name."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation, with OpenAPI's defaults filled in."""

    name: str
    place: str
    """`path`, `query`, `header` or `cookie`."""
    style: str
    explode: bool
    is_required: bool = False
    allows_reserved: bool = False
    allows_empty: bool = False
    media_type: str | None = None
    """Where the parameter has `content` in place of a schema."""
    schema: Json = field(default=True, compare=False)
    description: str = field(default="", compare=False)


@dataclass(slots=True)
class Target:
    """What a request begins with: everything but its body."""

    path: str
    """Escaped, from the service's root on, with the query."""
    headers: dict[str, bytes]


def read_parameter(definition: Mapping[str, Json]) -> Parameter:
    """The parameter that a parameter object of OpenAPI 3.1 describes."""
    place = definition["in"]
    content = definition.get("content") or {}
    media_type = next(iter(content), None)
    style = definition.get("style") or ("form" if place in ("query", "cookie") else "simple")
    described = content[media_type].get("schema", True) if media_type else definition.get("schema", True)
    return Parameter(
        name=definition["name"],
        place=place,
        style=style,
        explode=definition.get("explode", style in ("form", "deepObject", "cookie")),
        is_required=bool(definition.get("required")) or place == "path",
        allows_reserved=bool(definition.get("allowReserved")),
        allows_empty=definition.get("allowEmptyValue") is True,
        media_type=media_type,
        schema=described,
        description=definition.get("description") or "",
    )


def placeholders(template: str) -> tuple[str, ...]:
    """The names in a path, in their order."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(template)))


def build_target(template: str, values: Mapping[Parameter, Json]) -> Target:
    """Path, query and headers of a request with these values.

    Raises `UnsendableValue` where a value cannot stand where it belongs.
    """
    path, _, fixed_query = template.partition("#")[0].partition("?")
    by_place: dict[str, dict[Parameter, Json]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    for parameter, value in values.items():
        by_place[parameter.place][parameter] = value
    queries = [quote(fixed_query, safe=_LITERAL + "?")] if fixed_query else []
    queries += [f"{name}={text}" for each in by_place["query"].items() for name, text in _query(*each)]
    rendered = _path(path, {parameter.name: (parameter, value) for parameter, value in by_place["path"].items()})
    headers = {parameter.name: _header(parameter, value) for parameter, value in by_place["header"].items()}
    if by_place["cookie"]:
        headers["Cookie"] = "; ".join(_cookie(*each) for each in by_place["cookie"].items()).encode()
    return Target("?".join((rendered, "&".join(queries))) if queries else rendered, headers)


def _path(template: str, values: Mapping[str, tuple[Parameter, Json]]) -> str:
    rendered, end = [], 0
    for match in _PLACEHOLDER.finditer(template):
        name = match.group(1)
        if name not in values:
            raise UnsendableValue(f"argument {name!r} is missing; the path needs it")
        rendered += [quote(template[end : match.start()], safe=_LITERAL), _path_value(*values[name])]
        end = match.end()
    path = "".join((*rendered, quote(template[end:], safe=_LITERAL)))
    if any(unquote(segment) in (".", "..") for segment in path.split("/")):
        raise UnsendableValue("the arguments make a path with a segment of dots, which would lead elsewhere")
    return path if path.startswith("/") else f"/{path}"


def _path_value(parameter: Parameter, value: Json) -> str:
    for text in _texts(value):
        _refuse_dots(parameter.name, text)
    if parameter.media_type is not None:
        return styles.percent(styles.text_of(value))
    if parameter.style == "label":
        return styles.label(value, parameter.explode, styles.percent)
    if parameter.style == "matrix":
        return styles.matrix(parameter.name, value, parameter.explode, styles.percent)
    text = styles.simple(value, parameter.explode, styles.percent)
    if not text:
        raise UnsendableValue(f"argument {parameter.name!r} is empty; the path would be another one without it")
    return text


def _texts(value: Json) -> list[str]:
    if isinstance(value, dict):
        return [text for key, member in value.items() for text in (str(key), *_texts(member))]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [styles.text_of(value)]


def _refuse_dots(name: str, text: str) -> None:
    for _ in range(_MAX_LAYERS):
        if any(part in (".", "..") for part in text.replace("\\", "/").split("/")):
            raise UnsendableValue(f"argument {name!r} holds a segment of dots, which would lead to another path")
        text, previous = unquote(text), text
        if text == previous:
            return
    raise UnsendableValue(f"argument {name!r} holds escapes within escapes; give it as it is")


def _query(parameter: Parameter, value: Json) -> styles.Pairs:
    escape = styles.reserved if parameter.allows_reserved else styles.percent
    if parameter.media_type is not None:
        return [(styles.percent(parameter.name), escape(styles.text_of(value)))]
    return styles.form_pairs(parameter.name, value, parameter.style, parameter.explode, escape)


def _header(parameter: Parameter, value: Json) -> bytes:
    if not _HEADER_NAME.fullmatch(parameter.name):
        raise UnsendableValue(f"{parameter.name!r} is no name for an HTTP header")
    if parameter.media_type is not None:
        text = styles.text_of(value)
    else:
        text = styles.simple(value, parameter.explode, styles.unescaped)
    if any((ord(char) < 32 and char != "\t") or ord(char) == 127 for char in text):
        raise UnsendableValue(f"argument {parameter.name!r} holds a control character, which no header can carry")
    return text.strip(" \t").encode("utf-8", "replace")


def _cookie(parameter: Parameter, value: Json) -> str:
    if parameter.media_type is not None:
        return f"{styles.percent(parameter.name)}={styles.percent(styles.text_of(value))}"
    if parameter.style == "cookie":  # OpenAPI 3.2
        pairs = styles.form_pairs(parameter.name, value, "form", parameter.explode, _cookie_text)
        return "; ".join(f"{name}={text}" for name, text in pairs)
    pairs = styles.form_pairs(parameter.name, value, "form", parameter.explode, styles.percent)
    return "&".join(f"{name}={text}" for name, text in pairs)


def _cookie_text(text: str) -> str:
    if any(not 32 < ord(char) < 127 or char in '",;\\' for char in text):
        raise UnsendableValue("a cookie holds a character that cookies cannot carry; escape it")
    return text
