"""JSON pointers (RFC 6901), and references that have one as their fragment."""

from typing import Final
from urllib.parse import unquote

from syncflow_pipelines.openapi.model import Json

MISSING: Final = object()


def escaped(key: str) -> str:
    """A key as it stands in a pointer."""
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key


def below(pointer: str, key: str | int) -> str:
    """The pointer to what stands under the key."""
    return f"{pointer}/{escaped(key) if isinstance(key, str) else key}"


def pointer_to(steps: tuple[str, ...]) -> str:
    return "".join(f"/{escaped(step)}" for step in steps)


def steps_of(pointer: str) -> tuple[str, ...]:
    """The keys that a pointer goes through."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def split_reference(reference: str) -> tuple[str, str]:
    """The location (empty: the document itself) and the fragment of a reference, the fragment without its `%XX`."""
    location, _, fragment = reference.partition("#")
    return location, unquote(fragment, errors="replace")


def look_up(document: Json, steps: tuple[str, ...]) -> Json:
    """The value at the end of the steps, or `MISSING`."""
    value = document
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 10:
            value = value[int(step)] if int(step) < len(value) else MISSING
        else:
            return MISSING
    return value
