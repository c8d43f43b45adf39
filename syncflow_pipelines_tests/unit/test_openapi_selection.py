"""A service takes the operations that it wants, and the spec of those is whole."""

import pytest

from syncflow_pipelines.config.services import OperationRule
from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.inner_form import dump_spec, load_spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.selection import select
from syncflow_pipelines_tests.unit.openapi_documents import OK, openapi


def refers(name: str) -> dict[str, object]:
    return {"200": {"description": "", "content": {"a/b": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}}


SPEC = normalise(
    openapi(
        {
            "/pets": {"get": {"tags": ["pet", "open"], "responses": refers("Pet")}, "post": {"responses": OK}},
            "/pets/{id}": {
                "get": {"tags": ["pet"], "responses": refers("Pet")},
                "delete": {"tags": ["pet"], "responses": OK},
            },
            "/pets/{id}/toys": {"get": {"tags": ["toy"], "responses": refers("Toy")}},
            "/": {"get": {"responses": OK}},
            "/x": {"query": {"responses": OK}},
        },
        "3.2.0",
        components={"schemas": {"Pet": {"$ref": "#/components/schemas/Base"}, "Toy": {}, "Base": {}, "Spare": {}}},
    )
)


def keys(include: tuple[OperationRule, ...] = (), exclude: tuple[OperationRule, ...] = ()) -> list[str]:
    return [f"{operation.method} {operation.path}" for operation in select(SPEC, include, exclude).operations]


def test_without_rules_the_spec_is_what_it_was() -> None:
    assert select(SPEC, (), ()) is SPEC


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("/pets", ["get /pets", "post /pets"]),
        ("/pets/*", ["delete /pets/{id}", "get /pets/{id}"]),
        ("/*", ["get /", "get /pets", "post /pets", "query /x"]),
        ("/pets/**", ["get /pets", "post /pets", "delete /pets/{id}", "get /pets/{id}", "get /pets/{id}/toys"]),
        ("/**/toys", ["get /pets/{id}/toys"]),
        ("/p*s", ["get /pets", "post /pets"]),
        ("/pets/{id}", ["delete /pets/{id}", "get /pets/{id}"]),
    ],
)
def test_paths_are_globs(glob: str, expected: list[str]) -> None:
    assert keys((OperationRule(paths=(glob,)),)) == expected


def test_all_that_a_rule_says_has_to_fit_and_one_rule_is_enough() -> None:
    rules = (OperationRule(tags=("pet", "toy"), methods=("delete", "put")), OperationRule(methods=("query",)))
    assert keys(rules) == ["delete /pets/{id}", "query /x"]


def test_what_is_excluded_goes_before_what_is_included() -> None:
    assert keys(
        (OperationRule(tags=("pet",)),), (OperationRule(tags=("open",)), OperationRule(methods=("delete",)))
    ) == ["get /pets/{id}"]


def test_schemas_of_left_out_operations_are_left_out() -> None:
    toys = select(SPEC, (OperationRule(tags=("toy",)),), ())
    assert set(toys.document["components"]["schemas"]) == {"Toy", "Spare"}
    assert list(toys.document["paths"]) == ["/pets/{id}/toys"]


def test_digests_and_ids_stay_and_the_contract_is_of_what_is_left() -> None:
    left = select(SPEC, (), (OperationRule(tags=("toy",)),))
    before = {operation.key: operation for operation in SPEC.operations}
    assert all(operation == before[operation.key] for operation in left.operations)
    assert left.checksum == SPEC.checksum
    assert left.contract != SPEC.contract


def test_rules_that_leave_nothing_are_refused() -> None:
    with pytest.raises(UnusableSpec, match="leave none of the 7 operations of 'Shop'"):
        select(SPEC, (OperationRule(tags=("nobody",)),), ())


def test_a_spec_comes_back_from_bytes_as_it_was() -> None:
    assert load_spec(dump_spec(SPEC)) == SPEC
    selected = select(SPEC, (OperationRule(tags=("toy",)),), ())
    assert load_spec(dump_spec(selected)) == selected


def test_also_where_it_holds_what_orjson_does_not_write() -> None:
    spec = normalise(openapi({"/a": {"get": {"description": "\ud800", "responses": OK, "tags": ["x"]}}}))
    assert load_spec(dump_spec(spec)) == spec


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"{", b'{"format": 2}', b'{"format": 1}', b'{"format": 1, "document": []}']
)
def test_bytes_that_are_no_spec_are_refused(content: bytes) -> None:
    with pytest.raises(UnusableSpec, match="fetch it again"):
        load_spec(content)
