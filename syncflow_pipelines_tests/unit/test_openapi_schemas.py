"""Schemas of any version say in JSON Schema 2020-12 what they said before."""

from typing import Any

import pytest

from syncflow_pipelines.errors import SpecTooLarge
from syncflow_pipelines.openapi.limits import Limits
from syncflow_pipelines.openapi.model import Json
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines_tests.unit.openapi_documents import converted, openapi, reasons, swagger, with_schemas

B = "#/components/schemas/B"
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True}, {}),
        ({"nullable": True, "enum": ["a"]}, {"enum": ["a", None]}),
        ({"nullable": True, "$ref": B}, {"anyOf": [{"$ref": B}, NULL]}),
        (
            {"nullable": True, "allOf": [{"$ref": B}], "description": "d"},
            {"anyOf": [{"allOf": [{"$ref": B}]}, NULL], "description": "d"},
        ),
        ({"nullable": True, "oneOf": [{"$ref": B}]}, {"oneOf": [{"$ref": B}, NULL]}),
        (
            {"nullable": True, "type": "object", "anyOf": [{"$ref": B}]},
            {"anyOf": [{"type": "object", "anyOf": [{"$ref": B}]}, NULL]},
        ),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"minimum": 1, "exclusiveMinimum": False}, {"minimum": 1}),
        ({"exclusiveMaximum": True}, {}),
        ({"exclusiveMaximum": 3}, {"exclusiveMaximum": 3}),
        ({"example": {"a": 1}}, {"examples": [{"a": 1}]}),
        ({"$ref": B, "maxLength": 3, "description": "d"}, {"$ref": B, "description": "d"}),
    ],
)
def test_words_of_3_0_become_those_of_2020_12(schema: Json, expected: Json) -> None:
    assert converted(schema, "3.0.3") == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": B, "maxLength": 3}, {"$ref": B, "maxLength": 3}),
        (
            {"type": ["string", "null"], "const": 1, "examples": [1]},
            {"type": ["string", "null"], "const": 1, "examples": [1]},
        ),
        ({"unevaluatedProperties": False}, {"unevaluatedProperties": {"not": {}}}),
        ({"properties": {"a": True, "b": False}}, {"properties": {"a": {}, "b": {"not": {}}}}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        (
            {"items": [{"type": "string"}], "additionalItems": False},
            {"prefixItems": [{"type": "string"}], "items": {"not": {}}},
        ),
        (
            {"dependencies": {"a": ["b"], "c": {"type": "object"}}},
            {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"type": "object"}}},
        ),
        (
            {"if": {}, "then": {"type": "string"}, "else": False},
            {"if": {}, "then": {"type": "string"}, "else": {"not": {}}},
        ),
        ({"$dynamicRef": B}, {"$ref": B}),
        ({"$id": "x", "$schema": "y", "$comment": "z", "x-a": 1, "unknown": {"$ref": "z"}}, {}),
    ],
)
def test_schemas_of_3_1_stay_what_they_are(schema: Json, expected: Json) -> None:
    assert converted(schema, "3.1.0") == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"enum": []}, {}),
        ({"type": "any"}, {}),
        ({"type": "String"}, {"type": "string"}),
        ({"type": "int"}, {"type": "integer"}),
        ({"type": ["string", "string"]}, {"type": "string"}),
        ({"type": ["string", None]}, {"type": ["string", "null"]}),
        ({"type": {"a": 1}}, {}),
        ({"maxLength": "10", "minLength": 1.0, "minItems": -1, "maxItems": 1e300}, {"maxLength": 10, "minLength": 1}),
        ({"minimum": "1.5", "maximum": "a", "multipleOf": 0}, {"minimum": 1.5}),
        ({"required": True, "properties": {}}, {"properties": {}}),
        ({"required": ["a", "a", 1, "b"]}, {"required": ["a", "b"]}),
        ({"title": 12, "description": ["a"], "pattern": None}, {"title": "12"}),
        ({"readOnly": "true", "deprecated": "no"}, {"readOnly": True}),
        ({"allOf": {}, "anyOf": [], "properties": []}, {}),
        ({"xml": {"name": "a", "wrapped": "x"}, "externalDocs": {"description": "a"}}, {"xml": {"name": "a"}}),
        ({"discriminator": {"mapping": {}}}, {}),
        ({"items": "string"}, {"items": {}}),
    ],
)
def test_a_word_that_a_validator_would_refuse_is_left_out_or_read_as_it_is_meant(schema: Json, expected: Json) -> None:
    assert converted(schema, "3.1.0") == expected


