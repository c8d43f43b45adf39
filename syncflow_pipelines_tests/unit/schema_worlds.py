"""Sources of schemas in the inner form: one with all kinds of fields, random ones, and modules made of them."""

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, get_args

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
from syncflow_pipelines.schemas.rendering.module import render

KINDS: tuple[Kind, ...] = get_args(Kind)
_NUMBERS = itertools.count()

every_kind = SchemaSource(
    models=(
        ModelSpec(
            "Product",
            (
                FieldSpec("id", Scalar("int"), primary_key=True, generated=True),
                FieldSpec("name", Scalar("str", min_length=1, max_length=255), description='What it is "called"'),
                FieldSpec("price", Scalar("decimal", max_digits=12, decimal_places=2, ge=0)),
                FieldSpec("weight", Scalar("float", gt=0), nullable=True),
                FieldSpec("stock", Scalar("int", ge=-(2**31), le=2**31 - 1), default=Default("constant", 0)),
                FieldSpec("huge", Scalar("decimal", ge="-9999999999999999.99"), nullable=True),
                FieldSpec("sold", Scalar("bool"), default=Default("constant", False)),
                FieldSpec("status", EnumOf("Status"), default=Default("constant", "new")),
                FieldSpec("levels", ListOf(EnumOf("Level")), default=Default("constant", [1, 3])),
                FieldSpec("tags", ListOf(Scalar("str", max_length=20), max_items=5), default=Default("constant", [])),
                FieldSpec("grid", ListOf(ListOf(Scalar("int"))), nullable=True),
                FieldSpec("picture", Scalar("bytes", max_length=1000), nullable=True),
                FieldSpec("icon", Scalar("bytes"), default=Default("constant", "aWNvbg==")),
                FieldSpec("token", Scalar("uuid"), default=Default("factory")),
                FieldSpec("kept", Scalar("uuid"), default=Default("constant", "12345678-1234-4234-8234-123456789abc")),
                FieldSpec("created_at", Scalar("datetime"), generated=True),
                FieldSpec("seen_at", Scalar("datetime"), default=Default("constant", "2020-01-02T03:04:05+00:00")),
                FieldSpec("local_at", Scalar("naive_datetime"), default=Default("server")),
                FieldSpec("date", Scalar("date"), default=Default("constant", "2020-02-29")),
                FieldSpec("due", Scalar("date"), nullable=True),
                FieldSpec("opens", Scalar("time"), default=Default("constant", "08:30:00")),
                FieldSpec("lasts", Scalar("timedelta"), default=Default("constant", "P1DT2H")),
                FieldSpec("host", Scalar("ip_interface"), default=Default("constant", "10.0.0.1/8")),
                FieldSpec("net", Scalar("ip_network"), default=Default("constant", "10.0.0.0/8")),
                FieldSpec("ratio", Scalar("decimal"), default=Default("constant", "0.10")),
                FieldSpec("factor", Scalar("float"), default=Default("constant", 1.5)),
                FieldSpec("json", Scalar("json"), nullable=True),
                FieldSpec("data", Scalar("json_object"), default=Default("constant", {"a": [1, None, "x"]})),
                FieldSpec("items", Scalar("json_array"), default=Default("constant", [])),
                FieldSpec("shape", Scalar("any"), note="geometry is a type that is not known"),
                FieldSpec("sku", Scalar("str", pattern=r"^(?=[A-Z])\w+$")),
                FieldSpec("note", Scalar("str"), nullable=True, default=Default("server")),
                FieldSpec("secret", Scalar("str"), write_only=True),
                FieldSpec("class", Scalar("str"), nullable=True),
                FieldSpec("model_year", Scalar("int"), nullable=True),
                FieldSpec("Order Date", Scalar("date"), nullable=True),
                FieldSpec("category_id", Scalar("int"), references="Category.id", nullable=True),
                FieldSpec("category", ModelOf("Category"), relation=True, nullable=True),
            ),
            description="Everything that is sold. Also what was.",
            table="public.product",
        ),
        ModelSpec(
            "Category",
            (
                FieldSpec("code", Scalar("str", max_length=3), primary_key=True),
                FieldSpec("products", ListOf(ModelOf("Product")), relation=True),
            ),
        ),
        ModelSpec("Empty", ()),
    ),
    enums=(
        EnumSpec("Status", (("new", "new"), ("title", "title"), ("OLD", "old")), "How far it is."),
        EnumSpec("Level", (("LOW", 1), ("HIGH", 3))),
        EnumSpec("Mixed", (("one", 1), ("two", "2"))),
    ),
)

