"""How row versions compare, and how far back a cursor may be set.

A row version is a string that only ever grows. Many sources write times of one width, some write
counters without padding; see "Rows" in the source contract for the rule that is implemented here.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

_WHOLE = re.compile(r"[0-9]+\Z")
_HEX = re.compile(r"0[xX][0-9a-fA-F]+\Z")
_HEX_PREFIXES = ("0x", "0X")
_SPELLED_TIME = re.compile(
    r"(?P<moment>[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2})?)"
    r"(?P<rest>([.,][0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)\Z"
)
_COMPACT_TIME = re.compile(r"(?P<moment>[0-9]{14})(?P<rest>([0-9]{3}){0,3})\Z")


def precedes(earlier: str | None, later: str | None) -> bool:
    """Whether `earlier` is strictly the smaller row version; None is smaller than any.

    Neither precedes the other where they are one number in two spellings, as `7` and `007`.
    """
    if earlier is None or later is None:
        return earlier is None and later is not None
    if len(earlier) == len(later) and not earlier.startswith(_HEX_PREFIXES):
        return earlier < later  # numbers of one length compare as their digits do
    numbers = _number(earlier), _number(later)
    if numbers[0] and numbers[1] and numbers[0].form == numbers[1].form:
        return numbers[0] < numbers[1]
    return earlier < later


def rewind(version: str | None, overlap: int) -> str | None:
    """The row version `overlap` before this one: seconds for a time, units for a counter.

    A value that is neither is returned as it is; None when there is nothing before it.
    """
    if version is None or overlap <= 0:
        return version
    as_time = _rewound_time(version, overlap)
    if as_time is not None:
        return as_time
    if _WHOLE.match(version) and len(version) <= _LONGEST_DECIMAL:
        return _rewound_number(int(version), overlap, lambda n: f"{n:0{len(version)}d}")
    if _HEX.match(version):
        width, prefix = len(version) - 2, version[:2]
        letter = "X" if version[2:].upper() == version[2:] else "x"
        return _rewound_number(int(version, 16), overlap, lambda n: f"{prefix}{n:0{width}{letter}}")
    return version


_LONGEST_DECIMAL = 4000
"""Python's `int()` refuses decimal strings not much longer than that."""


class _Number(NamedTuple):
    """A whole number as it compares, of any length."""

    form: Literal["decimal", "hexadecimal"]
    length: int
    digits: str


def _number(version: str) -> _Number | None:
    if _WHOLE.match(version):
        digits = version.lstrip("0")
        return _Number("decimal", len(digits), digits)
    if _HEX.match(version):
        digits = version[2:].lstrip("0").lower()
        return _Number("hexadecimal", len(digits), digits)
    return None


def _rewound_time(version: str, overlap_s: int) -> str | None:
    found = _SPELLED_TIME.match(version) or _COMPACT_TIME.match(version)
    if found is None:
        return None
    moment = found["moment"]
    layout = "%Y%m%d%H%M%S" if "-" not in moment else f"%Y-%m-%d{moment[10]}%H:%M:%S" if moment[10:] else "%Y-%m-%d"
    try:
        earlier = datetime.strptime(moment, layout).replace(tzinfo=UTC) - timedelta(seconds=overlap_s)
    except (ValueError, OverflowError):
        return None  # fourteen digits that are no time: a counter
    return f"{earlier.year:04d}{earlier.strftime(layout.removeprefix('%Y'))}{found['rest']}"


def _rewound_number(number: int, overlap: int, spell: Callable[[int], str]) -> str | None:
    return spell(number - overlap) if number > overlap else None
