"""How row versions compare, and how far back a cursor may be set.

A row version is a string that only ever grows. Many sources write times of one width, some write
counters without padding; see "Rows" in the source contract for the rule that is implemented here.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_WHOLE = re.compile(r"[0-9]+\Z")
_HEX = re.compile(r"0[xX][0-9a-fA-F]+\Z")
_TIME_FORMATS = (
    (re.compile(r"[0-9]{14}\Z"), "%Y%m%d%H%M%S"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\Z"), "%Y-%m-%dT%H:%M:%S"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\Z"), "%Y-%m-%d %H:%M:%S"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z"), "%Y-%m-%dT%H:%M:%SZ"),
)


def precedes(earlier: str | None, later: str | None) -> bool:
    """Whether `earlier` is strictly the smaller row version; None is smaller than any."""
    if earlier is None or later is None:
        return earlier is None and later is not None
    numbers = _as_numbers(earlier, later)
    return numbers[0] < numbers[1] if numbers else earlier < later


def order_key(version: str | None) -> str | None:
    """A text that sorts by code point as the row versions of one form compare.

    Numbers are written as their length and digits, so that `9` sorts before `10` in SQL too.
    """
    if version is None:
        return None
    if _WHOLE.match(version):
        digits = version.lstrip("0")
        return f"{len(digits):06d}{digits}"
    if _HEX.match(version):
        digits = version[2:].lstrip("0").lower()
        return f"{len(digits):06d}{digits}"
    return version


def rewind(version: str | None, overlap: int) -> str | None:
    """The row version `overlap` before this one: seconds for a time, units for a counter.

    A value that is neither is returned as it is; None when there is nothing before it.
    """
    if version is None or overlap <= 0:
        return version
    as_time = _rewound_time(version, overlap)
    if as_time is not None:
        return as_time
    if _WHOLE.match(version):
        return _rewound_number(int(version), overlap, lambda n: f"{n:0{len(version)}d}")
    if _HEX.match(version):
        width, prefix = len(version) - 2, version[:2]
        letter = "X" if version[2:].upper() == version[2:] else "x"
        return _rewound_number(int(version, 16), overlap, lambda n: f"{prefix}{n:0{width}{letter}}")
    return version


def _as_numbers(a: str, b: str) -> tuple[int, int] | None:
    if _WHOLE.match(a) and _WHOLE.match(b):
        return _comparable(a), _comparable(b)
    if _HEX.match(a) and _HEX.match(b):
        return int(a, 16), int(b, 16)
    return None


def _comparable(digits: str) -> int:
    # int() of a decimal string refuses more than 4,300 digits; base 16 keeps the order of digits.
    return int(digits) if len(digits) < 4000 else int(digits, 16)


def _rewound_time(version: str, overlap_s: int) -> str | None:
    for pattern, layout in _TIME_FORMATS:
        if pattern.match(version):
            return _shifted(version, layout, overlap_s)
    return None


def _shifted(version: str, layout: str, overlap_s: int) -> str | None:
    try:
        moment = datetime.strptime(version, layout).replace(tzinfo=UTC)
        earlier = moment - timedelta(seconds=overlap_s)
    except (ValueError, OverflowError):
        return None  # fourteen digits that are no time: a counter
    return f"{earlier.year:04d}{earlier.strftime(layout.removeprefix('%Y'))}"


def _rewound_number(number: int, overlap: int, spell: Callable[[int], str]) -> str | None:
    return spell(number - overlap) if number > overlap else None
