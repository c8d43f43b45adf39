"""The formats of texts and numbers that are held against a request; others are notes for people."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from typing import Any

_LONGEST = 100
"""Characters of anything that has one of these formats."""
_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ]" + _TIME, re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)


def has_format(value: Any, name: Any) -> bool:
    """Whether the value has the format, as far as that is checked: a value of another type has every format."""
    if name in _BITS and isinstance(value, int) and not isinstance(value, bool):
        return -(1 << _BITS[name] - 1) <= value < 1 << _BITS[name] - 1
    check = _CHECKS.get(name) if isinstance(name, str) and isinstance(value, str) else None
    return check is None or (len(value) <= _LONGEST and check(value))


def _is_date(text: str) -> bool:
    with suppress(ValueError):
        return bool(_DATE.fullmatch(text) and date.fromisoformat(text))
    return False


def _is_date_time(text: str) -> bool:
    found = _DATE_TIME.fullmatch(text)
    return found is not None and _is_date(found.group(1))


def _reads_as(kind: Callable[[str], object]) -> Callable[[str], bool]:
    def reads(text: str) -> bool:
        try:
            kind(text)
        except ValueError:
            return False
        return True

    return reads


_BITS = {"int32": 32, "int64": 64}
_CHECKS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "date-time": _is_date_time,
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
    "ipv4": _reads_as(IPv4Address),
    "ipv6": _reads_as(IPv6Address),
}
