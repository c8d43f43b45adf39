"""What callers notice changes a digest, and nothing else does."""

import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.openapi.digests import canonical, checksum
from syncflow_pipelines.openapi.model import Json, Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines_tests.unit.openapi_documents import OK, openapi


def shop() -> dict[str, Any]:
    pet = {
        "type": "object",
        "required": ["name", "age"],
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "owner": {"$ref": "#/components/schemas/Owner"},
        },
    }
    schemas = {
        "Pet": pet,
        "Owner": {"properties": {"pets": {"items": {"$ref": "#/components/schemas/Pet"}}}},
        "Toy": {},
    }
    parameters = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "enum": [1, 2]}},
        {"name": "x", "in": "header", "schema": {"type": "string"}},
    ]
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
    return openapi(
        {
            "/pets": {
                "get": {
                    "tags": ["a", "b"],
                    "summary": "Pets",
                    "parameters": parameters,
                    "responses": {"200": {"description": "fine", "content": content}},
                    "security": [{"key": []}, {}],
                }
            },
            "/toys": {"get": {"responses": OK}},
        },
        "3.1.0",
        servers=[{"url": "https://shop.example"}],
        components={"schemas": schemas, "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "k"}}},
    )


def changed(change: str) -> Spec:
    document = shop()
    exec(change, {"d": document, "get": document["paths"]["/pets"]["get"], "s": document["components"]["schemas"]})
    return normalise(document)


BEFORE = normalise(shop())


@pytest.mark.parametrize(
    "change",
    [
        "get['description'] = 'Longer'",
        "get['summary'] = 'Other'",
        "get['x-internal'] = True",
        "get['externalDocs'] = {'url': 'http://a'}",
        "get['responses']['200']['description'] = 'other'",
        "get['responses']['200']['content']['application/json']['example'] = {}",
        "get['parameters'].reverse()",
        "get['parameters'][0]['description'] = 'd'",
        "get['parameters'][0]['example'] = 1",
        "get['parameters'][0]['schema']['enum'].reverse()",
        "get['tags'].reverse()",
        "get['security'].reverse()",
        "s['Pet']['required'].reverse()",
        "s['Pet']['title'] = 'A pet'",
        "s['Pet']['properties']['name']['examples'] = ['x']",
        "s['Toy']['type'] = 'object'",
        "d['info']['description'] = 'd'",
        "d['info']['version'] = '2'",
        "d['x-generated-at'] = 'now'",
        "d['tags'] = [{'name': 'a'}]",
        "d['components']['securitySchemes']['key']['description'] = 'd'",
    ],
)
def test_documentation_and_order_are_not_noticed(change: str) -> None:
    after = changed(change)
    assert after.contract == BEFORE.contract
    assert [operation.digest for operation in after.operations] == [operation.digest for operation in BEFORE.operations]


@pytest.mark.parametrize(
    "change",
    [
        "get['operationId'] = 'other'",
        "get['deprecated'] = True",
        "get['tags'].append('c')",
        "get['security'] = []",
        "get['parameters'][0]['required'] = True",
        "get['parameters'][0]['schema']['enum'].append(3)",
        "get['parameters'].pop()",
        "get['responses']['404'] = {'description': ''}",
        "get['requestBody'] = {'content': {'text/plain': {}}}",
        "get['servers'] = [{'url': 'http://other'}]",
        "s['Pet']['required'].pop()",
        "s['Pet']['properties']['description'] = {}",
        "s['Pet']['properties']['x-a'] = {}",
        "s['Owner']['properties']['example'] = {'type': 'string'}",
        "s['Owner']['properties']['pets']['minItems'] = 1",
        "s['Pet']['properties']['name']['default'] = 'x'",
    ],
)
def test_what_callers_notice_changes_its_operation_alone(change: str) -> None:
    after = changed(change)
    assert after.contract != BEFORE.contract
    assert after.operations[0].digest != BEFORE.operations[0].digest
    assert after.operations[1].digest == BEFORE.operations[1].digest


@pytest.mark.parametrize("other", ["title", "x-other-key"])
def test_schemes_of_security_count_whatever_they_are_called(other: str) -> None:
    def secured(by: list[dict[str, Json]]) -> Spec:
        schemes = {name: {"type": "apiKey", "in": "header", "name": "k"} for name in ("x-api-key", other)}
        paths = {"/pets": {"get": {"responses": OK, "security": by}}}
        return normalise(openapi(paths, "3.1.0", components={"securitySchemes": schemes}))

    requirements: list[dict[str, Json]] = [{}, {"x-api-key": []}, {other: []}]
    assert len({secured([requirement]).contract for requirement in requirements}) == 3


@pytest.mark.parametrize(
    "change",
    [
        "d['servers'][0]['url'] = 'https://other.example'",
        "d['components']['securitySchemes']['key']['name'] = 'other'",
        "d['webhooks'] = {'w': {'post': {'responses': {}}}}",
    ],
)
def test_what_holds_for_all_operations_changes_the_contract_alone(change: str) -> None:
    after = changed(change)
    assert after.contract != BEFORE.contract
    assert [operation.digest for operation in after.operations] == [operation.digest for operation in BEFORE.operations]


def shuffled(value: Json, order: random.Random) -> Json:
    if isinstance(value, dict):
        items = [(key, shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_never_counts(order: random.Random) -> None:
    document = shuffled(shop(), order)
    kept = deepcopy(document)
    assert normalise(document) == BEFORE
    assert document == kept


def test_a_chain_of_schemas_counts_to_its_end() -> None:
    def chain(last: Json) -> str:
        schemas: Json = {
            f"S{n}": {"properties": {"next": {"$ref": f"#/components/schemas/S{n + 1}"}}} for n in range(3_000)
        }
        response = {"200": {"description": "", "content": {"a/b": {"schema": {"$ref": "#/components/schemas/S0"}}}}}
        document = openapi({"/a": {"get": {"responses": response}}}, components={"schemas": {**schemas, "S3000": last}})
        return normalise(document).operations[0].digest

    assert chain({"type": "string"}) == chain({"type": "string"}) != chain({"type": "integer"})


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ("d['info']['version'] = '2'", True),
        ("d['servers'] = []", True),
        ("d['security'] = []", True),
        ("d['webhooks'] = {}", True),
        ("get['description'] = 'other'", True),
        ("s['Toy']['type'] = 'object'", True),
        ("d['x-generated-at'] = 'now'", False),
        ("d['x-common'] = {}", False),
        ("d['x-common'] = {}; s['Toy']['$ref'] = '#/x-common'", True),
    ],
)
def test_the_checksum_is_of_all_that_means_something(change: str, counts: bool) -> None:
    assert (changed(change).checksum != BEFORE.checksum) is counts


def test_the_checksum_is_an_md5() -> None:
    assert BEFORE.checksum == checksum(shop())
    assert len(BEFORE.checksum) == 32


@pytest.mark.parametrize("value", [2**70, "\ud800", {"\udfff": 1}, float("inf"), float("nan"), {1: 2}])
def test_anything_can_be_written_canonically(value: Json) -> None:
    assert canonical({"b": value, "a": 1}) == canonical({"a": 1, "b": value})


def test_also_what_is_nested_deeper_than_orjson_writes() -> None:
    value: Json = {}
    for _ in range(400):
        value = {"b": value, "a": 1}
    assert canonical(value)
