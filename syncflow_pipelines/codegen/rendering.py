"""Templates → Python source. What comes from a spec enters as a literal, and never as text of the program."""

from pathlib import Path
from typing import Any

import jinja2


def literal(value: object) -> str:
    """The value as Python source in ASCII: a text, number, bool, None, or a tuple, list or dict of these.

    Raises `TypeError` for anything else.
    """
    if isinstance(value, tuple | list):
        inner = ", ".join(map(literal, value))
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    raise TypeError(f"{type(value).__name__} has no literal")


def block(value: object, depth: int = 0) -> str:
    """The literal with every item on a line of its own, as the formatter leaves it whatever the length of a line."""
    if not isinstance(value, tuple | list | dict) or not value:
        return literal(value)
    if isinstance(value, dict):
        begin, end = "{", "}"
        items = [f"{literal(key)}: {block(item, depth + 1)}" for key, item in value.items()]
    else:
        begin, end = "()" if isinstance(value, tuple) else "[]"
        items = [block(item, depth + 1) for item in value]
    inner, outer = "    " * (depth + 1), "    " * depth
    return f"{begin}\n" + "".join(f"{inner}{item},\n" for item in items) + f"{outer}{end}"


def render(template: str, /, **values: Any) -> str:
    """The template of that name, filled in. A value has to be written `{{ value | literal }}` to be one."""
    return _ENVIRONMENT.get_template(template).render(**values)


def _quoted(text: str) -> str:
    """With double quotes, as the formatter has it, unless that takes more escapes."""
    inner = ascii(f"{text}'\"")[1:-4]  # with both quotes in it, a text is written in single ones
    if text.count('"') > text.count("'"):
        return f"'{inner}'"
    return '"' + inner.replace("\\'", "'").replace('"', '\\"') + '"'


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701 - Python is written here, no HTML; `literal` is what keeps values apart
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["literal"] = literal
_ENVIRONMENT.filters["block"] = block
