"""What becomes of each stream that Meltano's SDK ships: the tables that SyncFlow keeps, and what it refuses.

The tests of the SDK ask little more of a target than that it ends, or fails where it has to; what the tables hold
is what the tests of `target-postgres` look at. Where SyncFlow does otherwise, a comment says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Kept:
    """An entity that is discovered, and what its table ends as."""

    types: str
    """The table's columns."""
    rows: int
    holds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parts of rows, by business key as JSON."""
    rejects: Mapping[str, str] = field(default_factory=dict)
    """Business keys as JSON of rows that are kept as rejects, and the column that is refused; "" without a key."""
    error: str | None = None
    """What the last sync fails with."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is known once a stream has ended."""

    kept: Mapping[str, Kept] = field(default_factory=dict)
    """By slug."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """What the discovery says of slugs that it leaves out."""
    after: str | None = None
    """The stream that the source told before."""


_NO_KEY = "business_key_columns is empty"

_FORECASTING = (
    "Id text, IsDeleted boolean, CreatedDate text, CreatedById text, LastModifiedDate text, LastModifiedById text, "
    "SystemModstamp text, ForecastingTypeId text, ForecastingItemCategory text, DisplayPosition integer, "
    "IsAdjustable boolean, IsOwnerAdjustable boolean, age integer, NewCamelCasedAttribute text, "
    "_attribute_startswith_underscore text"
)

EXPECTATIONS: Mapping[str, Expectation] = {
    # Arrays are kept as jsonb, whatever their items are.
    "array_data": Expectation(
        {"test_array_data": Kept("id integer, fruits jsonb", 4, {"1": {"fruits": ["apple", "orange", "pear"]}})}
    ),
    # Columns keep the case of their names; tables get names that can be typed without quotes.
    "camelcase": Expectation({"TestCamelcase": Kept("Id text, clientName text", 2, {'"1"': {"Id": "1"}})}),
    # Columns that may be a time or any string are text, as a value that is no time would else be lost.
    "camelcase_complex_schema": Expectation({"ForecastingTypeToCategory": Kept(_FORECASTING, 0)}),
    "duplicate_records": Expectation(
        {"test_duplicate_records": Kept("id integer, metric integer", 2, {"1": {"metric": 100}, "2": {"metric": 20}})}
    ),
    # PostgreSQL cannot keep a NUL. target-postgres fails with the whole stream, and has a copy without them for its own
    # tests; SyncFlow keeps every other row, and the one with the NUL whole as a reject.
    "encoded_string_data": Expectation(
        {
            "test_strings": Kept(
                "id integer, info text",
                10,
                {"5": {"info": 'quoted "string"'}, "7": {"info": "m"}, "8": {"info": "ā"}},
                {"11": "info"},
            ),
            "test_strings_in_objects": Kept(
                "id integer, info jsonb", 10, {"9": {"info": {"name": "unicode", "value": "ƙ"}}}, {"11": "info"}
            ),
            "test_strings_in_arrays": Kept(
                "id integer, strings jsonb", 5, {"4": {"strings": ["m", "ā", "ƙ"]}}, {"6": "strings"}
            ),
        }
    ),
    # The target of the SDK raises; a discovery says what is wrong with the entity, and goes on with the others.
    "invalid_schema": Expectation(refused={"test_invalid_schema": "columns is empty"}),
    "multiple_state_messages": Expectation(
        {
            "test_multiple_state_messages_a": Kept("id integer, metric integer", 6, {"1": {"metric": 100}}),
            "test_multiple_state_messages_b": Kept("id integer, metric integer", 6, {"1": {"metric": 110}}),
        }
    ),
    # A target appends rows without a key, as often as they are sent. A table without a key cannot be kept equal to
    # its source: no row could be updated or deleted, and each sync would double it.
    "no_primary_keys": Expectation(refused={"test_no_pk": _NO_KEY}),
    "no_primary_keys_append": Expectation(refused={"test_no_pk": _NO_KEY}, after="no_primary_keys"),
    "optional_attributes": Expectation(
        {
            "test_optional_attributes": Kept(
                "id integer, optional text", 4, {"1": {"optional": "This is optional"}, "2": {"optional": None}}
            )
        }
    ),
    # Rows of before and after have different identities, so a person has to say what becomes of the table; until
    # then it stays as it is.
    "pk_updates": Expectation(
        {
            "example_stream": Kept(
                "id integer, name text, email text", 1, {"1": {"name": "Alice"}}, error="SchemaRefused"
            )
        }
    ),
    # The target of the SDK raises, as it cannot put the row off. A source still has it once its columns are known.
    "record_before_schema": Expectation(
        {"test_record_before_schema": Kept("id integer, metric integer", 2, {"1": {"metric": 6719}})}
    ),
    "record_missing_fields": Expectation(
        {"record_missing_fields": Kept("id integer, optional text", 2, {"2": {"optional": None}})}
    ),
    # The target of the SDK raises, too: the one row there is, is a reject, and that is more than the part allowed.
    "record_missing_key_property": Expectation(
        {
            "test_record_missing_key_property": Kept(
                "id integer, metric integer", 0, rejects={"": "id"}, error="TooManyRejects"
            )
        }
    ),
    # Refused for its missing key before any row is read; `test_keyless_streams` has the missing property.
    "record_missing_required_property": Expectation(refused={"test_record_missing_required_property": _NO_KEY}),
    "schema_no_properties": Expectation(
        refused={"test_object_schema_with_properties": _NO_KEY, "test_object_schema_no_properties": _NO_KEY}
    ),
    "schema_updates": Expectation(
        {
            "test_schema_updates": Kept(
                "id integer, a1 numeric, a2 text, a3 boolean, a4 jsonb, a5 jsonb, a6 integer",
                6,
                {
                    "1": {"a1": 101, "a2": "string1", "a3": None, "a4": None, "a5": None, "a6": None},
                    "6": {"a4": {"id": 4, "value": 444}, "a5": ["banana", "orange"], "a6": 341},
                },
            )
        }
    ),
    "special_chars_in_attributes": Expectation(
        {"test:SpecialChars!in?attributes": Kept("_id text, d jsonb", 1, {'"a2e98886"': {"_id": "a2e98886"}})}
    ),
    "user_location_data": Expectation(
        {
            "test_users": Kept("id integer, name text", 5, {"1": {"name": "Yannis"}}),
            "test_locations": Kept("id integer, name text", 3, {"3": {"name": "SF"}}),
            "test_user_in_location": Kept("id integer, user_id integer, location_id integer, info jsonb", 3),
        }
    ),
    # Rows that the second stream does not tell again stay, as the first told them.
    "user_location_upsert_data": Expectation(
        {
            "test_users": Kept(
                "id integer, name text",
                8,
                {"1": {"name": "Johny"}, "3": {"name": "Jacob"}, "5": {"name": "Jim"}, "13": {"name": "Mary"}},
            ),
            "test_locations": Kept("id integer, name text", 5, {"2": {"name": "NY"}, "3": {"name": "San Francisco"}}),
            "test_user_in_location": Kept(
                "id integer, user_id integer, location_id integer, info jsonb",
                5,
                {"2": {"user_id": 2, "location_id": 3}, "3": {"user_id": 1, "location_id": 3}},
            ),
        },
        after="user_location_data",
    ),
}
