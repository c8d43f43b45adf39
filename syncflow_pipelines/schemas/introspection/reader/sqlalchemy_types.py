"""Types of SQLAlchemy → types of the inner form.

A type is known by the names of SQLAlchemy's own classes that it comes from, most special first, so that a dialect's
types need no import of the dialect.
"""

import enum
from collections.abc import Callable
from typing import Any

from .description import Collected, Json, integer, json_of, list_of, of_python, scalar, text


class TypeReader:
    """The types of one source's columns."""

    def __init__(self, collected: Collected) -> None:
        self._collected = collected
        self._converted: set[str] = set()

    def read(self, column_type: Any, where: str, enum_name: str, hint: Any = None) -> Json:
        """The type of a column.

        `where` names the field, and `enum_name` an enumeration that has no name of its own. `hint` is the annotation's
        type, which says more than the column where that holds JSON or something of the user's making.
        """
        for cls in type(column_type).__mro__:
            if not cls.__module__.startswith("sqlalchemy."):
                continue
            if cls.__name__ == "PickleType":
                return self._collected.unknown(where, cls.__name__)
            if cls.__name__ == "TypeDecorator":
                return self._decorated(column_type, where, enum_name, hint)
            if cls.__name__ == "Enum":
                return self._enum(column_type, where, enum_name)
            if cls.__name__ in ("ARRAY", "DOMAIN", "SET", "JSON"):
                return self._composed(cls.__name__, column_type, where, enum_name, hint)
            known = _KNOWN.get(cls.__name__)
            if known is not None:
                if _is_read_otherwise(cls.__name__, column_type):
                    self._converted.add(where)
                return known(column_type)
            if cls.__name__ == "BIT" and "postgresql" in cls.__module__:
                return scalar("str")
        return self._unknown(column_type, where, hint)

    def note(self, where: str) -> str:
        """Why the type of that field is `any`; empty where it is not."""
        return self._collected.notes.get(where, "")

    def is_converted(self, where: str) -> bool:
        """Whether what is read of that field is of another type than its column."""
        return where in self._converted

    def annotated(self, hint: Any, where: str) -> Json | None:
        """The type that an annotation stands for; None where it is none that is known."""
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return self._collected.enum_class(hint, where)
        return of_python(hint)

    def _composed(self, name: str, column_type: Any, where: str, enum_name: str, hint: Any) -> Json:
        if name == "DOMAIN":
            return self.read(column_type.data_type, where, enum_name, hint)
        if name == "SET":
            return list_of(scalar("str"))
        if name == "JSON":
            return json_of(hint)
        item = self.read(column_type.item_type, where, enum_name)
        for _ in range(column_type.dimensions or 1):
            item = list_of(item)
        return item

    def _decorated(self, column_type: Any, where: str, enum_name: str, hint: Any) -> Json:
        """What the decorator says that it gives; where it says nothing, what it is kept as."""
        said = self._said_by(column_type, where) or self.annotated(hint, where)
        kept = self.read(column_type.impl_instance, where, enum_name)
        if said is None:
            if _changes_values(type(column_type)):
                name = type(column_type).__name__
                reason = (
                    f"{name} does not say what it makes of a value (python_type), so it is taken as what it is kept as"
                )
                self._collected.note(where, reason)
            return kept
        if kept.get("kind") == said.get("kind") and kept["type"] == "scalar":
            return kept
        self._converted.add(where)
        return said

    def _said_by(self, column_type: Any, where: str) -> Json | None:
        for cls in type(column_type).__mro__:
            if cls.__name__ == "TypeDecorator":
                return None
            if "python_type" in vars(cls):
                return self.annotated(_python_type(column_type), where)
        return None

    def _enum(self, column_type: Any, where: str, enum_name: str) -> Json:
        if column_type.enum_class is not None:
            return self._collected.enum_class(column_type.enum_class, where)
        values = [text(value) for value in column_type.enums]
        if not values:
            return scalar("str")
        named = "".join(part[:1].upper() + part[1:] for part in text(column_type.name or "").split("_"))
        return self._collected.enum_texts(named or enum_name, values, enum_name)

    def _unknown(self, column_type: Any, where: str, hint: Any) -> Json:
        said = self.annotated(hint, where) or self.annotated(_python_type(column_type), where)
        return said or self._collected.unknown(where, type(column_type).__name__)


