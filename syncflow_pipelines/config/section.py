"""The words in which a YAML file's parts are declared: a strict pydantic model and its value types.

Every type refuses with a phrase of its own (`refused`), which the reader of the file sees as "expected …".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from syncflow_pipelines.config.interpolation import Filled
from syncflow_pipelines.config.yaml_tree import plain_value

T = TypeVar("T")


class Section(BaseModel):
    """A mapping of a configuration file: unknown keys and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Described(BeforeValidator):
    """A check that JSON Schema can tell of; what it tells is for readers, and checks nothing."""

    schema: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), **self.schema}


def refused(expected: str, found: str | None = None) -> PydanticCustomError:
    """The error for a validator to raise; `found` replaces the value where that must not be shown."""
    return PydanticCustomError("refused", "expected {expected}", {"expected": expected, "found": found})


def whole(low: int, high: int) -> BeforeValidator:
    """For `Annotated[int, whole(1, 64)]`."""
    return Described(lambda value: whole_number(value, low, high), schema={"minimum": low, "maximum": high})


def whole_number(value: object, low: int, high: int, why: str = "") -> int:
    """The value as a whole number in that range; `why` says where the range comes from."""
    number = _read(value)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise refused(f"a whole number from {low:,} to {high:,}{why}")
    return number


def number(low: float, high: float) -> BeforeValidator:
    """For `Annotated[float, number(0, 1)]`."""
    expected = f"a number from {low:,.12g} to {high:,.12g}"

    def check(value: object) -> float:
        number = _read(value)
        if isinstance(number, bool) or not isinstance(number, int | float) or not low <= number <= high:
            raise refused(expected)
        return float(number)

    return Described(check, schema={"minimum": low, "maximum": high})


def matching(pattern: str, expected: str, *, hide: bool = False) -> BeforeValidator:
    """For `Annotated[str, matching(...)]`: text that matches the whole pattern.

    `hide` keeps what was found out of the message, where a secret may be written by mistake.
    """
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise refused(expected, "something else" if hide else None)
        return str(value)

    return Described(check, schema={"pattern": f"^(?:{pattern})$"})


def _read(value: object) -> object:
    return plain_value(value) if isinstance(value, Filled) else value


def _switch(value: object) -> bool:
    switch = _read(value)
    if not isinstance(switch, bool):
        raise refused("true or false")
    return switch


def _line_of_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise refused("one line of text")
    return str(value)


def _file_path(value: object) -> Path:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise refused("a path")
    return Path(str(value))


def _http_url(value: object) -> str:
    return _exact_url(value).rstrip("/")


def _exact_url(value: object) -> str:
    expected = "a URL such as https://erp.example.com, without user name, password, query or fragment"
    scheme, netloc, path = _http_parts(value, expected)
    if "@" in netloc:
        raise refused(expected, "a URL with a user name or a password")
    return f"{scheme}://{netloc}{path}"


def _proxy_url(value: object) -> str:
    expected = "a proxy such as http://proxy.example.com:3128; unset it if it is meant for other programs"
    if isinstance(value, str) and "://" not in value:
        value = f"http://{value}"
    scheme, netloc, _ = _http_parts(value, expected)
    return f"{scheme}://{netloc}"


def _http_parts(value: object, expected: str) -> tuple[str, str, str]:
    """Scheme, authority and path of an http or https URL. What was found is told without the URL's text."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value) or set(value) & set('\\<>"{}|^`'):
        raise refused(expected, "something that is no URL")
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise refused(expected, "a URL whose host or port cannot be read") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise refused(expected, "a URL with another scheme" if "://" in value else "text without http:// or https://")
    if not usable:
        raise refused(expected, "a URL whose host or port cannot be read")
    if "?" in value or "#" in value:
        raise refused(expected, "a URL with a query or a fragment")
    return parts.scheme.lower(), parts.netloc, parts.path


def _not_empty(values: list[T]) -> list[T]:
    if not values:
        raise refused("one or more of these", "an empty list")
    return values


NOT_EMPTY = AfterValidator(_not_empty)
"""For `Annotated[list[…], NOT_EMPTY]`."""
Switch = Annotated[bool, BeforeValidator(_switch)]
Text = Annotated[str, BeforeValidator(_line_of_text)]
FilePath = Annotated[Path, BeforeValidator(_file_path)]
"""A path as it was written; the loader of the file decides what it is relative to."""
HttpUrl = Annotated[str, BeforeValidator(_http_url)]
"""Without a trailing slash."""
ExactUrl = Annotated[str, BeforeValidator(_exact_url)]
"""With its path as it was written."""
ProxyUrl = Annotated[str, BeforeValidator(_proxy_url)]
"""With its scheme, `http` where none was written; it may hold a password."""
VariableName = Annotated[
    str, matching(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "the name of an environment variable", hide=True)
]


def _identifier(value: object) -> str:
    expected = "letters, digits and underscores, not first a digit, 63 bytes or less, not pg_… or information_schema"
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"[^\W\d]\w*", value)
        or len(value.encode()) > 63
        or value.lower().startswith("pg_")
        or value.lower() == "information_schema"
    ):
        raise refused(expected)
    return str(value)


Identifier = Annotated[str, BeforeValidator(_identifier)]
"""The name of a schema or table of PostgreSQL that a person may choose."""
