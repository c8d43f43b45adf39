"""Operations of every version come into one form, and what cannot be used is left out alone."""

import pytest

from syncflow_pipelines.errors import SpecTooLarge, UnusableSpec
from syncflow_pipelines.openapi.limits import Limits
from syncflow_pipelines.openapi.model import Finding, Json
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.paths import request_target
from syncflow_pipelines_tests.unit.openapi_documents import OK, one_operation, openapi, operation, reasons, swagger

STRING = {"type": "string"}


def parameters(given: Json, path: str = "/a", version: str = "3.0.3") -> Json:
    spec = normalise(openapi({path: {"get": {"parameters": given, "responses": OK}}}, version))
    return operation(spec).definition.get("parameters", [])


def test_an_operation_stands_alone() -> None:
    spec = normalise(
        openapi(
            {
                "/a/{id}": {
                    "summary": "A",
                    "parameters": [{"$ref": "#/components/parameters/Id"}, {"name": "q", "in": "query", "schema": {}}],
                    "put": {
                        "tags": ["x", "x"],
                        "operationId": "put-a",
                        "deprecated": True,
                        "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "integer"}}],
                        "requestBody": {"$ref": "#/components/requestBodies/B"},
                        "responses": {"200": {"$ref": "#/components/responses/R"}, "4xx": {"description": "bad"}},
                        "x-internal": True,
                    },
                }
            },
            security=[{"key": ["b", "a"]}],
            servers=[{"url": "https://{host}/v1", "variables": {"host": {"default": "a.example"}}}],
            components={
                "parameters": {"Id": {"name": "id", "in": "path", "schema": STRING}},
                "requestBodies": {
                    "B": {"required": True, "content": {"application/json": {"schema": STRING, "example": "x"}}}
                },
                "responses": {"R": {"description": "fine", "headers": {"X": {"$ref": "#/components/headers/H"}}}},
                "headers": {"H": {"schema": STRING}},
                "securitySchemes": {"key": {"type": "oauth2", "flows": {}}},
            },
        )
    )
    found = operation(spec)
    assert (found.id, found.method, found.path, found.pointer) == ("put_a", "put", "/a/{id}", "/paths/~1a~1{id}/put")
    assert found.definition == {
        "operationId": "put_a",
        "summary": "A",
        "tags": ["x"],
        "deprecated": True,
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": STRING},
            {"name": "q", "in": "query", "required": True, "schema": {"type": "integer"}},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": STRING, "example": "x"}}},
        "responses": {
            "200": {"description": "fine", "headers": {"X": {"schema": STRING}}},
            "4XX": {"description": "bad"},
        },
        "security": [{"key": ["a", "b"]}],
        "servers": [{"url": "https://{host}/v1", "variables": {"host": {"default": "a.example"}}}],
    }
    assert spec.document["paths"]["/a/{id}"]["put"] == found.definition
    assert (spec.title, spec.version, spec.written_as, spec.findings) == ("Shop", "1", "3.0.3", ())


# paths and their placeholders


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/{a}/{a}", "the placeholder 'a' is in the path '/{a}/{a}' twice"),
        ("/{}", "a placeholder in the path '/{}' has no name"),
        ("/{a", "the braces in the path '/{a' do not pair"),
        ("/a}/b", "the braces in the path '/a}/b' do not pair"),
        ("/{a{b}}", "the braces in the path '/{a{b}}' do not pair"),
        ("/{a}" * 1 + "".join(f"/{{p{n}}}" for n in range(100)), "has more than 100 placeholders"),
    ],
)
def test_a_path_that_cannot_be_filled_costs_its_own_operation_only(path: str, reason: str) -> None:
    spec = normalise(openapi({path: {"get": {"responses": OK}}, "/ok": {"get": {"responses": OK}}}))
    (finding,) = spec.findings
    assert finding.is_fatal
    assert reason in finding.reason
    assert finding.pointer.endswith("/get")
    assert operation(spec).path == "/ok"


