"""Every test stream of Meltano's SDK for targets, served by a source and synced by SyncFlow."""

import json

import pytest

from syncflow_pipelines.sync.model import DiscoveryReport, SyncOutcome
from syncflow_pipelines_tests.singer.expectations import EXPECTATIONS, Expectation, Kept
from syncflow_pipelines_tests.singer.streams import Message, messages_of, shipped_streams
from syncflow_pipelines_tests.singer.target import Target

STREAMS = tuple(shipped_streams())


def all_messages(name: str) -> list[Message]:
    """The stream's messages, after those of the stream that it goes on from."""
    before = EXPECTATIONS[name].after
    return [*(messages_of(before) if before else ()), *messages_of(name)]


def errors(report: DiscoveryReport) -> dict[str | None, str]:
    """What was left out, and everything that is wrong with it."""
    wrong = [finding for finding in report.findings if finding.severity == "error"]
    return {slug: "; ".join(f.message for f in wrong if f.entity == slug) for slug in {f.entity for f in wrong}}


def assert_counts_add_up(outcome: SyncOutcome) -> None:
    counts = outcome.counts
    assert counts.fetched + counts.missing == (
        counts.inserted + counts.updated + counts.unchanged + counts.deleted + counts.rejected
    )


def assert_in_step(target: Target, slug: str, kept: Kept) -> None:
    """The table is what the tap has told so far, without the rows that are expected to be rejects."""
    told = target.told(slug)
    assert target.live(slug) == {key: row for key, row in told.items() if key not in kept.rejects}


def assert_kept(target: Target, slug: str, kept: Kept) -> None:
    live = target.live(slug)
    assert target.types(slug) == kept.types
    assert len(live) == kept.rows
    for key, part in kept.holds.items():
        assert {name: live[key][name] for name in part} == part
    assert sorted(str(reject.column_name) for reject in target.rejects(slug)) == sorted(kept.rejects.values())


def assert_refused(target: Target, expected: Expectation) -> None:
    """What is left out is said with the reason, and gets no table."""
    said = errors(target.discover())
    assert said.keys() == expected.refused.keys()
    assert [slug for slug, reason in expected.refused.items() if reason not in said[slug]] == []
    assert [target.sync(slug).error_type for slug in expected.refused] == ["UnknownEntity"] * len(expected.refused)
    assert len(target.tables()) == len(expected.kept)


def test_every_stream_that_the_sdk_ships_has_an_expectation() -> None:
    assert set(STREAMS) == EXPECTATIONS.keys()


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_ends_in_the_tables_that_are_expected(target: Target, name: str) -> None:
    expected = EXPECTATIONS[name]
    outcomes: dict[str, SyncOutcome] = {}
    for _ in target.play(all_messages(name)):
        outcomes = target.follow()
        for slug, outcome in outcomes.items():
            if outcome.status == "success":
                assert_counts_add_up(outcome)
                assert_in_step(target, slug, expected.kept[slug])
    assert {slug: outcome.error_type for slug, outcome in outcomes.items()} == {
        slug: kept.error for slug, kept in expected.kept.items()
    }
    for slug, kept in expected.kept.items():
        assert_kept(target, slug, kept)
    assert_refused(target, expected)


@pytest.mark.parametrize("name", [name for name in STREAMS if name in EXPECTATIONS and EXPECTATIONS[name].kept])
def test_a_second_sync_and_a_full_one_change_nothing(target: Target, name: str) -> None:
    target.hear(all_messages(name))
    good = [slug for slug, outcome in target.follow().items() if outcome.status == "success"]
    before = {slug: target.live(slug) for slug in good}
    again = [target.sync(slug, full_refresh=full) for full in (False, True) for slug in good]
    assert [outcome.error for outcome in again if outcome.error] == []
    assert {(done.counts.inserted, done.counts.updated, done.counts.deleted) for done in again} <= {(0, 0, 0)}
    assert {slug: target.live(slug) for slug in good} == before


def test_a_row_with_a_nul_is_kept_whole_as_a_reject(target: Target) -> None:
    target.hear(messages_of("encoded_string_data"))
    target.follow()
    (reject,) = target.rejects("test_strings")
    assert "NUL" in reject.reason
    assert json.loads(reject.raw)["data"] == target.told("test_strings")["11"]


def test_what_a_state_vouches_for_is_in_the_tables_when_it_is_passed_on(target: Target) -> None:
    """A target repeats a state once all before it is stored; the states of this stream count the rows."""
    stored = []
    for state in target.play(messages_of("multiple_state_messages")):
        target.follow()
        if state is not None:
            stored.append(({slug: len(target.live(slug)) for slug in state.value}, state.value))
    assert stored
    assert [rows for rows, _ in stored] == [bookmarks for _, bookmarks in stored]


def test_a_record_before_its_schema_is_synced_once_the_source_offers_its_columns(target: Target) -> None:
    stops = target.play(messages_of("record_before_schema"))
    next(stops)
    assert target.follow() == {}
    assert target.sync("test_record_before_schema").error_type == "UnknownEntity"
    next(stops)
    assert target.follow()["test_record_before_schema"].counts.inserted == 2


def test_columns_that_came_before_their_discovery_are_filled_after_it(target: Target) -> None:
    messages = messages_of("schema_updates")
    target.hear(messages[:2])
    target.follow()
    target.hear(messages[2:])
    outcome = target.sync("test_schema_updates")
    assert "the source sends columns that its catalogue does not name: a3, a4, a5, a6" in outcome.notes
    assert target.types("test_schema_updates") == "id integer, a1 numeric, a2 text"
    target.follow()
    assert_kept(target, "test_schema_updates", EXPECTATIONS["schema_updates"].kept["test_schema_updates"])
    assert target.live("test_schema_updates") == target.told("test_schema_updates")


def test_a_changed_key_is_followed_once_its_table_is_renamed_away(target: Target) -> None:
    for _ in target.play(messages_of("pk_updates")):
        outcomes = target.follow()
    assert "rename the table away to have it filled anew" in str(outcomes["example_stream"].error)
    with target.database.connection() as connection:
        connection.execute("ALTER TABLE singer.example_stream RENAME TO example_stream_by_id")
    assert target.follow()["example_stream"].counts.inserted == 2
    assert list(target.live("example_stream")) == ['"alice@example.com"', '"bob@example.com"']
    assert target.tables() == {"example_stream", "example_stream_by_id"}
