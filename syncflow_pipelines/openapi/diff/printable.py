"""Texts of specs, which anybody may have written, made fit to be shown."""

import json

from syncflow_pipelines.openapi.diff.model import Change, Touched
from syncflow_pipelines.openapi.diff.values import excerpt
from syncflow_pipelines.openapi.model import Json

LONGEST_PLACE = 300


def printable(text: str) -> str:
    """On one line, and without what terminals obey: control characters, and those that turn the direction."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def value_text(value: Json) -> str:
    """A value as JSON; long ones are cut."""
    return printable(str(excerpt(json.dumps(value, ensure_ascii=False))))


def change_text(change: Change) -> str:
    """`"a" → "b"`, or whichever of the two there is."""
    before, after = (None if value is None else value_text(value) for value in (change.before, change.after))
    if before is None and after is None:
        return ""
    return f"{before or 'nothing'} → {after or 'nothing'}"


def place_text(where: str) -> str:
    return printable(where if len(where) <= LONGEST_PLACE else where[: LONGEST_PLACE - 1] + "…")


def operation_text(operation: Touched) -> str:
    """`GET /pets/{id}`."""
    return place_text(str(operation))


def operations_text(operations: tuple[Touched, ...], shown: int) -> list[str]:
    """The first operations, and how many others there are."""
    texts = [operation_text(operation) for operation in operations[:shown]]
    return [*texts, f"{len(operations) - shown:,} more"] if len(operations) > shown else texts
