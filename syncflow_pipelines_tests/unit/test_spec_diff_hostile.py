"""Specs that are built to be expensive are compared within bounds, and never end in an error of Python's."""

import time
from copy import deepcopy
from random import Random
from typing import Any

import pytest

from syncflow_pipelines.openapi.diff import as_json, as_markdown, as_text, compare
from syncflow_pipelines.openapi.diff.values import contract, fingerprint, without_documentation
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines_tests.unit.diff_specs import Document, rules, spec_of, with_schemas
from syncflow_pipelines_tests.unit.openapi_documents import OK, openapi

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def ref(name: object) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def nested(levels: int, innermost: Any, wrap: str = "items") -> Any:
    schema = innermost
    for _ in range(levels):
        match wrap:
            case "items":
                schema = {"type": "array", "items": schema}
            case "properties":
                schema = {"type": "object", "properties": {"a": schema}}
            case _:
                schema = {wrap: [schema, {"type": "boolean"}]}
    return schema


@pytest.mark.parametrize("wrap", ["items", "properties", "oneOf", "allOf", "not"])
def test_schemas_may_be_nested_deeper_than_python_recurses(wrap: str) -> None:
    old, new = (with_schemas(nested(1_500, innermost, wrap)) for innermost in (TEXT, WHOLE))
    diff = compare(old, new)
    assert not diff.is_empty
    assert len(as_markdown(diff)) + len(as_text(diff)) < 10_000


def test_deep_values_are_told_apart() -> None:
    old, new, same = nested(1_500, TEXT), nested(1_500, WHOLE), nested(1_500, TEXT)
    assert fingerprint(old) == fingerprint(same) != fingerprint(new)
    assert contract(old) == contract(same) != contract(new)
    assert fingerprint([old, new]) != fingerprint([[old], new])


def test_documentation_is_taken_away_at_any_depth_but_not_where_it_is_a_name() -> None:
    schema = {
        "description": "a",
        "properties": {"description": {"title": "b", "type": "string"}},
        "x-a": 1,
        "default": {"title": 1},
    }
    assert without_documentation(schema) == {"properties": {"description": TEXT}, "default": {"title": 1}}


def test_many_operations_that_reach_many_schemas_are_compared() -> None:
    many = 5_000
    links = {
        f"S{number}": {"type": "object", "properties": {"next": ref(f"S{(number + 1) % many}")}}
        for number in range(many)
    }
    body = {"requestBody": {"content": {"application/json": {"schema": ref("S0")}}}}
    paths = {f"/p{number}": {"post": {**body, "responses": OK}} for number in range(many)}
    old, new = (
        normalise(openapi(paths, "3.1.0", components={"schemas": {**links, f"S{many - 1}": {"type": kind}}}))
        for kind in ("string", "integer")
    )
    start = time.process_time()
    diff = compare(old, new)
    assert time.process_time() - start < 20
    assert [(change.rule, len(change.operations)) for change in diff.changes] == [("request-type-changed", many)]


def test_ten_thousand_properties_are_compared() -> None:
    old = {"type": "object", "properties": {f"p{number}": TEXT for number in range(10_000)}}
    new = {"type": "object", "properties": {f"p{number}": WHOLE for number in range(5_000, 15_000)}}
    diff = compare(with_schemas(response=old), with_schemas(response=new))
    assert diff.counts == {"breaking": 10_000, "warning": 0, "info": 5_000}
    assert len(as_markdown(diff)) < 21_000


def test_twenty_thousand_values_of_an_enum_are_compared_as_a_set() -> None:
    values = [f"value {number}" for number in range(20_000)]
    other = values[1:]
    Random(1).shuffle(other)
    diff = compare(with_schemas({"enum": values}), with_schemas({"enum": other}))
    assert rules(diff) == ["request-enum-value-removed"]
    assert len(str(as_json(compare(with_schemas({"enum": values}), with_schemas(TEXT | {"enum": ["a"]}))))) < 10_000