@pytest.mark.parametrize("path", ["/a/{x}.{y}", "/a/{x}{y}", "/{x}:{y}", "/a;v={x}/{y}"])
def test_several_placeholders_may_be_in_a_segment(path: str) -> None:
    assert [parameter["name"] for parameter in parameters([], path)] == ["x", "y"]


def test_a_placeholder_without_a_parameter_is_a_text() -> None:
    spec = normalise(openapi({"/a/{id}": {"get": {"responses": OK}}}))
    assert operation(spec).definition["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": STRING}
    ]
    assert spec.findings == (
        Finding("/paths/~1a~1{id}/get", "no parameter for the placeholder 'id'; taken for a text", is_fatal=False),
    )


def test_a_parameter_without_a_placeholder_is_left_out() -> None:
    spec = normalise(
        openapi({"/a": {"get": {"parameters": [{"name": "id", "in": "path", "schema": {}}], "responses": OK}}})
    )
    assert "parameters" not in operation(spec).definition
    assert reasons(spec) == ["the path has no placeholder for the parameter 'id'; left out"]


@pytest.mark.parametrize(
    ("placeholder", "name"),
    [("userId", "userid"), ("proxy+", "proxy"), ("id*", "id"), ("+path", "path"), ("id:.*", "ID")],
)
def test_a_parameter_that_nearly_fits_is_taken_for_the_placeholder(placeholder: str, name: str) -> None:
    found = parameters([{"name": name, "in": "path", "schema": {"type": "integer"}}], f"/a/{{{placeholder}}}")
    assert found == [{"name": placeholder, "in": "path", "required": True, "schema": {"type": "integer"}}]


def test_paths_without_a_slash_get_one_unless_it_is_there() -> None:
    get = {"get": {"responses": OK}}
    spec = normalise(openapi({"a": get, "b": get, "/b": get, "x-c": get}))
    assert [(found.path, found.pointer) for found in spec.operations] == [
        ("/a", "/paths/a/get"),
        ("/b", "/paths/~1b/get"),
    ]
    assert [(finding.pointer, finding.is_fatal) for finding in spec.findings] == [
        ("/paths/a", False),
        ("/paths/b", True),
    ]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/files/{id}#copy", ("/files/{id}", "")),
        ("/files?a=b", ("/files", "a=b")),
        ("/f?a={x}#y?z", ("/f", "a={x}")),
        ("/files", ("/files", "")),
    ],
)
def test_a_key_with_a_fragment_or_a_query_stays_and_is_sent_without_the_fragment(
    path: str, target: tuple[str, str]
) -> None:
    assert one_operation({}, path).path == path
    assert request_target(path) == target


# parameters


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"schema": STRING, "style": "deepObject"}, {"schema": STRING, "style": "deepObject"}),
        ({"schema": STRING, "style": "matrix"}, {"schema": STRING}),
        ({"schema": STRING, "style": ["form"]}, {"schema": STRING}),
        (
            {"schema": STRING, "explode": False, "allowReserved": True},
            {"schema": STRING, "explode": False, "allowReserved": True},
        ),
        ({"content": {"application/json": {"schema": STRING}}}, {"content": {"application/json": {"schema": STRING}}}),
        ({}, {"schema": STRING}),
        ({"schema": {}, "required": "true"}, {"schema": {}, "required": True}),
        ({"schema": {}, "example": 1, "examples": {"a": {"value": 2}}}, {"schema": {}, "example": 1}),
        (
            {"schema": {}, "examples": {"a": {"$ref": "#/components/examples/E"}, "b": 3, "c": {"$ref": "#/nil"}}},
            {"schema": {}, "examples": {"a": {"value": 2}, "b": {"value": 3}}},
        ),
        ({"schema": {}, "x-a": 1, "unknown": 2, "description": 3}, {"schema": {}, "description": "3"}),
    ],
)
def test_parameters_come_out_as_3_1_has_them(given: Json, expected: Json) -> None:
    found = one_operation(
        {"parameters": [{"name": "p", "in": "query", **given}]}, components={"examples": {"E": {"dataValue": 2}}}
    )
    assert found.definition["parameters"] == [{"name": "p", "in": "query", **expected}]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        1,
        [],
        {},
        {"name": "x"},
        {"in": "query"},
        {"name": "x", "in": "body"},
        {"name": "", "in": "query"},
        {"$ref": "#/x"},
    ],
)
def test_a_parameter_that_is_none_is_left_out_and_told(bad: Json) -> None:
    spec = normalise(openapi({"/a": {"get": {"parameters": [bad, {"name": "p", "in": "query"}], "responses": OK}}}))
    assert [parameter["name"] for parameter in operation(spec).definition["parameters"]] == ["p"]
    assert [finding.pointer for finding in spec.findings] == ["/paths/~1a/get/parameters/0"]


