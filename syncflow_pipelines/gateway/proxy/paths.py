"""Which endpoint a path means, and what of it goes to the upstream."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

PREFIX: Final = b"/orchestrator/"

_CLIMBS = re.compile(
    rb"(?:^|[/\\;]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){2}(?=$|[/\\;]|%(?:25)*(?:2f|5c|3b|00))", re.IGNORECASE
)
"""A segment `..` in any spelling that some server reads as one, even one that decodes more than once; a `;` ends it for
servers that know path parameters, and a NUL for those that hand paths to C.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What stands behind the prefix."""

    name: str
    """As it stands in the registry: `name` or `name@version`."""
    rest: bytes
    """What follows the name, from its `/` on, byte for byte; empty where nothing follows."""


def place_of(raw_path: bytes) -> Place:
    name, slash, rest = raw_path[len(PREFIX) :].partition(b"/")
    return Place(unquote(name.decode("latin-1")), slash + rest)


def leaves_base(rest: bytes) -> bool:
    """Whether it holds a segment that leads upwards, and so could leave the configured path."""
    return (b".." in rest or b"%" in rest) and _CLIMBS.search(rest) is not None
