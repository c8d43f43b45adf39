"""What a change of models means to those who read and those who write with their schemas."""

import json
from types import ModuleType
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from pydantic import BaseModel

from syncflow_pipelines.schemas.comparison.compatibility import RULES, Compatibility, as_json, as_text, compare
from syncflow_pipelines.schemas.comparison.contracts import Contract, contract_of, contract_of_components
from syncflow_pipelines.schemas.model import Default, EnumOf, EnumSpec, FieldSpec, Kind, ListOf, ModelOf, SchemaSource
from syncflow_pipelines.schemas.rendering.module import render
from syncflow_pipelines_tests.unit.contract_sources import COLORS, SOURCES, field, reversed_source, source_of
from syncflow_pipelines_tests.unit.test_spec_diff_rules import SCHEMAS

DIRECTIONS = {"readers": "response", "writers": "request"}
OWN_RULES = {f"{side}-{kind}" for side in DIRECTIONS for kind in ("schema-removed", "schema-added")}
CUT_SHORT = {f"{side}-comparison-cut-short" for side in DIRECTIONS}

NAME, PRICE, COLOR = field("name", "str"), field("price", "int"), field("color", EnumOf("Color"))
GREEN = EnumSpec("Color", (*COLORS.members, ("GREEN", "green")))


def compared(old: SchemaSource, new: SchemaSource) -> Compatibility:
    return compare(contract_of(old), contract_of(new))


def told(compatibility: Compatibility) -> set[tuple[str, str]]:
    """Severities and rules, but for those of `XUpdate`, which mostly repeat those of `XCreate`."""
    return {(one.severity, one.rule) for one in compatibility.changes if not one.where.startswith("ProductUpdate")}


def both(reading: str, writing: str, kind: str) -> set[tuple[str, str]]:
    return {(reading, f"readers-{kind}"), (writing, f"writers-{kind}")}


