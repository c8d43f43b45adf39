"""Names of a source become identifiers that Python and Pydantic let in."""

import builtins
import keyword
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, create_model

from syncflow_pipelines.schemas.model import EnumOf, EnumSpec, FieldSpec, ModelSpec, Scalar, SchemaSource
from syncflow_pipelines.schemas.rendering.naming import (
    BUILT_IN_CLASSES,
    INTEGER_ATTRIBUTES,
    MODEL_ATTRIBUTES,
    MODULE_NAMES,
    TEXT_ATTRIBUTES,
    name_all,
    name_members,
    words,
)
from syncflow_pipelines_tests.unit.schema_worlds import anything, every_kind, imported, rendered


def field_names(*names: str) -> dict[str, str]:
    model = ModelSpec("Thing", tuple(FieldSpec(name, Scalar("int")) for name in names))
    return dict(name_all(SchemaSource((model,))).fields["Thing"])


def class_names(*names: str) -> dict[str, str]:
    return dict(name_all(SchemaSource(tuple(ModelSpec(name, ()) for name in names))).models)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("price", "price"),
        ("größe", "größe"),
        ("match", "match"),
        ("date", "date"),
        ("class", "class_"),
        ("None", "None_"),
        ("_id", "id"),
        ("__init__", "init"),
        ("1st", "field_1st"),
        ("Order Date", "Order_Date"),
        ("a-b.c", "a_b_c"),
        ("", "field"),
        ("???", "field"),
        ("_", "field"),
        ("json", "json_"),
        ("copy", "copy_"),
        ("schema", "schema_"),
        ("validate", "validate_"),
        ("model_dump", "model_dump_"),
        ("model_year", "model_year"),
        ("bytes", "bytes_"),
        ("UUID", "UUID_"),
        ("ﬁ", "fi"),
    ],
)
def test_a_field_is_named(name: str, identifier: str) -> None:
    assert field_names(name) == {name: identifier}


def test_a_name_that_can_stay_stays_and_others_make_way() -> None:
    assert field_names("a b", "a-b", "a_b") == {"a_b": "a_b", "a b": "a_b_2", "a-b": "a_b_3"}


def test_the_order_of_names_does_not_matter() -> None:
    assert field_names("a-b", "_a", "a b", "a") == field_names("a", "a b", "_a", "a-b")


def test_a_field_does_not_hide_the_enumeration_that_it_is_of() -> None:
    model = ModelSpec("Thing", (FieldSpec("Status", EnumOf("Status")), FieldSpec("Level", Scalar("int"))))
    enums = (EnumSpec("Level", (("a", 1),)), EnumSpec("Status", (("a", 1),)))
    assert name_all(SchemaSource((model,), enums)).fields["Thing"] == {"Status": "Status_", "Level": "Level"}


def test_classes_are_named_as_classes_are() -> None:
    found = class_names("Product", "order_items", "größe", "9 lives", "public.users", "_Hidden", "", "y¯")
    assert found == {
        "Product": "Product",
        "order_items": "OrderItems",
        "größe": "Größe",
        "9 lives": "Model_9Lives",
        "public.users": "PublicUsers",
        "_Hidden": "Hidden",
        "": "Model",
        "y¯": "Ȳ",
    }


def test_an_enumeration_makes_way_for_the_classes_of_models() -> None:
    source = SchemaSource((ModelSpec("Thing", ()),), (EnumSpec("ThingCreate", (("a", 1),)),))
    assert name_all(source).enums == {"ThingCreate": "ThingCreate_"}


def test_members_that_would_hide_what_a_text_has_are_renamed() -> None:
    enum = EnumSpec("Word", (("title", "a"), ("name", "b"), ("_x", "c"), ("plain", "d"), ("mro", "e")))
    assert name_members(enum) == ("title_", "name_", "x", "plain", "mro_")


def test_members_are_named_alike_under_every_python() -> None:
    assert name_members(EnumSpec("Level", (("is_integer", 1), ("real", 2)))) == ("is_integer_", "real_")


def test_our_lists_hold_all_that_this_python_has() -> None:
    assert {name for name in dir(str) if not name.startswith("_")} <= TEXT_ATTRIBUTES
    assert {name for name in dir(int) if not name.startswith("_")} <= INTEGER_ATTRIBUTES
    assert {name for name in dir(builtins) if name[0].isupper()} <= BUILT_IN_CLASSES | set(keyword.kwlist)


def test_words_of_a_name() -> None:
    assert [words(name) for name in ("Product", "OrderItem", "order_items", "HTTPCall")] == [
        "product",
        "order item",
        "order items",
        "httpcall",
    ]


def test_all_that_models_of_pydantic_have_is_known() -> None:
    assert {name for name in dir(BaseModel) if not name.startswith("_")} - MODEL_ATTRIBUTES == set()


def test_no_field_hides_what_a_module_imports_or_defines() -> None:
    with imported(rendered(every_kind, with_relations=True)) as module:
        public = {name for name in vars(module) if not name.startswith("_")}
        assert public - set(module.__all__) <= MODULE_NAMES


@given(st.lists(anything, max_size=12, unique=True))
def test_names_are_unique_identifiers_that_pydantic_lets_in(names: list[str]) -> None:
    found = field_names(*names)
    assert (list(found) and set(found) == set(names)) or not names
    assert len(set(found.values())) == len(names)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in found.values())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        definitions: dict[str, Any] = dict.fromkeys(found.values(), (int, 0))
        create_model("Thing", __config__=ConfigDict(protected_namespaces=()), **definitions)
