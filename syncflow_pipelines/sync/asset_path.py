"""The names of entities as Dagster has them, for whoever speaks of its assets without knowing Dagster.

Names of connectors and slugs come from outside and may hold any character. Asset keys and partition keys keep
them as they are where that is legal; every other character is percent-encoded, so that no two names meet and
each can be read back.
"""

import re
from typing import Final
from urllib.parse import quote

CATALOGUE: Final = "catalogue"
RESERVED: Final = frozenset({"openapi", "mcp_server", "resolver", "schemas", "gateway"})
"""First parts of the keys of other assets; no connector's key begins so."""

_UNSAFE = re.compile(r"[^\w.~-]")


def entity_path(connector: str, slug: str) -> tuple[str, str]:
    """The two parts of the key of an entity's asset."""
    part = encoded(slug)
    if part == CATALOGUE:
        part = _spelled_out(part[0]) + part[1:]
    return connector_part(connector), part


def connector_part(connector: str) -> str:
    """The first part of the keys of a connector's assets."""
    part = encoded(connector)
    return _spelled_out(part[0]) + part[1:] if part in RESERVED else part


def encoded(name: str) -> str:
    """The name, with every character that may not stand in a key percent-encoded."""
    # "..." stands for a range of partitions in Dagster; "." and ".." are folders in the address of a page
    part = _UNSAFE.sub(lambda found: quote(found[0], safe=""), name).replace("...", "%2E%2E%2E")
    return part if part.strip(".") else _spelled_out(part)


def _spelled_out(part: str) -> str:
    return "".join(f"%{ord(character):02X}" for character in part)
