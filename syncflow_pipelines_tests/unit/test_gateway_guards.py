"""Limits, the budget of retries, and statistics: what one endpoint may get, and what is counted of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.config.gateway import LimitConfig, RetryConfig
from syncflow_pipelines.gateway.limits import Gate
from syncflow_pipelines.gateway.retries import RetryBudget
from syncflow_pipelines.gateway.statistics import LATENCY_BOUNDS_S, Latencies, Statistics


class Watch:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_more_than_the_places_are_refused_at_once_and_take_nothing(watch: Watch) -> None:
    gate = Gate(LimitConfig(max_concurrent=2), now=watch)
    refusals = [gate.enter() for _ in range(4)]
    assert [refusal and (refusal.reason, refusal.status) for refusal in refusals] == [None, None] + [
        ("concurrency", 503)
    ] * 2
    assert gate.in_flight == 2
    gate.leave()
    assert gate.enter() is None


def test_a_burst_passes_and_then_the_rate_holds(watch: Watch) -> None:
    gate = Gate(LimitConfig(requests_per_second=2, burst=3), now=watch)
    assert [gate.enter() is None for _ in range(4)] == [True, True, True, False]
    refusal = gate.enter()
    assert refusal is not None
    assert refusal.reason == "rate"
    assert refusal.status == 429
    assert refusal.retry_after_s == pytest.approx(0.5)
    watch.time += refusal.retry_after_s
    assert gate.enter() is None
    assert gate.enter() is not None


def test_a_rate_below_one_a_second_lets_one_through(watch: Watch) -> None:
    gate = Gate(LimitConfig(requests_per_second=0.1), now=watch)
    assert gate.enter() is None
    refusal = gate.enter()
    assert refusal is not None
    assert refusal.retry_after_s == pytest.approx(10)


def test_a_full_house_costs_no_token(watch: Watch) -> None:
    gate = Gate(LimitConfig(max_concurrent=1, requests_per_second=1, burst=2), now=watch)
    for expected in (None, "concurrency", "concurrency"):
        refusal = gate.enter()
        assert (refusal and refusal.reason) == expected
    gate.leave()
    assert gate.enter() is None


@given(pauses=st.lists(st.floats(0, 3), max_size=60), rate=st.floats(0.2, 20), burst=st.integers(1, 5))
def test_no_window_holds_more_than_burst_and_rate_allow(pauses: list[float], rate: float, burst: int) -> None:
    watch = Watch()
    gate = Gate(LimitConfig(requests_per_second=rate, burst=burst), now=watch)
    passed = []
    for pause in pauses:
        watch.time += pause
        if gate.enter() is None:
            passed.append(watch.time)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - passed[first]) + 1e-6


def test_retries_are_a_share_of_the_requests_of_ten_seconds(watch: Watch) -> None:
    budget = RetryBudget(RetryConfig(attempts=2, budget_ratio=0.2), now=watch)
    for _ in range(100):
        budget.note_request()
        watch.time += 0.05
    assert sum(budget.may_retry() for _ in range(100)) == 20
    watch.time += 20
    for _ in range(50):
        budget.note_request()
    assert sum(budget.may_retry() for _ in range(100)) == 10


def test_a_quiet_endpoint_may_retry_a_little(watch: Watch) -> None:
    budget = RetryBudget(RetryConfig(attempts=3, budget_ratio=0.1), now=watch)
    budget.note_request()
    assert [budget.may_retry() for _ in range(4)] == [True, True, True, False]
    watch.time += 10
    assert budget.may_retry()


def test_a_budget_of_nothing_allows_nothing(watch: Watch) -> None:
    budget = RetryBudget(RetryConfig(attempts=3, budget_ratio=0), now=watch)
    budget.note_request()
    assert not budget.may_retry()


def test_statistics_add_up(watch: Watch) -> None:
    statistics = Statistics(now=watch)
    for status, seconds, error in ((200, 0.004, None), (200, 0.015, None), (504, 30.0, "no answer"), (0, 0.1, None)):
        statistics.started()
        statistics.ended(status, seconds, error)
    statistics.started()
    statistics.refused("rate")
    statistics.fell_back("cached")
    statistics.retried()
    snapshot = statistics.snapshot()
    assert (snapshot.requests, snapshot.in_flight, snapshot.errors, snapshot.retries) == (5, 1, 1, 1)
    assert snapshot.by_status == {200: 2, 504: 1, 0: 1}
    assert (snapshot.refused, snapshot.fallbacks) == ({"rate": 1}, {"cached": 1})
    assert snapshot.latencies == snapshot.recent
    assert snapshot.latencies.total == 4
    assert snapshot.latencies.sum_s == pytest.approx(30.119)
    assert [(seen.status, seen.error) for seen in snapshot.last_errors] == [(504, "no answer")]


def test_only_the_newest_errors_are_kept(watch: Watch) -> None:
    statistics = Statistics(now=watch)
    for number in range(1000):
        statistics.started()
        statistics.ended(502, 0.1, f"error {number}")
    assert [seen.error for seen in statistics.snapshot().last_errors] == [f"error {999 - each}" for each in range(10)]


def test_what_is_long_ago_is_not_recent(watch: Watch) -> None:
    statistics = Statistics(now=watch)
    statistics.ended(200, 9.0)
    watch.time += 200
    statistics.ended(200, 0.01)
    assert statistics.snapshot().recent.total == 2
    watch.time += 150
    assert statistics.snapshot().recent.total == 1
    watch.time += 1000
    snapshot = statistics.snapshot()
    assert (snapshot.recent.total, snapshot.latencies.total) == (0, 2)
    assert snapshot.recent.quantile_s(0.5) is None


@given(st.lists(st.floats(0.0001, 59), min_size=1, max_size=50))
def test_a_quantile_is_within_its_bucket(seconds: list[float]) -> None:
    statistics = Statistics(now=Watch())
    for each in seconds:
        statistics.ended(200, each)
    median = statistics.snapshot().latencies.quantile_s(0.5)
    true = sorted(seconds)[(len(seconds) - 1) // 2]
    low, high = next((a, b) for a, b in pairwise((0.0, *LATENCY_BOUNDS_S)) if a < true <= b)
    assert median is not None
    assert low <= median <= high


def test_a_quantile_beyond_the_buckets_is_their_last_bound() -> None:
    assert Latencies((0,) * len(LATENCY_BOUNDS_S) + (3,), 300.0).quantile_s(0.99) == LATENCY_BOUNDS_S[-1]
