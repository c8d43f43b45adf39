"""Which operation a path is for."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncflow_pipelines.codegen.runtime.resolver import routes_of
from syncflow_pipelines.codegen.runtime.routes import Match, RouteTable, leads_elsewhere
from syncflow_pipelines_tests.stored_specs import stored


def found(paths: dict[str, Any] | list[str], path: str, method: str = "GET", query: str = "") -> Any:
    """The key of the route and its arguments, or the methods that the path has."""
    given_paths = paths if isinstance(paths, dict) else {each: {"get": {}} for each in paths}
    match = RouteTable(routes_of(stored(given_paths))).find(method, path.encode(), query.encode())
    if not isinstance(match, Match):
        return set(match)
    return match.routes[0].path, {name: value.decode() for name, value in match.arguments.items()}


@pytest.mark.parametrize(
    ("template", "path", "arguments"),
    [
        ("/", "/", {}),
        ("/a", "/a", {}),
        ("/a/", "/a/", {}),
        ("/a//b", "/a//b", {}),
        ("/{id}", "/x", {"id": "x"}),
        ("/{id}", "/a%2Fb%20", {"id": "a%2Fb%20"}),
        ("/{item-id}/{item.id}/{a:b}", "/1/2/3", {"item-id": "1", "item.id": "2", "a:b": "3"}),
        ("/{x}.{y}", "/a.b.c", {"x": "a.b", "y": "c"}),
        ("/{x}.{y}", "/a%2Eb", {"x": "a", "y": "b"}),
        ("/{a}-{b}", "/1%2D2-3", {"a": "1%2D2", "b": "3"}),
        ("/{a}{b}", "/123", {"a": "12", "b": "3"}),
        ("/v1/{name}:cancel", "/v1/job%2F1:cancel", {"name": "job%2F1"}),
        ("/v1/{name}:cancel", "/v1/job%3Acancel", {"name": "job"}),
        ("/users/@me", "/users/%40me", {}),
        ("/caf\u00e9", "/caf%C3%A9", {}),
        ("/f(id='{id}')", "/f(id='5')", {"id": "5"}),
        ("/files/{id}#lock", "/files/5", {"id": "5"}),
        ("/files/{id}?fields=x", "/files/5", {"id": "5"}),
        ("/files{?limit,page}", "/files", {}),
        ("/{id}/{id}", "/1/2", {"id": "2"}),
        ("/{unclosed", "/%7Bunclosed", {}),
    ],
)
def test_a_path_finds_its_template(template: str, path: str, arguments: dict[str, str]) -> None:
    assert found([template], path, query="fields=x") == (template, arguments)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/{id}", "/"),
        ("/a/{id}", "/a/"),
        ("/a/{id}", "/a/b/c"),
        ("/{x}.{y}", "/a."),
        ("/{x}.{y}", "/ab"),
        ("/a", "/a/"),
        ("/a", "/A"),
        ("/a/b", "/a%2Fb"),
        ("/a", ""),
        ("/a", "a"),
    ],
)
def test_another_path_does_not(template: str, path: str) -> None:
    assert found([template], path) == set()


def test_a_plain_segment_is_preferred_whatever_the_order() -> None:
    paths = ["/{kind}/{id}", "/pets/{id}", "/pets/mine", "/{kind}/mine", "/pets/{id}.json"]
    assert found(paths, "/pets/mine")[0] == "/pets/mine"
    assert found(paths, "/pets/5")[0] == "/pets/{id}"
    assert found(paths, "/pets/5.json")[0] == "/pets/{id}.json"
    assert found(paths, "/cats/mine")[0] == "/{kind}/mine"
    assert found(paths, "/cats/5")[0] == "/{kind}/{id}"
    assert found(list(reversed(paths)), "/pets/mine")[0] == "/pets/mine"


def test_a_plain_segment_that_leads_nowhere_is_given_up() -> None:
    assert found(["/pets/mine/toys", "/{kind}/{id}/food"], "/pets/mine/food")[0] == "/{kind}/{id}/food"


def test_a_method_may_be_found_under_a_less_plain_path() -> None:
    paths: dict[str, Any] = {"/pets/mine": {"get": {}}, "/pets/{id}": {"delete": {}, "post": {}}}
    assert found(paths, "/pets/mine", "DELETE")[0] == "/pets/{id}"
    assert found(paths, "/pets/mine", "PUT") == {"GET", "HEAD", "DELETE", "POST"}


def test_a_key_with_a_query_asks_for_it() -> None:
    paths = ["/?Action=List", "/?Action=Drop&Sure", "/?Action=Get&Id={id}"]
    assert found(paths, "/", query="Version=1&Action=List")[0] == "/?Action=List"
    assert found(paths, "/", query="Action=Drop&Sure=")[0] == "/?Action=Drop&Sure"
    assert found(paths, "/", query="Action=Get&Id=7")[0] == "/?Action=Get&Id={id}"
    assert found(paths, "/", query="Action=Drop") == set()


def test_keys_that_differ_in_their_fragment_share_a_path() -> None:
    paths: dict[str, Any] = {"/files/{id}": {"get": {}}, "/files/{file_id}#lock": {"get": {}, "put": {}}}
    match = RouteTable(routes_of(stored(paths))).find("GET", b"/files/5", b"")
    assert isinstance(match, Match)
    assert [route.path for route in match.routes] == ["/files/{id}", "/files/{file_id}#lock"]
    assert found(paths, "/files/5", "PUT") == ("/files/{file_id}#lock", {"file_id": "5"})


@pytest.mark.parametrize("said", [{"x-multi-segment": True}, {"allowReserved": True}])
def test_a_parameter_that_may_hold_slashes_takes_the_rest(said: dict[str, bool]) -> None:
    parameters = [{"name": "path", "in": "path", **said}]
    paths = {"/contents/{path}": {"get": {"parameters": parameters}}, "/contents/a/meta": {"get": {}}}
    assert found(paths, "/contents/a/b%2Fc/d") == ("/contents/{path}", {"path": "a/b%2Fc/d"})
    assert found(paths, "/contents/a") == ("/contents/{path}", {"path": "a"})
    assert found(paths, "/contents/a/meta")[0] == "/contents/a/meta"
    assert found(paths, "/contents/") == set()


def test_methods_of_openapi_3_2_have_routes() -> None:
    routes = routes_of(stored({"/a": {"query": {}, "additionalOperations": {"COPY": {}, "Link": {}}}}))
    assert {route.method for route in routes} == {"QUERY", "COPY", "LINK"}


@pytest.mark.parametrize("path", ["/..", "/a/../b", "/%2e%2E/", "/a%2f..%2fb", "/a/.", "/..;a=b/c", "/a%5c..%5cb"])
def test_dots_that_lead_elsewhere_are_seen(path: str) -> None:
    assert leads_elsewhere(path.encode())


@pytest.mark.parametrize("path", ["/", "/a.b", "/...", "/.well-known/x", "/a/..b/c..", "/%252e%252e", "/1.0"])
def test_other_dots_lead_nowhere_else(path: str) -> None:
    assert not leads_elsewhere(path.encode())


SEGMENT = st.text("ab{}.%2F-?#", max_size=6)
PATHS = st.lists(st.lists(SEGMENT, max_size=4).map(lambda parts: "/" + "/".join(parts)), max_size=8, unique=True)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(PATHS, st.lists(st.text("ab.%2F-", max_size=6), max_size=4))
def test_no_template_and_no_path_is_too_odd(templates: list[str], parts: list[str]) -> None:
    found(templates, "/" + "/".join(parts))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text("ab/ %.\u00e9", min_size=1, max_size=5), min_size=3, max_size=3))
def test_what_was_escaped_for_a_placeholder_comes_back(values: list[str]) -> None:
    escaped = [quote(value, safe="") for value in values]
    path = "/a/{}/b/{}:{}".format(*escaped)
    assert found(["/a/{x}/b/{y}:{z}"], path) == ("/a/{x}/b/{y}:{z}", dict(zip("xyz", escaped, strict=True)))
