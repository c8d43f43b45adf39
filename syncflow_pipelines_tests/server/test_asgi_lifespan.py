"""A sync beside an application's own lifespan: order, state, errors, patience, and an end that hangs on nothing."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from syncflow_pipelines import auto_sync_lifespan
from syncflow_pipelines_tests.server.asgi_project import PATIENCE_S, AsgiProject, Bus, Life, lived, until
from syncflow_pipelines_tests.server.raw_server import hang
from syncflow_pipelines_tests.server.spec_host import SPEC, SpecHost, document, json_of


@pytest.fixture
def project(tmp_path: Path) -> AsgiProject:
    return AsgiProject(tmp_path / "app")


def app_of(project: AsgiProject, lifespan: Any = None, **options: Any) -> Starlette:
    return Starlette(lifespan=auto_sync_lifespan(lifespan, settings=project.settings, **options))


async def nothing(_: Life) -> None:
    """What a test does while the application lives that is about its start and end alone."""


async def report_of(app: Any) -> dict[str, Any]:
    await until(lambda: hasattr(app.state, "auto_sync"))
    report: dict[str, Any] = app.state.auto_sync
    return report


def wait_until(holds: Callable[[], object]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def wait_for_threads_to_end() -> None:
    """What works in them has ended by then; they themselves are gone a moment later."""
    wait_until(lambda: not any(thread.name.startswith("syncflow-") for thread in threading.enumerate()))


def test_the_own_lifespan_starts_first_ends_last_and_its_state_is_passed_on(project: AsgiProject) -> None:
    order: list[str] = []

    @asynccontextmanager
    async def own(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        app.state.event_bus = Bus()
        order.append("own started")
        yield {"pool": "the pool"}
        order.append(f"own ended, {app.state.auto_sync['changed_services']}")

    async def work(life: Life) -> None:
        order.append("serves")
        assert life.state == {"pool": "the pool"}
        assert app.state.event_bus.services == ["crm"]

    with SpecHost() as host:
        project.add("crm", host.url)
        app = app_of(project, own)
        lived(app, work)
    assert order == ["own started", "serves", "own ended, ['crm']"]


def test_the_manager_of_the_applications_state_is_told(project: AsgiProject) -> None:
    registered: list[str] = []

    class Manager:
        def register_service(self, name: str, base_url: str, spec_file: Path) -> None:
            registered.append(name)

    with SpecHost() as host:
        project.add("crm", host.url)
        app = app_of(project)
        app.state.gateway_endpoint_manager = Manager()
        lived(app, nothing)
    assert registered == ["crm"]


def test_an_application_of_fastapi_without_a_lifespan_of_its_own_serves_its_own_document(project: AsgiProject) -> None:
    project.add("shop", "http://127.0.0.1:9")
    app = FastAPI(lifespan=auto_sync_lifespan(own_service="shop", settings=project.settings))
    assert lived(app, lambda _: report_of(app))["changed_services"] == ["shop"]


def test_middleware_finds_the_state_of_the_own_lifespan_when_the_document_is_asked_for(project: AsgiProject) -> None:
    @asynccontextmanager
    async def own(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"pool": "the pool"}

    project.add("shop", "http://127.0.0.1:9")
    app = FastAPI(lifespan=auto_sync_lifespan(own, own_service="shop", settings=project.settings))

    @app.middleware("http")
    async def using_the_pool(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        assert request.state.pool == "the pool"
        return await call_next(request)

    report = lived(app, lambda _: report_of(app))
    assert (report["errors"], report["changed_services"]) == ([], ["shop"])


def test_a_lifespan_that_is_a_plain_generator_will_do(project: AsgiProject) -> None:
    async def own(_: Starlette) -> AsyncIterator[dict[str, int]]:
        yield {"one": 1}

    async def work(life: Life) -> dict[str, Any]:
        return life.state

    assert lived(app_of(project, own), work) == {"one": 1}


def test_an_error_of_the_own_lifespan_at_the_start_goes_through_and_nothing_is_synced(project: AsgiProject) -> None:
    @asynccontextmanager
    async def own(_: Starlette) -> AsyncIterator[None]:
        for missing in ["database"]:
            raise LookupError(f"no {missing} for the shop")
        yield

    app = app_of(project, own)
    with pytest.raises(RuntimeError, match="no database for the shop"):
        lived(app, nothing)
    assert not hasattr(app.state, "auto_sync")


def test_an_error_of_the_own_lifespan_at_the_end_goes_through(project: AsgiProject) -> None:
    @asynccontextmanager
    async def own(_: Starlette) -> AsyncIterator[None]:
        yield
        raise LookupError("the pool was closed already")

    with pytest.raises(RuntimeError, match="the pool was closed already"):
        lived(app_of(project, own), nothing)


def test_a_sync_that_fails_keeps_no_application_from_starting(project: AsgiProject) -> None:
    project.write("no_such_setting: 1")
    app = app_of(project)
    assert not lived(app, lambda _: report_of(app))["success"]


def test_a_service_that_hangs_delays_the_start_no_longer_than_said_and_the_end_not_at_all(project: AsgiProject) -> None:
    async def work(_: Life) -> None:
        await until(lambda: host.requests)
        assert not hasattr(app.state, "auto_sync")

    with SpecHost({"/openapi.json": hang}) as host:
        project.add("crm", host.url, "timeout_s: 3600")
        app = app_of(project, startup_timeout_s=0.05)
        lived(app, work)
        wait_for_threads_to_end()


def test_a_sync_that_takes_longer_goes_on_beside_the_application(project: AsgiProject) -> None:
    may_answer = threading.Event()

    def answer(_: Any, peer: Any) -> None:
        may_answer.wait(60)
        peer.send(SPEC)

    async def work(_: Life) -> dict[str, Any]:
        assert not hasattr(app.state, "auto_sync")
        may_answer.set()
        return await report_of(app)

    with SpecHost({"/openapi.json": answer}) as host:
        project.add("crm", host.url)
        app = app_of(project, startup_timeout_s=0.05)
        assert lived(app, work)["changed_services"] == ["crm"]


def test_the_event_loop_goes_on_while_specs_are_fetched_and_code_is_generated(project: AsgiProject) -> None:
    ticks = {"fetching": 0, "generating": 0}
    spec, module = project.folder / "specs" / "crm-openapi.json", project.folder / "generated" / "crm_mcp.py"

    async def tick() -> None:
        while not module.exists():
            ticks["generating" if spec.exists() else "fetching"] += 1
            await asyncio.sleep(0.001)

    @asynccontextmanager
    async def own(_: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(tick())
        yield
        await ticking

    def answer(_: Any, peer: Any) -> None:
        """Answers once the loop has turned, which it would never do if it waited for the answer."""
        wait_until(lambda: ticks["fetching"] > 20)
        peer.send(SPEC)

    with SpecHost({"/openapi.json": answer}) as host:
        project.add("crm", host.url, components="[mcp]")
        app = app_of(project, own, startup_timeout_s=600)
        lived(app, nothing)
    assert app.state.auto_sync["success"], app.state.auto_sync
    assert ticks["generating"] > 20


def test_a_generation_under_way_is_given_up_with_the_application(project: AsgiProject) -> None:
    async def work(_: Life) -> None:
        await until((project.folder / "generated").exists)

    with SpecHost() as host:
        project.add("crm", host.url, components="[rest, mcp]")
        app = app_of(project, startup_timeout_s=0.01)
        lived(app, work)
    wait_for_threads_to_end()
    assert not list((project.folder / "generated").glob("*_mcp.py")) or hasattr(app.state, "auto_sync")


def test_watch_mode_follows_services_until_the_application_ends(project: AsgiProject) -> None:
    bus = Bus()

    async def work(_: Life) -> None:
        await until(lambda: bus.services == ["crm"])
        host.routes["/openapi.json"] = json_of(document(servers=[{"url": "/v2"}]))
        await until(lambda: bus.services == ["crm", "crm"])
        project.write("watch_mode: true", "watch_interval: 1", "enable_event_bus: false")
        host.routes["/openapi.json"] = json_of(document(servers=[{"url": "/v3"}]))
        await until(lambda: "/v3" in (project.folder / "specs" / "crm-openapi.json").read_text())

    with SpecHost() as host:
        project.add("crm", host.url)
        project.write("watch_mode: true", "watch_interval: 1")
        lived(app_of(project, event_bus=bus), work)
        asked = len(host.requests)
        wait_for_threads_to_end()
        assert len(host.requests) == asked
    assert bus.services == ["crm", "crm"]


def test_watch_mode_follows_files_and_the_configuration_without_waiting_for_the_interval(project: AsgiProject) -> None:
    bus = Bus()

    async def work(_: Life) -> None:
        await until(lambda: bus.services == ["crm"])
        (project.folder / "openapi.json").write_text(json.dumps(document(servers=[{"url": "/v2"}])))
        await until(lambda: bus.services == ["crm", "crm"])
        project.add("erp", "http://127.0.0.1:9", "openapi_path: erp.json")
        project.write("watch_mode: true", "watch_interval: 3600", "debounce_ms: 50")
        await until(lambda: bus.services == ["crm", "crm", "erp"])

    for name in ("openapi", "erp"):
        (project.folder / f"{name}.json").write_text(json.dumps(document()))
    project.add("crm", "http://127.0.0.1:9", "openapi_path: openapi.json")
    project.write("watch_mode: true", "watch_interval: 3600", "debounce_ms: 50")
    lived(app_of(project, event_bus=bus), work)
    wait_for_threads_to_end()


def test_of_a_file_that_changed_its_service_alone_is_looked_at_and_what_is_known_of_others_stands(
    project: AsgiProject,
) -> None:
    file, bus = project.folder / "openapi.json", Bus()

    async def work(_: Life) -> None:
        # each endpoint at the start, and once more, since it may have changed before it was followed
        await until(lambda: len(host.requests) == 4)
        asked = len(host.requests)
        for number in (2, 3):
            file.write_text(json.dumps(document(servers=[{"url": f"/v{number}"}])))
            await until(lambda number=number: bus.services == ["crm", "erp"] + ["crm"] * (number - 1))  # type: ignore[misc]
        await until(lambda: app.state.auto_sync["changed_services"] == ["crm"])
        assert {one["service"] for one in app.state.auto_sync["fetched_specs"]} == {"crm", "erp"}
        (error,) = app.state.auto_sync["errors"]
        assert error.startswith("down")
        assert len(host.requests) == asked

    file.write_text(json.dumps(document()))
    with SpecHost() as host:
        project.add("crm", "http://127.0.0.1:9", "openapi_path: openapi.json")
        project.add("erp", host.url)
        project.add("down", host.url, "openapi_path: /nothing.json")
        project.write("watch_mode: true", "watch_interval: 3600", "debounce_ms: 50")
        app = app_of(project, event_bus=bus)
        lived(app, work)


def test_switches_of_a_flag_and_of_watch_mode_are_seen_without_waiting_for_the_interval(
    project: AsgiProject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file, bus = project.folder / "openapi.json", Bus()
    quick = ("watch_interval: 3600", "debounce_ms: 50")

    async def work(_: Life) -> None:
        await until(lambda: bus.services == ["crm"])
        file.write_text(json.dumps(document(servers=[{"url": "/v2"}])))
        project.write("watch_mode: true", *quick)
        await until(lambda: bus.services == ["crm"] * 2)
        project.flags("{auto_sync: false}")
        await until(lambda: app.state.auto_sync["skipped"])
        file.write_text(json.dumps(document(servers=[{"url": "/v3"}])))
        project.flags("{auto_sync: true}")
        await until(lambda: bus.services == ["crm"] * 3)
        project.write("watch_mode: false", *quick)
        await until(lambda: "services are followed no more" in caplog.text)
        file.write_text(json.dumps(document(servers=[{"url": "/v4"}])))
        assert bus.services == ["crm"] * 3
        project.write("watch_mode: true", *quick)
        await until(lambda: bus.services == ["crm"] * 4)

    file.write_text(json.dumps(document()))
    project.add("crm", "http://127.0.0.1:9", "openapi_path: openapi.json")
    project.write("watch_mode: false", *quick)
    app = app_of(project, event_bus=bus)
    lived(app, work)
    wait_for_threads_to_end()


@pytest.mark.slow
def test_the_process_that_tries_generated_code_stays_warm_and_ends_with_the_application(project: AsgiProject) -> None:
    file = project.folder / "openapi.json"
    module = project.folder / "generated" / "crm_mcp.py"
    before = set(psutil.Process().children())

    def own() -> set[psutil.Process]:
        return set(psutil.Process().children()) - before

    async def work(_: Life) -> None:
        await report_of(app)
        await until(lambda: module.exists() and len(own()) == 1)
        warm = own()
        for number in (2, 3):
            old = module.read_bytes()
            file.write_text(json.dumps(document(servers=[{"url": f"/v{number}"}])))
            await until(lambda old=old: module.read_bytes() != old)  # type: ignore[misc]
            assert own() == warm

    file.write_text(json.dumps(document()))
    project.add("crm", "http://127.0.0.1:9", "openapi_path: openapi.json", components="[mcp]")
    project.write("watch_mode: true", "watch_interval: 3600", "debounce_ms: 50", "enable_connexion: false")
    app = app_of(project)
    lived(app, work)
    assert own() == set()


def test_while_watching_what_fails_is_told_once_and_a_switched_flag_holds(
    project: AsgiProject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def work(_: Life) -> None:
        await until(lambda: len(host.requests) >= 3)
        project.flags("{auto_sync: false}")
        await until(lambda: "auto-sync was skipped" in caplog.text)
        project.flags("{auto_sync: true}")
        host.routes["/openapi.json"] = SPEC
        await until(lambda: app.state.auto_sync["changed_services"] == ["crm"])

    with SpecHost({}) as host:
        project.add("crm", host.url)
        project.write("watch_mode: true", "watch_interval: 1")
        app = app_of(project)
        lived(app, work)
    told = [record.message for record in caplog.records if "shows no OpenAPI document" in record.message]
    assert len(told) == 1


def test_without_asyncio_the_application_starts_and_nothing_is_synced(
    project: AsgiProject, caplog: pytest.LogCaptureFixture
) -> None:
    lifespan = auto_sync_lifespan(settings=project.settings)(Starlette())
    for step in (lifespan.__aenter__(), lifespan.__aexit__(None, None, None)):
        with pytest.raises(StopIteration):  # as it does for any loop, where nothing is waited for
            step.send(None)
    assert "another event loop" in caplog.text


def test_the_log_level_is_given_back_at_the_end(project: AsgiProject) -> None:
    logger = logging.getLogger("syncflow_pipelines")
    before = logger.level

    async def work(_: Life) -> int:
        return logger.level

    project.write("log_level: ERROR")
    assert lived(app_of(project), work) == logging.ERROR
    assert logger.level == before


def test_lifespans_of_included_routers_go_on_working(project: AsgiProject) -> None:
    @asynccontextmanager
    async def of_router(_: FastAPI) -> AsyncIterator[dict[str, int]]:
        yield {"inner": 2}

    @asynccontextmanager
    async def own(_: FastAPI) -> AsyncIterator[dict[str, int]]:
        yield {"outer": 1}

    async def work(life: Life) -> dict[str, Any]:
        return life.state

    app = FastAPI(lifespan=auto_sync_lifespan(own, settings=project.settings))
    app.include_router(APIRouter(lifespan=of_router))
    assert lived(app, work) == {"outer": 1, "inner": 2}
