"""Of the gateway's processes one checks, the others know, and every change is told once."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.gateway import BreakerConfig, GatewayConfig
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.gateway_health import breaker_rows, health_rows
from syncflow_pipelines.events.happenings import ENDPOINT_HEALTH_CHANGED
from syncflow_pipelines.gateway.breaker import Breaker
from syncflow_pipelines.gateway.health import HealthChecks
from syncflow_pipelines.gateway.model import Health, Status
from syncflow_pipelines_tests.postgres.embedded_world import kill_server, settings_of
from syncflow_pipelines_tests.postgres.event_world import published
from syncflow_pipelines_tests.server.health_world import (
    OFTEN,
    Answers,
    checking,
    eventually,
    registered,
    switched,
)
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend

ROOT = Path(__file__).parents[2]


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def health_of(checks: HealthChecks, key: str = "orders@v1") -> str:
    standing = checks.standing(key)
    return standing.health if standing else "not registered"


def told(database: Database) -> list[tuple[str, str | None, str]]:
    """Of every event the endpoint, and its health before and after."""
    events = published(database, ENDPOINT_HEALTH_CHANGED)
    return [(one.subject, one.data["before"], one.data["after"]) for one in events]


def recorded(database: Database) -> dict[str, str]:
    with database.connection() as connection:
        return {f"{row.name}@{row.version}": row.health for row in health_rows(connection)}


def test_one_of_two_processes_checks_and_both_know(settings: Settings, database: Database) -> None:
    async def test() -> None:
        endpoint = registered(backend.url)
        async with checking(settings, endpoint, process="one") as first:
            await eventually(lambda: health_of(first) == "healthy")
            async with checking(settings, endpoint, process="two") as second:
                await eventually(lambda: health_of(second) == "healthy")
                assert (first.checked_by, second.checked_by) == ("this process", "another process")
                answers.statuses["/health"] = 500
                await eventually(lambda: health_of(first) == health_of(second) == "unhealthy")
                await first.stop()
                assert first.checked_by == "nobody"
                answers.statuses["/health"] = 200
                await eventually(lambda: health_of(second) == "healthy")
                assert second.checked_by == "this process"
        expected: list[tuple[str | None, str]] = [(None, "healthy"), ("healthy", "unhealthy"), ("unhealthy", "healthy")]
        assert told(database) == [("orders@v1", *change) for change in expected]

    with RecordingBackend(answers := Answers()) as backend:
        run(test())


def test_checks_on_demand_in_any_process_are_recorded_and_told_once(settings: Settings, database: Database) -> None:
    async def test() -> None:
        endpoint, seldom = registered(backend.url), replace(OFTEN, interval_s=3600.0)
        async with (
            checking(settings, endpoint, config=seldom) as first,
            checking(settings, endpoint, config=seldom, process="two") as second,
        ):
            await eventually(lambda: health_of(first) == health_of(second) == "healthy")
            answers.statuses["/health"] = 500
            await asyncio.gather(*(one.check_now("orders@v1") for one in (first, second) for _ in range(5)))
            assert health_of(second) == "unhealthy"
        standings = [(one.consecutive, one.health) for one in health_rows_of(database)]
        assert standings == [(10, "unhealthy")]
        assert told(database) == [("orders@v1", None, "healthy"), ("orders@v1", "healthy", "unhealthy")]

    with RecordingBackend(answers := Answers()) as backend:
        run(test())


def health_rows_of(database: Database) -> list[Any]:
    with database.connection() as connection:
        return health_rows(connection)


def test_the_tables_hold_what_is_registered_and_nothing_else(settings: Settings, database: Database) -> None:
    async def test() -> None:
        config = GatewayConfig(health=OFTEN)
        one, two = registered(backend.url), registered(backend.url, "parcels", Status.INACTIVE)
        async with checking(settings, one, two) as checks:
            await eventually(lambda: recorded(database) == {"orders@v1": "healthy", "parcels@v1": "disabled"})
            checks.follow([switched(two, Status.ACTIVE)], config)
            await eventually(lambda: recorded(database) == {"parcels@v1": "healthy"})
            checks.follow([two], config)
            await eventually(lambda: recorded(database) == {"parcels@v1": "disabled"})
        assert told(database)[1:] == [("parcels@v1", None, "healthy"), ("parcels@v1", "healthy", "disabled")]

    with RecordingBackend(Answers()) as backend:
        run(test())


def test_what_another_process_has_just_registered_is_not_forgotten(settings: Settings, database: Database) -> None:
    async def test() -> None:
        mine, other = registered(backend.url), registered(backend.url, "parcels")
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(checking(settings, mine))
            await eventually(lambda: first.checked_by == "this process")
            second = await stack.enter_async_context(checking(settings, mine, other, process="two"))
            await eventually(lambda: second.checked_by == "another process")
            with database.connection() as connection:
                connection.execute(
                    "INSERT INTO gateway_endpoints (name, version, origin, said, digest, status, activation, revision)"
                    " VALUES ('parcels', 'v1', 'api', '{}', '', 'active', 1, 1)"
                )
            await second.check_now("parcels@v1")
            first.follow([mine, registered(backend.url, "third")], GatewayConfig(health=OFTEN))
            await eventually(lambda: recorded(database).get("third@v1") == "healthy")
            assert recorded(database)["parcels@v1"] == "healthy"

    with RecordingBackend(Answers()) as backend:
        run(test())


def test_breakers_of_every_process_are_told_and_forgotten_with_it(settings: Settings, database: Database) -> None:
    breaker = Breaker(BreakerConfig(failure_threshold=1))

    def states() -> list[tuple[str, str, str]]:
        with database.connection() as connection:
            return [(row.process, row.name, row.state) for row in breaker_rows(connection)]

    async def test() -> None:
        more: dict[str, Any] = {"breakers": lambda: {"orders@v1": breaker.snapshot()}}
        async with checking(settings, process="one", **more), checking(settings, process="two"):
            await eventually(lambda: states() == [("one", "orders", "closed")])
            permit = breaker.acquire()
            assert permit is not None
            permit.failed()
            await eventually(lambda: states() == [("one", "orders", "open")])
            with database.connection() as connection:
                connection.execute("UPDATE gateway_breakers SET seen_at = now() - interval '2 minutes'")
            assert states() == []
            assert breaker.acquire() is None
            await eventually(lambda: states() == [("one", "orders", "open")])
        assert states() == [], "who ends takes them along"

    run(test())


def test_a_restarted_process_tells_nothing_anew(settings: Settings, database: Database) -> None:
    async def test() -> None:
        for _ in range(2):
            asked = sum(answers.asked.values())
            async with checking(settings, registered(backend.url)) as checks:
                await eventually(lambda: health_of(checks) == "healthy")
                await eventually(lambda: sum(answers.asked.values()) > asked + 3)  # noqa: B023 - asked within the loop
        assert told(database) == [("orders@v1", None, "healthy")]

    with RecordingBackend(answers := Answers()) as backend:
        run(test())


@pytest.mark.slow
def test_a_killed_process_is_succeeded(settings: Settings, database: Database) -> None:
    async def test(child: "subprocess.Popen[bytes]") -> None:
        await eventually(lambda: recorded(database) == {"orders@v1": "healthy"})
        async with checking(settings, registered(backend.url), process="heir") as checks:
            await eventually(lambda: health_of(checks) == "healthy")
            assert checks.checked_by == "another process"
            child.kill()
            await eventually(lambda: checks.checked_by == "this process")
            answers.statuses["/health"] = 500
            await eventually(lambda: health_of(checks) == "unhealthy")
        assert told(database) == [("orders@v1", None, "healthy"), ("orders@v1", "healthy", "unhealthy")]

    with RecordingBackend(answers := Answers()) as backend:
        said = json.dumps({"url": backend.url, "home": str(settings.home), "database_url": settings.database_url})
        command = [sys.executable, "-m", "syncflow_pipelines_tests.postgres.health_child", said]
        with subprocess.Popen(command, cwd=ROOT) as child:
            try:
                run(test(child))
            finally:
                child.kill()


@pytest.mark.slow
def test_without_its_database_a_process_checks_for_itself_until_it_is_back(embedded_home: Path) -> None:
    async def test() -> None:
        settings = settings_of(embedded_home)
        async with checking(settings, registered(backend.url)) as checks:
            await eventually(lambda: health_of(checks) == "healthy")
            answers.statuses["/health"] = 500
            kill_server(embedded_home)  # whoever connects next, starts it again
            await eventually(lambda: health_of(checks) == "unhealthy")
            answers.statuses["/health"] = 200
            await eventually(lambda: health_of(checks) == "healthy")
            assert checks.checked_by == "this process"

    with RecordingBackend(answers := Answers()) as backend:
        run(test())


def test_where_no_database_can_be_reached_a_process_checks_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
        settings = Settings(config_dir=tmp_path, home=tmp_path, database_url=nowhere)
        async with checking(settings, registered(backend.url)) as checks:
            await eventually(lambda: health_of(checks) == "healthy")
            answers.statuses["/health"] = 500
            await asyncio.gather(*(checks.check_now("orders@v1") for _ in range(3)))
            assert health_of(checks) == Health.UNHEALTHY
            standing = checks.standing("orders@v1")
            assert standing is not None
            assert standing.since < datetime.now(UTC)
            tries = [one for one in caplog.records if "checks the gateway's endpoints for itself" in one.message]
            assert 0 < len(tries) < 8, "it does not try without a pause"

    with RecordingBackend(answers := Answers()) as backend:
        run(test())
