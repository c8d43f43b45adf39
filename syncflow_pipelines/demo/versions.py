"""Row versions: how a source writes them, and how two of them compare."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

VersionStyle = Literal["time", "counter", "hex", "iso"]
"""`20251208120000`, `9` and `10`, `0x00000000000007D1`, `2025-12-08T12:00:00Z`."""

TIED_STYLES: frozenset[VersionStyle] = frozenset({"time", "iso"})
"""Styles that stamp a whole transaction with one value; the others number every row."""

_WHOLE = re.compile(r"-?[0-9]+\Z")
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]+\Z")


def format_version(style: VersionStyle, number: int) -> str:
    """`number` (seconds since 1970 for times) as a source of that style writes it."""
    if style == "counter":
        return str(number)
    if style == "hex":
        return f"0x{number:016X}"
    moment = datetime.fromtimestamp(number, UTC)
    return moment.strftime("%Y%m%d%H%M%S" if style == "time" else "%Y-%m-%dT%H:%M:%SZ")


def version_number(style: VersionStyle, version: str) -> int:
    """The inverse of `format_version`. Raises `ValueError` for a version of another style."""
    mistake = f"row version {version!r} is not written in the style {style!r}"
    try:
        number = _read_number(style, version)
    except ValueError as error:
        raise ValueError(mistake) from error
    if number < 0 or format_version(style, number) != version:
        raise ValueError(mistake)
    return number


def version_form(version: str) -> Literal["whole", "hexadecimal", "text"]:
    """Which family of the contract a version belongs to; only equal families compare as numbers."""
    if _WHOLE.match(version):
        return "whole"
    return "hexadecimal" if _HEXADECIMAL.match(version) else "text"


@lru_cache(maxsize=256)
def version_order(version: str) -> str:
    """A text that sorts by code point as versions of one form compare by the contract.

    Works on digits rather than `int`, so that a version of any length costs no more than its text.
    """
    form = version_form(version)
    if form == "text":
        return version
    digits = (version[2:].lower() if form == "hexadecimal" else version).lstrip("-0")
    if version.startswith("-") and digits:
        return ""
    return f"{len(digits):09}{digits}"


def is_greater(version: str, than: str) -> bool:
    """Whether the contract calls `version` strictly greater; negative numbers are all one."""
    if version_form(version) == version_form(than):
        return version_order(version) > version_order(than)
    return version > than


def _read_number(style: VersionStyle, version: str) -> int:
    if style == "counter":
        return int(version)
    if style == "hex":
        return int(version, 16)
    pattern = "%Y%m%d%H%M%S" if style == "time" else "%Y-%m-%dT%H:%M:%SZ"
    return int(datetime.strptime(version, pattern).replace(tzinfo=UTC).timestamp())
