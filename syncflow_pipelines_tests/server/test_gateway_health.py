"""A process without a database checks endpoints for itself, over real sockets."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from syncflow_pipelines.config.gateway import GatewayConfig
from syncflow_pipelines.gateway.health import HealthChecks
from syncflow_pipelines.gateway.health.rounds import AT_ONCE
from syncflow_pipelines.gateway.model import Health, Origin, Status
from syncflow_pipelines_tests.server.health_world import (
    OFTEN,
    Answers,
    checking,
    eventually,
    registered,
    switched,
)
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend

SELDOM = replace(OFTEN, interval_s=3600.0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def health_of(checks: HealthChecks, key: str = "orders@v1") -> Health:
    standing = checks.standing(key)
    assert standing is not None
    return standing.health


def test_an_endpoint_becomes_unhealthy_and_healthy_again_as_its_answers_do() -> None:
    async def test() -> None:
        async with checking(None, registered(backend.url)) as checks:
            await eventually(lambda: health_of(checks) is Health.HEALTHY)
            answers.statuses["/health"] = 503
            await eventually(lambda: health_of(checks) is Health.UNHEALTHY)
            standing = checks.standing("orders@v1")
            assert standing is not None
            assert standing.last_error == "it answered 503"
            answers.statuses["/health"] = 302  # redirects are good, and not followed
            await eventually(lambda: health_of(checks) is Health.HEALTHY)
            assert answers.asked.keys() == {"/health"}

    with RecordingBackend(answers := Answers()) as backend:
        run(test())


def test_what_is_switched_off_or_has_no_path_is_not_asked() -> None:
    async def test() -> None:
        endpoints = [
            registered(f"{backend.url}/off", "off", Status.INACTIVE),
            registered(f"{backend.url}/disabled", "disabled", Status.DISABLED),
            registered(f"{backend.url}/pathless", "pathless", path=None),
            registered(f"{backend.url}/on", "on"),
        ]
        async with checking(None, *endpoints) as checks:
            await eventually(lambda: answers.asked["/on/health"] > 3)
            assert answers.asked.keys() == {"/on/health"}
            states = [health_of(checks, f"{name}@v1") for name in ("off", "disabled", "pathless")]
            assert states == [Health.DISABLED, Health.DISABLED, Health.UNKNOWN]
            checks.follow(
                [switched(endpoints[3], Status.INACTIVE), switched(endpoints[0], Status.ACTIVE)],
                GatewayConfig(health=OFTEN),
            )
            await eventually(lambda: health_of(checks, "off@v1") is Health.HEALTHY)
            assert health_of(checks, "on@v1") is Health.DISABLED
            checks.follow(endpoints, GatewayConfig(health=replace(OFTEN, enabled=False)))
            assert health_of(checks, "on@v1") is Health.UNKNOWN

    with RecordingBackend(answers := Answers()) as backend:
        run(test())


def test_a_check_on_demand_counts_and_one_of_an_endpoint_without_a_path_asks_for_its_head() -> None:
    async def test() -> None:
        endpoints = [registered(backend.url), registered(f"{backend.url}/base", "bare", path=None)]
        async with checking(None, *endpoints, config=SELDOM) as checks:
            await eventually(lambda: health_of(checks) is Health.HEALTHY)
            answers.statuses = {"/health": 404, "/base": 404}
            standings = [await checks.check_now("orders@v1") for _ in range(3)]
            assert [standing and standing.health for standing in standings] == ["healthy", "healthy", "unhealthy"]
            bare = await checks.check_now("bare@v1")
            assert bare is not None
            assert (bare.health, bare.is_good, answers.methods["HEAD"]) == (Health.UNKNOWN, True, 1)
            assert await checks.check_now("nobody@v1") is None

    with RecordingBackend(answers := Answers()) as backend:
        run(test())


def test_a_disabled_endpoint_can_be_asked_and_stays_disabled() -> None:
    async def test() -> None:
        async with checking(None, registered(backend.url, status=Status.INACTIVE)) as checks:
            standing = await checks.check_now("orders@v1")
            assert standing is not None
            assert (standing.health, standing.is_good) == (Health.DISABLED, True)
            assert checks.standing("orders@v1") != standing

    with RecordingBackend(Answers()) as backend:
        run(test())


def test_endpoints_that_do_not_answer_do_not_delay_the_others() -> None:
    async def test() -> None:
        broken = [registered(f"{backend.url}/broken{i}", f"broken{i}") for i in range(2 * AT_ONCE)]
        good = registered(f"{backend.url}/good", "good")
        async with checking(None, *broken, config=replace(OFTEN, timeout_s=0.2)) as checks:
            # each of them is known to be broken by then
            await eventually(lambda: all(checks.standings()[one.config.key].is_good is False for one in broken))
            answers.statuses["/good/health"] = 200
            checks.follow([*broken, good], GatewayConfig(health=replace(OFTEN, timeout_s=30.0)))
            await eventually(lambda: answers.asked["/good/health"] > 5)
            standing = checks.standing("broken0@v1")
            assert standing is not None
            assert standing.last_error == "no answer within 0.2 s"

    answers = Answers()
    answers.silent = {f"/broken{i}/health" for i in range(2 * AT_ONCE)}
    with RecordingBackend(answers) as backend:
        run(test())


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:9", "cannot connect (Connection refused)"),
        ("http://nobody.invalid", "its name cannot be resolved"),
        ("{}", "no answer that can be read"),
    ],
)
def test_why_a_check_failed_is_said_in_words(url: str, error: str) -> None:
    async def test() -> None:
        endpoint = registered(url.format(backend.url))
        async with checking(None, endpoint, config=replace(SELDOM, enabled=False, timeout_s=5)) as checks:
            standing = await checks.check_now("orders@v1")
            assert standing is not None
            assert standing.last_error is not None
            assert standing.last_error.startswith(error), standing

    with RecordingBackend(b"no HTTP at all") as backend:
        run(test())


def test_addresses_that_the_gateway_must_not_connect_to_are_not_asked() -> None:
    async def test() -> None:
        url = backend.url.replace("127.0.0.1", "localhost")
        async with checking(None, registered(url, origin=Origin.API)) as checks:
            await eventually(lambda: health_of(checks) is Health.UNHEALTHY)
            assert not backend.arrivals
            standing = checks.standing("orders@v1")
            assert standing is not None
            assert "localhost" in (standing.last_error or "")

    with RecordingBackend(Answers()) as backend:
        run(test())