def test_headers_that_are_said_elsewhere_are_no_parameters() -> None:
    given: Json = [
        {"name": name, "in": "header", "schema": {}} for name in ("Accept", "authorization", "Content-Type", "X-A")
    ]
    assert [parameter["name"] for parameter in parameters(given)] == ["X-A"]


def test_a_whole_query_is_an_exploded_object() -> None:
    content = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
    found = parameters([{"name": "q", "in": "querystring", "content": content}], version="3.2.0")
    assert found == [{"name": "q", "in": "query", "style": "form", "explode": True, "schema": {"type": "object"}}]


@pytest.mark.parametrize(("required", "count"), [(True, 0), (False, 1)])
def test_a_whole_query_that_is_no_form_costs_the_operation_where_it_is_required(required: bool, count: int) -> None:
    query = {"name": "q", "in": "querystring", "required": required, "content": {"application/json": {}}}
    paths = {"/a": {"get": {"parameters": [query]}}, "/b": {"get": {}}}
    spec = normalise(openapi(paths, "3.2.0"))
    assert len(spec.operations) == 1 + count
    assert [finding.is_fatal for finding in spec.findings] == [required]


# bodies and responses


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"$ref": "#/components/requestBodies/B"}, "leads to nothing (at /paths/~1a/post/requestBody)"),
        ({"content": []}, "the content of the body is a list, not a mapping"),
        ("text", "text stands where a mapping (request body) is wanted"),
    ],
)
def test_a_body_that_cannot_be_told_costs_the_operation(body: Json, reason: str) -> None:
    with pytest.raises(UnusableSpec, match="not one operation of the document can be used") as refused:
        normalise(openapi({"/a": {"post": {"requestBody": body, "responses": OK}}}))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a/b": None}, {"a/b": {}}),
        ({"a/b": {"$ref": "#/components/x-media/M"}}, {"a/b": {"schema": STRING}}),
        ({"$ref": "#/x-content"}, {"c/d": {}}),
        ({"a/b": {"itemSchema": STRING}}, {"a/b": {"schema": {"type": "array", "items": STRING}}}),
        (
            {
                "a/b": {
                    "encoding": {
                        "f": {"contentType": "image/png", "style": 1, "headers": {"X": {"schema": STRING}}},
                        "g": 1,
                    }
                }
            },
            {
                "a/b": {
                    "encoding": {"f": {"contentType": "image/png", "style": "1", "headers": {"X": {"schema": STRING}}}}
                }
            },
        ),
    ],
)
def test_media_types_come_out_as_3_1_has_them(content: Json, expected: Json) -> None:
    more: Json = {"components": {"x-media": {"M": {"schema": STRING}}}, "x-content": {"c/d": {}}}
    found = one_operation({"requestBody": {"content": content}}, method="post", **more)
    assert found.definition["requestBody"]["content"] == expected


