"""Names of schemas in `components`, each a function of where the schema stands in the document."""

import re
from hashlib import sha256
from typing import Final

_VALID: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_INVALID: Final = re.compile(r"[^A-Za-z0-9._-]+")
_HOLDERS: Final = (("components", "schemas"), ("definitions",))
_DULL: Final = frozenset({"schema", "items", "properties", "content", "responses", "paths"})
_MAX_LENGTH: Final = 80


def component_name(steps: tuple[str, ...]) -> str:
    """The name of the schema at a pointer: its own where it is a component, and may be one.

    Otherwise words of the pointer, with a digest of all of it.
    """
    for holder in _HOLDERS:
        if steps[:-1] == holder:
            return steps[-1] if _VALID.fullmatch(steps[-1]) else with_digest(steps[-1], steps[-1])
    words = [step for step in steps if step not in _DULL and not step.isdecimal()]
    return with_digest("_".join(words[-2:]), "/".join(steps))


def valid_name(name: str) -> str:
    """The name, or one of letters, digits, `.`, `_` and `-` in its place."""
    return name if _VALID.fullmatch(name) else with_digest(name, name)


def with_digest(words: str, digested: str) -> str:
    digest = sha256(digested.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    readable = _INVALID.sub("_", words).strip("_")[:_MAX_LENGTH]
    return f"{readable}_{digest}" if readable else digest
