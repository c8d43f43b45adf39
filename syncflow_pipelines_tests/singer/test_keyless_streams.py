"""Streams without a key, where the source names the whole row as one."""

import pytest

from syncflow_pipelines_tests.singer.streams import messages_of
from syncflow_pipelines_tests.singer.target import Target


@pytest.fixture
def keyed(target: Target) -> Target:
    target.source.whole_rows_are_keys = True
    return target


def test_rows_are_kept_once_however_often_they_are_sent(keyed: Target) -> None:
    """The second stream has the ids of the first with other values: other rows, as nothing else tells them apart."""
    for name in ("no_primary_keys", "no_primary_keys_append") * 2:
        keyed.hear(messages_of(name))
    assert keyed.follow()["test_no_pk"].counts.inserted == 8
    assert keyed.live("test_no_pk") == keyed.told("test_no_pk")
    assert {"1 11", "1 101", "5 505"} <= keyed.live("test_no_pk").keys()


def test_objects_can_be_keys_with_or_without_properties(keyed: Target) -> None:
    keyed.hear(messages_of("schema_no_properties"))
    outcomes = keyed.follow()
    assert {slug: outcome.counts.inserted for slug, outcome in outcomes.items()} == {
        "test_object_schema_with_properties": 2,
        "test_object_schema_no_properties": 2,
    }
    for slug in outcomes:
        assert keyed.types(slug) == "object_store jsonb"
        assert keyed.live(slug) == keyed.told(slug)


def test_a_record_without_a_required_property_of_the_key_is_a_reject(keyed: Target) -> None:
    slug = "test_record_missing_required_property"
    keyed.hear(messages_of("record_missing_required_property"))
    assert keyed.follow()[slug].error_type == "TooManyRejects"
    assert [(reject.column_name, reject.reason) for reject in keyed.rejects(slug)] == [
        ("id", "has no value in a business-key column")
    ]
    assert keyed.live(slug) == {}
