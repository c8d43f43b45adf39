"""The words of the inner form, as JSON: types, defaults, enumerations, findings."""

import base64
import datetime as dt
import enum
import math
import re
import typing
import uuid
from decimal import Decimal
from typing import Any

Json = Any

INT_BOUNDS = {bits: (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 24, 32, 64)}
"""The least and the greatest value of a signed integer of that many bits."""

_KINDS: dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    Decimal: "decimal",
    str: "str",
    bytes: "bytes",
    uuid.UUID: "uuid",
    dt.datetime: "datetime",
    dt.date: "date",
    dt.time: "time",
    dt.timedelta: "timedelta",
    dict: "json_object",
    list: "json_array",
}
_MAX_TEXT = 10_000
_MAX_BITS = 1_024


class NoConstant(Exception):
    """A value that JSON does not have."""


def scalar(kind: str, **bounds: Json) -> Json:
    """A kind within its bounds; those that are None are left out."""
    return {"type": "scalar", "kind": kind} | {name: value for name, value in bounds.items() if value is not None}


def integer(bits: int, *, unsigned: bool = False) -> Json:
    """An integer of that many bits."""
    least, greatest = (0, (1 << bits) - 1) if unsigned else INT_BOUNDS[bits]
    return scalar("int", ge=least, le=greatest)


def list_of(item: Json) -> Json:
    return {"type": "list", "item": item}


def model_of(name: str) -> Json:
    return {"type": "model", "name": name}


def of_python(python_type: Any) -> Json | None:
    """The kind that stands for a type of Python; None where none does."""
    kind = _KINDS.get(python_type) or _KINDS.get(getattr(python_type, "__origin__", None))
    return scalar(kind) if kind else None


def json_of(hint: Any) -> Json:
    """JSON, as an annotation says of what kind."""
    kinds = {dict: "json_object", list: "json_array"}
    return scalar(kinds.get(typing.get_origin(hint) or hint, "json"))


def constant(value: Any) -> Json:
    """The value as JSON has it. Raises `NoConstant`."""
    if isinstance(value, enum.Enum):
        return member_value(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() <= _MAX_BITS:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, list | tuple):
        return [constant(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {text(key): constant(item) for key, item in value.items()}
    return _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, str) and len(value) <= _MAX_TEXT:
        return text(value)
    if (isinstance(value, Decimal) and value.is_finite()) or isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        sign, whole = ("-", -value) if value.days < 0 else ("", value)
        return f"{sign}P{whole.days}DT{whole.seconds}.{whole.microseconds:06d}S"
    if isinstance(value, bytes) and len(value) <= _MAX_TEXT:
        return base64.b64encode(value).decode()
    raise NoConstant


def default(value: Any) -> Json:
    """Something that is made anew for each row where the value is callable or none that JSON has."""
    if value in (dict, list):
        return {"how": "constant", "value": value()}
    if callable(value) and not isinstance(value, enum.Enum):
        return {"how": "factory"}
    try:
        return {"how": "constant", "value": constant(value)}
    except NoConstant:
        return {"how": "factory"}


def text(value: object) -> str:
    """The text without what UTF-8 cannot hold, and without white space around it."""
    return str(value).encode("utf-8", "replace").decode().strip()


def member_value(member: enum.Enum) -> int | str:
    """What stands for a member: its value, or its name where the value is neither a number nor a text."""
    value = member.value
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, str) else member.name


def pattern_of(regex: re.Pattern[Any]) -> str:
    """The pattern of an expression that has to match at the beginning, as one that is searched for."""
    flags = "".join(
        letter for letter, flag in (("i", re.IGNORECASE), ("s", re.DOTALL), ("x", re.VERBOSE)) if regex.flags & flag
    )
    written = str(regex.pattern)
    anchored = written if written.startswith(("^", "\\A")) and "|" not in written else f"^(?:{written})"
    return f"(?{flags}){anchored}" if flags else anchored


class Collected:
    """What is found beside the models: enumerations, each once, and what cannot be used."""

    def __init__(self) -> None:
        self._enums: dict[Any, str] = {}
        self._specs: dict[str, Json] = {}
        self.findings: list[Json] = []
        self.notes: dict[str, str] = {}
        """By field, why its type is `any`."""

    @property
    def enums(self) -> list[Json]:
        return [self._specs[name] for name in sorted(self._specs)]

    def note(self, where: str, reason: str) -> None:
        """Something of a field or model that is used with care, or not at all."""
        self.findings.append({"where": where, "reason": text(reason)})

    def unknown(self, where: str, type_name: str) -> Json:
        """The type of a field whose type is not known, which is noted with the field."""
        self.notes[where] = f"the type {text(type_name)} is not known"
        return scalar("any")

    def enum_class(self, cls: type[enum.Enum], where: str) -> Json:
        """The type of a field that holds members of that class."""
        if cls not in self._enums:
            members = [(text(name), member_value(member)) for name, member in cls.__members__.items()]
            self._add(cls, cls.__name__, f"{cls.__module__.rpartition('.')[2]}_{cls.__name__}", members, _doc(cls))
            if any(not isinstance(member.value, int | str) for member in cls):
                self.note(where, f"members of {cls.__name__} have values that JSON has not; their names stand for them")
        return {"type": "enum", "name": self._enums[cls]}

    def enum_texts(self, name: str, values: list[str], qualified: str) -> Json:
        """The type of a field that holds one of those texts."""
        key = (name, tuple(values))
        if key not in self._enums:
            self._add(key, name, qualified, [(text(value), text(value)) for value in values], "")
        return {"type": "enum", "name": self._enums[key]}

    def _add(self, key: Any, name: str, qualified: str, members: list[Any], description: str) -> None:
        free = next(candidate for candidate in _candidates(name, qualified) if candidate not in self._specs)
        if free != name:
            self.note(free, f"several enumerations are called {name}; this one is called {free}")
        self._enums[key] = free
        self._specs[free] = {"name": free, "members": members, "description": description}


def _candidates(name: str, qualified: str) -> Any:
    yield name
    yield qualified
    number = 2
    while True:
        yield f"{qualified}_{number}"
        number += 1


def _doc(cls: type[enum.Enum]) -> str:
    """What the author wrote: Python 3.11 gives every enumeration a text of its own."""
    written = cls.__doc__ or ""
    return "" if written == "An enumeration." else text(written)
