"""Constants that a field is by default → Python source, of the field's type."""

import datetime as dt
import ipaddress
from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from syncflow_pipelines.schemas.literals import literal
from syncflow_pipelines.schemas.model import EnumOf, FieldType, Kind, ListOf, ModelOf, Scalar

Json = Any

Members = Mapping[str, Mapping[int | str, str]]
"""The sources of an enumeration's members, by its name and their values."""


class UnusableDefault(ValueError):
    """The constant is not of the field's type."""


def constant(kind: FieldType, value: Json, members: Members) -> str:
    """The source of the constant.

    Raises `UnusableDefault` for one that is not of the type, or for null.
    """
    try:
        return _constant(kind, value, members)
    except (ArithmeticError, TypeError, ValueError, KeyError) as error:
        raise UnusableDefault(f"its default is not a value of its type ({type(error).__name__})") from error


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


def _bytes(value: Json) -> str:
    return repr(b64decode(value, validate=True))


def _uuid(value: Json) -> str:
    return f"UUID({literal(str(UUID(value)))})"


def _moment(is_aware: bool) -> Callable[[Json], str]:
    def write(value: Json) -> str:
        moment = dt.datetime.fromisoformat(value)
        if (moment.tzinfo is not None) is not is_aware:
            raise ValueError
        return f"_dt.datetime.fromisoformat({literal(moment.isoformat())})"

    return write


def _date(value: Json) -> str:
    day = dt.date.fromisoformat(value)
    return f"_dt.date({day.year}, {day.month}, {day.day})"


def _time(value: Json) -> str:
    return f"_dt.time.fromisoformat({literal(dt.time.fromisoformat(value).isoformat())})"


def _timedelta(value: Json) -> str:
    span = _durations().validate_python(value)
    return f"_dt.timedelta(days={span.days}, seconds={span.seconds}, microseconds={span.microseconds})"


@cache
def _durations() -> TypeAdapter[dt.timedelta]:
    return TypeAdapter(dt.timedelta)


def _ip_interface(value: Json) -> str:
    return f"ip_interface({literal(str(ipaddress.ip_interface(value)))})"


def _ip_network(value: Json) -> str:
    return f"ip_network({literal(str(ipaddress.ip_network(value)))})"


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
