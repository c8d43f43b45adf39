"""Which versions of a spec are accepted by themselves, and what waits for somebody."""

from datetime import UTC, datetime

import orjson
import pytest

from syncflow_pipelines.config import OperationRule, ServiceConfig
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.spec_verdicts import decide
from syncflow_pipelines.database.specs import SpecContent, SpecRecord, record_spec
from syncflow_pipelines.openapi.acceptance import CONFIGURED, acknowledge, judge
from syncflow_pipelines.openapi.history import UnknownVersion, kept_versions, pick, spec_of
from syncflow_pipelines.openapi.inner_form import dump_spec
from syncflow_pipelines.openapi.normalising import normalise

SERVICE = ServiceConfig("pets", "http://127.0.0.1:9", ("/openapi.json",), ("mcp",))


def publish(database: Database, *operations: str, keep: int = 50, is_old_form: bool = False) -> str:
    """Records a version with these operations; its contract."""
    answers = {"responses": {"200": {"description": "Well"}}}
    paths = {f"/{name}": {"get": {"operationId": name, **answers}} for name in operations}
    document = {"openapi": "3.1.0", "info": {"title": "Pets", "version": "1"}, "paths": paths}
    spec = normalise(document)
    now = datetime.now(UTC)
    record = SpecRecord(SERVICE.name, spec.checksum, spec.contract, changed_at=now, operations=len(operations))
    form = b"{}" if is_old_form else dump_spec(spec)
    with database.connection() as connection:
        record_spec(connection, record, SpecContent(form, orjson.dumps(document)), keep)
    return spec.contract


def test_the_first_version_is_accepted_and_so_is_what_breaks_nothing(database: Database) -> None:
    publish(database, "list", "find")
    first = judge(database, SERVICE)
    assert (first.is_accepted, first.diff.is_empty, first.verdict.decided_by) == (True, True, None)
    publish(database, "list", "find", "count")
    second = judge(database, SERVICE)
    assert (second.is_accepted, second.before.id) == (True, first.current.id)
    assert [change.rule for change in second.diff.changes] == ["operation-added"]


def test_what_follows_a_breaking_change_waits_with_it_until_it_breaks_nothing_any_more(database: Database) -> None:
    publish(database, "list", "find")
    accepted = judge(database, SERVICE).current
    publish(database, "list")
    publish(database, "list", "count")
    waiting = judge(database, SERVICE)
    assert (waiting.is_accepted, waiting.baseline) == (False, accepted)
    assert {change.rule for change in waiting.diff.changes} == {"operation-removed", "operation-added"}
    publish(database, "list", "find", "count")
    healed = judge(database, SERVICE)
    assert (healed.is_accepted, healed.diff.is_breaking) == (True, False)


def test_versions_that_nobody_looked_at_are_judged_in_their_order(database: Database) -> None:
    for operations in (["list"], ["list", "find"], ["list"]):
        publish(database, *operations)
    standing = judge(database, SERVICE)
    assert not standing.is_accepted, "those who have begun to use `find` are broken"
    assert [change.rule for change in standing.diff.changes] == ["operation-removed"]


def test_a_breaking_change_that_somebody_accepted_is_the_new_measure(database: Database) -> None:
    publish(database, "list", "find")
    publish(database, "list")
    standing = acknowledge(database, SERVICE, "somebody", "it was never used")
    assert (standing.is_accepted, standing.diff.is_breaking) == (True, True)
    assert (standing.verdict.decided_by, standing.verdict.note) == ("somebody", "it was never used")
    assert judge(database, SERVICE).verdict == standing.verdict
    publish(database, "list", "count")
    assert judge(database, SERVICE).is_accepted


def test_an_acceptance_outlives_a_comparison_that_was_under_way(database: Database) -> None:
    publish(database, "list", "find")
    publish(database, "list")
    accepted = acknowledge(database, SERVICE, "somebody")
    with database.connection() as connection:
        decide(connection, accepted.current, is_accepted=False)
    assert judge(database, SERVICE).verdict == accepted.verdict


def test_the_configuration_accepts_by_the_contract_also_what_was_refused_before(database: Database) -> None:
    publish(database, "list", "find")
    contract = publish(database, "list")
    assert not judge(database, SERVICE).is_accepted
    standing = judge(database, SERVICE, {"pets": (contract,)})
    assert (standing.is_accepted, standing.verdict.decided_by) == (True, CONFIGURED)


def test_operations_that_are_left_out_break_nobody(database: Database) -> None:
    publish(database, "list", "find")
    publish(database, "list")
    lists = ServiceConfig(
        "pets", "http://127.0.0.1:9", ("/openapi.json",), ("mcp",), exclude=(OperationRule(paths=("/find",)),)
    )
    assert judge(database, lists).is_accepted


def test_where_the_accepted_version_is_forgotten_the_oldest_one_stands_for_it(database: Database) -> None:
    publish(database, "list", "find")
    judge(database, SERVICE)
    publish(database, "list", keep=1)
    standing = judge(database, SERVICE)
    assert (standing.is_accepted, standing.before) == (True, standing.current)


def test_a_version_is_named_by_its_number_or_the_beginning_of_its_checksum(database: Database) -> None:
    publish(database, "list")
    publish(database, "list", "find")
    new, old = kept_versions(database, "pets")
    assert pick([new, old], str(old.id)) == old
    assert pick([new, old], old.checksum[:8]) == old
    for wrong in ("0", "", "ffffffffffff", old.checksum[:3]):
        with pytest.raises(UnknownVersion, match="syncflow specs status pets"):
            pick([new, old], wrong)
    with pytest.raises(UnknownVersion, match="syncflow specs fetch crm"):
        kept_versions(database, "crm")


def test_a_version_that_another_syncflow_wrote_is_made_of_its_document_again(database: Database) -> None:
    publish(database, "list", "find", is_old_form=True)
    (version,) = kept_versions(database, "pets")
    assert [operation.id for operation in spec_of(database, version).operations] == ["find", "list"]
