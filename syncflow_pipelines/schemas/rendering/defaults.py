"""Constants that a field is by default → Python source, of the field's type."""

import datetime as dt
import ipaddress
import operator
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from syncflow_pipelines.schemas.model import EnumOf, FieldType, Kind, ListOf, ModelOf, Scalar
from syncflow_pipelines.schemas.rendering.literals import literal

Json = Any

_COMPARED: Final[Mapping[str, Callable[[Decimal, Decimal], bool]]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}

Members = Mapping[str, Mapping[int | str, str]]
"""The sources of an enumeration's members, by its name and their values."""


class UnusableDefault(ValueError):
    """The constant is not of the field's type."""


def constant(kind: FieldType, value: Json, members: Members) -> str:
    """The source of the constant.

    Raises `UnusableDefault` for one that is not of the type or beyond its bounds, and for null.
    """
    try:
        text = _constant(kind, value, members)
    except (ArithmeticError, TypeError, ValueError, KeyError) as error:
        raise UnusableDefault("its default is not a value of its type") from error
    if isinstance(kind, Scalar) and not _is_within(kind, value):
        raise UnusableDefault("its default is beyond its own bounds")
    return text


def _is_within(kind: Scalar, value: Json) -> bool:
    if kind.kind in ("str", "bytes"):
        length = len(value if kind.kind == "str" else b64decode(value))
        fits = (kind.min_length or 0) <= length and (kind.max_length is None or length <= kind.max_length)
        return fits and (kind.pattern is None or re.search(kind.pattern, value) is not None)
    if kind.kind in ("int", "float", "decimal"):
        return _is_number_within(kind, Decimal(str(value)))
    return True


def _is_number_within(kind: Scalar, number: Decimal) -> bool:
    if not number.is_finite():
        return kind.kind == "float"
    bounds = {name: Decimal(str(bound)) for name in _COMPARED if (bound := getattr(kind, name)) is not None}
    exponent = number.normalize().as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    whole = max(0, number.adjusted() + 1)
    most = None if kind.max_digits is None else kind.max_digits - (kind.decimal_places or 0)
    return (
        all(_COMPARED[name](number, bound) for name, bound in bounds.items())
        and (kind.decimal_places is None or places <= kind.decimal_places)
        and (most is None or whole <= most)
    )


def _constant(kind: FieldType, value: Json, members: Members) -> str:
    match kind:
        case Scalar():
            return _SCALARS[kind.kind](value)
        case EnumOf(name=name):
            return members[name][value]
        case ListOf(item=item) if isinstance(value, list):
            return "[" + ", ".join(_constant(item, each, members) for each in value) + "]"
        case ListOf() | ModelOf():
            raise TypeError


def _of(*types: type) -> Callable[[Json], str]:
    def write(value: Json) -> str:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError
        return literal(value)

    return write


def _float(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return literal(float(value))


def _decimal(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return f"Decimal({literal(str(Decimal(str(value))))})"


def _text(value: Json) -> str:
    """What has to be a text, since the constructors of many types take other things, too, or stumble over them."""
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: Json) -> str:
    return repr(b64decode(_text(value), validate=True))


def _uuid(value: Json) -> str:
    return f"UUID({literal(str(UUID(_text(value))))})"


def _moment(is_aware: bool) -> Callable[[Json], str]:
    def write(value: Json) -> str:
        moment = dt.datetime.fromisoformat(_text(value))
        if (moment.tzinfo is not None) is not is_aware:
            raise ValueError
        return f"_dt.datetime.fromisoformat({literal(moment.isoformat())})"

    return write


def _date(value: Json) -> str:
    day = dt.date.fromisoformat(_text(value))
    return f"_dt.date({day.year}, {day.month}, {day.day})"


def _time(value: Json) -> str:
    return f"_dt.time.fromisoformat({literal(dt.time.fromisoformat(_text(value)).isoformat())})"


def _timedelta(value: Json) -> str:
    span = _durations().validate_python(value)
    return f"_dt.timedelta(days={span.days}, seconds={span.seconds}, microseconds={span.microseconds})"


@cache
def _durations() -> TypeAdapter[dt.timedelta]:
    return TypeAdapter(dt.timedelta)


def _ip_interface(value: Json) -> str:
    return f"ip_interface({literal(str(ipaddress.ip_interface(_text(value))))})"


def _ip_network(value: Json) -> str:
    return f"ip_network({literal(str(ipaddress.ip_network(_text(value))))})"


_SCALARS: Final[Mapping[Kind, Callable[[Json], str]]] = {
    "int": _of(int),
    "float": _float,
    "decimal": _decimal,
    "bool": _of(bool),
    "str": _of(str),
    "bytes": _bytes,
    "uuid": _uuid,
    "datetime": _moment(is_aware=True),
    "naive_datetime": _moment(is_aware=False),
    "date": _date,
    "time": _time,
    "timedelta": _timedelta,
    "ip_interface": _ip_interface,
    "ip_network": _ip_network,
    "json": literal,
    "json_object": _of(dict),
    "json_array": _of(list),
    "any": literal,
}
