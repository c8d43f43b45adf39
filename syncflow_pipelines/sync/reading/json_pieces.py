"""JSON text cut into its pieces without reading them, for pages that a strict parser refuses.

Only brackets and strings are looked at, so that a value which is no JSON at all (`NaN`, `007`, a raw control
character, a thousand brackets) stays within the piece that holds it.
"""

import re
from collections.abc import Iterator

# Possessive, so that a text of megabytes is walked once.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BRACKET_OR_STRING = re.compile(r'[\[{\]}]|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\[\]{}\"]+")
_SPACE = re.compile(r"[ \t\n\r]*")


def members(text: str) -> Iterator[tuple[str, str]]:
    """The members of an object: name, as a literal with its quotes, and value.

    Raises `ValueError` where the object does not end, or more follows it.
    """
    at = _expect(text, 0, "{")
    while text[at : at + 1] != "}":
        name = _STRING.match(text, at)
        if name is None:
            raise ValueError(f"not JSON: a name expected at character {at}")
        start = _expect(text, name.end(), ":")
        end = _end_of_value(text, start)
        yield name[0], text[start:end]
        at = _after_comma(text, end, "}")
    _expect_end(text, at + 1)


def elements(text: str) -> Iterator[str]:
    """The elements of an array. Raises `ValueError` where it does not end, or more follows it."""
    at = _expect(text, 0, "[")
    while text[at : at + 1] != "]":
        end = _end_of_value(text, at)
        yield text[at:end]
        at = _after_comma(text, end, "]")
    _expect_end(text, at + 1)


def _end_of_value(text: str, at: int) -> int:
    if text[at : at + 1] in ("{", "["):
        return _end_of_brackets(text, at)
    found = _STRING.match(text, at) or _SCALAR.match(text, at)
    if found is None:
        raise ValueError(f"not JSON: a value expected at character {at}")
    return found.end()


def _end_of_brackets(text: str, at: int) -> int:
    depth = 0
    for found in _BRACKET_OR_STRING.finditer(text, at):
        if found[0] in ("{", "["):
            depth += 1
        elif found[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return found.end()
    raise ValueError("not JSON: it ends in the middle")


def _after_comma(text: str, at: int, closing: str) -> int:
    """Where the next piece begins, or the closing bracket stands."""
    at = _skip(text, at)
    if text[at : at + 1] == closing:
        return at
    at = _expect(text, at, ",")
    if text[at : at + 1] == closing:
        raise ValueError(f"not JSON: a value expected at character {at}")
    return at


def _expect(text: str, at: int, what: str) -> int:
    """Where the piece after `what` begins."""
    at = _skip(text, at)
    if text[at : at + 1] != what:
        raise ValueError(f"not JSON: {what!r} expected at character {at}")
    return _skip(text, at + 1)


def _expect_end(text: str, at: int) -> None:
    at = _skip(text, at)
    if at != len(text):
        raise ValueError(f"not JSON: more follows at character {at}")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
