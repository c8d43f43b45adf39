"""How large, deep and entangled a document may be."""

from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.errors import SpecTooLarge, UnusableSpec
from syncflow_pipelines.openapi.model import Json


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one document, with all that it refers to. GitHub's has 13 MB, 22 levels and 258,000 values."""

    max_bytes: int = 50_000_000
    """Also of its text with every alias of YAML written out."""
    max_depth: int = 120
    """Levels of lists and mappings. Twice as many, which is what nullable schemas may come to, is less than the
    255 at which JSON writers and validators give up."""
    max_values: int = 2_000_000
    """An alias of YAML counts as much as what it stands for."""
    max_documents: int = 5_000
    """Files that it refers to."""


LIMITS: Final = Limits()


def too_deep(limits: Limits, where: str = "") -> SpecTooLarge:
    return SpecTooLarge(f"the document is nested deeper than {limits.max_depth} levels{where}; use $ref to flatten it")


def too_many_values(limits: Limits, where: str = "") -> SpecTooLarge:
    return SpecTooLarge(
        f"the document has more than {limits.max_values:,} values, aliases written out{where}; split it or shorten it"
    )


def too_many_bytes(limits: Limits, what: str) -> SpecTooLarge:
    return SpecTooLarge(f"{what} has more than {limits.max_bytes:,} bytes; split it or shorten it")


def hold(document: Json, limits: Limits = LIMITS) -> int:
    """The number of keys in the document. Raises `SpecTooLarge` where it is beyond a limit.

    What is one object in several places counts in each of them: it is written out in each.
    """
    depth, values, keys, size = 0, 0, 0, 0
    level = [document]
    while level:
        depth += 1
        values += len(level)
        if values > limits.max_values:
            raise too_many_values(limits)
        if depth > limits.max_depth + 1:
            raise too_deep(limits)
        level, found, length = _below(level, limits)
        keys += found
        size += length
        if size > limits.max_bytes:
            raise too_many_bytes(limits, "the document with all that it refers to")
    return keys


def _below(level: list[Json], limits: Limits) -> tuple[list[Json], int, int]:
    """The values one level down, the number of their keys, and the length of the texts at this level."""
    below: list[Json] = []
    keys, size = 0, 0
    for value in level:
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            keys += len(value)
            size += _length_of_keys(value)
            below.extend(value.values())
        elif isinstance(value, list):
            below.extend(value)
        # one object may stand in many places, and must not be written out before it is counted
        if len(below) > limits.max_values:
            raise too_many_values(limits)
    return below, keys, size


def _length_of_keys(value: dict[str, Json]) -> int:
    try:
        return sum(map(len, value))
    except TypeError as error:
        raise UnusableSpec("the document has keys that are no texts; read it from its bytes with `parse`") from error
