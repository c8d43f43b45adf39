"""What a caller writes by a parameter's style is read back as the same value, and checked as JSON Schema has it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from syncflow_pipelines.codegen.runtime.parameter_values import ABSENT, ParameterReader, split_pairs
from syncflow_pipelines.codegen.runtime.requests import Parameter, build_target
from syncflow_pipelines.codegen.runtime.resolver import routes_of
from syncflow_pipelines.codegen.runtime.routes import Match, RouteTable
from syncflow_pipelines.codegen.runtime.schema_checks import SchemaChecks
from syncflow_pipelines_tests.stored_specs import stored

Json = Any

TEXTS = {"type": "array", "items": {"type": "string"}}
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
STYLES = [
    *(("path", style, explode) for style in ("simple", "label", "matrix") for explode in (False, True)),
    *(("query", "form", explode) for explode in (False, True)),
    *(("query", style, False) for style in ("spaceDelimited", "pipeDelimited")),
    ("query", "deepObject", True),
    *(("header", "simple", explode) for explode in (False, True)),
    *(("cookie", "form", explode) for explode in (False, True)),
]
PLAIN = st.text("abcXYZ019-_~", min_size=1, max_size=5)
ANY = st.text(min_size=1, max_size=5).filter(lambda text: text.isprintable() or "\n" in text)


def texts(place: str, style: str) -> st.SearchStrategy[str]:
    """Texts that the style can tell apart: headers are not escaped, and dots are unreserved."""
    if place == "header" or style in ("spaceDelimited", "pipeDelimited"):
        return PLAIN
    if place == "path":
        return ANY.map(lambda text: text.replace(".", "_").replace("/", "|").replace("%", "&").replace("\\", "|"))
    return ANY.filter(lambda text: not any(0xD800 <= ord(char) < 0xE000 for char in text))


def values(place: str, style: str) -> st.SearchStrategy[tuple[Json, Json]]:
    """Schemas and values of them."""
    text = texts(place, style)
    single = st.one_of(
        st.tuples(st.just({"type": "string"}), text), st.tuples(st.just({"type": "integer"}), st.integers())
    )
    lists = st.tuples(st.just(TEXTS), st.lists(text, min_size=1, max_size=4))
    objects = st.tuples(st.just(OBJECT), st.fixed_dictionaries({"a": text, "b": st.integers()}))
    if style == "deepObject":
        return objects
    return lists if style in ("spaceDelimited", "pipeDelimited") else st.one_of(single, lists, objects)


@pytest.mark.parametrize(("place", "style", "explode"), STYLES)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_was_written_is_read_back(place: str, style: str, explode: bool, data: st.DataObject) -> None:
    schema, value = data.draw(values(place, style))
    parameter = Parameter("p[x]" if style == "form" and place == "query" else "p", place, style, explode, schema=schema)
    path = "/a/{p}" if place == "path" else "/a"
    target = build_target(path, {parameter: value})
    raw_path, _, query = target.path.partition("?")
    match = RouteTable(routes_of(stored({path: {"get": {}}}))).find("GET", raw_path.encode(), b"")
    assert isinstance(match, Match)
    reader = ParameterReader(SchemaChecks({}))
    if place == "path":
        read = reader.from_text(parameter, match.arguments["p"].decode())
    elif place == "header":
        read = reader.from_text(parameter, target.headers["p"].decode(), escaped=False)
    elif place == "cookie":
        cookies = target.headers["Cookie"].decode().replace("&", ";")
        read = reader.from_pairs(parameter, split_pairs(cookies, ";", plus=False), plus=False)
    else:
        read = reader.from_pairs(parameter, split_pairs(query))
    assert read is not ABSENT
    assert read == value


SCHEMAS: list[Json] = [
    {"type": "integer", "minimum": 0, "exclusiveMaximum": 10},
    {"type": ["string", "null"], "minLength": 1, "pattern": "^[a-c]*$"},
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "maxItems": 3},
    {"properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": {"type": "string"}},
    {"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False, "minProperties": 1},
    {"anyOf": [{"type": "integer"}, {"type": "array", "prefixItems": [{"type": "string"}], "items": False}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 0}]},
    {
        "allOf": [{"properties": {"a": True}}, {"properties": {"b": {"type": "boolean"}}}],
        "unevaluatedProperties": False,
    },
    {"not": {"type": "string"}},
    {"if": {"type": "object"}, "then": {"required": ["a"]}, "else": {"maxItems": 1}},
    {"contains": {"type": "integer"}, "dependentRequired": {"a": ["b"]}},
    {"enum": ["a", 1, None, {"a": 1}]},
    {"const": [1]},
    {"type": "number", "multipleOf": 3},
    {"propertyNames": {"maxLength": 1}},
    False,
    True,
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.sampled_from([0.5, 3.0]), st.text("abx", max_size=3)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["a", "b", "ab"]), inner)),
    max_leaves=6,
)


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(VALUES)
def test_a_value_fits_where_json_schema_says_so(schema: Json, value: Json) -> None:
    expected = Draft202012Validator(schema).is_valid(value)
    assert (not SchemaChecks({}).mistakes(value, schema)) == expected