def test_what_is_left_out_is_told_with_its_place() -> None:
    spec = normalise(with_schemas({"A": {"properties": {"a/b": {"type": "strnig"}}}}))
    (finding,) = spec.findings
    assert finding.pointer == "/components/schemas/A/properties/a~1b/type"
    assert finding.reason == "type is 'strnig', which a schema cannot say; left out"
    assert not finding.is_fatal


def test_names_of_words_are_names_among_properties() -> None:
    words = ("$ref", "type", "enum", "example", "nullable", "x-a", "properties", "discriminator")
    schema = {"type": "object", "properties": {word: {"type": "string", "nullable": True} for word in words}}
    assert converted(schema)["properties"] == {word: {"type": ["string", "null"]} for word in words}


def test_data_is_no_schema() -> None:
    data = {"$ref": "#/nowhere", "nullable": True, "type": "any"}
    schema = {"default": data, "enum": [data], "example": data}
    assert converted(schema) == {"default": data, "enum": [data], "examples": [data]}


def components(schemas: Json, version: str = "3.1.0") -> Json:
    return normalise(with_schemas(schemas, version)).document["components"]["schemas"]


def test_a_reference_to_a_part_of_the_document_becomes_a_component() -> None:
    found = components(
        {
            "A": {"properties": {"x": {"$ref": "#/components/schemas/A/properties/y"}, "y": {"type": "string"}}},
            "C": {"$ref": "#/paths/~1a/get/responses/200/content/application~1json/schema"},
        }
    )
    target = found["A"]["properties"]["x"]["$ref"].removeprefix("#/components/schemas/")
    assert found[target] == {"type": "string"}
    assert found[found["C"]["$ref"].rpartition("/")[2]] == {"$ref": "#/components/schemas/A"}


@pytest.mark.parametrize("name", ["Foo«Bar»", "a b", "a/b", "é", "a~b", "a%20b", "<T>", "", "x" * 300])
def test_a_component_with_a_name_that_is_none_gets_another(name: str) -> None:
    key = name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
    found = components({"A": {"properties": {"p": {"$ref": f"#/components/schemas/{key}"}}}, name: {"type": "string"}})
    other = found["A"]["properties"]["p"]["$ref"].removeprefix("#/components/schemas/")
    assert found[other] == {"type": "string"}
    assert other.replace("_", "").replace(".", "").isalnum()
    assert other.isascii()


def test_anchors_are_followed() -> None:
    found = components(
        {"A": {"$ref": "#name"}, "B": {"$defs": {"x": {"$anchor": "name", "type": "string"}}, "type": "object"}}
    )
    assert found[found["A"]["$ref"].rpartition("/")[2]] == {"type": "string"}


@pytest.mark.parametrize(
    "reference",
    ["#/components/schemas/Z", "#/info", "#", "#/paths/~1a", "other.yaml#/A", "#nobody", "http://[", "#/a/0/b"],
)
def test_a_reference_to_no_schema_is_taken_for_any_value_and_told(reference: str) -> None:
    spec = normalise(with_schemas({"A": {"properties": {"x": {"$ref": reference}}}}))
    assert spec.document["components"]["schemas"]["A"] == {"properties": {"x": {}}}
    assert [finding.pointer for finding in spec.findings] == ["/components/schemas/A/properties/x"]
    assert len(spec.operations) == 1


