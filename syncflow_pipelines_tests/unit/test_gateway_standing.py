"""What checks make of an endpoint's health."""

from datetime import UTC, datetime

import pytest

from syncflow_pipelines.config.gateway import EndpointConfig, HealthConfig
from syncflow_pipelines.gateway.health.probe import health_url
from syncflow_pipelines.gateway.health.rounds import pause_s
from syncflow_pipelines.gateway.health.standing import (
    CheckOutcome,
    EndpointStanding,
    begun,
    judged,
    renewed,
    settled,
)
from syncflow_pipelines.gateway.model import Health, Status
from syncflow_pipelines_tests.server.health_world import registered, switched

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = HealthConfig(unhealthy_threshold=3, healthy_threshold=2)


def after(outcomes: str, health: Health = Health.UNKNOWN) -> EndpointStanding:
    """After checks that ended well (`+`) or not."""
    standing = EndpointStanding(health, NOW)
    for outcome in outcomes:
        error = None if outcome == "+" else "it answered 503"
        standing = judged(standing, CheckOutcome(outcome == "+", datetime.now(UTC), 1.0, error), CONFIG)
    return standing


@pytest.mark.parametrize(
    ("before", "outcomes", "expected"),
    [
        (Health.UNKNOWN, "+", Health.HEALTHY),
        (Health.UNKNOWN, "--", Health.UNKNOWN),
        (Health.UNKNOWN, "---", Health.UNHEALTHY),
        (Health.HEALTHY, "--+--", Health.HEALTHY),
        (Health.HEALTHY, "---", Health.UNHEALTHY),
        (Health.UNHEALTHY, "+-+-+", Health.UNHEALTHY),
        (Health.UNHEALTHY, "++", Health.HEALTHY),
    ],
)
def test_only_so_many_checks_in_a_row_change_the_health(before: Health, outcomes: str, expected: Health) -> None:
    assert after(outcomes, before).health is expected


def test_a_standing_says_since_when_how_often_and_why() -> None:
    failing = after("----", Health.HEALTHY)
    assert (failing.consecutive, failing.last_error) == (4, "it answered 503")
    assert NOW < failing.since < (failing.last_checked_at or NOW)
    assert after("---+").last_error is None


def test_an_endpoint_that_is_switched_off_is_disabled_whatever_a_late_check_says() -> None:
    endpoint = switched(registered("http://x"), Status.INACTIVE)
    standing = renewed(after("+"), endpoint, CONFIG, NOW)
    assert standing == begun(endpoint, NOW)
    assert standing.health is Health.DISABLED
    assert settled(standing, registered("http://x"), CheckOutcome(True, NOW, 1.0), CONFIG) == standing
    assert renewed(standing, registered("http://x"), CONFIG, NOW).health is Health.UNKNOWN


def test_an_endpoint_without_a_path_to_check_is_unknown_however_a_look_at_it_ended() -> None:
    endpoint = registered("http://x", path=None)
    standing = settled(begun(endpoint, NOW), endpoint, CheckOutcome(True, NOW, 3.0), CONFIG)
    assert (standing.health, standing.is_good, standing.latency_ms) == (Health.UNKNOWN, True, 3.0)
    assert renewed(after("+"), endpoint, CONFIG, NOW).health is Health.UNKNOWN


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("https://httpbin.org/get", "/get", "https://httpbin.org/get"),
        ("https://api.example.com/v1", "/health", "https://api.example.com/v1/health"),
        ("https://api.example.com/v1/health", "/health", "https://api.example.com/v1/health"),
        ("https://api.example.com", "health?deep=1", "https://api.example.com/health?deep=1"),
        ("https://api.example.com/v1", None, "https://api.example.com/v1"),
        ("https://api.example.com/v1", "/", "https://api.example.com/v1/"),
    ],
)
def test_what_is_asked_is_the_path_below_the_url_or_its_end(url: str, path: str | None, expected: str) -> None:
    assert health_url(EndpointConfig("x", url, health_check_path=path)) == expected


def test_pauses_between_checks_are_a_tenth_longer_or_shorter() -> None:
    pauses = {pause_s(HealthConfig(interval_s=30)) for _ in range(100)}
    assert len(pauses) > 50
    assert 27 <= min(pauses) < 30 < max(pauses) <= 33