def test_responses_that_cannot_be_used_leave_the_operation_alone() -> None:
    responses = {
        "200": {"$ref": "#/nil"},
        "default": None,
        "20": {},
        "x-a": {},
        "5xx": {"headers": {"A": 1}, "content": []},
    }
    spec = normalise(openapi({"/a": {"get": {"responses": responses}}}))
    nothing = {"description": ""}
    assert operation(spec).definition["responses"] == {"200": nothing, "5XX": nothing, "default": nothing}
    assert not any(finding.is_fatal for finding in spec.findings)
    assert len(spec.findings) == 5


@pytest.mark.parametrize("responses", [None, [], 1, {"$ref": "#/nil"}])
def test_an_operation_without_responses_is_one(responses: Json) -> None:
    assert "responses" not in one_operation({"responses": responses}).definition


def test_parts_that_hold_themselves_are_cut() -> None:
    header = {"content": {"a/b": {"encoding": {"f": {"headers": {"X": {"$ref": "#/components/headers/H"}}}}}}}
    found = one_operation(
        {"responses": {"200": {"description": "", "headers": {"X": {"$ref": "#/components/headers/H"}}}}},
        components={"headers": {"H": header}},
    )
    assert found.definition["responses"]["200"]["headers"]["X"]["content"]["a/b"] == {"encoding": {"f": {}}}


# whole documents


@pytest.mark.parametrize(
    "item", [None, 1, [], {"$ref": "#/paths/~1a"}, {"$ref": "#/components/schemas/A"}, {"$ref": "b.yaml"}]
)
def test_a_path_that_is_none_is_left_out_with_the_reason(item: Json) -> None:
    spec = normalise(
        openapi({"/a": item, "/b": {"get": {"responses": OK}}}, components={"schemas": {"A": {"get": {}}}})
    )
    assert [(finding.pointer, finding.is_fatal) for finding in spec.findings] == [("/paths/~1a", True)]
    assert operation(spec).path == "/b"


def test_a_path_may_be_that_of_another_or_of_the_components() -> None:
    paths = {
        "/a": {"get": {"operationId": "x", "responses": OK}},
        "/b": {"$ref": "#/paths/~1a"},
        "/c": {"$ref": "#/components/pathItems/P"},
    }
    spec = normalise(openapi(paths, "3.1.0", components={"pathItems": {"P": {"put": {}}}}))
    assert [(found.path, found.method, found.pointer) for found in spec.operations] == [
        ("/a", "get", "/paths/~1a/get"),
        ("/b", "get", "/paths/~1a/get"),
        ("/c", "put", "/components/pathItems/P/put"),
    ]
    assert len({found.id for found in spec.operations}) == 3


@pytest.mark.parametrize("paths", [{"/a": {}}, {"/a": {"get": 1}}, [], 1, {"/a": {"parameters": []}}])
def test_paths_without_a_usable_operation_are_refused(paths: Json) -> None:
    with pytest.raises(UnusableSpec, match="not one operation of the document can be used: "):
        normalise(openapi(paths))


@pytest.mark.parametrize("paths", [{}, None, {"x-a": {}}])
def test_a_document_without_paths_is_an_empty_spec(paths: Json) -> None:
    spec = normalise(
        openapi(paths, "3.1.0", webhooks={"w": {"post": {"requestBody": {"content": {"a/b": {}}}}, "get": None}})
    )
    assert spec.operations == ()
    assert spec.document["paths"] == {}
    assert spec.document["webhooks"] == {"w": {"post": {"requestBody": {"content": {"a/b": {}}}}}}


def test_findings_of_the_reading_come_first() -> None:
    before = Finding("", "read", is_fatal=False)
    spec = normalise(openapi({"/a/{b}": {"get": {}}}), findings=[before])
    assert spec.findings[0] == before
    assert len(spec.findings) == 2


