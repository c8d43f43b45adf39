"""What a module of schemas imports: no more than its classes refer to."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

_PLACES: Final[Mapping[str, str]] = {
    "Decimal": "decimal",
    **dict.fromkeys(("Enum", "IntEnum", "StrEnum"), "enum"),
    **dict.fromkeys(("ip_interface", "ip_network"), "ipaddress"),
    **dict.fromkeys(("Annotated", "Any", "TypeVar"), "typing"),
    "UUID": "uuid",
    **dict.fromkeys(("b64decode", "b64encode"), "base64"),
    **dict.fromkeys(
        ("AwareDatetime", "BaseModel", "BeforeValidator", "ConfigDict", "Field", "GetCoreSchemaHandler",
         "IPvAnyInterface", "IPvAnyNetwork", "JsonValue", "NaiveDatetime", "PlainSerializer", "WithJsonSchema"),
        "pydantic",
    ),
    "CoreSchema": "pydantic_core",
}  # fmt: skip
_DATETIME: Final = "_dt"
NEEDED_BY: Final[Mapping[str, frozenset[str]]] = {
    "NotNull": frozenset({"Annotated", "Any", "BeforeValidator", "TypeVar"}),
    "Omittable": frozenset({"Annotated", "Any", "CoreSchema", "Field", "GetCoreSchemaHandler", "TypeVar"}),
    "Base64": frozenset(
        {"Annotated", "Any", "BeforeValidator", "PlainSerializer", "WithJsonSchema", "b64decode", "b64encode"}
    ),
    "Related": frozenset({"Annotated", "Any", "BeforeValidator", "TypeVar"}),
}
"""Types that a module defines for itself, and what they take."""

_KNOWN: Final = frozenset(_PLACES) | {_DATETIME} | frozenset(NEEDED_BY)
_TEXT: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_NAME: Final = re.compile(r"[^\W\d]\w*")


@lru_cache(8192)
def names_in(source: str) -> frozenset[str]:
    """The names in an expression of which SyncFlow knows the import."""
    return _KNOWN.intersection(_NAME.findall(_TEXT.sub("", source)))


def with_needed(names: frozenset[str]) -> frozenset[str]:
    """The names, and those that the definitions among them take."""
    return names.union(*(NEEDED_BY[name] for name in names if name in NEEDED_BY))


def statements(names: Iterable[str], extra: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """Import statements, as isort has them: the standard library's, Pydantic's, and others'."""
    used = set(names)
    standard = ["import datetime as _dt"] if _DATETIME in used else []
    ours: list[str] = []
    by_place: dict[str, list[str]] = {}
    for name in sorted(used & set(_PLACES), key=_as_isort):
        by_place.setdefault(_PLACES[name], []).append(name)
    for place in sorted(by_place):
        statement = f"from {place} import {', '.join(by_place[place])}"
        (ours if place.startswith("pydantic") else standard).append(statement)
    return standard, ours, sorted(set(extra))


def _as_isort(name: str) -> tuple[int, str]:
    """Constants first, then classes, then the rest."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name.casefold()
