"""Names in Dagster: legal, readable back, and no two alike."""

import dagster as dg
from dagster._core.definitions.partitions.utils.base import INVALID_PARTITION_SUBSTRINGS
from dagster._core.definitions.utils import VALID_NAME_REGEX
from hypothesis import example, given
from hypothesis import strategies as st

from syncflow_pipelines.defs.names import (
    catalogue_key,
    entity_key,
    entity_of,
    entity_of_partition,
    identifiers,
    mcp_server_key,
    partition_key,
    pool_name,
    resolver_key,
    service_of,
    spec_key,
)

NAMES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=40)
AWKWARD = ["a/b", "a b", "100%", "%2F", "...", ".", "..", "catalogue", "%63atalogue", "a\u0308", "\0\n", '"*"', "a:b"]


@given(NAMES, NAMES)
@example("erp", "catalogue")
@example("e/r", "a...b")
@example("openapi", "crm")
@example("mcp_server", "catalogue")
def test_an_asset_key_is_read_back(connector: str, slug: str) -> None:
    assert entity_of(entity_key(connector, slug)) == (connector, slug)
    assert entity_key(connector, slug) != catalogue_key(connector)


@given(NAMES, NAMES)
@example("erp", "a...b")
def test_a_partition_key_is_legal_and_is_read_back(connector: str, slug: str) -> None:
    key = partition_key(connector, slug)
    assert not any(part in key for part in INVALID_PARTITION_SUBSTRINGS)
    assert entity_of_partition(key) == (connector, slug)


@given(st.lists(st.tuples(NAMES, NAMES), unique=True))
def test_different_entities_have_different_keys(entities: list[tuple[str, str]]) -> None:
    assert len({entity_key(*entity) for entity in entities}) == len(entities)
    assert len({partition_key(*entity) for entity in entities}) == len(entities)


def test_awkward_names_have_keys_of_their_own() -> None:
    assert len({entity_key("erp", slug) for slug in AWKWARD}) == len(AWKWARD)


def test_ordinary_names_stay_as_they_are() -> None:
    for slug in ("items", "order-lines", "v1.2_items", "Übersicht", "商品"):
        assert entity_key("erp-eu", slug) == dg.AssetKey(["erp-eu", slug])
        assert partition_key("erp-eu", slug) == f"erp-eu/{slug}"


def test_the_catalogue_is_no_entity() -> None:
    assert entity_of(catalogue_key("erp")) is None
    assert entity_of(dg.AssetKey(["openapi", "erp", "x"])) is None


def test_the_assets_of_a_service_are_no_entities_whatever_connectors_are_called() -> None:
    for key in (spec_key("crm"), mcp_server_key("crm"), resolver_key("crm")):
        assert service_of(key) == "crm"
        assert entity_of(key) is None
        assert key not in (entity_key(key.path[0], "crm"), catalogue_key(key.path[0]))
    assert service_of(entity_key("openapi", "crm")) is None
    assert service_of(catalogue_key("erp")) is None


@given(st.sets(NAMES))
@example({"erp-eu", "erp_eu", "erp.eu"})
def test_groups_and_ops_get_legal_names_of_their_own(connectors: set[str]) -> None:
    found = identifiers(connectors)
    assert found.keys() == connectors
    assert len(set(found.values())) == len(connectors)
    assert all(VALID_NAME_REGEX.match(name) for name in found.values())


def test_an_identifier_is_plain_where_it_is_the_only_one() -> None:
    assert identifiers(["erp-eu", "crm"]) == {"erp-eu": "erp_eu", "crm": "crm"}


@given(NAMES)
def test_a_pool_name_has_no_white_space(connector: str) -> None:
    assert pool_name(connector).split() == [pool_name(connector)]