def test_methods_of_3_2_are_operations_outside_the_document() -> None:
    item: Json = {"query": {}, "get": {}, "additionalOperations": {"COPY": {}, "get": {}, "a b": {}}}
    spec = normalise(openapi({"/a": item}, "3.2.0"))
    assert [found.method for found in spec.operations] == ["copy", "get", "query"]
    assert list(spec.document["paths"]["/a"]) == ["get"]
    assert len(spec.findings) == 2
    assert [found.method for found in normalise(openapi({"/a": item}, "3.1.0")).operations] == ["get"]


def test_known_ids_are_kept() -> None:
    get = {"get": {"operationId": "list", "responses": OK}}
    known = {found.key: found.id for found in normalise(openapi({"/b": get})).operations}
    ids = {found.path: found.id for found in normalise(openapi({"/a": get, "/b": get}), known).operations}
    assert ids["/b"] == "list" != ids["/a"]


def test_callbacks_are_what_the_service_sends() -> None:
    call = {"$ref": "#/components/callbacks/C"}
    found = one_operation(
        {"callbacks": {"c": call, "d": {"$ref": "#/nil"}, "e": {"{$url}": {"get": 1}}}},
        components={
            "callbacks": {"C": {"{$request.body#/url}": {"post": {"callbacks": {"c": call}, "responses": OK}}}}
        },
    )
    assert found.definition["callbacks"] == {"c": {"{$request.body#/url}": {"post": {"responses": OK}}}}


@pytest.mark.parametrize(
    ("own", "general", "expected"),
    [
        (None, None, None),
        (None, [{"key": []}], [{"key": []}]),
        ([], [{"key": []}], []),
        ([{}], [{"key": []}], [{}]),
        ([{"key": None}], None, [{"key": []}]),
        ([{"nil": []}, {"key": []}], None, [{"key": []}]),
        ([{"nil": []}], None, None),
        ([1], None, None),
        ("key", [{"a b": ["x"]}], [{"a_b_c8687a08": ["x"]}]),
    ],
)
def test_security_is_what_holds_for_the_operation(own: Json, general: Json, expected: Json) -> None:
    key = {"type": "apiKey", "in": "header", "name": "k"}
    found = one_operation(
        {"security": own},
        security=general,
        components={
            "securitySchemes": {"key": key, "a b": {"type": "http", "scheme": "bearer"}, "bad": {"type": "apiKey"}}
        },
    )
    assert found.definition.get("security") == expected


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        (None, ["/"]),
        ([], ["/"]),
        ([{"url": "/v1"}, {"url": 1}, None], ["/v1"]),
        ([{"url": "https://{a}"}], ["/"]),
        ([{"url": "https://{a}", "variables": {"a": {"default": 1, "enum": [1, 2]}}}], ["https://{a}"]),
    ],
)
def test_servers_are_those_that_can_be_used(servers: Json, expected: list[str]) -> None:
    assert [server["url"] for server in one_operation({}, servers=servers).definition["servers"]] == expected


def test_an_operation_has_its_own_servers() -> None:
    assert one_operation({"servers": [{"url": "/own"}]}, servers=[{"url": "/all"}]).definition["servers"] == [
        {"url": "/own"}
    ]


@pytest.mark.parametrize("info", [None, [], {}, {"title": 1, "version": 2.0, "license": {}, "contact": 1}])
def test_what_is_said_of_the_document_is_survived(info: Json) -> None:
    spec = normalise({**openapi({}), "info": info, "tags": [{"name": "a", "parent": "b"}, 1, {}], "externalDocs": 1})
    assert (spec.title, spec.version) in [("API", ""), ("1", "2.0")]
    assert spec.document["tags"] == [{"name": "a"}]


def test_operations_that_share_much_are_refused_before_it_is_written_out() -> None:
    big = {"schema": {"enum": ["x" * 1_000] * 100}}
    body = {"content": {"a/b": big}}
    paths = {f"/{n}": {"post": {"requestBody": {"$ref": "#/components/requestBodies/B"}}} for n in range(1_000)}
    document = openapi(paths, components={"requestBodies": {"B": body}})
    with pytest.raises(SpecTooLarge, match="with all that it refers to has more than 1,000,000 bytes"):
        normalise(document, limits=Limits(max_bytes=1_000_000))


