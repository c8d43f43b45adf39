"""JSON that keeps numbers exactly as they are written."""

import json
from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def write_json(value: Any) -> bytes:
    """`value` as JSON: `Decimal` as a bare number with all its digits, `msgspec.Raw` as it stands.

    `Raw` lets a test serve what no JSON writer would write: `NaN`, a lone surrogate, a torn value.
    """
    return _ENCODER.encode(value)


def read_json(text: bytes) -> Any:
    """The inverse: numbers with a point or an exponent come back as `Decimal`, however long."""
    return json.loads(text, parse_float=Decimal)
