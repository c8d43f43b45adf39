"""`mode: validate`: which requests a spec takes, and what is said of others."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from syncflow_pipelines.codegen.runtime.asgi import Message
from syncflow_pipelines.codegen.runtime.problems import Problem
from syncflow_pipelines.codegen.runtime.request_checks import RequestChecks
from syncflow_pipelines.codegen.runtime.resolver import routes_of
from syncflow_pipelines.codegen.runtime.routes import Match, RouteTable
from syncflow_pipelines_tests.stored_specs import stored

Json = Any
LIMIT = 100_000
INTEGER = {"type": "integer"}
INTEGERS = {"type": "array", "items": INTEGER}
POINT = {"type": "object", "properties": {"x": INTEGER, "y": INTEGER}, "required": ["x"], "additionalProperties": False}


def outcome(
    operation: Json,
    target: str = "/a",
    *,
    path: str = "/a",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    schemas: Json = None,
) -> Problem | bytes:
    """The problem with a request, or the body that is forwarded."""
    spec = stored({path: {"post": operation}}, schemas)
    checks = RequestChecks(spec.schemas, LIMIT)
    raw_path, _, query = target.partition("?")
    match = RouteTable(routes_of(spec)).find("POST", raw_path.encode(), query.encode())
    assert isinstance(match, Match)
    sent = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    sent += [(b"content-length", str(len(body)).encode())] if body is not None else []
    scope = {"type": "http", "method": "POST", "query_string": query.encode(), "headers": sent}

    async def receive() -> Message:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def check() -> Problem | bytes:
        checked = await checks.check(match, scope, receive)
        return checked if isinstance(checked, Problem) else (await checked())["body"]

    return asyncio.run(check())


def rules(found: Problem | bytes) -> list[str]:
    """Place, name, pointer and rule of each error."""
    if isinstance(found, bytes):
        return []
    return [" ".join(filter(None, (e["in"], e.get("name"), e["pointer"], e["rule"]))) for e in found.errors]


def parameter(place: str, schema: Json, **said: Json) -> Json:
    return {"parameters": [{"name": "p", "in": place, "schema": schema, "required": True, **said}]}


def deep(schema: Json, **said: Json) -> Json:
    return parameter("query", schema, style="deepObject", **said)


@pytest.mark.parametrize(
    ("operation", "query", "expected"),
    [
        (parameter("query", INTEGER), "p=5", []),
        (parameter("query", INTEGER), "p=-5", []),
        (parameter("query", INTEGER), "p=5.0", []),
        (parameter("query", INTEGER), "p=five", ["query p type"]),
        (parameter("query", INTEGER), "p=%35", []),
        (parameter("query", INTEGER), "q=5", ["query p required"]),
        (parameter("query", INTEGER), "p=5&p=6", ["query p style"]),
        (parameter("query", {"type": "integer", "maximum": 4}), "p=5", ["query p maximum"]),
        (parameter("query", {"type": "number", "multipleOf": 0.01}), "p=19.99", []),
        (parameter("query", {"type": "number"}), "p=1e3", []),
        (parameter("query", {"type": "number"}), "p=NaN", ["query p type"]),
        (parameter("query", {"type": "boolean"}), "p=true", []),
        (parameter("query", {"type": "boolean"}), "p=1", ["query p type"]),
        (parameter("query", {"type": ["integer", "null"]}), "p=", []),
        (parameter("query", {"type": "string", "minLength": 1}), "p=", ["query p minLength"]),
        (parameter("query", {"type": "string", "minLength": 1}, allowEmptyValue=True), "p", []),
        (parameter("query", {"type": "string", "enum": ["a", "b"]}), "p=c", ["query p enum"]),
        (parameter("query", {"enum": [1, 2]}), "p=2", []),
        (parameter("query", {"type": "string", "pattern": "^[a-z]+$"}), "p=A", ["query p pattern"]),
        (parameter("query", {"type": "string", "format": "date"}), "p=2026-02-30", ["query p format"]),
        (parameter("query", {"type": "string", "format": "date-time"}), "p=2026-02-28T23:59:60Z", []),
        (parameter("query", {"type": "string", "format": "uuid"}), "p=x", ["query p format"]),
        (parameter("query", {"type": "integer", "format": "int32"}), "p=2147483648", ["query p format"]),
        (parameter("query", {"type": "string", "format": "unheard-of"}), "p=x", []),
        (parameter("query", {"type": ["string", "integer"], "pattern": "^a"}), "p=5", []),
        (parameter("query", {"anyOf": [INTEGER, {"type": "boolean"}]}), "p=true", []),
        (parameter("query", {"$ref": "#/components/schemas/Id"}), "p=0", ["query p minimum"]),
        (parameter("query", {}), "p=a&x=y", []),
        # lists
        (parameter("query", INTEGERS), "p=1&p=2", []),
        (parameter("query", INTEGERS), "p=1&p=x", ["query p /1 type"]),
        (parameter("query", INTEGERS, explode=False), "p=1,2", []),
        (parameter("query", INTEGERS, explode=False), "p=1,x", ["query p /1 type"]),
        (parameter("query", {"type": "array", "maxItems": 1}, explode=False), "p=a%2Cb", []),
        (parameter("query", INTEGERS, style="spaceDelimited", explode=False), "p=1%202+3", []),
        (parameter("query", INTEGERS, style="pipeDelimited", explode=False), "p=1|2%7C3", []),
        (parameter("query", INTEGERS, style="pipeDelimited", explode=False), "p=1|b", ["query p /1 type"]),
        # objects
        (parameter("query", POINT), "x=1&y=2&z=3", []),
        (parameter("query", POINT), "y=2", ["query p required"]),
        (parameter("query", POINT), "x=a", ["query p /x type"]),
        (parameter("query", POINT, explode=False), "p=x,1,y,2", []),
        (parameter("query", POINT, explode=False), "p=x,1,y", ["query p style"]),
        (parameter("query", POINT, explode=False), "p=x,1,z,2", ["query p additionalProperties"]),
        (parameter("query", {"type": "object"}), "anything=1", []),
        (deep(POINT), "p[x]=1&p%5By%5D=2", []),
        (deep(POINT), "p[x]=1&p[y]=b", ["query p /y type"]),
        (deep(POINT), "p=1", ["query p required"]),
        (deep({"type": "object", "properties": {"l": INTEGERS}}), "p[l]=1&p[l]=2", []),
        (deep({"type": "object", "properties": {"l": INTEGERS}}), "p[l][]=1&p[l][]=b", ["query p /l/1 type"]),
        (deep({"type": "object", "properties": {"o": POINT}}), "p[o][x]=1", []),
        (deep({"type": "object", "properties": {"o": POINT}}), "p[o][y]=1", ["query p /o required"]),
    ],
)
def test_parameters_of_a_query(operation: Json, query: str, expected: list[str]) -> None:
    schemas = {"Id": {"type": "integer", "minimum": 1}}
    assert rules(outcome(operation, f"/a?{query}", schemas=schemas)) == expected


def test_a_query_parameter_in_a_media_type_is_read_as_that() -> None:
    operation = {"parameters": [{"name": "p", "in": "query", "content": {"application/json": {"schema": POINT}}}]}
    assert rules(outcome(operation, '/a?p={"x":1}'.replace('"', "%22"))) == []
    assert rules(outcome(operation, f"/a?p={quote(json.dumps({'x': 'a'}))}")) == ["query p /x type"]
    assert rules(outcome(operation, "/a?p={")) == ["query p style"]
    assert rules(outcome(operation, "/a")) == []


@pytest.mark.parametrize(
    ("said", "segment", "expected"),
    [
        ({"schema": INTEGER}, "5", []),
        ({"schema": INTEGER}, "a", ["path p type"]),
        ({"schema": {"type": "string", "maxLength": 3}}, "a%2Fb", []),
        ({"schema": INTEGERS}, "1,2", []),
        ({"schema": INTEGERS}, "1,b", ["path p /1 type"]),
        ({"schema": POINT}, "x,1,y,2", []),
        ({"schema": POINT, "explode": True}, "x=1,y=b", ["path p /y type"]),
        ({"schema": INTEGER, "style": "label"}, ".5", []),
        ({"schema": INTEGER, "style": "label"}, "5", ["path p style"]),
        ({"schema": INTEGERS, "style": "label"}, ".1,2", []),
        ({"schema": INTEGERS, "style": "label", "explode": True}, ".1.b", ["path p /1 type"]),
        ({"schema": POINT, "style": "label"}, ".x,1,y,2", []),
        ({"schema": POINT, "style": "label", "explode": True}, ".x=1.y=2", []),
        ({"schema": INTEGER, "style": "matrix"}, ";p=5", []),
        ({"schema": INTEGER, "style": "matrix"}, ";q=5", ["path p style"]),
        ({"schema": INTEGERS, "style": "matrix"}, ";p=1,b", ["path p /1 type"]),
        ({"schema": INTEGERS, "style": "matrix", "explode": True}, ";p=1;p=2", []),
        ({"schema": POINT, "style": "matrix", "explode": True}, ";x=1;y=b", ["path p /y type"]),
    ],
)
def test_parameters_of_a_path(said: Json, segment: str, expected: list[str]) -> None:
    operation = {"parameters": [{"name": "p", "in": "path", "required": True, **said}]}
    assert rules(outcome(operation, f"/a/{segment}", path="/a/{p}")) == expected


@pytest.mark.parametrize(
    ("operation", "headers", "expected"),
    [
        (parameter("header", INTEGER), {"p": "5"}, []),
        (parameter("header", INTEGER), {"p": "a"}, ["header p type"]),
        (parameter("header", INTEGER), {}, ["header p required"]),
        (parameter("header", INTEGERS), {"p": "1, 2,3"}, []),
        (parameter("header", INTEGERS), {"p": "1, b"}, ["header p /1 type"]),
        (parameter("header", POINT, explode=True), {"p": "x=1,y=2"}, []),
        (parameter("header", {"type": "string", "const": "a%20b"}), {"p": "a%20b"}, []),
        (parameter("cookie", INTEGER), {"cookie": "a=b; p=5"}, []),
        (parameter("cookie", INTEGER), {"cookie": "p=a"}, ["cookie p type"]),
        (parameter("cookie", INTEGER), {"cookie": "a=b"}, ["cookie p required"]),
        (parameter("cookie", INTEGERS), {"cookie": "p=1&p=2"}, []),
        (parameter("cookie", INTEGERS, explode=False), {"cookie": "p=1,b"}, ["cookie p /1 type"]),
        (parameter("cookie", {"type": "string", "const": "a b+"}), {"cookie": "p=a%20b+"}, []),
    ],
)
def test_parameters_of_headers_and_cookies(operation: Json, headers: Mapping[str, str], expected: list[str]) -> None:
    assert rules(outcome(operation, headers=headers)) == expected


def test_headers_that_openapi_describes_by_other_means_are_not_asked_for() -> None:
    names = ("Accept", "Content-Type", "Authorization")
    operation = {"parameters": [{"name": name, "in": "header", "required": True, "schema": {}} for name in names]}
    assert rules(outcome(operation)) == []


def body_of(schema: Json, media_type: str = "application/json", **said: Json) -> Json:
    return {"requestBody": {"content": {media_type: {"schema": schema}}, **said}}


JSON = {"content-type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (POINT, {"x": 1}, []),
        (POINT, {"x": "a", "y": 1.5}, ["body /x type", "body /y type"]),
        (POINT, {"y": 1}, ["body required"]),
        (POINT, {"x": 1, "z": 1}, ["body additionalProperties"]),
        (POINT, [], ["body type"]),
        ({"type": "array", "items": POINT}, [{"x": 1}, {}], ["body /1 required"]),
        ({"properties": {"a/b~": INTEGER}}, {"a/b~": "x"}, ["body /a~1b~0 type"]),
        ({"anyOf": [POINT, INTEGER]}, "a", ["body anyOf"]),
        ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, 3, ["body oneOf"]),
        ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, 7, []),
        ({"not": INTEGER}, 1, ["body not"]),
        ({"allOf": [POINT], "unevaluatedProperties": False}, {"x": 1}, []),
        (
            {"allOf": [{"properties": {"x": {}}}], "unevaluatedProperties": False},
            {"z": 1},
            ["body unevaluatedProperties"],
        ),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2, "a": 1}], ["body uniqueItems"]),
        ({"patternProperties": {"^x-": INTEGER}, "additionalProperties": False}, {"x-a": 1}, []),
        (
            {"patternProperties": {"^x-": INTEGER}, "additionalProperties": False},
            {"a": 1},
            ["body additionalProperties"],
        ),
        ({"required": ["id"], "properties": {"id": {"readOnly": True}}}, {}, []),
        ({"required": ["id"], "properties": {"id": {"$ref": "#/components/schemas/ReadOnly"}}}, {}, []),
        (
            {"$ref": "#/components/schemas/Tree"},
            {"children": [{"children": [5]}]},
            ["body /children/0/children/0 type"],
        ),
        # what makes no sense is passed over
        ({"$ref": "#/components/schemas/Nowhere"}, 1, []),
        ({"$ref": "https://attacker.example/schema"}, 1, []),
        ({"minimum": "a", "maximum": 3}, 5, ["body maximum"]),
        ({"type": "nonsense"}, 5, []),
        ({"pattern": "("}, "a", []),
        ({"multipleOf": 0}, 1, []),
        ({"properties": 5, "required": 7, "enum": None}, {}, []),
    ],
)
def test_json_bodies(schema: Json, value: Json, expected: list[str]) -> None:
    schemas = {
        "ReadOnly": {"readOnly": True},
        "Tree": {"type": "object", "properties": {"children": {"items": {"$ref": "#/components/schemas/Tree"}}}},
    }
    content = json.dumps(value).encode()
    found = outcome(body_of(schema), headers=JSON, body=content, schemas=schemas)
    assert rules(found) == expected
    assert expected or found == content


def test_an_error_names_the_rule_and_not_the_value() -> None:
    found = outcome(body_of({"type": "object", "properties": {"pin": {"type": "string", "maxLength": 4}}}),
                    headers=JSON, body=b'{"pin": "secret"}')  # fmt: skip
    assert isinstance(found, Problem)
    assert found.status == 400
    assert list(found.errors) == [
        {"in": "body", "pointer": "/pin", "rule": "maxLength", "detail": "has to satisfy `maxLength`: 4"}
    ]


@pytest.mark.parametrize(
    ("operation", "headers", "body", "status"),
    [
        (body_of(POINT, required=True), {}, None, 400),
        (body_of(POINT), {}, None, None),
        (body_of(POINT, required=True), JSON, b"", 400),
        (body_of(POINT), {"content-type": "text/plain"}, b"x", 415),
        (body_of(POINT), {}, b"x", 415),
        (body_of(POINT), JSON, b"{", 400),
        (body_of(POINT), JSON, b'{"x": NaN}', 400),
        (body_of(POINT, "application/*"), JSON, b"{}", 400),
        (body_of(POINT, "*/*"), {"content-type": "application/problem+json"}, b"{}", 400),
        (body_of({}, "*/*"), {}, b"x", None),
        (body_of({"type": "string"}, "text/plain"), {"content-type": "text/plain"}, b"x" * 2 * LIMIT, None),
        (body_of(POINT), JSON, b" " * (LIMIT + 1), 413),
        (body_of(POINT), {**JSON, "content-encoding": "gzip"}, gzip.compress(b'{"x": 1}', mtime=0), None),
        (body_of(POINT), {**JSON, "content-encoding": "gzip"}, gzip.compress(b" " * 2 * LIMIT, mtime=0), 413),
        (body_of(POINT), {**JSON, "content-encoding": "gzip"}, b"{}", 415),
        (body_of(POINT), {**JSON, "content-encoding": "br"}, b"{}", 415),
        (body_of(POINT), {"content-type": "application/json; charset=utf-16"}, b"{}", 415),
        ({}, JSON, b"anything", None),
    ],
)
def test_a_body_is_there_and_of_a_kind_that_is_taken(
    operation: Json, headers: Mapping[str, str], body: bytes | None, status: int | None
) -> None:
    found = outcome(operation, headers=headers, body=body)
    assert (found.status if isinstance(found, Problem) else None) == status
    assert status or found == (body or b"")


FIELDS = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "age": INTEGER,
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "point": POINT,
    },
}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"name=a&age=5&tags=x&tags=y", []),
        (b"age=5", ["body required"]),
        (b"name=a&age=five", ["body /age type"]),
        (b"name=a%20b+cdef", ["body /name maxLength"]),
        (b"name=a&tags=x&tags=y&tags=z", ["body /tags maxItems"]),
        (b"name=a&extra=1&age=x", ["body /age type"]),
        (b"name=a&point[x]=1", []),
        (b"name=a&name=b", ["body syntax"]),
    ],
)
def test_forms(body: bytes, expected: list[str]) -> None:
    kind = "application/x-www-form-urlencoded"
    assert rules(outcome(body_of(FIELDS, kind), headers={"content-type": kind}, body=body)) == expected


def parts(*each: tuple[str, bytes]) -> bytes:
    whole = b"".join(b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (h.encode(), c) for h, c in each)
    return whole + b"--x--\r\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (parts(('name="name"', b"a"), ('name="file"; filename="f"', bytes(range(256)))), []),
        (parts(("name=name", b"a"), ('name="age"', b"5")), []),
        (parts(('name="age"', b"5")), ["body required"]),
        (parts(('name="name"', b"a"), ('name="age"', b"five")), ["body /age type"]),
        (parts(('name="name"', b"a"), ('name="tags"', b"1"), ('name="tags"', b"2"), ('name="tags"', b"3")),
         ["body /tags maxItems"]),
        (parts(('name="name"', b"a"), ('name="point"\r\nContent-Type: application/json', b'{"x":"a"}')),
         ["body /point/x type"]),
        (parts(('name="file"; filename="f"', b"")), ["body required"]),
        (b"nothing of the kind", ["body syntax"]),
        (b"--x\r\nno head\r\n--x--", ["body syntax"]),
    ],
)  # fmt: skip
def test_multipart_bodies(body: bytes, expected: list[str]) -> None:
    operation = body_of(FIELDS, "multipart/form-data")
    assert rules(outcome(operation, headers={"content-type": "multipart/form-data; boundary=x"}, body=body)) == expected


def test_hostile_schemas_and_bodies_take_neither_long_nor_much() -> None:
    doubling = {f"D{n}": {"allOf": [{"$ref": f"#/components/schemas/D{n + 1}"}] * 2} for n in range(60)}
    circle = {"Circle": {"$ref": "#/components/schemas/Circle"}}
    nested = {"Nested": {"items": {"$ref": "#/components/schemas/Nested"}}}
    schemas = {**doubling, **circle, **nested, "D60": {"type": "integer"}}
    for name in ("D0", "Circle"):
        found = outcome(body_of({"$ref": f"#/components/schemas/{name}"}), headers=JSON, body=b"1", schemas=schemas)
        assert isinstance(found, Problem)
        assert found.status == 413
    deep_body = b"[" * 900 + b"]" * 900
    found = outcome(body_of({"$ref": "#/components/schemas/Nested"}), headers=JSON, body=deep_body, schemas=schemas)
    assert isinstance(found, Problem)
    evil = body_of({"type": "string", "pattern": "^(a+)+$"})
    assert rules(outcome(evil, headers=JSON, body=b'"' + b"a" * 50_000 + b'!"')) == ["body pattern"]


def test_of_operations_that_share_a_path_a_request_has_to_fit_one() -> None:
    spec = stored({"/a": {"post": parameter("query", INTEGER)}, "/a#lock": {"post": body_of(POINT, required=True)}})
    match = RouteTable(routes_of(spec)).find("POST", b"/a", b"")
    assert isinstance(match, Match)
    assert [route.path for route in match.routes] == ["/a", "/a#lock"]
    checks = RequestChecks(spec.schemas, LIMIT)

    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"x": 1}'}

    def check(query: bytes, headers: list[tuple[bytes, bytes]]) -> Any:
        scope = {"type": "http", "method": "POST", "query_string": query, "headers": headers}
        return asyncio.run(checks.check(match, scope, receive))

    assert not isinstance(check(b"p=1", []), Problem)
    assert not isinstance(check(b"", [(b"content-type", b"application/json"), (b"content-length", b"8")]), Problem)
    refused = check(b"", [])
    assert isinstance(refused, Problem)
