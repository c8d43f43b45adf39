"""Requests that Schemathesis makes from a spec go through a resolver that validates; those it spoils do not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from syncflow_pipelines.codegen.stored import store
from syncflow_pipelines.config import RestOptions
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend
from syncflow_pipelines_tests.server.resolver_world import load_resolver, serving

INTEGER = {"type": "integer", "minimum": 0, "maximum": 50}
PET = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string", "minLength": 1, "maxLength": 8},
        "born": {"type": "string", "format": "date", "nullable": True},
        "price": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
        "parents": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}, "maxItems": 2},
    },
}
QUERY = {"limit", "tags", "kind"}
OK = {"200": {"description": "fine"}}


def parameter(name: str, place: str, schema: Any, **said: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema, "required": place == "path", **said}


SPEC: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets/{id}": {
            "get": {
                "parameters": [
                    parameter("id", "path", INTEGER),
                    parameter("limit", "query", INTEGER, required=True),
                    parameter("tags", "query", {"type": "array", "items": INTEGER}, explode=False),
                    parameter("kind", "query", {"type": "string", "enum": ["cat", "dog"]}),
                    parameter("X-Count", "header", INTEGER),
                    parameter("page", "cookie", INTEGER),
                ],
                "responses": OK,
            },
        },
        "/pets": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
                "responses": OK,
            },
        },
    },
    "components": {"schemas": {"Pet": PET}},
}
FOUND: list[Any] = list(schemathesis.openapi.from_dict(SPEC).get_all_operations())
OPERATIONS = {each.ok().label: each.ok() for each in FOUND}
THOROUGH = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    folder: Path = tmp_path_factory.mktemp("contract")
    spec = store(normalise(SPEC))
    with RecordingBackend() as backend:
        module = load_resolver(folder, spec.content, backend.url, rest=RestOptions("validate", allowed_hosts=("*",)))
        with serving(module.create_app()) as port:
            yield f"http://127.0.0.1:{port}"


@pytest.mark.slow
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_spec_allows_goes_through(resolver: str, label: str) -> None:
    @THOROUGH
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(OPERATIONS[label].as_strategy())
        answer = case.call(base_url=resolver)
        assert answer.status_code == 200, answer.text

    check()


@pytest.mark.slow
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_spec_forbids_does_not(resolver: str, label: str) -> None:
    @THOROUGH
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(OPERATIONS[label].as_strategy(generation_mode=GenerationMode.NEGATIVE))
        # Schemathesis takes a further parameter for a mistake, too; the spec does not forbid what it does not name.
        assume(set(case.query or {}) <= QUERY)
        # One tag in place of a list of tags is written as a list of one is.
        assume(not str((case.query or {}).get("tags")).isdecimal())
        answer = case.call(base_url=resolver)
        assert answer.status_code in (400, 404, 405, 413, 415), (case.as_curl_command(), answer.text)

    check()
