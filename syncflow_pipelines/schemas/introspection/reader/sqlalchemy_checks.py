"""Bounds that a CHECK constraint puts on one column, where it is written plainly."""

import math
import re
from collections.abc import Iterable
from typing import Any

from .description import Json

_COLUMN = r'(?:"?\w+"?\.)?"?(?P<column>[A-Za-z_]\w*)"?(?:::\w+)?'
_NUMBER = r"(?P<bound>-?\d+(?:\.\d+)?)"
_LENGTH = re.compile(
    rf"(?:char_|character_)?length\s*\(\s*{_COLUMN}\s*\)\s*(?P<sign>>=|>|<=|<)\s*(?P<bound>\d+)", re.IGNORECASE
)
_SIGN = re.compile(rf"{_COLUMN}\s*(?P<sign>>=|>|<=|<)\s*{_NUMBER}")
_BETWEEN = re.compile(rf"{_COLUMN}\s+between\s+{_NUMBER}\s+and\s+(?P<upper>-?\d+(?:\.\d+)?)", re.IGNORECASE)
_BETWEEN_AND = re.compile(r"(\bbetween\s+\S+)\s+and\s+", re.IGNORECASE)
_WHOLE = {
    "ge": math.ceil,
    "gt": lambda bound: math.floor(bound) + 1,
    "le": math.floor,
    "lt": lambda bound: math.ceil(bound) - 1,
}
_BOUNDS = {">=": "ge", ">": "gt", "<=": "le", "<": "lt"}


def bounds_of_checks(table: Any) -> dict[str, Json]:
    """By column, the bounds that all rows of the table keep to; of what is not understood, nothing."""
    found: dict[str, Json] = {}
    own = [constraint for column in table.columns for constraint in column.constraints]
    for constraint in (*getattr(table, "constraints", ()), *own):
        if type(constraint).__name__ == "CheckConstraint":
            for column, bounds in _bounds(_sql(constraint)):
                found.setdefault(column, {}).update(bounds)
    return found


def bounded(field_type: Json, bounds: Json) -> Json:
    """The type within those bounds, too, as far as they are for its kind."""
    fitting = (_fitting(field_type.get("kind", ""), name, bound) for name, bound in bounds.items())
    return field_type | {
        name: bound for name, bound in filter(None, fitting) if _is_tighter(name, bound, field_type.get(name))
    }


def _fitting(kind: str, name: str, bound: Json) -> tuple[str, Json] | None:
    """The bound as one of that kind; None where the kind has no such bounds."""
    if name.endswith("_length"):
        return (name, bound) if kind == "str" else None
    if kind == "int" and isinstance(bound, str):
        return name[0] + "e", _WHOLE[name](float(bound))
    if kind == "float":
        return name, float(bound)
    return (name, bound) if kind in ("int", "decimal") else None


def _sql(constraint: Any) -> str:
    try:
        return str(constraint.sqltext.compile(compile_kwargs={"literal_binds": True}))
    except Exception:  # noqa: BLE001 - types of any dialect, some of which have no literals
        return ""


def _bounds(sql: str) -> Iterable[tuple[str, Json]]:
    """Of conditions that are joined by AND alone."""
    whole = _BETWEEN_AND.sub(r"\1 and\0", sql)
    if re.search(r"\bor\b|\bnot\b|\bcase\b", whole, re.IGNORECASE):
        return
    for part in re.split(r"\s+and\s+", whole, flags=re.IGNORECASE):
        yield from _of_part(_unwrapped(part.replace("\0", " ")))


def _of_part(part: str) -> Iterable[tuple[str, Json]]:
    if match := _BETWEEN.fullmatch(part):
        yield match["column"], {"ge": _number(match["bound"]), "le": _number(match["upper"])}
    elif match := _SIGN.fullmatch(part):
        yield match["column"], {_BOUNDS[match["sign"]]: _number(match["bound"])}
    elif match := _LENGTH.fullmatch(part):
        strict = {">": ("min_length", 1), ">=": ("min_length", 0), "<": ("max_length", -1), "<=": ("max_length", 0)}
        name, offset = strict[match["sign"]]
        yield match["column"], {name: int(match["bound"]) + offset}


def _unwrapped(part: str) -> str:
    """Without brackets around the whole."""
    text = part.strip()
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text


def _number(written: str) -> int | float | str:
    return int(written) if "." not in written else written


def _is_tighter(name: str, bound: Json, known: Json) -> bool:
    if known is None:
        return True
    return float(bound) > float(known) if name in ("ge", "gt", "min_length") else float(bound) < float(known)