def test_a_tree_may_refer_to_itself() -> None:
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}},
    }
    spec = normalise(with_schemas({"A": tree}))
    assert spec.document["components"]["schemas"]["A"] == tree
    assert not spec.findings


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    "schemas",
    [
        {"A": ref("A")},
        {"A": ref("B"), "B": ref("C"), "C": ref("A")},
        {"A": {"allOf": [ref("A"), {"type": "object"}]}},
        {"A": {"anyOf": [{"not": ref("B")}]}, "B": {"if": {}, "then": ref("A")}},
        {f"S{n}": {"allOf": [ref(f"S{m}") for m in range(12)]} for n in range(12)},
    ],
)
def test_a_schema_that_is_itself_without_end_is_cut(schemas: Json) -> None:
    spec = normalise(with_schemas(schemas, "3.1.0"))
    assert "the schema refers to itself without end; taken for any value where it does" in reasons(spec)
    assert_finite(spec.document["components"]["schemas"])


def assert_finite(schemas: Any) -> None:
    """That following what holds of the same value ends, however it is followed."""
    ends: set[str] = set()
    while True:
        more = {name for name, schema in schemas.items() if name not in ends and set(in_place(schema)) <= ends}
        if not more:
            break
        ends |= more
    assert ends == set(schemas)


def in_place(schema: Any) -> list[str]:
    own = [schema["$ref"].rpartition("/")[2]] if "$ref" in schema else []
    inner = [schema[word] for word in ("not", "if", "then", "else") if word in schema]
    inner += [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ())]
    return own + [name for part in inner for name in in_place(part)]


def test_a_subtype_takes_its_base_without_the_choice_of_subtypes() -> None:
    base = {
        "type": "object",
        "required": ["kind"],
        "oneOf": [ref("Cat"), ref("Dog")],
        "discriminator": {"propertyName": "kind"},
    }
    kinds = {name: {"allOf": [ref("A"), {"required": [name]}]} for name in ("Cat", "Dog")}
    spec = normalise(with_schemas({"A": base, **kinds}, "3.1.0"))
    found = spec.document["components"]["schemas"]
    assert found["A"]["oneOf"] == [ref("Cat"), ref("Dog")]
    assert found["Cat"] == {"allOf": [{"type": "object", "required": ["kind"]}, {"required": ["Cat"]}]}
    assert not spec.findings


def test_a_discriminator_names_the_components_that_it_may_mean() -> None:
    pet = {
        "discriminator": {"propertyName": "k", "mapping": {"cat": "Cat", "dog": "#/components/schemas/Dog", "x": "Nil"}}
    }
    found = components({"A": pet, "Cat": {}, "Dog": {}})
    assert found["A"]["discriminator"]["mapping"] == {
        "cat": "#/components/schemas/Cat",
        "dog": "#/components/schemas/Dog",
    }


def test_without_a_mapping_it_means_those_that_are_made_of_it() -> None:
    found = components(
        {
            "A": {"discriminator": {"propertyName": "k"}},
            "Cat": {"allOf": [ref("A")]},
            "Lion": {"allOf": [ref("Cat"), {"type": "object"}]},
        }
    )
    assert found["A"]["discriminator"]["mapping"] == {
        "Cat": "#/components/schemas/Cat",
        "Lion": "#/components/schemas/Lion",
    }


def test_a_long_line_of_subtypes_is_refused_before_each_names_all_of_the_others() -> None:
    line = {f"S{n}": {"allOf": [ref(f"S{n + 1}")], "discriminator": {"propertyName": "k"}} for n in range(1_000)}
    with pytest.raises(SpecTooLarge, match="more than 50,000 values"):
        normalise(with_schemas(line), limits=Limits(max_values=50_000))


def test_schemas_of_swagger_become_components() -> None:
    definitions = {"D": {"type": "object", "discriminator": "k", "x-nullable": True}, "F": {"type": "file"}}
    document = swagger(
        {"/a": {"get": {"responses": {"200": {"schema": {"$ref": "#/definitions/D"}}}}}}, definitions=definitions
    )
    found = normalise(document).document["components"]["schemas"]
    assert found["D"] == {"type": ["object", "null"], "discriminator": {"propertyName": "k"}}
    assert found["F"] == {"type": "string"}


@pytest.mark.parametrize(
    "components", [None, [], {"schemas": None}, {"schemas": []}, {"schemas": {"A": None}}, {"schemas": {"A": 1}}]
)
def test_components_of_any_form_are_survived(components: Json) -> None:
    spec = normalise(openapi({"/a": {"get": {"responses": {}}}}, components=components))
    assert len(spec.operations) == 1