CHANGES: dict[str, tuple[FieldSpec | None, FieldSpec | None, set[tuple[str, str]]]] = {
    "a field that goes": (
        PRICE,
        None,
        {("breaking", "readers-property-removed"), ("breaking", "writers-property-removed")},
    ),
    "a field that must be written": (
        None,
        PRICE,
        {("info", "readers-required-property-added"), ("breaking", "writers-required-property-added")},
    ),
    "a field with a default": (
        None,
        field("price", "int", default=Default("constant", 0)),
        {("info", "readers-required-property-added"), ("info", "writers-property-added")},
    ),
    "a generated field": (
        None,
        field("made", "datetime", generated=True),
        {("info", "readers-required-property-added")},
    ),
    "a secret": (None, field("password", "str", write_only=True), {("breaking", "writers-required-property-added")}),
    "null that may come": (
        PRICE,
        field("price", "int", nullable=True),
        {*both("breaking", "info", "became-nullable"), ("info", "writers-property-became-optional")},
    ),
    "null that may not": (
        field("price", "int", nullable=True),
        PRICE,
        {*both("info", "breaking", "became-not-nullable"), ("breaking", "writers-property-became-required")},
    ),
    "a shorter text": (
        field("name", "str", max_length=9),
        field("name", "str", max_length=8),
        both("info", "breaking", "bound-narrowed"),
    ),
    "a longer text": (
        field("name", "str", max_length=9),
        NAME,
        both("warning", "info", "bound-widened"),
    ),
    "a higher least number": (
        field("price", "int", ge=0),
        field("price", "int", ge=1),
        both("info", "breaking", "bound-narrowed"),
    ),
    "fewer digits": (
        field("price", "decimal", max_digits=10, decimal_places=2),
        field("price", "decimal", max_digits=8, decimal_places=2),
        both("info", "breaking", "bound-narrowed"),
    ),
    "fewer decimal places": (
        field("price", "decimal", max_digits=10, decimal_places=3),
        field("price", "decimal", max_digits=9, decimal_places=2),
        both("info", "breaking", "bound-narrowed"),
    ),
    "more decimal places": (
        field("price", "decimal", max_digits=9, decimal_places=2),
        field("price", "decimal", max_digits=10, decimal_places=3),
        both("warning", "info", "bound-widened"),
    ),
    "whole numbers that become fractions": (
        PRICE,
        field("price", "decimal"),
        {*both("breaking", "info", "type-widened"), *both("info", "warning", "format-added")},
    ),
    "decimals that become floats": (
        field("price", "decimal"),
        field("price", "float"),
        both("breaking", "breaking", "format-changed"),
    ),
    "texts that become numbers": (NAME, field("name", "int"), both("breaking", "breaking", "type-changed")),
    "texts that become UUIDs": (NAME, field("name", "uuid"), both("breaking", "breaking", "format-changed")),
    "times that lose their zone": (
        field("at", "datetime"),
        field("at", "naive_datetime"),
        both("breaking", "breaking", "format-changed"),
    ),
    "JSON that becomes an object": (
        field("more", "json"),
        field("more", "json_object"),
        both("info", "breaking", "type-narrowed"),
    ),
    "a type that is not known any more": (NAME, field("name", "any"), both("breaking", "info", "type-widened")),
    "another default": (
        field("price", "int", default=Default("constant", 0)),
        field("price", "int", default=Default("constant", 1)),
        {("warning", "writers-default-changed")},
    ),
    "a default that goes": (
        field("price", "int", default=Default("server")),
        PRICE,
        {("breaking", "writers-property-became-required")},
    ),
    "a pattern": (NAME, field("name", "str", pattern="^a"), both("info", "breaking", "pattern-added")),
    "texts that become a choice": (NAME, field("name", EnumOf("Color")), both("info", "breaking", "enum-added")),
    "a shorter list": (
        field("tags", ListOf(EnumOf("Color"))),
        field("tags", ListOf(EnumOf("Color"), 3)),
        both("info", "breaking", "bound-narrowed"),
    ),
    "a relation": (
        None,
        field("parent", ModelOf("Product"), relation=True),
        {("info", "readers-schema-added")},
    ),
    "a description": (NAME, field("name", "str", description="What it is called."), set()),
    "an explanation": (field("odd", "any"), field("odd", "any", note="the type POINT is not known"), set()),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_field_breaks_those_whom_it_must(name: str) -> None:
    before, after, expected = CHANGES[name]
    old, new = (source_of(*([one] if one else [])) for one in (before, after))

    assert told(compared(old, new)) == expected


@pytest.mark.parametrize(("rule", "severity"), [("property-became-required", None), ("property-removed", "breaking")])
def test_an_update_asks_for_nothing_and_still_loses_what_is_gone(rule: str, severity: str | None) -> None:
    old = source_of(field("price", "int", nullable=rule != "property-removed"))
    new = source_of() if rule == "property-removed" else source_of(PRICE)
    found = {one.rule: one.severity for one in compared(old, new).writers if one.where.startswith("ProductUpdate")}

    assert found.get(f"writers-{rule}") == severity


def test_a_value_of_an_enumeration_is_told_once_for_each_side() -> None:
    old, new = source_of(COLOR, field("other", EnumOf("Color"))), source_of(COLOR, enums=(GREEN,))
    more = compared(old, source_of(COLOR, field("other", EnumOf("Color")), enums=(GREEN,)))
    fewer = compared(new, source_of(COLOR))

    assert {(one.severity, one.rule, one.where) for one in more.changes} == {
        ("warning", "readers-enum-value-added", "Color"),
        ("info", "writers-enum-value-added", "Color"),
    }
    assert {(one.severity, one.rule, one.before[0]) for one in fewer.changes} == {
        ("info", "readers-enum-value-removed", "green"),
        ("breaking", "writers-enum-value-removed", "green"),
    }


def test_a_model_that_goes_takes_its_three_schemas_from_readers_and_writers() -> None:
    compatibility = compared(source_of(NAME), SchemaSource())

    assert [(one.rule, one.where) for one in compatibility.readers] == [("readers-schema-removed", "ProductResponse")]
    assert [(one.rule, one.where) for one in compatibility.writers] == [
        ("writers-schema-removed", "ProductCreate"),
        ("writers-schema-removed", "ProductUpdate"),
    ]
    assert compatibility.is_breaking
    assert not compared(SchemaSource(), source_of(NAME)).is_breaking


@pytest.mark.parametrize("name", sorted(RULES.keys() - OWN_RULES - CUT_SHORT))
def test_every_rule_is_found_in_components_of_openapi_documents(name: str) -> None:
    side, _, kind = name.partition("-")
    before, after = SCHEMAS[f"{DIRECTIONS[side]}-{kind}"]
    compatibility = compare(contract_of_components({"Pet": before}), contract_of_components({"Pet": after}))

    assert name in {change.rule for change in compatibility.changes}


def test_schemas_that_cannot_be_compared_to_the_end_are_told() -> None:
    old, new = contract_of(source_of(NAME, PRICE)), contract_of(source_of(PRICE))

    assert {one.rule for one in compare(old, new, work=1).changes} >= CUT_SHORT


@given(SOURCES)
def test_a_source_is_compatible_with_itself_however_it_is_ordered(source: SchemaSource) -> None:
    assert compared(source, source).is_empty
    assert compared(source, reversed_source(source)).is_empty


@given(SOURCES, SOURCES)
def test_the_order_of_what_is_compared_changes_nothing(old: SchemaSource, new: SchemaSource) -> None:
    assert compared(old, new) == compared(reversed_source(old), reversed_source(new))


@given(SOURCES, SOURCES)
def test_what_differs_in_its_contract_is_told_to_somebody(old: SchemaSource, new: SchemaSource) -> None:
    compatibility = compared(old, new)
    before, after = contract_of(old), contract_of(new)

    assert all(RULES[change.rule].severity == change.severity for change in compatibility.changes)
    if before.readers != after.readers:
        assert compatibility.readers
    if before.writers != after.writers:
        assert compatibility.writers


@given(SOURCES)
def test_a_contract_comes_back_from_json_as_it_was(source: SchemaSource) -> None:
    contract = contract_of(source)

    assert compare(msgspec.json.decode(msgspec.json.encode(contract), type=Contract), contract).is_empty


def test_a_contract_promises_what_the_generated_classes_do() -> None:
    kinds = [field(f"a_{kind}", kind, nullable=nullable) for kind in get_args(Kind) for nullable in (False, True)]
    kinds = [msgspec.structs.replace(one, name=f"{one.name}_{index}") for index, one in enumerate(kinds)]
    defaults = [Default("server"), Default("factory"), Default("constant", 3)]
    source = source_of(
        *kinds, *(field(f"made {default.how}", "int", default=default) for default in defaults),
        field("password", "str", write_only=True), field("made", "datetime", generated=True), COLOR,
        field("colors", ListOf(EnumOf("Color"))), field("class", EnumOf("Gone")),
        field("parent", ModelOf("Product"), relation=True, nullable=True),
        field("children", ListOf(ModelOf("Product")), relation=True),
    )  # fmt: skip
    rendered = render(source, name="shop", digest="0", with_relations=True)
    module = ModuleType("shop_schemas")
    exec(compile(rendered.text, "shop_schemas.py", "exec", dont_inherit=True), vars(module))
    contract = contract_of(source)

    assert len(contract.readers) == len(contract.writers) == 2
    assert {*contract.readers, *contract.writers} == {
        name for name in rendered.exports if issubclass(getattr(module, name), BaseModel)
    }
    for mode, names in (("serialization", contract.readers), ("validation", contract.writers)):
        for name in names:
            promised, generated = contract.schemas[name], getattr(module, name).model_json_schema(mode=mode)
            assert sorted(promised["properties"]) == sorted(generated.get("properties", {})), name
            assert promised["required"] == sorted(generated.get("required", [])), name


def test_only_what_the_module_exports_is_promised() -> None:
    contract = contract_of(source_of(NAME), ("ProductCreate", "Color"))

    assert (contract.readers, contract.writers) == ((), ("ProductCreate",))


def test_absurd_numbers_of_digits_are_not_counted() -> None:
    old = source_of(field("price", "decimal", max_digits=10**12, decimal_places=10**12))
    new = source_of(field("price", "decimal", max_digits=10, decimal_places=2))

    assert "writers-bound-narrowed" in {one.rule for one in compared(old, new).writers}


def test_programs_and_people_are_told_the_same() -> None:
    compatibility = compared(source_of(NAME, PRICE), source_of(field("name", "str", max_length=5)))
    record = json.loads(json.dumps(as_json(compatibility)))

    assert record["is_breaking"]
    assert not record["is_empty"]
    assert record["summary"] == "readers: 1 breaking, 1 info; writers: 4 breaking"
    assert as_text(compatibility).splitlines() == [
        "readers: 1 breaking, 1 info; writers: 4 breaking",
        "for readers:",
        "  breaking: ProductResponse#/price is gone (readers-property-removed)",
        "  info: ProductResponse#/name maxLength is stated where it was not: nothing → 5 (readers-bound-narrowed)",
        "for writers:",
        "  breaking: ProductCreate#/name maxLength is stated where it was not: nothing → 5 (writers-bound-narrowed)",
        "  breaking: ProductCreate#/price is gone (writers-property-removed)",
        "  breaking: ProductUpdate#/name maxLength is stated where it was not: nothing → 5 (writers-bound-narrowed)",
        "  breaking: ProductUpdate#/price is gone (writers-property-removed)",
    ]
    assert as_text(compared(source_of(), source_of())) == "nothing changed that readers or writers notice"


def test_names_of_a_source_move_no_cursor() -> None:
    compatibility = compared(source_of(field("na\x1b[2Jme\n", "str")), source_of())

    assert "\x1b" not in as_text(compatibility)
    assert len(as_text(compatibility).splitlines()) == 6
