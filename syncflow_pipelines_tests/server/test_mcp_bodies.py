"""A tool's arguments become the body that the spec asks for, byte by byte."""

import base64
import email.parser
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines_tests.server.mcp_world import (
    body,
    call,
    generated,
    operation,
    parameter,
    service_at,
    spec_of,
    text,
    tools,
)
from syncflow_pipelines_tests.server.recording_backend import Arrival, RecordingBackend

PET = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]}


def arrival_of(
    folder: Path, definition: dict[str, Any], arguments: dict[str, Any], schemas: dict[str, Any] | None = None
) -> Arrival:
    """What arrives when the tool of such an operation is called."""
    spec = spec_of(operation("post", "/pets", definition), schemas=schemas)
    with RecordingBackend() as backend, generated(folder, spec, service_at(backend.url)) as module:
        call(module.mcp, "op", arguments)
        return backend.last


def parts_of(arrival: Arrival) -> list[EmailMessage]:
    """The parts of a multipart body, as another parser reads them."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    whole = parser.parsebytes(f"Content-Type: {arrival.header('content-type')}\r\n\r\n".encode() + arrival.body)
    assert whole.is_multipart()
    assert not whole.defects
    return [part for part in whole.iter_parts() if isinstance(part, EmailMessage)]


def test_properties_of_a_json_object_are_arguments(tmp_path: Path) -> None:
    arrival = arrival_of(tmp_path, body("application/json", PET), {"age": 3, "name": "Ada ü"})
    assert arrival.header("content-type") == "application/json"
    assert arrival.body == '{"age":3,"name":"Ada ü"}'.encode()


def test_a_schema_that_is_referred_to_and_composed_is_one_object(tmp_path: Path) -> None:
    schemas = {
        "Pet": {"allOf": [{"$ref": "#/components/schemas/Named"}, {"properties": {"age": {"type": "integer"}}}]},
        "Named": PET,
    }
    schema = {"$ref": "#/components/schemas/Pet"}
    arrival = arrival_of(tmp_path, body("application/json", schema), {"age": 3, "name": "Ada"}, schemas)
    assert arrival.body == b'{"age":3,"name":"Ada"}'


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "array", "items": {"type": "integer"}}, [1, 2], b"[1,2]"),
        ({"type": "string"}, "a", b'"a"'),
        ({"oneOf": [PET, {"type": "string"}]}, {"name": "a"}, b'{"name":"a"}'),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, b'{"a":1}'),
        ({}, None, b"null"),
        (True, {"a": None}, b'{"a":null}'),
        (None, 1, b"1"),
    ],
)
def test_what_is_no_plain_object_is_one_argument(tmp_path: Path, schema: Any, value: Any, expected: bytes) -> None:
    assert arrival_of(tmp_path, body("application/json", schema), {"body": value}).body == expected


def test_a_media_type_of_json_is_sent_as_the_spec_spells_it(tmp_path: Path) -> None:
    arrival = arrival_of(tmp_path, body("application/vnd.api+json; version=1", PET), {"name": "a"})
    assert arrival.header("content-type") == "application/vnd.api+json; version=1"
    assert arrival.body == b'{"name":"a"}'


def test_null_is_sent_where_it_is_a_value_and_left_out_elsewhere(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}}}
    arrival = arrival_of(tmp_path, body("application/json", schema), {"a": None, "b": None})
    assert arrival.body == b'{"a":null}'


def test_a_body_that_is_required_is_an_empty_object_where_nothing_is_in_it(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert arrival_of(tmp_path, body("application/json", schema), {}).body == b"{}"


def test_a_body_that_is_optional_is_left_out(tmp_path: Path) -> None:
    arrival = arrival_of(tmp_path, body("application/json", PET, required=False), {})
    assert (arrival.body, arrival.header("content-type"), arrival.header("content-length")) == (b"", None, "0")


def test_what_the_service_sets_is_no_argument(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"id": {"readOnly": True}, "name": {}}}
    spec = spec_of(operation("post", "/pets", body("application/json", schema)))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        shown = tools(module.mcp)["op"].input_schema
    assert (list(shown["properties"]), shown["required"]) == (["name"], [])


def test_properties_that_nobody_declared_are_sent_where_the_schema_takes_them(tmp_path: Path) -> None:
    schema = {**PET, "additionalProperties": {"type": "integer"}}
    assert arrival_of(tmp_path, body("application/json", schema), {"name": "a", "x": 1}).body == b'{"name":"a","x":1}'


def test_a_property_with_the_name_of_a_parameter_stays_apart_from_it(tmp_path: Path) -> None:
    definition = {"parameters": [parameter("name", "query")], **body("application/json", PET)}
    arrival = arrival_of(tmp_path, definition, {"name": "in the body", "name__query": "in the query"})
    assert (arrival.target, arrival.body) == ("/pets?name=in%20the%20query", b'{"name":"in the body"}')


def test_a_parameter_named_body_stays_apart_from_the_body(tmp_path: Path) -> None:
    definition = {"parameters": [parameter("body", "query")], **body("application/json", {"type": "array"})}
    arrival = arrival_of(tmp_path, definition, {"body": [], "body__query": 1})
    assert (arrival.target, arrival.body) == ("/pets?body=1", b"[]")


def test_of_several_media_types_json_is_sent(tmp_path: Path) -> None:
    content = {"application/xml": {}, "multipart/form-data": {"schema": PET}, "application/json": {"schema": PET}}
    definition = {"requestBody": {"required": True, "content": content}}
    assert arrival_of(tmp_path, definition, {"name": "a"}).header("content-type") == "application/json"


def form_of(folder: Path, properties: dict[str, Any], arguments: dict[str, Any], **more: Any) -> str:
    schema = {"type": "object", "properties": properties}
    arrival = arrival_of(folder, body("application/x-www-form-urlencoded", schema, **more), arguments)
    assert arrival.header("content-type") == "application/x-www-form-urlencoded"
    return arrival.body.decode()


def test_a_form_has_texts_repeated_items_and_json_for_objects(tmp_path: Path) -> None:
    properties: dict[str, Any] = {
        "id": {},
        "is": {"type": "boolean"},
        "tags": {"type": "array"},
        "address": {"type": "object"},
    }
    arguments = {"id": "a b&é", "is": True, "tags": ["x", "y"], "address": {"street": "1 Main St"}}
    expected = "address=%7B%22street%22%3A%221+Main+St%22%7D&id=a+b%26%C3%A9&is=true&tags=x&tags=y"
    assert form_of(tmp_path, properties, arguments) == expected


@pytest.mark.parametrize(
    ("encoding", "value", "expected"),
    [
        ({"style": "form", "explode": False}, ["x", "y z"], "p=x,y+z"),
        ({"style": "spaceDelimited"}, ["x", "y"], "p=x%20y"),
        ({"style": "pipeDelimited", "explode": False}, ["x", "y"], "p=x%7Cy"),
        ({"style": "deepObject", "explode": True}, {"a": "1", "b": "2"}, "p%5Ba%5D=1&p%5Bb%5D=2"),
        ({"explode": True}, {"a": "1", "b": "2"}, "a=1&b=2"),
        ({"allowReserved": True}, "a/b", "p=a/b"),
        ({"contentType": "application/json"}, "a", "p=%22a%22"),
    ],
)
def test_a_form_is_encoded_as_its_encoding_says(tmp_path: Path, encoding: Any, value: Any, expected: str) -> None:
    assert form_of(tmp_path, {"p": {}}, {"p": value}, encoding={"p": encoding}) == expected


def test_multipart_has_a_part_for_every_property_and_item(tmp_path: Path) -> None:
    binary = {"type": "string", "format": "binary"}
    schema = {
        "type": "object",
        "properties": {
            "note": {"type": "string"},
            "count": {"type": "integer"},
            "address": {"type": "object"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "photo": {"type": "string", "contentMediaType": "image/png"},
            "papers": {"type": "array", "items": binary},
        },
    }
    content = bytes(range(256))
    arguments = {
        "note": "hello ü",
        "count": 3,
        "address": {"street": "x"},
        "tags": ["a", "b"],
        "photo": base64.b64encode(content).decode(),
        "papers": [{"text": "ä", "filename": 'a"b.txt', "content_type": "text/plain"}, {"base64": "AAE="}],
    }
    encoding = {"photo": {"contentType": "image/png, image/jpeg"}}
    arrival = arrival_of(tmp_path, body("multipart/form-data", schema, encoding=encoding), arguments)
    found = [
        (part["content-disposition"], part["content-type"], part.get_payload(decode=True)) for part in parts_of(arrival)
    ]
    assert found == [
        ('form-data; name="address"', "application/json", b'{"street":"x"}'),
        ('form-data; name="count"', None, b"3"),
        ('form-data; name="note"', None, "hello ü".encode()),
        ('form-data; name="papers"; filename="a%22b.txt"', "text/plain", "ä".encode()),
        ('form-data; name="papers"; filename="papers"', "application/octet-stream", b"\0\1"),
        ('form-data; name="photo"; filename="photo"', "image/png", content),
        ('form-data; name="tags"', None, b"a"),
        ('form-data; name="tags"', None, b"b"),
    ]


def test_a_name_cannot_break_out_of_its_part(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"f": {"type": "string", "format": "binary"}}}
    file = {"text": "x", "filename": 'a"\r\nX-Evil: 1\r\n\r\n'}
    arrival = arrival_of(tmp_path, body("multipart/form-data", schema), {"f": file})
    assert b'filename="a%22%0D%0AX-Evil: 1%0D%0A%0D%0A"\r\n' in arrival.body


@pytest.mark.parametrize("schema", [None, {"type": "string", "format": "binary"}])
def test_a_binary_body_is_base64_to_the_caller_and_bytes_to_the_service(tmp_path: Path, schema: Any) -> None:
    content = bytes(range(256))
    arguments = {"body": base64.b64encode(content).decode()}
    arrival = arrival_of(tmp_path, body("application/octet-stream", schema), arguments)
    assert (arrival.header("content-type"), arrival.body) == ("application/octet-stream", content)


def test_a_file_may_say_what_it_is(tmp_path: Path) -> None:
    arrival = arrival_of(tmp_path, body("image/*"), {"body": {"base64": "AAE=", "content_type": "image/png"}})
    assert (arrival.header("content-type"), arrival.body) == ("image/png", b"\0\1")


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "application/x-ndjson", "text/csv; header=present"]
)
def test_text_is_sent_as_it_is(tmp_path: Path, media_type: str) -> None:
    arrival = arrival_of(tmp_path, body(media_type, {"type": "object"}), {"body": "<ü>\n"})
    assert (arrival.header("content-type"), arrival.body) == (media_type, "<ü>\n".encode())


@pytest.mark.parametrize("value", ["no base64!", 5, {"base64": "%"}, {"text": "a", "content_type": "a\r\nb"}])
def test_what_is_no_file_is_refused(tmp_path: Path, value: Any) -> None:
    spec = spec_of(operation("post", "/pets", body("application/octet-stream")))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        assert "'body'" in text(call(module.mcp, "op", {"body": value}, fails=True))
        assert backend.arrivals == []
