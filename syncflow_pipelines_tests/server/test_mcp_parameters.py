"""A tool's arguments arrive where and as the spec says, byte by byte.

The expected texts are those of OpenAPI 3.1.1, "Style Examples", and of RFC 6570 where it refers to that.
"""

from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config.auth import HeaderAuth
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines_tests.server.mcp_world import (
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

EMPTY, PRIMITIVE, ARRAY = "", "blue", ["blue", "black", "brown"]
OBJECT = {"R": 100, "G": 200, "B": 150}


def arrival_of(folder: Path, path: str, parameters: list[Any], arguments: dict[str, Any]) -> Arrival:
    """What arrives when the tool of such an operation is called."""
    spec = spec_of(operation("get", path, {"parameters": parameters}))
    with RecordingBackend() as backend, generated(folder, spec, service_at(backend.url)) as module:
        call(module.mcp, "op", arguments)
        return backend.last


PATHS = [
    ("simple", False, PRIMITIVE, "blue"),
    ("simple", False, ARRAY, "blue,black,brown"),
    ("simple", True, ARRAY, "blue,black,brown"),
    ("simple", False, OBJECT, "R,100,G,200,B,150"),
    ("simple", True, OBJECT, "R=100,G=200,B=150"),
    ("label", False, PRIMITIVE, ".blue"),
    ("label", False, ARRAY, ".blue,black,brown"),
    ("label", True, ARRAY, ".blue.black.brown"),
    ("label", False, OBJECT, ".R,100,G,200,B,150"),
    ("label", True, OBJECT, ".R=100.G=200.B=150"),
    ("matrix", False, EMPTY, ";color"),
    ("matrix", False, PRIMITIVE, ";color=blue"),
    ("matrix", False, ARRAY, ";color=blue,black,brown"),
    ("matrix", True, ARRAY, ";color=blue;color=black;color=brown"),
    ("matrix", False, OBJECT, ";color=R,100,G,200,B,150"),
    ("matrix", True, OBJECT, ";R=100;G=200;B=150"),
]


@pytest.mark.parametrize(("style", "explode", "value", "expected"), PATHS)
def test_paths(tmp_path: Path, style: str, explode: bool, value: Any, expected: str) -> None:
    parameters = [parameter("color", "path", style=style, explode=explode)]
    assert arrival_of(tmp_path, "/paint/{color}/end", parameters, {"color": value}).target == f"/paint/{expected}/end"


QUERIES = [
    ("form", True, EMPTY, "color="),
    ("form", True, PRIMITIVE, "color=blue"),
    ("form", True, ARRAY, "color=blue&color=black&color=brown"),
    ("form", False, ARRAY, "color=blue,black,brown"),
    ("form", True, OBJECT, "R=100&G=200&B=150"),
    ("form", False, OBJECT, "color=R,100,G,200,B,150"),
    ("spaceDelimited", False, ARRAY, "color=blue%20black%20brown"),
    ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150"),
    ("pipeDelimited", False, ARRAY, "color=blue%7Cblack%7Cbrown"),
    ("pipeDelimited", False, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
    ("deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ("deepObject", True, {"a": {"b": [1, 2]}, "c": [{"d": 3}]},
     "color%5Ba%5D%5Bb%5D%5B%5D=1&color%5Ba%5D%5Bb%5D%5B%5D=2&color%5Bc%5D%5B0%5D%5Bd%5D=3"),
    ("form", True, "a b&c=d/é", "color=a%20b%26c%3Dd%2F%C3%A9"),
    ("form", False, ["a,b", "c"], "color=a%2Cb,c"),
    ("form", True, True, "color=true"),
    ("form", True, 1.5, "color=1.5"),
    ("form", True, ["a", None], "color=a"),
]  # fmt: skip


@pytest.mark.parametrize(("style", "explode", "value", "expected"), QUERIES)
def test_queries(tmp_path: Path, style: str, explode: bool, value: Any, expected: str) -> None:
    parameters = [parameter("color", "query", style=style, explode=explode)]
    assert arrival_of(tmp_path, "/paint", parameters, {"color": value}).target == f"/paint?{expected}"


@pytest.mark.parametrize("value", [None, [], {}])
def test_a_query_that_says_nothing_is_left_out(tmp_path: Path, value: Any) -> None:
    assert arrival_of(tmp_path, "/paint", [parameter("color", "query")], {"color": value}).target == "/paint"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (None, "color=blue&color=black"),
        ("spaceDelimited", "color=blue%20black"),
        ("pipeDelimited", "color=blue%7Cblack"),
    ],
)
def test_what_explode_is_where_the_spec_is_silent(tmp_path: Path, style: str | None, expected: str) -> None:
    more = {} if style is None else {"style": style}
    arrival = arrival_of(tmp_path, "/paint", [parameter("color", "query", **more)], {"color": ["blue", "black"]})
    assert arrival.target == f"/paint?{expected}"


