"""Columns at random, as the inner form, SQLAlchemy and Tortoise have them, and values that fit into them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from syncflow_pipelines.schemas.model import EnumOf, EnumSpec, FieldType, ListOf, Scalar

ENUMS = (EnumSpec("Level", (("LOW", 1), ("HIGH", 3))), EnumSpec("Status", (("NEW", "new"), ("title", "title"))))
NAMES = (
    "name", "class", "json", "copy", "model_year", "date", "uuid", "größe", "_hidden", "Status", "int", "match", "x_1",
)  # fmt: skip

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_floats = st.floats(allow_nan=False, allow_infinity=False)
# PostgreSQL's jsonb writes a large float with all digits, and Python then reads a whole number
_json_floats = st.floats(-1e9, 1e9)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _json_floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - zones are given below
_zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@dataclass(frozen=True)
class Column:
    """A type and what fits into it; the types of the ORMs as their source."""

    type: FieldType
    sqlalchemy: str
    values: st.SearchStrategy[Any]
    tortoise: str = ""
    server_default: str = ""
    """As SQL."""


def _decimal(digits: int, places: int) -> Column:
    most = 10**digits - 1
    return Column(
        Scalar("decimal", max_digits=digits, decimal_places=places),
        f"Numeric({digits}, {places})",
        st.integers(-most, most).map(lambda number: Decimal(f"{number}E-{places}")),
        f"DecimalField(max_digits={digits}, decimal_places={places})",
    )


def _whole(bits: int, sqlalchemy: str, tortoise: str) -> Column:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return Column(Scalar("int", ge=low, le=high), sqlalchemy, st.integers(low, high), tortoise, "7")


columns = st.one_of(
    st.sampled_from((
        _whole(16, "SmallInteger", "SmallIntField()"),
        _whole(32, "Integer", "IntField()"),
        _whole(64, "BigInteger", "BigIntField()"),
        Column(Scalar("str"), "Text", texts, "TextField()", "'left out'"),
        Column(Scalar("float"), "Double", st.floats()),
        Column(Scalar("float"), "Float(53)", _floats, "FloatField()"),
        Column(Scalar("decimal"), "Numeric", st.decimals(-(10**20), 10**20, places=7)),
        Column(Scalar("bool"), "Boolean", st.booleans(), "BooleanField()"),
        Column(Scalar("uuid"), "Uuid", st.uuids(), "UUIDField()"),
        Column(
            Scalar("datetime"),
            "DateTime(timezone=True)",
            st.builds(lambda moment, zone: moment.replace(tzinfo=zone), moments, _zones),
            "DatetimeField()",
        ),
        Column(Scalar("naive_datetime"), "DateTime", moments),
        Column(Scalar("date"), "Date", st.dates(), "DateField()"),
        Column(Scalar("time"), "Time", st.times()),
        Column(
            Scalar("timedelta"), "Interval", st.timedeltas(timedelta(-9999), timedelta(9999)), "TimeDeltaField()"
        ),
        Column(Scalar("bytes"), "LargeBinary", st.binary(max_size=20), "BinaryField()"),
        Column(Scalar("json_object"), "JSON", st.dictionaries(texts, json_values, max_size=3)),
        Column(Scalar("json_array"), "JSONB", st.lists(json_values, max_size=3)),
        Column(Scalar("json"), "JSON(none_as_null=True)", json_values.filter(lambda value: value is not None)),
        Column(Scalar("ip_interface"), "INET", st.ip_addresses().map(str)),
        Column(Scalar("ip_network"), "CIDR", st.ip_addresses().map(str)),
        Column(ListOf(Scalar("int")), "ARRAY(BigInteger)", st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4)),
        Column(ListOf(Scalar("str")), "ARRAY(Text)", st.lists(texts, max_size=4)),
        Column(
            EnumOf("Status"), "Enum(Status, name='status')", st.sampled_from(("new", "title")), "CharEnumField(Status)"
        ),
        Column(EnumOf("Level"), "Integer", st.sampled_from((1, 3)), "IntEnumField(Level)"),
    )),
    st.integers(1, 30).map(
        lambda length: Column(
            Scalar("str", max_length=length),
            f"String({length})",
            texts.map(lambda text: text[:length]),
            f"CharField(max_length={length})",
        )
    ),
    st.integers(1, 30).flatmap(lambda digits: st.integers(0, digits).map(lambda places: _decimal(digits, places))),
)  # fmt: skip


@dataclass(frozen=True)
class Attribute:
    """A column of a model."""

    name: str
    column: Column
    is_nullable: bool
    is_left_to_the_server: bool

    @property
    def may_be_left_out(self) -> bool:
        return self.is_nullable or self.is_left_to_the_server

    def row_values(self) -> st.SearchStrategy[Any]:
        """What a row may have."""
        return st.none() | self.column.values if self.is_nullable else self.column.values


_attributes = st.builds(
    lambda name, column, nullable, server: Attribute(name, column, nullable, server and column.server_default != ""),
    st.sampled_from(NAMES),
    columns,
    st.booleans(),
    st.booleans(),
)
models = st.lists(_attributes, min_size=1, max_size=6, unique_by=lambda attribute: attribute.name)


def rows(model: list[Attribute]) -> st.SearchStrategy[dict[str, Any]]:
    """Rows of the model; what may be left out is left out now and then."""
    return st.fixed_dictionaries(
        {each.name: each.row_values() for each in model if not each.may_be_left_out},
        optional={each.name: each.row_values() for each in model if each.may_be_left_out},
    )


def changes(model: list[Attribute]) -> st.SearchStrategy[dict[str, Any]]:
    """Changes of some of its columns."""
    return st.fixed_dictionaries({}, optional={each.name: each.row_values() for each in model})


def same(sent: Any, found: Any) -> bool:
    """Whether that is what was sent; NaN is NaN, and a moment the same in every zone."""
    if isinstance(sent, float) and math.isnan(sent):
        return isinstance(found, float) and math.isnan(found)
    if isinstance(sent, str) and not isinstance(found, str):
        return str(found) in (sent, f"{sent}/32", f"{sent}/128")
    if isinstance(sent, datetime) and sent.tzinfo is not None:
        return bool(sent.astimezone(UTC) == found)
    if isinstance(sent, time):
        return bool(sent.replace(tzinfo=None) == found)
    return bool(sent == found)


def all_same(sent: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether all that was sent was found."""
    return all(same(value, found[name]) for name, value in sent.items())