anything = st.text(max_size=20) | st.sampled_from((
    "", "class", "_id", "__init__", "model_config", "json", "copy", "None", "1st", "a b", "a-b", "a_b", "ª", "ﬁ", "fi",
    "date", "_dt", "int", "str", "Decimal", "Field", "Any", "Omittable", "self", "cls", "\ud800", "\x00", "'", '"',
    "\\", '"""\nimport os\nos._exit(3)\n"""', "x: int\n    y", "a\nb", "#", "{{ 7*7 }}", "{% raw %}", "\\N{BULLET}",
    "\u2028",
))  # fmt: skip
"""Names and descriptions that somebody might think of."""


def scalars(kinds: tuple[Kind, ...] = KINDS) -> st.SearchStrategy[Scalar]:
    """Kinds with bounds that leave room."""
    lengths = st.none() | st.integers(1, 50)
    return st.one_of(
        st.sampled_from(kinds).map(Scalar),
        st.builds(Scalar, st.just("str"), max_length=lengths),
        st.builds(Scalar, st.just("int"), ge=st.none() | st.integers(-100, 0), le=st.none() | st.integers(1, 100)),
        st.integers(1, 30).flatmap(
            lambda digits: st.builds(
                Scalar, st.just("decimal"), max_digits=st.just(digits), decimal_places=st.integers(0, digits)
            )
        ),
    )


def _types() -> st.SearchStrategy[FieldType]:
    names = st.sampled_from(("Color", "Size", "Gone", "int"))
    leaves = scalars() | names.map(EnumOf) | names.map(ModelOf)
    return st.recursive(leaves, lambda inner: st.builds(ListOf, inner, st.none() | st.integers(1, 5)), max_leaves=3)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_defaults = (
    st.none()
    | st.builds(Default, st.sampled_from(("factory", "server")))
    | st.builds(Default, st.just("constant"), json_values)
)
_fields = st.builds(
    FieldSpec,
    name=anything,
    type=_types(),
    nullable=st.booleans(),
    default=_defaults,
    description=anything,
    primary_key=st.booleans(),
    generated=st.booleans(),
    write_only=st.booleans(),
    relation=st.booleans(),
    note=anything,
)
_models = st.builds(
    ModelSpec, name=anything | st.just("Color"), fields=st.lists(_fields, max_size=6).map(tuple), description=anything
)
_enums = st.builds(
    EnumSpec,
    name=anything | st.sampled_from(("Color", "Size")),
    members=st.lists(st.tuples(anything, st.integers() | st.text(max_size=5)), max_size=4).map(tuple),
    description=anything,
)
hostile_sources: st.SearchStrategy[SchemaSource] = st.builds(
    SchemaSource, st.lists(_models, max_size=3).map(tuple), st.lists(_enums, max_size=3).map(tuple)
)


def rendered(source: SchemaSource, **options: Any) -> str:
    """The text of its module."""
    return render(source, name="shop", digest="d1g35t", **options).text


@contextmanager
def imported(text: str) -> Iterator[ModuleType]:
    """The module of that text, for as long as it is wanted."""
    module = ModuleType(f"schemas_of_a_test_{next(_NUMBERS)}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, "schemas.py", "exec", dont_inherit=True), module.__dict__)
        yield module
    finally:
        del sys.modules[module.__name__]