def test_reserved_characters_stay_where_the_spec_allows_them_and_nothing_is_torn_by_them(tmp_path: Path) -> None:
    parameters = [parameter("to", "query", allowReserved=True), parameter("next", "query")]
    arguments = {"to": "https://a.example/x?y=(1)&z=2#top%20[é]%", "next": "/a?b"}
    arrival = arrival_of(tmp_path, "/go", parameters, arguments)
    assert arrival.target == "/go?to=https://a.example/x?y=(1)%26z=2%23top%20%5B%C3%A9%5D%25&next=%2Fa%3Fb"


def test_parameters_with_content_are_json(tmp_path: Path) -> None:
    content = {"application/json": {"schema": {"type": "object"}}}
    parameters = [parameter("filter", place, content=content) for place in ("query", "header", "cookie")]
    arguments = {f"filter__{place}": {"a": [1, "é"]} for place in ("query", "header", "cookie")}
    arrival = arrival_of(tmp_path, "/find", parameters, arguments)
    assert arrival.target == "/find?filter=%7B%22a%22%3A%5B1%2C%22%C3%A9%22%5D%7D"
    assert arrival.header("filter") == '{"a":[1,"é"]}'.encode().decode("latin-1")
    assert arrival.header("cookie") == "filter=%7B%22a%22%3A%5B1%2C%22%C3%A9%22%5D%7D"


@pytest.mark.parametrize(
    ("explode", "value", "expected"),
    [
        (False, PRIMITIVE, "blue"),
        (False, ARRAY, "blue,black,brown"),
        (False, OBJECT, "R,100,G,200,B,150"),
        (True, OBJECT, "R=100,G=200,B=150"),
        (False, "a b; c%", "a b; c%"),
    ],
)
def test_headers(tmp_path: Path, explode: bool, value: Any, expected: str) -> None:
    arrival = arrival_of(tmp_path, "/paint", [parameter("X-Color", "header", explode=explode)], {"X-Color": value})
    assert arrival.header("x-color") == expected


@pytest.mark.parametrize(
    ("explode", "value", "expected"),
    [
        (True, PRIMITIVE, "color=blue; other=1"),
        (False, ARRAY, "color=blue,black,brown; other=1"),
        (True, ARRAY, "color=blue&color=black&color=brown; other=1"),
        (False, OBJECT, "color=R,100,G,200,B,150; other=1"),
        (True, OBJECT, "R=100&G=200&B=150; other=1"),
        (True, "a;b c", "color=a%3Bb%20c; other=1"),
    ],
)
def test_cookies(tmp_path: Path, explode: bool, value: Any, expected: str) -> None:
    parameters = [parameter("color", "cookie", explode=explode), parameter("other", "cookie")]
    assert arrival_of(tmp_path, "/paint", parameters, {"color": value, "other": 1}).header("cookie") == expected


def test_names_that_stand_in_several_places_are_told_apart(tmp_path: Path) -> None:
    parameters = [parameter("id", "path"), parameter("id", "query"), parameter("id", "header")]
    arguments = {"id__path": "a", "id__query": "b", "id__header": "c"}
    arrival = arrival_of(tmp_path, "/pets/{id}", parameters, arguments)
    assert (arrival.target, arrival.header("id")) == ("/pets/a?id=b", "c")


def test_names_that_models_refuse_are_shown_otherwise_and_sent_as_they_are(tmp_path: Path) -> None:
    parameters = [parameter("filter[name]", "query"), parameter("$top", "query")]
    spec = spec_of(operation("get", "/pets", {"parameters": parameters}))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        shown = tools(module.mcp)["op"].input_schema["properties"]
        call(module.mcp, "op", {"filter_name": "a", "top": 1})
        call(module.mcp, "op", {"filter[name]": "a", "$top": 1})
        assert [arrival.target for arrival in backend.arrivals] == ["/pets?filter%5Bname%5D=a&%24top=1"] * 2
    assert list(shown) == ["filter_name", "top"]
    assert "filter[name]" in shown["filter_name"]["description"]


@pytest.mark.parametrize(
    ("value", "expected"), [("a/b c", "a%2Fb%20c"), ("ü?#", "%C3%BC%3F%23"), ("file.txt", "file.txt"), ("%41", "%2541")]
)
def test_a_path_value_stays_in_its_segment(tmp_path: Path, value: str, expected: str) -> None:
    assert arrival_of(tmp_path, "/f/{name}", [parameter("name", "path")], {"name": value}).target == f"/f/{expected}"


