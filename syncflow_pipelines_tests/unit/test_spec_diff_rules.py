"""Every rule is found by the change that it is for, weighs what the documentation says, and is described there."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.openapi.diff import RULES, compare
from syncflow_pipelines.openapi.diff.model import SEVERITIES
from syncflow_pipelines_tests.unit.diff_specs import Document, Edit, changed, pets, rules, spec_of, with_schemas

GUIDE = Path(__file__).parents[2] / "docs" / "spec-diff-rules.md"
ROWS = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.+) \| (.+) \|$", GUIDE.read_text(), re.MULTILINE)

TEXT, NUMBER, WHOLE, TRUTH = ({"type": name} for name in ("string", "number", "integer", "boolean"))
CAT = {"type": "object", "properties": {"claws": WHOLE}}
DOG = {"type": "object", "properties": {"tricks": TEXT}}


def having(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


OF_BOTH_DIRECTIONS: dict[str, tuple[Any, Any]] = {
    "type-narrowed": (NUMBER, WHOLE),
    "type-widened": ({"type": "string"}, {"type": ["string", "integer"]}),
    "type-changed": (TEXT, TRUTH),
    "became-nullable": (TEXT, {"type": ["string", "null"]}),
    "became-not-nullable": ({"anyOf": [TEXT, {"type": "null"}]}, TEXT),
    "enum-value-removed": ({"enum": ["a", "b"]}, {"enum": ["b"]}),
    "enum-value-added": ({"const": "a"}, {"enum": ["b", "a"]}),
    "enum-added": (TEXT, TEXT | {"enum": ["a"]}),
    "enum-removed": (TEXT | {"enum": ["a"]}, TEXT),
    "bound-narrowed": (TEXT | {"maxLength": 5}, TEXT | {"maxLength": 4}),
    "bound-widened": (WHOLE | {"minimum": 5}, WHOLE | {"exclusiveMinimum": 3}),
    "pattern-added": (TEXT, TEXT | {"pattern": "^a"}),
    "pattern-changed": (TEXT | {"pattern": "^a"}, TEXT | {"pattern": "^b"}),
    "pattern-removed": (TEXT | {"pattern": "^a"}, TEXT | {"pattern": ".*"}),
    "format-added": (TEXT, TEXT | {"format": "uuid"}),
    "format-changed": (TEXT | {"format": "date"}, TEXT | {"format": "date-time"}),
    "format-narrowed": (WHOLE | {"format": "int64"}, WHOLE | {"format": "int32"}),
    "format-widened": (NUMBER | {"format": "float"}, NUMBER | {"format": "double"}),
    "format-removed": (TEXT | {"format": "uuid"}, TEXT),
    "property-added": (having(a=TEXT), having(a=TEXT, b=TEXT)),
    "property-became-required": (having(a=TEXT), having(a=TEXT) | {"required": ["a"]}),
    "property-became-optional": (having(a=TEXT) | {"required": ["a"]}, having(a=TEXT)),
    "additional-properties-refused": (having(a=TEXT), having(a=TEXT) | {"additionalProperties": False}),
    "additional-properties-allowed": (having(a=TEXT) | {"unevaluatedProperties": False}, having(a=TEXT)),
    "alternative-removed": ({"oneOf": [TEXT, CAT, DOG]}, {"oneOf": [DOG, TEXT]}),
    "alternative-added": ({"anyOf": [TEXT, CAT]}, {"anyOf": [DOG, CAT, TEXT]}),
    "alternatives-added": ({}, {"oneOf": [TEXT, CAT]}),
    "alternatives-removed": ({"oneOf": [TEXT, CAT]}, {}),
    "discriminator-changed": (
        {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind"}},
        {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "type"}},
    ),
    "discriminator-mapping-changed": (
        {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind"}},
        {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind", "mapping": {"c": "Cat"}}},
    ),
    "default-changed": (TEXT | {"default": "a"}, TEXT | {"default": "b"}),
    "constraint-changed": (TEXT | {"not": {"const": "a"}}, TEXT | {"not": {"const": "b"}}),
    "schema-deprecated": (TEXT, TEXT | {"deprecated": True}),
    "schema-undeprecated": (TEXT | {"deprecated": True}, TEXT),
}  # fmt: skip

OF_ONE_DIRECTION: dict[str, tuple[Any, Any]] = {
    "request-property-removed": (having(a=TEXT, b=TEXT), having(a=TEXT)),
    "request-property-refused": (having(a=TEXT, b=TEXT), having(a=TEXT) | {"additionalProperties": False}),
    "request-required-property-added": (having(a=TEXT), having(a=TEXT, b=TEXT) | {"required": ["b"]}),
    "request-required-property-with-default-added": (
        having(a=TEXT),
        having(a=TEXT, b=TEXT | {"default": "x"}) | {"required": ["b"]},
    ),
    "request-property-with-default-became-required": (
        having(a=TEXT | {"default": "x"}),
        having(a=TEXT | {"default": "x"}) | {"required": ["a"]},
    ),
    "request-property-became-read-only": (having(a=TEXT), having(a=TEXT | {"readOnly": True})),
    "response-property-removed": (having(a=TEXT, b=TEXT), having(a=TEXT)),
    "response-required-property-added": (having(a=TEXT), having(a=TEXT, b=TEXT) | {"required": ["b"]}),
    "response-property-became-write-only": (having(a=TEXT), having(a=TEXT | {"writeOnly": True})),
}

SCHEMAS: dict[str, tuple[Any, Any]] = OF_ONE_DIRECTION | {
    f"{direction}-{kind}": pair for kind, pair in OF_BOTH_DIRECTIONS.items() for direction in ("request", "response")
}


def listing(document: Document) -> Any:
    return document["paths"]["/pets"]["get"]


def adding(document: Document) -> Any:
    return document["paths"]["/pets"]["post"]


def parameter(document: Document, position: int = 0) -> Any:
    return listing(document)["parameters"][position]


def new_parameter(**more: Any) -> Edit:
    return lambda doc: listing(doc)["parameters"].append({"name": "page", "in": "query", "schema": TEXT} | more)


def is_page(document: Document) -> Document:
    new_parameter(required=True, schema=TEXT | {"default": "1"})(document)
    return document


def flow(document: Document) -> Any:
    return document["components"]["securitySchemes"]["oauth"]["flows"]["clientCredentials"]


def called_back(document: Document) -> Any:
    body = {"required": True, "content": {"application/json": {"schema": TEXT}}}
    item = {"{$request.body#/url}": {"post": {"requestBody": body, "responses": {"204": {"description": ""}}}}}
    return adding(document).setdefault("callbacks", {}).setdefault("done", item)


def hooked(document: Document) -> Any:
    return document.setdefault("webhooks", {}).setdefault("bought", {"post": {"responses": {"200": {}}}})


def after(first: Edit, document: Document | None = None) -> Document:
    start = pets() if document is None else document
    first(start)
    return start


def move_path(document: Document, old: str, new: str) -> None:
    document["paths"][new] = document["paths"].pop(old)


def rename_placeholder(document: Document) -> None:
    move_path(document, "/pets/{id}", "/pets/{petId}")
    for method in ("put", "delete"):
        document["paths"]["/pets/{petId}"][method]["parameters"][0]["name"] = "petId"


def as_pages(document: Document) -> None:
    del adding(document)["requestBody"]


OPERATIONS: dict[str, tuple[Document, Edit]] = {
    "operation-removed": (pets(), lambda doc: doc["paths"]["/pets"].pop("post")),
    "operation-moved": (pets(), lambda doc: move_path(doc, "/pets/{id}", "/animals/{id}")),
    "operation-added": (pets(), lambda doc: doc["paths"].update({"/new": {"get": {"responses": {}}}})),
    "operation-id-changed": (pets(), lambda doc: listing(doc).update(operationId="allPets")),
    "operation-deprecated": (pets(), lambda doc: listing(doc).update(deprecated=True)),
    "operation-undeprecated": (
        after(lambda doc: listing(doc).update(deprecated=True)),
        lambda doc: listing(doc).pop("deprecated"),
    ),
    "operation-written-differently": (pets(), lambda doc: parameter(doc).update(style="form")),
    "callback-added": (pets(), called_back),
    "callback-removed": (after(called_back), lambda doc: adding(doc).pop("callbacks")),
    "callback-changed": (
        after(called_back),
        lambda doc: called_back(doc)["{$request.body#/url}"]["post"]["responses"].update({"200": {}}),
    ),
    "request-parameter-removed": (pets(), lambda doc: listing(doc)["parameters"].pop(0)),
    "request-parameter-moved": (pets(), lambda doc: parameter(doc).update({"in": "cookie"})),
    "request-parameter-added": (pets(), new_parameter()),
    "request-required-parameter-added": (pets(), new_parameter(required=True)),
    "request-required-parameter-with-default-added": (pets(), is_page),
    "request-parameter-became-required": (pets(), lambda doc: parameter(doc).update(required=True)),
    "request-parameter-with-default-became-required": (
        after(lambda doc: parameter(doc)["schema"].update(default=7)),
        lambda doc: parameter(doc).update(required=True),
    ),
    "request-parameter-became-optional": (pets(), lambda doc: parameter(doc, 2).update(required=False)),
    "request-parameter-serialization-changed": (pets(), lambda doc: parameter(doc).update(explode=False)),
    "request-parameter-deprecated": (pets(), lambda doc: parameter(doc).update(deprecated=True)),
    "request-parameter-undeprecated": (
        after(lambda doc: parameter(doc).update(deprecated=True)),
        lambda doc: parameter(doc).pop("deprecated"),
    ),
    "path-parameter-renamed": (pets(), rename_placeholder),
    "request-body-added": (after(as_pages), lambda doc: adding(doc).update(requestBody={"content": {}})),
    "request-required-body-added": (
        after(as_pages),
        lambda doc: adding(doc).update(requestBody={"required": True, "content": {}}),
    ),
    "request-body-removed": (pets(), as_pages),
    "request-body-became-required": (pets(), lambda doc: adding(doc)["requestBody"].update(required=True)),
    "request-body-became-optional": (
        pets(),
        lambda doc: doc["paths"]["/pets/{id}"]["put"]["requestBody"].pop("required"),
    ),
    "request-media-type-removed": (pets(), lambda doc: adding(doc)["requestBody"]["content"].pop("application/xml")),
    "request-media-type-added": (pets(), lambda doc: adding(doc)["requestBody"]["content"].update({"text/csv": {}})),
    "request-encoding-changed": (
        pets(),
        lambda doc: adding(doc)["requestBody"]["content"]["application/xml"].update(encoding={"a": {"explode": True}}),
    ),
    "response-success-removed": (pets(), lambda doc: adding(doc)["responses"].pop("201")),
    "response-success-added": (pets(), lambda doc: adding(doc)["responses"].update({"202": {"description": ""}})),
    "response-error-removed": (pets(), lambda doc: listing(doc)["responses"].pop("404")),
    "response-error-added": (pets(), lambda doc: listing(doc)["responses"].update({"429": {"description": ""}})),
    "response-media-type-removed": (pets(), lambda doc: adding(doc)["responses"]["201"].pop("content")),
    "response-media-type-added": (
        pets(),
        lambda doc: adding(doc)["responses"]["201"]["content"].update({"text/csv": {}}),
    ),
    "response-encoding-changed": (
        pets(),
        lambda doc: adding(doc)["responses"]["201"]["content"]["application/json"].update(encoding={"a": {}}),
    ),
    "response-header-removed": (
        after(lambda doc: listing(doc)["responses"]["200"]["headers"]["X-Next"].pop("required")),
        lambda doc: listing(doc)["responses"]["200"].pop("headers"),
    ),
    "response-required-header-removed": (pets(), lambda doc: listing(doc)["responses"]["200"].pop("headers")),
    "response-header-became-optional": (
        pets(),
        lambda doc: listing(doc)["responses"]["200"]["headers"]["X-Next"].pop("required"),
    ),
    "response-header-became-required": (
        after(lambda doc: listing(doc)["responses"]["200"]["headers"]["X-Next"].pop("required")),
        lambda doc: listing(doc)["responses"]["200"]["headers"]["X-Next"].update(required=True),
    ),
    "response-header-added": (
        pets(),
        lambda doc: adding(doc)["responses"]["201"].update(headers={"ETag": {"schema": TEXT}}),
    ),
    "security-added": (
        after(lambda doc: listing(doc).pop("security")),
        lambda doc: listing(doc).update(security=[{"key": []}]),
    ),
    "security-removed": (pets(), lambda doc: listing(doc).update(security=[])),
    "security-alternative-removed": (
        after(lambda doc: listing(doc)["security"].append({"oauth": ["read"]})),
        lambda doc: listing(doc)["security"].pop(),
    ),
    "security-alternative-added": (pets(), lambda doc: listing(doc)["security"].append({"oauth": ["read"]})),
    "security-scope-added": (pets(), lambda doc: adding(doc)["security"][0]["oauth"].append("admin")),
    "security-scope-removed": (pets(), lambda doc: adding(doc)["security"][0]["oauth"].remove("write")),
    "security-scheme-changed": (
        pets(),
        lambda doc: doc["components"]["securitySchemes"]["key"].update({"in": "query"}),
    ),
    "security-scheme-endpoint-changed": (
        pets(),
        lambda doc: flow(doc).update(tokenUrl="https://b.example.com"),
    ),
    "server-changed": (pets(), lambda doc: doc.update(servers=[{"url": "https://pets.example.com/v2"}])),
    "server-removed": (
        after(lambda doc: doc["servers"].append({"url": "https://b.example.com"})),
        lambda doc: doc["servers"].pop(),
    ),
    "server-added": (pets(), lambda doc: doc["servers"].append({"url": "https://b.example.com"})),
    "webhook-added": (pets(), hooked),
    "webhook-removed": (after(hooked), lambda doc: doc.pop("webhooks")),
    "webhook-changed": (after(hooked), lambda doc: hooked(doc)["post"].update(responses={"201": {}})),
    "documentation-changed": (pets(), lambda doc: listing(doc).update(summary="All of them")),
}  # fmt: skip


@pytest.mark.parametrize("rule", sorted(OPERATIONS))
def test_a_change_of_an_operation_is_told_by_its_rule_alone(rule: str) -> None:
    document, edit = OPERATIONS[rule]
    assert set(rules(changed(edit, document))) == {rule}


@pytest.mark.parametrize("rule", sorted(SCHEMAS))
def test_a_change_of_a_schema_is_told_by_its_rule(rule: str) -> None:
    direction = "request" if rule.startswith("request") else "response"
    old, new = ({direction: schema} for schema in SCHEMAS[rule])
    expected = {rule, "request-additional-properties-refused"} if rule == "request-property-refused" else {rule}
    assert set(rules(compare(with_schemas(**old), with_schemas(**new)))) == expected


def test_every_rule_has_a_change_here() -> None:
    assert {*OPERATIONS, *SCHEMAS, "comparison-cut-short"} == {*RULES}


@pytest.mark.parametrize("rule", sorted(OPERATIONS))
def test_the_way_back_of_a_change_of_an_operation_is_a_change_too(rule: str) -> None:
    document, edit = OPERATIONS[rule]
    new = after(edit, deepcopy(document))
    assert not compare(spec_of(new), spec_of(document)).is_empty


@pytest.mark.parametrize("rule", sorted(SCHEMAS))
def test_the_way_back_of_a_change_of_a_schema_is_a_change_too(rule: str) -> None:
    old, new = SCHEMAS[rule]
    assert not compare(with_schemas(new, new), with_schemas(old, old)).is_empty


def test_the_guide_lists_every_rule_with_its_severity_and_meaning() -> None:
    assert {name: (severity, meaning) for name, severity, meaning, _ in ROWS} == {
        rule.name: (rule.severity, rule.meaning) for rule in RULES.values()
    }


def test_the_guide_gives_an_example_of_every_rule_and_sorts_them() -> None:
    names = [name for name, *_ in ROWS]
    assert all(example.strip() for *_, example in ROWS)
    assert names == sorted(names)


def test_names_are_kebab_case_and_severities_known() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", name) for name in RULES)
    assert {rule.severity for rule in RULES.values()} == {*SEVERITIES}
