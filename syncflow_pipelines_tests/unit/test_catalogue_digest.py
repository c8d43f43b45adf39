"""The catalogue's digest: another one exactly when something changed that matters."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines_tests.unit.catalogues import column, entity, parse, without


def changed(**given: Any) -> str:
    return parse(entity(**given), entity("other")).digest


def columns_with(index: int, **given: Any) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = entity()["columns"]
    columns[index] = {**columns[index], **given}
    return columns


ORIGINAL = changed()


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Parts"},
        {"description": "Other"},
        {"description": None},
        {"delta_strategy": "hash"},
        {"rowversion_column": None},
        {"business_key_columns": ["item_number", "weight_per_unit"]},
        {"business_key_columns": ["weight_per_unit"]},
        {"columns": entity()["columns"][:1] + entity()["columns"][2:]},
        {"columns": [*entity()["columns"], column("NEW")]},
        {"columns": columns_with(1, name="MASS")},
        {"columns": columns_with(1, output_alias="mass")},
        {"columns": columns_with(1, data_type="NUMBER(12,3)")},
        {"columns": columns_with(1, data_type="SDO_GEOMETRY")},
        {"columns": columns_with(1, is_nullable=False)},
        {"columns": columns_with(1, description="In kilograms")},
        {"delta_strategy": "nonsense"},
    ],
    ids="-".join,
)
def test_digest_changes_with_all_that_matters(fields: dict[str, Any]) -> None:
    assert changed(**fields) != ORIGINAL


def test_digest_changes_with_the_order_of_the_key() -> None:
    keys = ["item_number", "weight_per_unit"]
    assert changed(business_key_columns=keys) != changed(business_key_columns=keys[::-1])


def test_digest_changes_when_an_entity_comes_or_goes() -> None:
    assert len({parse().digest, parse(entity()).digest, parse(entity("b")).digest, ORIGINAL}) == 4


def test_digest_changes_when_an_entity_breaks_or_breaks_differently() -> None:
    digests = [parse(entity(), bad).digest for bad in (entity("b"), entity("b", columns=[]), entity("b", columns=5))]
    assert len(set(digests)) == 3


def test_digest_does_not_change_with_what_does_not_matter() -> None:
    silent = [{name: value for name, value in one.items() if name != "description"} for one in entity()["columns"]]
    spoken = [{**one, "description": None} for one in silent]
    empty = [{**one, "description": "", "is_business_key": None} for one in silent]
    reordered = [dict(reversed(one.items())) for one in silent[::-1]]
    digests = {
        changed(description=None, columns=spoken),
        changed(description="", columns=empty, new_field=1),
        changed(description=None, columns=reordered),
    }
    bare = {name: value for name, value in entity(columns=silent).items() if name != "description"}
    assert digests == {parse(entity("other"), bare).digest}


@given(st.randoms(use_true_random=False))
def test_digest_does_not_depend_on_the_order_of_entries(chance: random.Random) -> None:
    entries = [
        *(entity(slug) for slug in "abc"),
        entity("twice"),
        entity("twice"),
        entity("bad", delta_strategy="x"),
        without("name"),
        entity("differs"),
        entity("differs", name="Other"),
        entity("odd", columns=[column("K"), column("O", "SDO_GEOMETRY")], business_key_columns=["k"]),
        {"columns": []},
    ]
    expected = parse(*entries)
    chance.shuffle(entries)
    shuffled = parse(*entries)
    assert shuffled.digest == expected.digest
    assert shuffled.entities == expected.entities