@pytest.mark.parametrize(
    "value", ["..", ".", "../admin", "a/../../b", "..\\admin", "%2e%2e/admin", "%252e%252e%252f", ""]
)
def test_a_path_value_that_leads_elsewhere_is_refused(tmp_path: Path, value: str) -> None:
    spec = spec_of(operation("get", "/f/{name}", {"parameters": [parameter("name", "path")]}))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        assert "'name'" in text(call(module.mcp, "op", {"name": value}, fails=True))
        assert backend.arrivals == []


def test_values_that_make_dots_together_are_refused(tmp_path: Path) -> None:
    parameters = [parameter(name, "path", style="label") for name in ("a", "b")]
    spec = spec_of(operation("get", "/f/{a}{b}", {"parameters": parameters}))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        assert "dots" in text(call(module.mcp, "op", {"a": "", "b": ""}, fails=True))
        assert backend.arrivals == []


def test_a_placeholder_that_nobody_declared_is_an_argument(tmp_path: Path) -> None:
    assert arrival_of(tmp_path, "/pets/{id}.{ending}", [], {"id": 7, "ending": "json"}).target == "/pets/7.json"


def test_what_a_path_says_of_its_query_is_sent(tmp_path: Path) -> None:
    arrival = arrival_of(tmp_path, "/pets?kind=cat#again", [parameter("page", "query")], {"page": 2})
    assert arrival.target == "/pets?kind=cat&page=2"


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Authorization", "Host", "Content-Length"])
def test_headers_that_openapi_tells_to_ignore_are_no_arguments(tmp_path: Path, name: str) -> None:
    spec = spec_of(operation("get", "/pets", {"parameters": [parameter(name, "header", required=True)]}))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        assert tools(module.mcp)["op"].input_schema["properties"] == {}
        call(module.mcp, "op")


def test_the_header_of_the_credentials_is_no_argument(tmp_path: Path) -> None:
    spec = spec_of(operation("get", "/pets", {"parameters": [parameter("X-Key", "header", required=True)]}))
    auth = HeaderAuth("x-key", value_env="PETS_KEY", environment=Environment())
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url, auth=auth)) as module:
        assert tools(module.mcp)["op"].input_schema["properties"] == {}


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\x00b"])
def test_a_header_cannot_be_split(tmp_path: Path, value: str) -> None:
    spec = spec_of(operation("get", "/pets", {"parameters": [parameter("X-Color", "header")]}))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        assert "control character" in text(call(module.mcp, "op", {"X-Color": value}, fails=True))
        assert backend.arrivals == []


def test_missing_and_unknown_arguments_are_named(tmp_path: Path) -> None:
    spec = spec_of(operation("get", "/f/{name}", {"parameters": [parameter("size", "query", required=True)]}))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        assert "missing arguments: size, name" in text(call(module.mcp, "op", {}, fails=True))
        told = text(call(module.mcp, "op", {"size": 1, "name": "a", "nmae": "b"}, fails=True))
        assert "unknown arguments: nmae; there are: size, name" in told
        assert backend.arrivals == []


def test_the_path_of_the_server_comes_first(tmp_path: Path) -> None:
    servers = ({"url": "https://elsewhere.example/{stage}/", "variables": {"stage": {"default": "v1"}}},)
    spec = spec_of(operation("get", "/pets"), servers=servers)
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        call(module.mcp, "op")
        assert backend.last.target == "/v1/pets"


def test_an_operation_may_have_a_server_of_its_own(tmp_path: Path) -> None:
    own = {"servers": [{"url": "/uploads/v2"}]}
    spec = spec_of(operation("post", "/pets", own), servers=({"url": "/v1"},))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(f"{backend.url}/api")) as module:
        call(module.mcp, "op")
        assert backend.last.target == "/api/uploads/v2/pets"


def test_a_method_that_only_openapi_3_2_knows_is_sent(tmp_path: Path) -> None:
    body = {"requestBody": {"required": True, "content": {"text/plain": {}}}}
    spec = spec_of(operation("query", "/pets", body), operation("post", "/pets", id="post"))
    with RecordingBackend() as backend, generated(tmp_path, spec, service_at(backend.url)) as module:
        hints = tools(module.mcp)["op"].annotations
        assert hints is not None
        assert hints.read_only_hint is True
        call(module.mcp, "op", {"body": "kind = cat"})
        assert (backend.last.method, backend.last.body) == ("QUERY", b"kind = cat")
