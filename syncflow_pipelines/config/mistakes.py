"""Mistakes in what people wrote, and how they are told: all at once, with place, found and expected."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from syncflow_pipelines.errors import ConfigurationError

Location = tuple[str | int, ...]
"""The way to a value from the top of a document: keys and list positions."""

MAX_SHOWN = 100
MAX_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing that cannot be used. `str()` is the line that a person reads.

    `found` is text for people: it never holds a value that came from the environment, nor one that
    may be a secret.
    """

    file: str
    line: int
    """From 1; 0 where there is no line to point at."""
    where: str
    """A path such as `connectors[0].auth.type`, the name of a variable, or empty."""
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = (place, self.where, f"found {self.found}, expected {self.expected}")
        return ": ".join(part for part in parts if part)


def refusal(what: str, mistakes: Iterable[Mistake]) -> ConfigurationError:
    """The error that tells the mistakes in the order of their lines; `what` is the thing refused."""
    told = [str(mistake) for mistake in sorted(set(mistakes))]
    count = "1 mistake" if len(told) == 1 else f"{len(told):,} mistakes"
    if len(told) > MAX_SHOWN:
        told[MAX_SHOWN:] = [f"and {len(told) - MAX_SHOWN:,} more"]
    return ConfigurationError(f"{what} cannot be used: {count}", tuple(told))


def path_text(location: Location) -> str:
    """A location as people write it: `connectors[0].entities['work orders'].page_size`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(rf"[\w-]{{1,{MAX_SHOWN_CHARACTERS}}}", part):
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part)}]"
    return text


def shown(text: str) -> str:
    """Text in quotes, cut where it is long, with control characters made visible."""
    cut = text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"
    return repr(cut)
