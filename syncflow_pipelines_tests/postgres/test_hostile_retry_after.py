"""How long a sync waits where the source says so, in all the ways in which sources say it."""

import pytest

from syncflow_pipelines_tests.misbehaving.faults import refusal
from syncflow_pipelines_tests.misbehaving.world import HostileWorld, hostile, values
from syncflow_pipelines_tests.unit.moving_source import filled

__all__ = ["hostile"]

NOON = {"Date": "Sun, 01 Mar 2026 12:00:00 GMT"}
BACKOFF_S = (0.0, 1.0)


@pytest.mark.parametrize(
    ("headers", "status", "between_s"),
    [
        ({"Retry-After": "7"}, 429, (7, 8)),
        ({"Retry-After": "7.5"}, 429, (7.5, 8.5)),
        ({"Retry-After": "7"}, 503, (7, 8)),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT", **NOON}, 429, (30, 32)),
        ({"Retry-After": "Sunday, 01-Mar-26 12:00:30 GMT", **NOON}, 503, (30, 32)),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT", **NOON}, 429, BACKOFF_S),
        ({"Retry-After": "0"}, 429, BACKOFF_S),
        ({"Retry-After": "-3600"}, 429, BACKOFF_S),
        ({"Retry-After": "soon"}, 429, BACKOFF_S),
        ({"Retry-After": ""}, 429, BACKOFF_S),
        ({"Retry-After": "Thu, 99 Foo 99999 99:99:99 GMT"}, 429, BACKOFF_S),
        ({"Retry-After": "1e9"}, 429, BACKOFF_S),
        ({}, 429, BACKOFF_S),
    ],
)
def test_a_wait_that_the_source_asks_for_is_waited_and_no_row_is_lost(
    hostile: HostileWorld, headers: dict[str, str], status: int, between_s: tuple[float, float]
) -> None:
    rows = hostile.offer(filled([1] * 9), "hash", page_size=4)
    times = iter([refusal(status, headers)])
    hostile.source.plan = lambda asked: next(times, None) if asked.page == 2 else None
    assert hostile.sync().error is None
    assert hostile.live() == values(rows)
    assert between_s[0] <= hostile.clock.slept_s <= between_s[1]


@pytest.mark.parametrize(
    "asked", ["3600", "99999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 01 Mar 2026 13:00:00 GMT"]
)
def test_a_longer_wait_than_allowed_fails_the_sync_at_once(hostile: HostileWorld, asked: str) -> None:
    hostile.offer(filled([1] * 9), "hash", page_size=4)
    hostile.source.plan = lambda found: refusal(429, {"Retry-After": asked, **NOON}) if found.page == 2 else None
    outcome = hostile.sync()
    assert (outcome.status, outcome.error_type) == ("failed", "SourceUnreachable")
    assert "max_retry_after_s allows 120 s" in str(outcome.error)
    assert hostile.clock.slept_s == 0
    assert hostile.live() == {}


def test_a_source_that_always_asks_to_wait_is_given_up_in_the_end(hostile: HostileWorld) -> None:
    hostile.offer(filled([1] * 9), "hash", page_size=4)
    hostile.source.plan = lambda asked: refusal(429, {"Retry-After": "60"})
    outcome = hostile.sync()
    assert (outcome.status, outcome.error_type) == ("failed", "SourceUnreachable")
    assert len(hostile.source.log) == 11
