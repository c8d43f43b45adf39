"""What the demo calls a mistake."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from syncflow_pipelines.demo.happenings import untold
from syncflow_pipelines.demo.mutate import EntityMutation
from syncflow_pipelines.demo.services.job import ServicesReport
from syncflow_pipelines.demo.verification import RowCount, find_mistakes
from syncflow_pipelines.events.happenings import code_generated, sync_finished
from syncflow_pipelines.openapi.diff import SpecDiff
from syncflow_pipelines.sync.runs import SyncRun

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = SyncRun(
    uid=UUID(int=1), entity="erp/items", status="success", strategy="hash", is_full_refresh=False, trigger="dagster",
    dagster_run_id=None, started_at=NOW, completed_at=NOW, fetched=10, inserted=10, updated=0, unchanged=0, deleted=0,
    rejected=0, missing=0, rowversion_start=None, rowversion_end=None, error_message=None, error_details=None,
    details=None,
)  # fmt: skip
SECOND = replace(FIRST, uid=UUID(int=2), inserted=2, updated=1, deleted=1, unchanged=7, missing=1)
CHANGES = {"erp/items": EntityMutation("items", ((11,), (12,)), ((1,),), ((2,),), None)}
EQUAL = (RowCount("erp/items", 11, 11),)


def test_a_demo_that_went_as_it_must_has_none() -> None:
    assert find_mistakes([FIRST], [SECOND], CHANGES, EQUAL) == ()


def test_tables_of_another_size_than_the_source_are_one() -> None:
    found = find_mistakes([FIRST], [SECOND], CHANGES, (RowCount("erp/items", 1011, 10),))
    assert found == ("erp/items has 1,011 rows at the source and 10 in its table",)


@pytest.mark.parametrize(
    "second", [replace(SECOND, inserted=1), replace(SECOND, updated=2), replace(SECOND, deleted=0)]
)
def test_counts_that_differ_from_what_was_done_are_one(second: SyncRun) -> None:
    (found,) = find_mistakes([FIRST], [second], CHANGES, EQUAL)
    assert found.startswith("erp/items: the source inserted 2, updated 1 and deleted 1 rows, the sync ")


def test_an_entity_that_a_round_left_out_is_one() -> None:
    assert find_mistakes([FIRST], [], CHANGES, EQUAL) == ("erp/items was not synced in the second round",)


def test_a_failed_sync_is_told_by_itself_and_not_again_by_its_counts() -> None:
    failed = replace(SECOND, status="failed", error_message="the source is down", inserted=0)
    assert find_mistakes([FIRST], [failed], CHANGES, EQUAL) == ()


def test_what_no_event_tells_of_is_a_mistake() -> None:
    told = [sync_finished("erp/items", {"run": str(FIRST.uid)}), code_generated("warehouse", None, [])]
    services = ServicesReport((), (), SpecDiff(), ("warehouse",), ("warehouse",), None, ())
    assert list(untold(told, 0, [FIRST], None)) == []
    assert list(untold(told, 2, [FIRST, SECOND], services)) == [
        f"no event tells of the run {SECOND.uid} of erp/items",
        "0 events tell of 2 changes of entities",
        "no openapi_spec_changed tells of warehouse, whose spec changed",
    ]
