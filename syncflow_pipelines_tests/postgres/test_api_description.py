"""The API's own description is one that SyncFlow's own wings can use: as a spec, an MCP server and schemas."""

import json
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import BearerAuth
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.schemas.components.rendering import render_components
from syncflow_pipelines_tests.postgres.admin_api import ADMIN_TOKEN, ApiWorld, api
from syncflow_pipelines_tests.server.mcp_world import call, generated, service_at, text

__all__ = ["api"]


@pytest.fixture
def document(api: ApiWorld) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json")
    return found


def test_everything_that_is_described_can_be_used(document: dict[str, Any]) -> None:
    spec = normalise(document)
    assert [finding.reason for finding in spec.findings if finding.is_fatal] == []
    described = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert sorted(operation.id for operation in spec.operations) == sorted(one["operationId"] for one in described)
    for operation in described:
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]
        assert "400" in operation["responses"]
        assert any(status.startswith("2") for status in operation["responses"])
        assert all(parameter.get("description") for parameter in operation.get("parameters", ()))


def test_every_link_leads_to_an_operation_and_its_parameters(document: dict[str, Any]) -> None:
    described = [operation for methods in document["paths"].values() for operation in methods.values()]
    known = {one["operationId"]: {each["name"] for each in one.get("parameters", ())} for one in described}
    answers = [answer for one in described for answer in one["responses"].values()]
    links = [link for answer in answers for link in answer.get("links", {}).values()]
    assert len(links) > 10
    for link in links:
        assert link["parameters"].keys() <= known[link["operationId"]], link


def test_every_example_is_what_its_schema_describes(document: dict[str, Any]) -> None:
    import jsonschema

    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            whole = {**schema, "components": document["components"]}
            jsonschema.validate(json.loads(json.dumps(example)), whole), name


def test_what_is_answered_has_the_members_that_are_described_and_no_others(
    api: ApiWorld, document: dict[str, Any]
) -> None:
    schemas, uid = document["components"]["schemas"], api.uid("items")
    (reject,) = api.get("/rejects")["items"]
    answered = {
        "EntitySummary": api.get("/entities")["items"][0],
        "EntityDocument": api.get(f"/entities/{uid}"),
        "ColumnDocument": api.get(f"/entities/{uid}")["columns"][0],
        "RunDocument": api.get("/runs")["items"][0],
        "RejectSummary": reject,
        "RejectDocument": api.get(f"/rejects/{reject['uid']}"),
        "SchemaChangeDocument": api.get("/changes")["items"][0],
        "RecordChangeDocument": api.get(f"/entities/{uid}/record-changes")["items"][0],
        "DatabaseHealthDocument": api.get("/health/db"),
    }
    assert {name: answer.keys() for name, answer in answered.items()} == {
        name: schemas[name]["properties"].keys() for name in answered
    }


@pytest.mark.slow
def test_an_mcp_server_and_schemas_are_generated_from_it(
    api: ApiWorld, document: dict[str, Any], tmp_path: Path
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(ADMIN_TOKEN)
    spec = normalise(document)
    made = render_components(spec, name="syncflow", digest="")
    assert {"EntityDocument", "RunList", "ProblemDocument"} <= set(made.exports)
    assert not [finding for finding in made.findings if finding.is_fatal]
    url = str(api.client.base_url).removesuffix("/api/v1/")
    service = service_at(url, auth=BearerAuth(token_file=token_file))
    with generated(tmp_path, spec, service) as module:
        assert '"erp/items"' in text(call(module.mcp, "listEntities", {"q": "items"}))
