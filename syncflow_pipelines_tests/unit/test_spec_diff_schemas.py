"""Schemas are compared by what they ask for, whatever way they are spelled, and components are told once."""

from typing import Any

import pytest

from syncflow_pipelines.openapi.diff import compare
from syncflow_pipelines_tests.unit.diff_specs import (
    changed,
    pets,
    request_rules,
    response_rules,
    rules,
    spec_of,
    told,
    with_schemas,
)

TEXT, WHOLE, NUMBER, NULL = ({"type": name} for name in ("string", "integer", "number", "null"))
PET: dict[str, Any] = {"type": "object", "properties": {"name": TEXT, "age": WHOLE}, "required": ["name"]}
OWNER: dict[str, Any] = {"type": "object", "properties": {"name": TEXT, "phone": TEXT}}
UNCHANGED = ["operation-written-differently"]
"""What is told where the digest alone has changed."""


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


SPELLINGS: dict[str, tuple[Any, Any]] = {
    "null in anyOf, and in the types": ({"anyOf": [TEXT, NULL]}, {"type": ["null", "string"]}),
    "null in the enum, and in the types": ({"enum": ["a", None]}, {"type": ["string", "null"], "enum": ["a", None]}),
    "an only alternative": ({"oneOf": [PET]}, PET),
    "an only part": ({"allOf": [PET]}, PET),
    "parts, and all in one": ({"allOf": [{**PET, "required": []}, {"required": ["name"]}]}, PET),
    "parts in another order": ({"allOf": [{"minLength": 2}, TEXT]}, {"allOf": [TEXT, {"minLength": 2}]}),
    "alternatives in another order": ({"anyOf": [PET, TEXT, NULL]}, {"anyOf": [NULL, TEXT, PET]}),
    "anyOf and oneOf": ({"anyOf": [TEXT, WHOLE]}, {"oneOf": [WHOLE, TEXT]}),
    "const, and an enum of one": ({"const": "a"}, {"enum": ["a"]}),
    "enum in another order": ({"enum": ["a", "b"]}, {"enum": ["b", "a"]}),
    "required in another order": (PET | {"required": ["name", "age"]}, PET | {"required": ["age", "name"]}),
    "a type that the properties imply": ({"properties": PET["properties"]}, {**PET, "required": []}),
    "a limit of whole numbers": (WHOLE | {"exclusiveMaximum": 11}, WHOLE | {"maximum": 10}),
    "a limit that limits nothing": (TEXT | {"minLength": 0}, TEXT),
    "a pattern that matches all": (TEXT | {"pattern": ".*"}, TEXT),
    "keywords that say their default": (PET | {"additionalProperties": True, "readOnly": False}, PET),
    "no schema, and one that allows all": (True, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_of_a_schema_is_no_change(name: str) -> None:
    one, other = SPELLINGS[name]
    assert request_rules(one, other) == request_rules(other, one) == UNCHANGED
    assert response_rules(one, other) == response_rules(other, one) == UNCHANGED


@pytest.mark.parametrize("shown", ["description", "title", "example", "examples", "$comment", "x-internal"])
def test_texts_and_examples_of_schemas_are_documentation(shown: str) -> None:
    old, new = PET | {shown: ["before"]}, PET | {shown: ["after"]}
    assert request_rules(old, new) == ["documentation-changed"]
    assert rules(compare(with_schemas(ref("Pet"), Pet=old), with_schemas(ref("Pet"), Pet=new))) == [
        "documentation-changed"
    ]


@pytest.mark.parametrize("name", ["example", "description", "title", "x-note", "items", "$ref", "default", "enum"])
def test_a_property_with_the_name_of_a_keyword_is_a_property(name: str) -> None:
    old = {"type": "object", "properties": {name: TEXT}}
    new = {"type": "object", "properties": {name: WHOLE}}
    assert request_rules(old, new) == ["type-changed"]
    assert response_rules(old, {"type": "object", "properties": {}}) == ["property-removed"]


def test_one_changed_property_is_one_change_whatever_refers_to_it() -> None:
    diff = changed(lambda doc: doc["components"]["schemas"]["Owner"]["properties"]["name"].update(maxLength=5))
    (in_requests, in_answers) = diff.changes
    assert (in_requests.rule, in_requests.where) == ("request-bound-narrowed", "components.schemas.Owner#/name")
    assert [str(operation) for operation in in_requests.operations] == ["PUT /pets/{id}"]
    assert (in_answers.rule, in_answers.where) == ("response-bound-narrowed", "components.schemas.Owner#/name")
    assert [str(operation) for operation in in_answers.operations] == ["GET /pets", "POST /pets"]


def test_a_component_that_is_only_read_has_no_changes_for_writers() -> None:
    old = with_schemas(response=ref("Pet"), Pet=PET)
    new = with_schemas(response=ref("Pet"), Pet=PET | {"required": ["name", "age"]})
    assert rules(compare(old, new)) == ["response-property-became-required"]
    assert rules(compare(new, old)) == ["response-property-became-optional"]


def test_a_component_that_nothing_uses_is_of_no_interest_to_callers() -> None:
    assert compare(with_schemas(Pet=PET), with_schemas(Pet=OWNER)).without_documentation().is_empty


def test_a_renamed_component_is_no_change() -> None:
    assert request_rules_of(with_schemas(ref("Pet"), Pet=PET), with_schemas(ref("Animal"), Animal=PET)) == UNCHANGED


def test_a_renamed_component_is_told_by_its_new_name() -> None:
    narrower = PET | {"required": ["name", "age"]}
    diff = compare(with_schemas(ref("Pet"), Pet=PET), with_schemas(ref("Animal"), Animal=narrower))
    assert [*told(diff)] == [("request-property-became-required", "components.schemas.Animal#/age")]


def test_a_component_that_was_written_in_place_before_is_no_change() -> None:
    assert request_rules_of(with_schemas(PET), with_schemas(ref("Pet"), Pet=PET)) == UNCHANGED
    assert request_rules_of(with_schemas(ref("Pet"), Pet=PET), with_schemas(PET)) == UNCHANGED


def test_a_base_that_was_taken_out_of_a_component_is_no_change() -> None:
    split = {"allOf": [ref("Base"), {"required": ["name"]}]}
    base = {"type": "object", "properties": PET["properties"]}
    assert (
        request_rules_of(with_schemas(ref("Pet"), Pet=PET), with_schemas(ref("Pet"), Pet=split, Base=base)) == UNCHANGED
    )


def test_a_property_is_gone_also_where_it_is_still_listed_as_required() -> None:
    assert response_rules(PET, PET | {"properties": {"age": WHOLE}}) == ["property-removed"]
    assert response_rules(PET | {"properties": {"age": WHOLE}}, PET) == ["property-added"]


def test_a_property_that_moved_into_a_base_is_still_there() -> None:
    old = with_schemas(None, ref("Pet"), Pet={"allOf": [ref("Base"), PET]}, Base=OWNER)
    moved = {"allOf": [ref("Base"), {"type": "object", "properties": {"age": WHOLE}}]}
    base = {"type": "object", "properties": OWNER["properties"] | {"name": TEXT}, "required": ["name"]}
    assert not compare(old, with_schemas(None, ref("Pet"), Pet=moved, Base=base)).is_breaking


def test_another_component_in_the_place_of_one_is_compared_with_it() -> None:
    components = {"Pet": PET, "Owner": OWNER}
    diff = compare(with_schemas(None, ref("Pet"), **components), with_schemas(None, ref("Owner"), **components))
    where = "response.200.application/json#"
    assert [*told(diff)] == [
        ("response-property-removed", f"{where}/age"),
        ("response-property-became-optional", f"{where}/name"),
        ("response-property-added", f"{where}/phone"),
    ]


def test_a_schema_that_became_one_of_two_is_compared_with_the_likeness() -> None:
    new = {"oneOf": [OWNER, PET | {"required": ["name", "age"]}]}
    assert request_rules(PET, new) == ["alternative-added", "property-became-required"]
    assert response_rules(new, PET) == ["alternative-removed", "property-became-optional"]


def test_a_reference_that_became_one_of_two_stays_possible() -> None:
    components = {"Pet": PET, "Owner": OWNER}
    old, new = with_schemas(ref("Pet"), **components), with_schemas({"oneOf": [ref("Owner"), ref("Pet")]}, **components)
    assert rules(compare(old, new)) == ["request-alternative-added"]
    assert rules(compare(new, old)) == ["request-alternative-removed"]


def test_a_property_that_is_added_to_one_of_two_is_told_in_that_one() -> None:
    old = {"oneOf": [TEXT, PET]}
    new = {"oneOf": [{**PET, "properties": PET["properties"] | {"tail": TEXT}}, TEXT]}
    diff = compare(with_schemas(old), with_schemas(new))
    assert [*told(diff)] == [("request-property-added", "request.body.application/json#/oneOf/0/tail")]


def test_a_shape_that_is_not_alike_is_another_one() -> None:
    old = {"oneOf": [PET, TEXT]}
    new = {"oneOf": [{"type": "object", "properties": {"wheels": WHOLE, "doors": WHOLE}}, TEXT]}
    assert request_rules(old, new) == ["alternative-added", "alternative-removed"]


def test_alternatives_become_nullable_as_a_whole() -> None:
    one, other = {"anyOf": [TEXT, PET]}, {"anyOf": [TEXT, PET, NULL]}
    assert request_rules(one, other) == ["became-nullable"]
    assert response_rules(other, one) == ["became-not-nullable"]


def test_the_same_limit_is_weighed_by_who_writes() -> None:
    diff = compare(with_schemas(WHOLE | {"maximum": 9}, WHOLE | {"maximum": 9}), with_schemas(WHOLE, WHOLE))
    assert sorted((change.rule, change.severity) for change in diff.changes) == [
        ("request-bound-widened", "info"),
        ("response-bound-widened", "warning"),
    ]


def test_a_whole_number_is_a_number() -> None:
    assert request_rules(WHOLE, NUMBER) == ["type-widened"]
    assert request_rules({"type": ["integer", "string"]}, {"type": ["string"]}) == ["type-narrowed"]


def test_a_number_and_a_truth_value_are_not_the_same_value() -> None:
    assert request_rules({"enum": [1, 0]}, {"enum": [True, False]}) == ["type-changed"]
    assert request_rules({"default": 1}, {"default": True}) == ["default-changed"]


def test_read_only_properties_are_no_part_of_requests() -> None:
    old = {"type": "object", "properties": {"id": WHOLE | {"readOnly": True}}}
    new = {"type": "object", "properties": {"id": TEXT | {"readOnly": True}}, "required": ["id"]}
    assert request_rules(old, new) == UNCHANGED
    assert response_rules(old, new) == ["property-became-required", "type-changed"]


def test_read_only_may_be_said_by_the_component_of_a_property() -> None:
    old = with_schemas({"type": "object", "properties": {"id": ref("Id")}}, Id=WHOLE | {"readOnly": True})
    new = with_schemas(
        {"type": "object", "properties": {"id": ref("Id")}, "required": ["id"]}, Id=WHOLE | {"readOnly": True}
    )
    assert request_rules_of(old, new) == UNCHANGED


def test_a_required_property_that_became_writable_must_be_sent() -> None:
    old = {"type": "object", "properties": {"id": WHOLE | {"readOnly": True}}, "required": ["id"]}
    new = {"type": "object", "properties": {"id": WHOLE}, "required": ["id"]}
    assert request_rules(old, new) == ["required-property-added"]


def test_a_name_may_be_required_without_being_listed() -> None:
    assert request_rules({"type": "object"}, {"type": "object", "required": ["a"]}) == ["property-became-required"]


def test_values_of_a_map_are_compared() -> None:
    old, new = ({"type": "object", "additionalProperties": schema} for schema in (TEXT, WHOLE))
    diff = compare(with_schemas(old), with_schemas(new))
    assert [*told(diff)] == [("request-type-changed", "request.body.application/json#/additionalProperties")]


def test_a_schema_that_became_false_takes_nothing() -> None:
    old, new = ({"type": "object", "properties": {"a": schema}} for schema in (TEXT, False))
    assert request_rules(old, new) == ["type-narrowed"]
    assert response_rules(new, old) == ["type-widened"]


def test_positions_of_a_tuple_are_compared() -> None:
    old, new = ({"type": "array", "prefixItems": [TEXT, item]} for item in (TEXT, WHOLE))
    diff = compare(with_schemas(old), with_schemas(new))
    assert [*told(diff)] == [("request-type-changed", "request.body.application/json#/prefixItems/1")]


def test_what_a_condition_refers_to_is_told_at_the_component() -> None:
    rule = {"if": ref("Pet"), "then": TEXT}
    old, new = with_schemas(rule, Pet=PET), with_schemas(rule, Pet=PET | {"required": []})
    assert rules(compare(old, new)) == ["request-property-became-optional"]


def test_properties_named_like_keywords_have_places_of_their_own() -> None:
    old, new = (
        {"type": "object", "properties": {"items": {"type": "array", "items": item}, "a/b": item}}
        for item in (TEXT, WHOLE)
    )
    assert [where for _, where in told(compare(with_schemas(old), with_schemas(new)))] == [
        "request.body.application/json#/a~1b",
        "request.body.application/json#/properties/items/items",
    ]


def test_the_order_of_keys_says_nothing_where_all_of_contradicts_itself() -> None:
    parts = {"allOf": [WHOLE | {"enum": [1], "multipleOf": 1}, {"multipleOf": 2, "enum": [2]}]}
    other = {"allOf": [parts["allOf"][0], {"enum": [2], "multipleOf": 2}]}
    assert compare(with_schemas(parts), with_schemas(WHOLE)) == compare(with_schemas(other), with_schemas(WHOLE))


def test_components_that_hold_themselves_are_compared_to_the_end() -> None:
    node = {"type": "object", "properties": {"value": TEXT, "next": ref("Node")}}
    swapped = {"type": "object", "properties": {"value": WHOLE, "next": ref("Other")}}
    components = {"Node": node, "Other": swapped}
    diff = compare(with_schemas(ref("Node"), **components), with_schemas(ref("Other"), **components))
    assert [*told(diff)] == [("request-type-changed", "request.body.application/json#/value")]


def test_nothing_is_said_of_a_component_that_is_not_there() -> None:
    assert request_rules_of(with_schemas(ref("Gone")), with_schemas(TEXT)) == UNCHANGED


def test_lists_in_the_document_are_not_touched() -> None:
    document = pets()
    kept = spec_of(document)
    changed(lambda doc: doc["components"]["schemas"]["Pet"].update(allOf=[TEXT, WHOLE]), document)
    assert kept == spec_of(pets())


def request_rules_of(old: Any, new: Any) -> list[str]:
    return rules(compare(old, new))


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (0.1, 0.3, "bound-narrowed"),
        (0.01, 0.001, "bound-widened"),
        (2, 0.5, "bound-widened"),
        (0.2, 0.3, "constraint-changed"),
        (0.0, 0.5, "constraint-changed"),
        (1e-30, 1e30, "constraint-changed"),
    ],
)
def test_steps_of_numbers_are_compared_as_they_are_written(old: float, new: float, kind: str) -> None:
    """In binary, 0.3 is no multiple of 0.1."""
    assert request_rules(NUMBER | {"multipleOf": old}, NUMBER | {"multipleOf": new}) == [kind]
