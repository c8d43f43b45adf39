"""Sources of schemas, made at random, and one to change by hand."""

from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from syncflow_pipelines.schemas.model import (
    Default,
    EnumOf,
    EnumSpec,
    FieldSpec,
    FieldType,
    Kind,
    ListOf,
    ModelOf,
    ModelSpec,
    Scalar,
    SchemaSource,
)

COLORS = EnumSpec("Color", (("RED", "red"), ("BLUE", "blue")))


def field(name: str, kind: Kind | FieldType, **more: Any) -> FieldSpec:
    """A field of that kind; limits of a scalar may stand among the rest."""
    limits = {key: more.pop(key) for key in (*Scalar.__struct_fields__,) if key in more}
    return FieldSpec(name, Scalar(kind, **limits) if isinstance(kind, str) else kind, **more)


def source_of(*fields: FieldSpec, enums: tuple[EnumSpec, ...] = (COLORS,)) -> SchemaSource:
    """One model `Product` with an id and these fields."""
    identity = field("id", "int", primary_key=True, generated=True)
    return SchemaSource((ModelSpec("Product", (identity, *fields)),), enums)


NAMES = st.sampled_from(["id", "name", "price", "items", "type", "class", "größe", "a/b", "oneOf"])
BOUNDS = st.none() | st.integers(-5, 5) | st.floats(-5, 5) | st.just("0.10000000000000000000001")
SCALARS = st.builds(
    Scalar,
    st.sampled_from(get_args(Kind)),
    min_length=st.none() | st.integers(0, 3),
    max_length=st.none() | st.integers(1, 9),
    ge=BOUNDS,
    lt=BOUNDS,
    max_digits=st.none() | st.integers(1, 40),
    decimal_places=st.none() | st.integers(0, 12),
    pattern=st.none() | st.sampled_from(["^a", "b$"]),
)
TYPES = st.recursive(
    SCALARS | st.builds(EnumOf, st.sampled_from(["Color", "Size"])) | st.builds(ModelOf, st.sampled_from(["A", "B"])),
    lambda types: st.builds(ListOf, types, st.none() | st.integers(1, 9)),
    max_leaves=3,
)
DEFAULTS = st.none() | st.builds(
    Default, st.sampled_from(["constant", "factory", "server"]), st.none() | st.integers(0, 3) | st.just("a")
)
FIELDS = st.builds(
    FieldSpec, NAMES, TYPES, st.booleans(), DEFAULTS,
    primary_key=st.booleans(), generated=st.booleans(), write_only=st.booleans(), relation=st.booleans(),
)  # fmt: skip
MODELS = st.lists(FIELDS, max_size=5, unique_by=lambda one: one.name).map(tuple)
MEMBERS = st.lists(st.sampled_from(["a", "b", 1, 2]), min_size=1, max_size=3, unique=True)


def _enum(name: str, values: list[Any]) -> EnumSpec:
    return EnumSpec(name, tuple((f"V{value}", value) for value in values))


SOURCES = st.builds(
    lambda fields, members: SchemaSource(
        tuple(ModelSpec(name, fields[name]) for name in fields),
        tuple(_enum(name, members[name]) for name in sorted(members)),
    ),
    st.dictionaries(st.sampled_from("ABC"), MODELS, max_size=3),
    st.fixed_dictionaries({"Color": MEMBERS, "Size": MEMBERS}),
)


def reversed_source(source: SchemaSource) -> SchemaSource:
    """The same models, fields, enumerations and members, the other way round."""
    models = [msgspec.structs.replace(model, fields=model.fields[::-1]) for model in source.models]
    enums = [msgspec.structs.replace(enum, members=enum.members[::-1]) for enum in source.enums]
    return msgspec.structs.replace(source, models=tuple(models[::-1]), enums=tuple(enums[::-1]))