def test_many_paths_that_are_one_large_one_are_refused() -> None:
    large = {"parameters": [{"name": f"p{n}", "in": "query"} for n in range(1_000)], "get": {}}
    paths = {"/": large} | {f"/{n}": {"$ref": "#/paths/~1"} for n in range(1_000)}
    with pytest.raises(SpecTooLarge, match="more than 100,000 values"):
        normalise(openapi(paths), limits=Limits(max_values=100_000))


def test_operations_of_callbacks_count_wherever_they_are_referred_to() -> None:
    call = {"callbacks": {"c": {"$ref": "#/components/callbacks/C"}}}
    callback: Json = {f"/{n}": {"post": {}} for n in range(100)}
    document = openapi({f"/{n}": {"get": call} for n in range(100)}, components={"callbacks": {"C": callback}})
    with pytest.raises(SpecTooLarge, match="more than 50,000 values"):
        normalise(document, limits=Limits(max_values=50_000))


def test_a_reference_that_leads_on_and_on_is_left_out() -> None:
    chain = {f"P{n}": {"$ref": f"#/components/parameters/P{n + 1}"} for n in range(1_000)}
    spec = normalise(
        openapi(
            {"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/P0"}]}}}, components={"parameters": chain}
        )
    )
    assert reasons(spec) == ["it refers onwards more than 100 times; the parameter is left out"]


def test_a_reference_of_millions_of_characters_is_not_followed() -> None:
    spec = normalise(openapi({"/a": {"$ref": "#/" + "%7" * 1_000_000}, "/b": {"get": {}}}))
    assert "has more than 20,000 characters" in reasons(spec)[0]


def test_keys_that_are_no_texts_are_refused() -> None:
    with pytest.raises(UnusableSpec, match="keys that are no texts"):
        normalise(openapi({"/a": {"get": {"responses": {200: {}}}}}))


# Swagger 2.0


def swagger_operation(definition: Json, method: str = "post", path: str = "/a", **more: Json) -> Json:
    return operation(normalise(swagger({path: {method: definition}}, **more))).definition


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "string", "in": "query"}, {"schema": STRING}),
        ({"type": "array", "in": "query"}, {"schema": {"type": "array"}, "style": "form", "explode": False}),
        (
            {"type": "array", "in": "query", "collectionFormat": "multi"},
            {"schema": {"type": "array"}, "style": "form", "explode": True},
        ),
        (
            {"type": "array", "in": "query", "collectionFormat": "pipes"},
            {"schema": {"type": "array"}, "style": "pipeDelimited", "explode": False},
        ),
        (
            {"type": "array", "in": "header", "collectionFormat": "csv"},
            {"schema": {"type": "array"}, "style": "simple"},
        ),
        (
            {"type": "integer", "in": "query", "minimum": 1, "exclusiveMinimum": True, "default": 2, "required": True},
            {"required": True, "schema": {"type": "integer", "exclusiveMinimum": 1, "default": 2}},
        ),
    ],
)
def test_parameters_of_swagger_have_schemas(given: Json, expected: Json) -> None:
    found = swagger_operation({"parameters": [{"name": "p", **given}]})
    assert found["parameters"] == [{"name": "p", "in": given["in"], **expected}]


