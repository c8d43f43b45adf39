"""Answers that are torn, late, refused or no answers: what passes is overcome, what stays changes nothing."""

from dataclasses import replace

import pytest

from syncflow_pipelines_tests.misbehaving import faults
from syncflow_pipelines_tests.misbehaving.faults import Fault
from syncflow_pipelines_tests.misbehaving.source import Asked
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, hostile, values
from syncflow_pipelines_tests.server.raw_server import head, then_close
from syncflow_pipelines_tests.unit.moving_source import Row, filled

__all__ = ["hostile"]

FAULTS: dict[str, Fault] = {
    "500": faults.refusal(500),
    "502 html": faults.refusal(502, {"Content-Type": "text/html"}, b"<html>Bad Gateway</html>"),
    "503": faults.refusal(503),
    "504": faults.refusal(504),
    "429": faults.refusal(429),
    "429 torn": lambda body: then_close(head(429, {"Content-Length": "900"}) + b"{"),
    "torn": faults.torn,
    "cut json": faults.cut_json,
    "length too long": faults.length_too_long,
    "length too short": faults.length_too_short,
    "length of garbage": faults.length_of_garbage,
    "torn chunks": faults.torn_chunks,
    "wild chunks": faults.wild_chunks,
    "torn gzip": faults.torn_gzip,
    "damaged gzip": faults.damaged_gzip,
    "no gzip at all": faults.no_gzip_at_all,
    "html": faults.instead(b"<html><body>Please sign in</body></html>"),
    "json, but no page": faults.instead(b'{"detail": "maintenance"}', "application/json"),
    "json null": faults.instead(b"null", "application/json"),
    "nothing": faults.instead(b"", "application/json"),
    "closed": faults.closed,
    "reset": faults.reset,
}

STAYING = {name: FAULTS[name] for name in ("500", "429", "torn", "torn gzip", "html", "closed")}


@pytest.fixture(params=["rowversion", "hash"])
def synced(request: pytest.FixtureRequest, hostile: HostileWorld) -> HostileWorld:
    """Twenty rows in pages of four, synced once, then changed: one row more, one less, one other."""
    rows = hostile.offer(filled([1] * 20), request.param, page_size=4)
    assert hostile.sync().counts.inserted == 20
    first, second = sorted(rows.rows)[:2]
    rows.rows[first] = Row(30, "changed")
    rows.rows[second] = Row(31, "", deleted=True)
    rows.rows.update({900_000 + n: Row(40 + n, "new") for n in range(9)})
    hostile.source.log.clear()
    return hostile


class OnPageTwo:
    """The fault instead of the second page that is asked for, the first times."""

    def __init__(self, fault: Fault, times: int) -> None:
        self.fault, self.times = fault, times
        self.second: tuple[int, str | None] | None = None
        self.first: tuple[int, str | None] | None = None

    def __call__(self, asked: Asked) -> Fault | None:
        place = (asked.page, asked.above)
        self.first = self.first or place
        if place != self.first:
            self.second = self.second or place
        if place != self.second or not self.times:
            return None
        self.times -= 1
        return self.fault


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_passes_is_overcome_and_no_row_is_lost(synced: HostileWorld, fault: Fault) -> None:
    synced.source.plan = OnPageTwo(fault, times=2)
    outcome = synced.sync()
    assert outcome.error is None
    assert (outcome.counts.inserted, outcome.counts.updated, outcome.counts.deleted) == (9, 1, 1)
    assert synced.live() == values(synced.source.offers["items"].rows)


@pytest.mark.parametrize("fault", STAYING.values(), ids=STAYING.keys())
def test_what_stays_fails_the_sync_in_one_sentence_and_changes_nothing(synced: HostileWorld, fault: Fault) -> None:
    before, cursor = synced.written(), synced.entity().last_rowversion
    synced.source.plan = OnPageTwo(fault, times=99)
    outcome = synced.sync()
    assert (outcome.status, outcome.error_type) in [("failed", "SourceUnreachable"), ("failed", "SourceProtocolError")]
    assert "/api/v1/data/items?page=" in str(outcome.error)
    assert "\n" not in str(outcome.error)
    assert (synced.written(), synced.entity().last_rowversion) == (before, cursor)
    synced.source.plan = lambda asked: None
    assert synced.sync().error is None
    assert synced.live() == values(synced.source.offers["items"].rows)


@pytest.mark.parametrize("form", [faults.in_chunks, faults.zipped])
def test_chunks_and_gzip_are_no_fault(synced: HostileWorld, form: Fault) -> None:
    synced.source.plan = lambda asked: form
    assert synced.sync().error is None
    assert synced.live() == values(synced.source.offers["items"].rows)


def test_a_source_that_falls_silent_is_given_up_and_asked_again(hostile: HostileWorld) -> None:
    rows = hostile.offer(filled([1] * 9), "hash", page_size=4)
    hostile.connector = replace(hostile.connector, timeout_s=1)
    hostile.source.plan = OnPageTwo(faults.silent, times=1)
    assert hostile.sync().error is None
    assert hostile.live() == values(rows)


def test_a_source_that_stays_silent_fails_the_sync(hostile: HostileWorld) -> None:
    hostile.offer(filled([1] * 9), "hash", page_size=4, concurrency=1)
    hostile.connector = replace(hostile.connector, timeout_s=1)
    hostile.source.plan = OnPageTwo(faults.silent, times=99)
    outcome = hostile.sync()
    assert (outcome.status, outcome.error_type) == ("failed", "SourceUnreachable")
    assert "page=2" in str(outcome.error)
    assert "within 1 s" in str(outcome.error)
    assert hostile.live() == {}
