"""`${NAME}`, `${NAME:-default}` and `$${`: text of a file, filled from the environment."""

import re
from collections.abc import Callable, Iterator

MAX_FILLED_CHARACTERS = 65_536

_TOKEN = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_REFERENCE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


class Filled(str):
    """Text that came, at least in part, from the environment; it is never shown to anybody.

    It may stand for a number or a switch too, since the environment knows only text.
    """

    __slots__ = ()


class UnfilledText(ValueError):
    """A text that cannot be filled; `found` and `expected` tell why, without a value."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected


def fill(text: str, lookup: Callable[[str], str | None]) -> str:
    """The text with its references filled; a `Filled` where there were any.

    `$${` becomes `${`, and a `$` elsewhere is just that. A default may hold anything but `}` and
    `${`, and holds where the variable is unset or empty. Raises `UnfilledText`.
    """
    if "${" not in text:
        return text
    filled = "".join(_pieces(text, lookup))
    return Filled(filled) if any(match["inside"] is not None for match in _TOKEN.finditer(text)) else filled


def template(text: str) -> str:
    """The text as it may be shown: references by their names, defaults left out."""
    return _TOKEN.sub(_without_default, text)


def _without_default(match: re.Match[str]) -> str:
    name, separator, _ = (match["inside"] or "").partition(":-")
    return match[0] if not separator else f"${{{name}:-…{match['end']}"


def _pieces(text: str, lookup: Callable[[str], str | None]) -> Iterator[str]:
    end = size = 0
    for match in _TOKEN.finditer(text):
        value = "${" if match["inside"] is None else _value(match, lookup)
        size += len(value)
        if size > MAX_FILLED_CHARACTERS:
            raise UnfilledText(
                "a text that the environment makes too long", f"{MAX_FILLED_CHARACTERS:,} characters or less"
            )
        yield text[end : match.start()]
        yield value
        end = match.end()
    yield text[end:]


def _value(match: re.Match[str], lookup: Callable[[str], str | None]) -> str:
    reference = _REFERENCE.fullmatch(match["inside"])
    if reference is None or not match["end"] or "${" in match["inside"]:
        raise UnfilledText("a reference that cannot be read", "${NAME} or ${NAME:-default} (or $${ for a plain ${)")
    name, default = reference["name"], reference["default"]
    value = lookup(name)
    if default is not None:
        return value or default
    if value is None:
        raise UnfilledText(
            f"'${{{name}}}'", f"the environment variable {name} to be set (or a default: ${{{name}:-…}})"
        )
    return value