def test_thousands_of_alternatives_are_matched() -> None:
    old = {"oneOf": [{"type": "object", "properties": {f"a{number}": TEXT}} for number in range(2_000)]}
    new = {"oneOf": [{"type": "object", "properties": {f"a{number}": WHOLE}} for number in range(2_000)]}
    assert not compare(with_schemas(old), with_schemas(new)).is_empty


def test_components_that_all_hold_each_other_are_compared_once_each() -> None:
    def web(leaf: Any) -> dict[str, Any]:
        links = {f"to{number}": ref(f"C{number}") for number in range(60)}
        return {f"C{number}": {"type": "object", "properties": {**links, "leaf": leaf}} for number in range(60)}

    diff = compare(with_schemas(ref("C0"), ref("C0"), **web(TEXT)), with_schemas(ref("C0"), ref("C0"), **web(WHOLE)))
    assert len(diff.changes) == 120
    assert all(len(change.operations) == 1 for change in diff.changes)


def test_a_comparison_without_an_end_is_cut_short_and_says_so() -> None:
    def tangle(prefix: str, other: str) -> dict[str, Any]:
        """Components that refer to the other family where the other spec refers to this one."""
        names = range(12)
        return {
            f"{family}{number}": {
                "type": "object",
                "properties": {f"p{link}": ref(f"{target}{link}") for link in names},
            }
            for family, target in ((prefix, other), (other, prefix))
            for number in names
        }

    old, new = with_schemas(ref("A0"), **tangle("A", "A1x")), with_schemas(ref("A1x0"), **tangle("A", "A1x"))
    diff = compare(old, new, work=5_000)
    assert "comparison-cut-short" in rules(diff)


@pytest.mark.parametrize(
    "components",
    [
        {"A": ref("A")},
        {"A": {"allOf": [ref("A")]}},
        {"A": {"oneOf": [ref("A"), TEXT]}},
        {"A": {"anyOf": [{"type": "null"}, ref("A")]}},
        {"A": {"type": "array", "items": ref("A")}},
        {"A": ref("B"), "B": ref("A")},
        {"A": {"not": ref("A")}, "B": {"allOf": [ref("A"), ref("B")]}},
    ],
)
def test_cyclic_components_are_compared_with_anything(components: dict[str, Any]) -> None:
    others = [True, False, TEXT, {"type": "array", "items": TEXT}, ref("A"), {"oneOf": [ref("A"), WHOLE]}]
    for other in others:
        new = {**components, "C": TEXT}
        there = compare(with_schemas(ref("A"), **components), with_schemas(other, **new))
        back = compare(with_schemas(other, **new), with_schemas(ref("A"), **components))
        assert there.is_empty == back.is_empty


def test_an_all_of_of_thousands_of_components_is_merged() -> None:
    components = {f"C{number}": {"type": "object", "properties": {f"p{number}": TEXT}} for number in range(2_000)}
    merged = {"type": "object", "properties": {f"p{number}": TEXT for number in range(2_000)}}
    old, new = with_schemas({"allOf": [ref(name) for name in components]}, **components), with_schemas(merged)
    assert rules(compare(old, new)) == ["operation-written-differently"]


def test_numbers_beyond_all_bounds_are_compared() -> None:
    old, new = WHOLE | {"maximum": 10**5_000, "multipleOf": 10**400}, WHOLE | {"maximum": 10**4_999, "multipleOf": 0.1}
    diff = compare(with_schemas(old), with_schemas(new))
    assert rules(diff) == ["request-bound-narrowed", "request-constraint-changed"]
    as_text(diff)
    as_json(diff)


def test_documents_without_what_is_expected_are_compared() -> None:
    empty: Document = {"paths": {}}
    odd: Document = {"paths": {"/a": {"get": {"parameters": None, "responses": [], "security": {}, "requestBody": 7}}}}
    same = spec_of(deepcopy(empty) | {"components": {"schemas": {}}})
    assert rules(compare(same, spec_of(odd))) == ["operation-added"]
    other = deepcopy(odd)
    other["paths"]["/a"]["get"]["parameters"] = [None, 7, {"name": 1}]
    assert rules(compare(spec_of(odd), spec_of(other))) == ["operation-written-differently"]
