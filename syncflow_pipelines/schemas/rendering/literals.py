"""Values → Python source. What comes from a source of schemas enters a module as a literal, never as its text."""

import math
import textwrap
from typing import Any, Final

Json = Any

_DEEPEST: Final = 40
"""Python's own parser gives up at some hundred brackets."""
_DOC_WIDTH: Final = 112


def literal(value: Json, depth: int = 0) -> str:
    """A value of JSON as source in ASCII.

    Raises `ValueError` for one that is nested too deeply or has half of a surrogate pair in it, and `TypeError` for
    what JSON does not have.
    """
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item, depth + 1) for item in value) + "]"
    if isinstance(value, dict):
        items = (f"{literal(str(key))}: {literal(item, depth + 1)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        value.encode()
        return ascii(value)
    raise TypeError(f"{type(value).__name__} has no literal")


def encodable(text: str) -> str:
    """The text, with a question mark for half of a surrogate pair, which JSON cannot hold."""
    return text.encode(errors="replace").decode()


def printable(text: str) -> str:
    """The text on one line, with no character that ends a line, turns the reading direction, or shows as nothing."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def comment(text: str) -> str:
    """The text as it may follow `#`."""
    return printable(text)


def docstring(summary: str, *paragraphs: str) -> str:
    """The source of a docstring in a class or module, its lines not indented."""
    whole = [_escaped(summary)]
    for paragraph in filter(None, map(printable, paragraphs)):
        whole += ["", *map(_escaped, textwrap.wrap(paragraph, _DOC_WIDTH))]
    return '"""' + "\n".join(whole) + ('\n"""' if len(whole) > 1 else '"""')


def _escaped(line: str) -> str:
    return printable(line).replace("\\", "\\\\").replace('"', '\\"')
