"""Which version of OpenAPI a document is written in."""

import re
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.model import Json

_SUPPORTED: Final = re.compile(r"(2\.0|3\.[012])(?:\.\d+)?(?:[-+.].{0,40})?")
_REMEDY: Final = "give a document of Swagger 2.0 or OpenAPI 3.0, 3.1 or 3.2"


@dataclass(frozen=True, slots=True)
class Version:
    """A version that SyncFlow reads."""

    written: str
    """As the document says it: `3.0.3`."""
    family: str
    """`2.0`, `3.0`, `3.1` or `3.2`."""

    @property
    def is_swagger(self) -> bool:
        return self.family == "2.0"

    @property
    def ignores_siblings(self) -> bool:
        """Whether what stands beside a `$ref` in a schema constrains nothing."""
        return self.family in ("2.0", "3.0")


def version_of(document: Json) -> Version:
    """The version of a document. Raises `UnusableSpec` where it is none, or of a version that is not supported."""
    if not isinstance(document, dict):
        raise UnusableSpec(f"the document is {named(document)} rather than a mapping; {_REMEDY}")
    key = next((key for key in ("openapi", "swagger") if key in document), None)
    if key is None:
        keys = ", ".join(repr(str(name)[:40]) for name in list(document)[:5]) or "none"
        raise UnusableSpec(f"the document has no key 'openapi' or 'swagger' (its keys: {keys}); {_REMEDY}")
    written = document[key]
    # 2.0 without quotes is a number in YAML
    text = str(written) if isinstance(written, str | float) else ""
    match = _SUPPORTED.fullmatch(text.strip())
    if match is None or (match[1] == "2.0") != (key == "swagger"):
        raise UnusableSpec(f"{key} is {str(written)[:40]!r}, a version that is not supported; {_REMEDY}")
    return Version(match[0], match[1])


def named(value: Json) -> str:
    """What sort of value it is, in words."""
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "a switch", int: "a number", float: "a number"}
    return kinds.get(type(value), "nothing")