def _python_type(column_type: Any) -> Any:
    """The type of Python that it says it gives; None where it says none."""
    try:
        return column_type.python_type
    except Exception:  # noqa: BLE001 - the user's own code, which may raise anything to say nothing
        return None


def _is_read_otherwise(name: str, column_type: Any) -> bool:
    if name in ("Numeric", "Float"):
        return bool(column_type.asdecimal) == (name == "Float")
    return name == "Uuid" and not (column_type.as_uuid and column_type.native_uuid)


def _changes_values(cls: type[Any]) -> bool:
    overridden = {name for owner in cls.__mro__ if owner.__name__ != "TypeDecorator" for name in vars(owner)}
    return "process_result_value" in overridden and not cls.__module__.startswith("sqlalchemy.")


def _text(column_type: Any) -> Json:
    return scalar("str", max_length=column_type.length)


def _number(column_type: Any) -> Json:
    if not column_type.asdecimal:
        return scalar("float")
    precision, places = column_type.precision, getattr(column_type, "scale", None)
    fits = precision is not None and (places is None or 0 <= places <= precision)
    return scalar("decimal", max_digits=precision, decimal_places=places or 0) if fits else scalar("decimal")


def _float(column_type: Any) -> Json:
    return scalar("decimal" if column_type.asdecimal else "float")


def _oracle_number(column_type: Any) -> Json:
    return scalar("int") if getattr(column_type, "scale", None) == 0 else _number(column_type)


def _moment(column_type: Any) -> Json:
    return scalar("datetime" if column_type.timezone else "naive_datetime")


def _uuid(column_type: Any) -> Json:
    return scalar("uuid") if column_type.as_uuid else scalar("str", max_length=36)


def _bytes(column_type: Any) -> Json:
    return scalar("bytes", max_length=getattr(column_type, "length", None))


def _bits(bits: int) -> Callable[[Any], Json]:
    return lambda column_type: integer(bits, unsigned=bool(getattr(column_type, "unsigned", False)))


def _plain(kind: str) -> Callable[[Any], Json]:
    return lambda column_type: scalar(kind)


_KNOWN: dict[str, Callable[[Any], Json]] = {
    "String": _text,
    "Boolean": _plain("bool"),
    "TINYINT": _bits(8),
    "SmallInteger": _bits(16),
    "MEDIUMINT": _bits(24),
    "Integer": _bits(32),
    "BigInteger": _bits(64),
    "NUMBER": _oracle_number,
    "Numeric": _number,
    "Float": _float,
    "DateTime": _moment,
    "DATETIMEOFFSET": _plain("datetime"),
    "Date": _plain("date"),
    "Time": _plain("time"),
    "_AbstractInterval": _plain("timedelta"),
    "_Binary": _bytes,
    "Uuid": _uuid,
    "UNIQUEIDENTIFIER": _uuid,
    "INET": _plain("ip_interface"),
    "CIDR": _plain("ip_network"),
    "MACADDR": _plain("str"),
    "MACADDR8": _plain("str"),
    "MONEY": _plain("str"),
    "OID": lambda column_type: integer(32, unsigned=True),
    "REGCLASS": _plain("str"),
    "REGCONFIG": _plain("str"),
    "TSVECTOR": _plain("str"),
    "TSQUERY": _plain("str"),
    "HSTORE": _plain("json_object"),
    "YEAR": lambda column_type: scalar("int"),
    "ROWID": _plain("str"),
}
