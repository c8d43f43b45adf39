"""Types of the inner form → annotations of Python, and what they need to be imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.schemas.model import EnumOf, FieldType, Kind, ListOf, ModelOf, Scalar
from syncflow_pipelines.schemas.rendering.literals import literal
from syncflow_pipelines.schemas.rendering.naming import Names

_SENT: Final[Mapping[Kind, str]] = {
    "int": "int",
    "float": "float",
    "decimal": "Decimal",
    "bool": "bool",
    "str": "str",
    "bytes": "Base64",
    "uuid": "UUID",
    "datetime": "AwareDatetime",
    "naive_datetime": "NaiveDatetime",
    "date": "_dt.date",
    "time": "_dt.time",
    "timedelta": "_dt.timedelta",
    "ip_interface": "IPvAnyInterface",
    "ip_network": "IPvAnyNetwork",
    "json": "JsonValue",
    "json_object": "dict[str, Any]",
    "json_array": "list[Any]",
    "any": "Any",
}
_STORED: Final[Mapping[Kind, str]] = {
    **_SENT,
    "datetime": "_dt.datetime",
    "naive_datetime": "_dt.datetime",
    "json": "Any",
}
"""What comes out of a database is there already, and has to come out whether or not it would be let in today."""

_BOUNDS: Final = ("min_length", "max_length", "ge", "gt", "le", "lt", "max_digits", "decimal_places", "pattern")

Arguments = tuple[tuple[str, str], ...]
"""Names and sources of the arguments of `Field`."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A type as source, and the bounds that belong into its `Field`."""

    text: str
    bounds: Arguments = ()

    @property
    def bounded(self) -> str:
        """The type with its bounds in it."""
        if not self.bounds:
            return self.text
        return f"Annotated[{self.text}, {call('Field', self.bounds)}]"


def annotate(kind: FieldType, names: Names, *, is_stored: bool) -> Annotation:
    """The annotation. What is stored has no bounds: a row that was let in under other rules must still come out.

    A reference to nothing becomes `Any`.
    """
    match kind:
        case Scalar():
            return _scalar(kind, is_stored)
        case EnumOf(name=name):
            return Annotation(names.enums.get(name, "Any"))
        case ModelOf(name=name):
            prefix = names.models.get(name)
            return Annotation("Any" if prefix is None else f"{prefix}Response")
        case ListOf(item=ModelOf(name=name)) if name in names.models:
            return Annotation(f"Related[{names.models[name]}Response]")
        case ListOf(item=item, max_items=max_items):
            inner = annotate(item, names, is_stored=is_stored).bounded
            bounds = () if is_stored or max_items is None else (("max_length", literal(max_items)),)
            return Annotation(f"list[{inner}]", bounds)


def call(name: str, arguments: Arguments) -> str:
    """The source of a call."""
    return f"{name}({', '.join(f'{key}={value}' for key, value in arguments)})"


def _scalar(kind: Scalar, is_stored: bool) -> Annotation:
    if is_stored:
        # PostgreSQL's numeric holds NaN, which Pydantic refuses unless told otherwise
        bounds: Arguments = (("allow_inf_nan", "True"),) if kind.kind == "decimal" else ()
        return Annotation(_STORED[kind.kind], bounds)
    return Annotation(_SENT[kind.kind], tuple((name, text) for name in _BOUNDS if (text := _bound(kind, name))))


def _bound(kind: Scalar, name: str) -> str:
    value = getattr(kind, name)
    if value is None:
        return ""
    if isinstance(value, str) and name != "pattern":
        return f"Decimal({literal(value)})"
    return literal(value)
