"""Operations are found again, and changes are told once, in an order that is always the same."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

from syncflow_pipelines.openapi.diff import SpecDiff, compare
from syncflow_pipelines.openapi.diff.model import SEVERITIES
from syncflow_pipelines.openapi.model import Finding
from syncflow_pipelines_tests.unit.diff_specs import Document, changed, pets, rules, spec_of, told

TEXT = {"type": "string"}


def listing(document: Document) -> Any:
    return document["paths"]["/pets"]["get"]


def test_the_same_spec_has_no_changes() -> None:
    diff = compare(spec_of(pets()), spec_of(pets()))
    assert diff.is_empty
    assert diff.summary() == "No changes"
    assert diff.counts == {"breaking": 0, "warning": 0, "info": 0}


def test_a_new_version_alone_is_no_change() -> None:
    assert changed(lambda doc: doc["info"].update(version="2")).is_empty


def test_texts_of_the_document_are_documentation() -> None:
    diff = changed(lambda doc: doc["info"].update(description="All of the pets"))
    assert [*told(diff)] == [("documentation-changed", "info")]
    assert diff.without_documentation().is_empty


def test_an_operation_that_was_left_out_of_the_new_spec_is_told_with_the_reason() -> None:
    new = pets()
    del new["paths"]["/pets"]["get"]
    finding = Finding("/paths/~1pets/get", "its parameter `limit` has no schema")
    diff = compare(spec_of(pets()), replace(spec_of(new), findings=(finding,)))
    (change,) = diff.changes
    assert change.rule == "operation-removed"
    assert "`limit` has no schema" in change.message


def test_a_change_at_a_renamed_placeholder_is_told_at_its_new_name() -> None:
    def edit(document: Document) -> None:
        item = document["paths"].pop("/pets/{id}")
        document["paths"]["/pets/{pet}"] = {"delete": item["delete"]}
        item["delete"]["parameters"] = [{"name": "pet", "in": "path", "required": True, "schema": {"type": "integer"}}]

    assert ("request-type-changed", "path.pet") in [*told(changed(edit))]
    assert "operation-removed" in rules(changed(edit))
    assert "operation-added" not in rules(changed(edit))


def test_two_placeholders_that_swapped_their_names_are_both_renamed() -> None:
    def at(first: str, second: str) -> Document:
        parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in ("a", "b")]
        operation = {"parameters": parameters, "responses": {}}
        return {"paths": {f"/{{{first}}}/{{{second}}}": {"get": {"operationId": "both", **operation}}}}

    diff = compare(spec_of(at("a", "b")), spec_of(at("b", "a")))
    assert rules(diff) == ["path-parameter-renamed", "path-parameter-renamed"]


def test_a_moved_operation_is_compared_too() -> None:
    def edit(document: Document) -> None:
        document["paths"]["/animals"] = {"get": document["paths"]["/pets"].pop("get")}
        document["paths"]["/animals"]["get"]["parameters"][0]["required"] = True

    assert rules(changed(edit)) == ["operation-moved", "request-parameter-became-required"]


def test_a_parameter_that_is_the_same_in_many_operations_is_told_once() -> None:
    def edit(document: Document) -> None:
        for item in document["paths"].values():
            for operation in item.values():
                operation.setdefault("parameters", []).append({"name": "v", "in": "query", "schema": TEXT})

    (change,) = changed(edit).changes
    assert (change.rule, len(change.operations), change.operation) == ("request-parameter-added", 4, None)


def test_the_servers_are_told_once() -> None:
    (change,) = changed(lambda doc: doc.update(servers=[{"url": "https://new.example.com"}])).changes
    assert (change.rule, len(change.operations)) == ("server-changed", 4)


def test_a_server_is_the_same_with_its_variables_filled_in() -> None:
    written = {"url": "https://{host}/v1/", "variables": {"host": {"default": "pets.example.com"}}}
    assert changed(lambda doc: doc.update(servers=[written])).is_empty


def test_header_names_have_no_case_and_media_types_no_character_set() -> None:
    def edit(document: Document) -> None:
        listing(document)["parameters"][2]["name"] = "x-tenant"
        content = listing(document)["responses"]["200"]["content"]
        content["Application/JSON; charset=utf-8"] = content.pop("application/json")

    assert rules(changed(edit)) == ["operation-written-differently"]


def test_the_order_of_parameters_and_defaults_spelled_out_are_no_change() -> None:
    def edit(document: Document) -> None:
        listing(document)["parameters"].reverse()
        listing(document)["parameters"][2] |= {"style": "form", "explode": True, "required": False}

    assert rules(changed(edit)) == ["operation-written-differently"]


def test_a_class_of_answers_holds_those_of_the_class() -> None:
    def edit(document: Document) -> None:
        answers = listing(document)["responses"]
        answers["2XX"] = answers.pop("200")

    diff = changed(edit)
    assert "response-success-removed" not in rules(diff)
    assert not diff.is_breaking


def test_default_is_a_success_where_no_other_answer_is() -> None:
    old = pets()
    listing(old)["responses"] = {"default": {"description": ""}, "404": {"description": ""}}
    assert rules(changed(lambda doc: listing(doc)["responses"].pop("default"), old)) == ["response-success-removed"]


def test_an_empty_answer_is_an_answer() -> None:
    old = pets()
    listing(old)["responses"]["200"] = {}
    assert changed(lambda doc: doc["info"].update(version="2"), old).is_empty
    assert "response-success-removed" in rules(changed(lambda doc: listing(doc)["responses"].pop("200"), old))


def test_further_scopes_of_one_of_two_ways_in_are_told_as_another_way() -> None:
    old = pets()
    listing(old)["security"] = [{"oauth": ["a"]}, {"oauth": ["b"]}]
    diff = changed(lambda doc: listing(doc)["security"][1].update(oauth=["c"]), old)
    assert rules(diff) == ["security-alternative-removed", "security-alternative-added"]


def test_an_api_key_may_be_added_to_an_open_operation_as_long_as_it_stays_open() -> None:
    old = pets()
    listing(old)["security"] = []
    diff = changed(lambda doc: listing(doc).update(security=[{}, {"key": []}]), old)
    assert rules(diff) == ["security-alternative-added"]


def test_what_a_callback_sends_is_weighed_as_an_answer() -> None:
    def sent(document: Document, schema: Any) -> None:
        item = {
            "{$request.body#/url}": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}
        }
        listing(document)["callbacks"] = {"done": item}

    old = pets()
    sent(old, {"type": "object", "properties": {"at": TEXT}})
    diff = changed(lambda doc: sent(doc, {"type": "object", "properties": {}}), old)
    assert rules(diff) == ["response-property-removed"]


def test_a_component_of_a_webhook_is_told_without_operations() -> None:
    old = pets()
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sale"}}}}
    old["webhooks"] = {"sold": {"post": {"requestBody": body}}}
    old["components"]["schemas"]["Sale"] = {"type": "object", "properties": {"price": TEXT}}
    (change,) = changed(lambda doc: doc["components"]["schemas"]["Sale"].update(properties={}), old).changes
    assert (change.rule, change.operations) == ("response-property-removed", ())


def test_changes_stand_in_one_order_the_worst_first() -> None:
    def edit(document: Document) -> None:
        document["components"]["schemas"]["Pet"]["properties"].pop("name")
        document["servers"] = [{"url": "https://new.example.com"}]
        listing(document)["parameters"].pop(0)
        listing(document)["summary"] = "All"

    diff = changed(edit)
    ranks = [SEVERITIES.index(change.severity) for change in diff.changes]
    assert ranks == sorted(ranks)
    assert {*ranks} == {0, 1, 2}
    assert diff == changed(edit)


def test_operations_with_one_digest_are_not_walked() -> None:
    old, new = spec_of(pets()), deepcopy(pets())
    listing(new)["parameters"].clear()
    same = tuple(replace(ours, digest="the same") for ours in old.operations)
    assert compare(replace(old, operations=same), replace(spec_of(new), operations=_like(new, "the same"))).is_empty


def _like(document: Document, digest: str) -> tuple[Any, ...]:
    return tuple(replace(operation, digest=digest) for operation in spec_of(document).operations)


def test_the_summary_counts_what_there_is() -> None:
    diff = changed(lambda doc: listing(doc).update(parameters=[]))
    assert diff.summary() == "3 warnings in 1 operation"
    assert SpecDiff(diff.changes[:1]).summary() == "1 warning in 1 operation"
    assert diff.counts == {"breaking": 0, "warning": 3, "info": 0}
