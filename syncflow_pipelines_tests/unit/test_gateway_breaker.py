"""The circuit breaker, against a model that remembers everything that ever happened to it."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncflow_pipelines.config.gateway import BreakerConfig, TimeoutConfig
from syncflow_pipelines.gateway.breaker import Breaker, Permit, probe_timeout_of

PROBE_TIMEOUT_S = 30.0


class Watch:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Issued:
    permit: Permit
    episode: int
    at: float
    result: bool | None = None
    """Of the first word on it."""
    is_out: bool = True


class AnyHistory(RuleBasedStateMachine):
    """Requests begin, end in any order and in any state, give up, or never return, while time goes on."""

    @initialize(threshold=st.integers(1, 4), calls=st.integers(1, 4), reset=st.sampled_from([0.0, 5.0, 60.0]))
    def begin(self, threshold: int, calls: int, reset: float) -> None:
        self.config = BreakerConfig(failure_threshold=threshold, reset_timeout_s=reset, half_open_max_calls=calls)
        self.watch = Watch()
        self.changes: list[tuple[str, str]] = []
        self.breaker = Breaker(
            self.config,
            now=self.watch,
            probe_timeout_s=PROBE_TIMEOUT_S,
            on_change=lambda old, new: self.changes.append((old, new)),
        )
        self.issued: list[Issued] = []
        self.state, self.episode, self.began_at, self.failures = "closed", 0, self.watch.time, 0

    def enter(self, state: str) -> None:
        self.state, self.episode, self.began_at = state, self.episode + 1, self.watch.time

    def of_this_episode(self) -> list[Issued]:
        return [each for each in self.issued if each.episode == self.episode]

    def places_taken(self) -> int:
        return sum(each.is_out or each.result is True for each in self.of_this_episode())

    def expected(self) -> bool:
        if self.state == "open" and self.watch.time >= self.began_at + self.config.reset_timeout_s:
            self.enter("half_open")
        if self.state == "half_open":
            if any(each.is_out and self.watch.time > each.at + PROBE_TIMEOUT_S for each in self.of_this_episode()):
                self.enter("open")
            else:
                return self.places_taken() < self.config.half_open_max_calls
        return self.state == "closed"

    @rule()
    def a_request_comes(self) -> None:
        expected = self.expected()
        permit = self.breaker.acquire()
        assert (permit is not None) == expected
        if permit is not None:
            self.issued.append(Issued(permit, self.episode, self.watch.time))

    @precondition(lambda self: self.issued)
    @rule(which=st.integers(0, 30), result=st.sampled_from([True, False, None]))
    def one_ends(self, which: int, result: bool | None) -> None:
        issued = self.issued[-1 - which % len(self.issued)]
        word = {True: issued.permit.succeeded, False: issued.permit.failed, None: issued.permit.released}[result]
        word()
        if issued.is_out:
            issued.is_out, issued.result = False, result
            if issued.episode == self.episode:
                self.note(result)

    def note(self, result: bool | None) -> None:
        if self.state == "half_open":
            if result is False:
                self.enter("open")
            elif sum(each.result is True for each in self.of_this_episode()) == self.config.half_open_max_calls:
                self.failures = 0
                self.enter("closed")
        elif result is not None:
            self.failures = 0 if result else self.failures + 1
            if self.failures == self.config.failure_threshold:
                self.enter("open")

    @rule(seconds=st.sampled_from([0.5, 4.5, 5.0, 29.0, 31.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.watch.time += seconds

    @invariant()
    def it_stands_as_the_model_does(self) -> None:
        snapshot = self.breaker.snapshot()
        assert self.breaker.state == snapshot.state == self.state
        assert len(self.changes) == self.episode
        assert (snapshot.opened_at is None) == (self.state == "closed")
        if self.state == "closed":
            assert snapshot.consecutive_failures == self.failures < self.config.failure_threshold
        if self.state == "half_open":
            assert self.places_taken() <= self.config.half_open_max_calls
            assert snapshot.probes_out == sum(each.is_out for each in self.of_this_episode())
        if self.state == "open":
            assert snapshot.retry_after_s == max(0.0, self.began_at + self.config.reset_timeout_s - self.watch.time)


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=150, stateful_step_count=40)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def breaker(watch: Watch, threshold: int = 3, calls: int = 2) -> Breaker:
    return Breaker(
        BreakerConfig(failure_threshold=threshold, reset_timeout_s=10, half_open_max_calls=calls),
        now=watch,
        probe_timeout_s=PROBE_TIMEOUT_S,
    )


def fail(guarded: Breaker, times: int) -> None:
    for _ in range(times):
        permit = guarded.acquire()
        assert permit is not None
        permit.failed()


def test_it_opens_after_exactly_its_threshold_and_lets_exactly_its_probes_through(watch: Watch) -> None:
    guarded = breaker(watch)
    fail(guarded, 2)
    assert guarded.snapshot().state == "closed"
    fail(guarded, 1)
    assert guarded.snapshot().state == "open"
    assert guarded.acquire() is None
    assert guarded.retry_after_s == 10
    watch.time += 10
    assert [guarded.acquire() is not None for _ in range(5)] == [True, True, False, False, False]


def test_a_success_in_between_begins_the_count_anew(watch: Watch) -> None:
    guarded = breaker(watch)
    fail(guarded, 2)
    permit = guarded.acquire()
    assert permit is not None
    permit.succeeded()
    fail(guarded, 2)
    assert guarded.snapshot().state == "closed"


def test_a_late_answer_of_an_older_state_changes_nothing(watch: Watch) -> None:
    guarded = breaker(watch)
    late = [guarded.acquire() for _ in range(4)]
    fail(guarded, 3)
    watch.time += 10
    probe = guarded.acquire()
    for permit in late:
        assert permit is not None
        permit.failed()
    assert probe is not None
    assert guarded.snapshot().state == "half_open"


def test_a_probe_that_gives_up_makes_room_for_another(watch: Watch) -> None:
    guarded = breaker(watch, calls=1)
    fail(guarded, 3)
    watch.time += 10
    probe = guarded.acquire()
    assert probe is not None
    assert guarded.acquire() is None
    probe.released()
    again = guarded.acquire()
    assert again is not None
    again.succeeded()
    assert guarded.snapshot().state == "closed"


def test_a_probe_that_never_returns_counts_as_failed_after_its_time(watch: Watch) -> None:
    guarded = breaker(watch, calls=1)
    fail(guarded, 3)
    watch.time += 10
    lost = guarded.acquire()
    watch.time += PROBE_TIMEOUT_S + 1
    assert guarded.acquire() is None
    assert guarded.snapshot().state == "open"
    watch.time += 10
    assert lost is not None
    assert guarded.acquire() is not None


@pytest.mark.parametrize(
    ("timeouts", "seconds"),
    [
        (TimeoutConfig(connect_s=5, read_s=30), 35),
        (TimeoutConfig(connect_s=5, read_s=30, total_s=12), 12),
        (TimeoutConfig(read_s=None), 300),
    ],
)
def test_a_probe_has_the_time_that_a_request_has(timeouts: TimeoutConfig, seconds: float) -> None:
    assert probe_timeout_of(timeouts) == seconds
