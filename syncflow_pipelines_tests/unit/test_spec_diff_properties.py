"""What holds for any two specs, looked for at random."""

from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncflow_pipelines.openapi.diff import as_json, as_markdown, as_text, compare
from syncflow_pipelines_tests.unit.diff_mutations import MUTATIONS, Mutation, shuffled
from syncflow_pipelines_tests.unit.diff_specs import Document, pets, rules, spec_of

NAMES = st.sampled_from(["a", "b", "items", "$ref", "example", "default", "x-a", "oneOf"])
COMPONENTS = ("A", "B", "C")
NUMBERS = st.sampled_from([-1, 0, 1, 1.5, 2**70, True])
ODD = st.sampled_from([None, 7, "text", [], {}, [None], ["string", 7], {"a": 1}, -1, True, "\ud800"])
"""What stands where it should not."""

LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.just({}),
    st.builds(lambda name: {"$ref": f"#/components/schemas/{name}"}, st.sampled_from(COMPONENTS)),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "number", "null", ["string", "null"], ["integer", "string"]])},
        optional={
            "enum": st.lists(st.sampled_from(["a", "b", 1, None, True]), max_size=3),
            "maximum": NUMBERS,
            "exclusiveMaximum": NUMBERS,
            "minLength": NUMBERS,
            "multipleOf": NUMBERS,
            "pattern": st.sampled_from(["^a", ".*"]),
            "format": st.sampled_from(["int32", "int64", "uuid"]),
            "default": st.sampled_from([None, 1, "a", [1]]),
            "deprecated": st.booleans(),
            "description": st.sampled_from(["one", "two"]),
        },
    ),
)


def deeper(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(schemas, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", ["object", "null"]]),
            "properties": st.dictionaries(NAMES, schemas, max_size=3),
            "required": st.lists(NAMES, max_size=2),
            "additionalProperties": schemas,
            "items": schemas,
            "prefixItems": several,
            "oneOf": several,
            "anyOf": several,
            "allOf": several,
            "not": schemas,
            "discriminator": st.fixed_dictionaries({"propertyName": NAMES}),
            "readOnly": st.booleans(),
        },
    )


WORDS = ["properties", "required", "items", "oneOf", "allOf", "enum", "type", "maximum", "$ref", "discriminator"]
SCHEMAS = st.recursive(LEAVES, deeper, max_leaves=6)
WILD = st.recursive(
    LEAVES | ODD,
    lambda schemas: st.dictionaries(
        st.sampled_from(WORDS),
        schemas | st.lists(schemas, max_size=2) | st.dictionaries(NAMES, schemas, max_size=2),
        max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip


def document_of(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """A spec with schemas in all places."""
    components = st.fixed_dictionaries(dict.fromkeys(COMPONENTS, schemas))
    return st.builds(_document, schemas, schemas, schemas, components)


def _document(parameter: Any, body: Any, answer: Any, components: Any) -> Document:
    operation = {
        "parameters": [{"name": "q", "in": "query", "schema": parameter}],
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
    }
    return {"paths": {"/a": {"post": operation}}, "components": {"schemas": components}}


@settings(deadline=None)
@given(document_of(SCHEMAS), st.randoms(use_true_random=False))
def test_a_spec_is_the_same_as_itself_in_any_order_of_keys(document: Document, random: Random) -> None:
    assert compare(spec_of(document), spec_of(shuffled(document, random))).is_empty


@settings(deadline=None)
@given(document_of(SCHEMAS), document_of(SCHEMAS), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_no_change(old: Document, new: Document, random: Random) -> None:
    diff = compare(spec_of(old), spec_of(new))
    assert compare(spec_of(shuffled(old, random)), spec_of(shuffled(new, random))) == diff


@settings(deadline=None)
@given(document_of(SCHEMAS), document_of(SCHEMAS))
def test_what_breaks_one_way_is_a_change_the_other_way(old: Document, new: Document) -> None:
    there, back = compare(spec_of(old), spec_of(new)), compare(spec_of(new), spec_of(old))
    told = [{*rules(diff.without_documentation())} - {"operation-written-differently"} for diff in (there, back)]
    assert bool(told[0]) == bool(told[1])


@settings(deadline=None)
@given(document_of(WILD), document_of(WILD))
def test_no_schema_is_so_odd_that_it_cannot_be_compared_and_shown(old: Document, new: Document) -> None:
    diff = compare(spec_of(old), spec_of(new))
    as_json(diff)
    as_text(diff).encode()
    as_markdown(diff).encode()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_mutation_of_a_small_spec_is_found_by_its_rule(mutation: Mutation) -> None:
    for seed in range(5):
        new = deepcopy(pets())
        changed = str(mutation(new, Random(seed)))
        diff = compare(spec_of(pets()), spec_of(new))
        assert any(
            change.rule in MUTATIONS[mutation] and changed in map(str, change.operations) for change in diff.changes
        )