def test_a_body_of_swagger_has_the_media_types_that_its_operation_consumes() -> None:
    body = {"$ref": "#/parameters/B"}
    shared = {
        "B": {"name": "b", "in": "body", "required": True, "description": "d", "schema": {"$ref": "#/definitions/D"}}
    }
    spec = normalise(
        swagger(
            {"/a": {"post": {"parameters": [body]}, "put": {"consumes": ["a/b", "c/d"], "parameters": [body]}}},
            parameters=shared,
            definitions={"D": {}},
            consumes=["text/plain"],
        )
    )
    media_type = {"schema": {"$ref": "#/components/schemas/D"}}
    assert [found.definition["requestBody"] for found in spec.operations] == [
        {"description": "d", "required": True, "content": {"text/plain": media_type}},
        {"description": "d", "required": True, "content": {"a/b": media_type, "c/d": media_type}},
    ]


@pytest.mark.parametrize(
    ("consumes", "fields", "media_types"),
    [
        ([], ["string"], ["application/x-www-form-urlencoded"]),
        (["application/json"], ["string"], ["application/x-www-form-urlencoded"]),
        (
            ["multipart/form-data", "application/x-www-form-urlencoded"],
            ["string"],
            ["multipart/form-data", "application/x-www-form-urlencoded"],
        ),
        ([], ["file"], ["multipart/form-data"]),
        (["application/x-www-form-urlencoded"], ["file"], ["multipart/form-data"]),
    ],
)
def test_form_fields_of_swagger_are_a_body(consumes: list[str], fields: list[str], media_types: list[str]) -> None:
    given = [{"name": f"f{n}", "in": "formData", "type": kind, "required": True} for n, kind in enumerate(fields)]
    body = swagger_operation({"consumes": consumes, "parameters": given})["requestBody"]
    assert list(body["content"]) == media_types
    field = {"type": "string", "format": "binary"} if fields == ["file"] else STRING
    assert body["content"][media_types[0]]["schema"] == {
        "type": "object",
        "properties": {"f0": field},
        "required": ["f0"],
    }


def test_responses_of_swagger_have_the_media_types_that_its_operation_produces() -> None:
    shared = {"R": {"description": "r", "schema": STRING, "headers": {"X": {"type": "integer"}}}}
    answer = {"200": {"$ref": "#/responses/R"}, "201": {"schema": {"type": "file"}, "description": ""}}
    spec = normalise(
        swagger(
            {"/a": {"get": {"responses": answer}, "put": {"produces": ["text/plain"], "responses": answer}}},
            responses=shared,
        )
    )
    get, put = (found.definition["responses"] for found in spec.operations)
    headers = {"X": {"schema": {"type": "integer"}}}
    assert get["200"] == {"description": "r", "headers": headers, "content": {"application/json": {"schema": STRING}}}
    assert put["200"] == {"description": "r", "headers": headers, "content": {"text/plain": {"schema": STRING}}}
    assert get["201"]["content"] == {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["/"]),
        ({"basePath": "/v1/"}, ["/v1"]),
        ({"host": "a.example"}, ["https://a.example"]),
        (
            {"host": "a.example", "basePath": "v1", "schemes": ["http", "https"]},
            ["http://a.example/v1", "https://a.example/v1"],
        ),
        ({"host": "a.example/{x}", "schemes": 1}, ["/"]),
    ],
)
def test_servers_of_swagger_are_host_and_base_path(more: Json, expected: list[str]) -> None:
    assert [server["url"] for server in swagger_operation({}, **more)["servers"]] == expected


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ({"type": "basic"}, {"type": "http", "scheme": "basic"}),
        ({"type": "apiKey", "in": "query", "name": "k"}, {"type": "apiKey", "in": "query", "name": "k"}),
        (
            {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "a", "tokenUrl": "t", "scopes": {"s": "d"}},
            {
                "type": "oauth2",
                "flows": {"authorizationCode": {"authorizationUrl": "a", "tokenUrl": "t", "scopes": {"s": "d"}}},
            },
        ),
    ],
)
def test_security_of_swagger_is_that_of_3(scheme: Json, expected: Json) -> None:
    spec = normalise(swagger({"/a": {"get": {}}}, securityDefinitions={"s": scheme}))
    assert spec.document["components"]["securitySchemes"] == {"s": expected}
