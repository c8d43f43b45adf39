"""A source's catalogue: what can be used is used, and all else is said."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.errors import SourceProtocolError
from syncflow_pipelines.sync.model import Catalogue, Finding
from syncflow_pipelines.sync.schema.catalogue import MAX_COLUMNS, parse_catalogue
from syncflow_pipelines_tests.unit.catalogues import column, entity, parse, without


def errors(catalogue: Catalogue) -> list[tuple[str | None, str]]:
    return [(found.entity, found.message) for found in catalogue.findings if found.severity == "error"]


def test_entity_is_read_whole() -> None:
    catalogue = parse(entity())
    (items,) = catalogue.entities
    assert (items.slug, items.name, items.description) == ("items", "Items", "Product master data")
    assert (items.strategy, items.business_keys, items.rowversion_column) == (
        "rowversion",
        ("item_number",),
        "erp_rowversion",
    )
    assert [(c.name, c.alias, c.identifier, c.pg_type, c.is_nullable, c.is_business_key) for c in items.columns] == [
        ("PART_NO", "item_number", "item_number", "character varying(50)", False, True),
        ("WEIGHT", "weight_per_unit", "weight_per_unit", "numeric(10,3)", True, False),
        ("ROWVERSION", "erp_rowversion", "erp_rowversion", "character varying(50)", True, False),
    ]
    assert (items.columns[0].description, items.columns[1].description) == ("The number", None)
    assert catalogue.findings == ()


def test_alias_defaults_to_the_name_in_lower_case() -> None:
    aliases = [column("PART_NO"), column("Weight", output_alias=None), column("SIZE", output_alias="")]
    (items,) = parse(entity(columns=aliases, business_key_columns=["part_no"], rowversion_column=None)).entities
    assert [c.alias for c in items.columns] == ["part_no", "weight", "size"]


def test_alias_is_kept_as_spelled_and_names_its_column() -> None:
    columns = [
        column("A", output_alias="Item No"),
        column("B", output_alias="_bridge_hash"),
        column("C", output_alias="xmin"),
    ]
    (items,) = parse(entity(columns=columns, business_key_columns=["Item No"], rowversion_column=None)).entities
    assert [(c.alias, c.identifier) for c in items.columns] == [
        ("Item No", "Item No"),
        ("_bridge_hash", "source_bridge_hash"),
        ("xmin", "source_xmin"),
    ]
    assert items.business_keys == ("Item No",)


def test_business_key_may_be_named_as_the_source_names_it() -> None:
    catalogue = parse(entity(business_key_columns=["WEIGHT", "item_number"], rowversion_column="ROWVERSION"))
    (items,) = catalogue.entities
    assert items.business_keys == ("weight_per_unit", "item_number")
    assert items.rowversion_column == "erp_rowversion"
    assert [(c.is_business_key, c.is_nullable) for c in items.columns] == [(True, False), (True, False), (False, True)]


def test_entities_are_sorted_and_fields_that_nobody_knows_are_passed_over() -> None:
    catalogue = parse(entity("b", extra={"deep": [1]}), entity("a", columns=[column("X", tags=["x"])], **KEY_X))
    assert [spec.slug for spec in catalogue.entities] == ["a", "b"]
    assert catalogue.findings == ()


KEY_X = {"business_key_columns": ["x"], "rowversion_column": None}


@pytest.mark.parametrize("slug", ["a/b", "ä b", "100%", "a?b#c", " a ", "日本", "a" * 100, "..."])
def test_slug_may_hold_any_printable_characters(slug: str) -> None:
    assert [spec.slug for spec in parse(entity(slug)).entities] == [slug]


def test_empty_catalogue_is_one() -> None:
    assert parse() == Catalogue((), (), parse().digest)
    assert parse_catalogue(b"\xef\xbb\xbf[]\n").entities == ()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is not JSON"),
        (b"[", "is not JSON"),
        (b"<html>Log in</html>", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe[", "is not JSON"),
        (b"{}", "is an object"),
        (b'{"detail": "no"}', "is an object"),
        (b"null", "is null"),
        (b"5", "is a single value"),
        (b'"x"', "is a string"),
    ],
)
def test_body_that_is_no_list_is_not_the_contract(body: bytes, said: str) -> None:
    with pytest.raises(SourceProtocolError, match=f"catalogue {said}.*it has to be a JSON list"):
        parse_catalogue(body)


BAD = {
    "no-slug": (without("slug"), None, "entry 2 .*missing required field `slug`"),
    "no-name": (without("name"), "bad", "its entry .*missing required field `name`"),
    "no-columns": (without("columns"), "bad", "missing required field `columns`"),
    "no-keys": (without("business_key_columns"), "bad", "missing required field `business_key_columns`"),
    "no-strategy": (without("delta_strategy"), "bad", "missing required field `delta_strategy`"),
    "null": (None, None, "entry 2 .*Expected `object`, got `null`"),
    "number": (5, None, "Expected `object`, got `int`"),
    "list": ([entity("bad")], None, "Expected `object`, got `array`"),
    "slug-number": ({**entity(), "slug": 5}, None, "Expected `str`, got `int`"),
    "slug-empty": (entity(""), None, "its slug '' is empty"),
    "slug-blank": (entity("  "), None, "its slug '  ' is empty"),
    "slug-long": (entity("a" * 101), None, "has 101 characters; 100 are allowed"),
    "slug-nul": (entity("a\0b"), None, r"'a\\x00b' holds control characters"),
    "slug-newline": (entity("a\nb"), None, "holds control characters"),
    "slug-surrogate": (entity("a\ud800"), None, "holds control characters or broken Unicode"),
    "slug-dots": (entity(".."), None, "would be taken for a folder"),
    "strategy": (entity("bad", delta_strategy="cdc"), "bad", "is 'cdc'; expected one of full, rowversion, hash"),
    "strategy-case": (entity("bad", delta_strategy="FULL"), "bad", "delta_strategy is 'FULL'"),
    "columns-empty": (entity("bad", columns=[]), "bad", "columns is empty"),
    "columns-null": (entity("bad", columns=None), "bad", "Expected `array`, got `null` - at `\\$.columns`"),
    "column-null": (entity("bad", columns=[None]), "bad", "Expected `object`, got `null`"),
    "column-untyped": (entity("bad", columns=[{"name": "A"}]), "bad", "missing required field `data_type`"),
    "column-name-empty": (entity("bad", columns=[column("")]), "bad", "the name of column 1, '', is empty"),
    "column-name-nul": (
        entity("bad", columns=[column("A\0")]),
        "bad",
        "the name of column 1, .* holds control characters",
    ),
    "column-alias-long": (
        entity("bad", columns=[column(output_alias="a" * 501)]),
        "bad",
        "the output_alias of column 1, .*has 501",
    ),
    "aliases-repeated": (
        entity("bad", columns=[column("A", output_alias="x"), column("X")]),
        "bad",
        "two columns have the output alias 'x'",
    ),
    "columns-many": (
        entity("bad", columns=[column(f"C{n}") for n in range(MAX_COLUMNS + 1)]),
        "bad",
        "it has 1591 columns; .* 1590",
    ),
    "keys-empty": (entity("bad", business_key_columns=[]), "bad", "business_key_columns is empty"),
    "key-unknown": (
        entity("bad", business_key_columns=["nope"]),
        "bad",
        "the business key 'nope' is none of its columns",
    ),
    "key-surrogate": (
        entity("bad", business_key_columns=["\ud800"]),
        "bad",
        "the business key .* is none of its columns",
    ),
    "keys-many": (
        entity("bad", columns=[column(f"C{n}") for n in range(33)], business_key_columns=[f"c{n}" for n in range(33)]),
        "bad",
        "its business key has 33 columns; PostgreSQL indexes at most 32",
    ),
}


@pytest.mark.parametrize(("bad", "slug", "said"), BAD.values(), ids=BAD.keys())
def test_bad_entry_is_one_finding_and_the_others_go_on(bad: Any, slug: str | None, said: str) -> None:
    catalogue = parse(entity("first"), bad, entity("last"))
    assert [spec.slug for spec in catalogue.entities] == ["first", "last"]
    ((found_slug, message),) = errors(catalogue)
    assert found_slug == slug
    assert re.search(said, message)
    assert "\n" not in message
    assert len(message) < 400


def test_every_mistake_of_an_entry_is_told_at_once() -> None:
    bad = entity("bad", delta_strategy="x", business_key_columns=[], columns=[column("")])
    assert len(errors(parse(bad))) == 3


def test_widest_possible_entity_is_used() -> None:
    columns = [column(f"C{number}") for number in range(MAX_COLUMNS)]
    keys = [f"c{number}" for number in range(32)]
    (wide,) = parse(entity(columns=columns, business_key_columns=keys, rowversion_column=None)).entities
    assert len(wide.columns) == 1590


def test_entry_that_is_no_unicode_does_not_hide_the_others() -> None:
    body = b'[{"slug": "torn\xff"}, ' + json.dumps(entity()).encode() + b"]"
    catalogue = parse_catalogue(body)
    assert [spec.slug for spec in catalogue.entities] == ["items"]
    assert len(errors(catalogue)) == 1


def test_warnings_leave_the_entity_in() -> None:
    catalogue = parse(
        entity(
            name="N" * 201,
            business_key_columns=["item_number", "PART_NO"],
            rowversion_column="gone",
            columns=[
                column(output_alias="item_number"),
                column("G", "SDO_GEOMETRY"),
                column("F", is_business_key=True),
            ],
        )
    )
    (items,) = catalogue.entities
    assert len(items.name) == 200
    assert (items.rowversion_column, items.business_keys) == (None, ("item_number",))
    assert items.columns[1].pg_type == "text"
    assert [(found.severity, found.entity, found.column) for found in catalogue.findings] == [
        ("warning", "items", "g"),
        ("warning", "items", "PART_NO"),
        ("warning", "items", None),
        ("warning", "items", None),
        ("warning", "items", "gone"),
    ]
    assert catalogue.findings[0] == Finding(
        "warning", "items", "column 'g' has the unknown type 'SDO_GEOMETRY' and is kept as text", "g"
    )


def test_empty_name_is_replaced_by_the_slug() -> None:
    (items,) = parse(entity(name=" \0")).entities
    assert items.name == "items"


def test_description_loses_what_postgresql_cannot_keep() -> None:
    (items,) = parse(entity(description=" a\0b\nc \ud83d")).entities
    assert items.description == "ab\nc ?"


def test_slug_listed_twice_with_the_same_contents_is_used_once() -> None:
    catalogue = parse(entity(), entity("other"), entity(columns=entity()["columns"][::-1]))
    assert [spec.slug for spec in catalogue.entities] == ["items", "other"]
    (found,) = catalogue.findings
    assert (found.severity, found.entity) == ("warning", "items")


def test_slug_listed_twice_with_different_contents_is_left_out() -> None:
    catalogue = parse(entity(), entity("other"), entity(delta_strategy="full"))
    assert [spec.slug for spec in catalogue.entities] == ["other"]
    assert errors(catalogue) == [
        ("items", "the catalogue lists it 2 times with different contents; a slug has to be unique")
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from([*entity(), "unknown"])
COLUMN_FIELDS = st.sampled_from(["name", "output_alias", "data_type", "is_nullable", "is_business_key", "description"])


@given(st.lists(JSON, max_size=3), st.dictionaries(FIELDS, JSON, max_size=3), st.dictionaries(COLUMN_FIELDS, JSON))
def test_no_entry_whatever_it_holds_stops_the_others(
    entries: list[Any], fields: dict[str, Any], column_fields: dict[str, Any]
) -> None:
    spoilt = {**entity("spoilt"), **fields}
    half = {**entity("half"), "columns": [*entity()["columns"], {**column("X"), **column_fields}]}
    catalogue = parse(*entries, spoilt, half, entity("good"))
    slugs = [spec.slug for spec in catalogue.entities]
    if spoilt.get("slug") != "good":
        assert "good" in slugs
    for one in ("spoilt", "half"):
        refused = any(found.entity == one and found.severity == "error" for found in catalogue.findings)
        assert (one in slugs) or refused or fields.get("slug", "spoilt") != "spoilt"
    for found in catalogue.findings:
        found.message.encode()
        (found.column or "").encode()


def test_five_thousand_entities_are_read_in_little_time() -> None:
    columns = [column(f"COLUMN_{number}", "NUMBER(10)", description="What it is") for number in range(12)]
    body = json.dumps(
        [entity(f"e{number}", columns=columns, business_key_columns=["column_0"]) for number in range(5000)]
    ).encode()
    began = time.process_time()
    catalogue = parse_catalogue(body)
    assert time.process_time() - began < 5
    assert len(catalogue.entities) == 5000
