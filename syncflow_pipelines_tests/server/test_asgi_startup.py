"""A sync when an application starts: the report of the requirement, who hears of it, and what is left out."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from syncflow_pipelines import run_startup_auto_sync
from syncflow_pipelines.asgi.receivers import emit
from syncflow_pipelines_tests.server.asgi_project import AsgiProject, Bus
from syncflow_pipelines_tests.server.raw_server import reply
from syncflow_pipelines_tests.server.spec_host import SpecHost, document, json_of

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def project(tmp_path: Path) -> AsgiProject:
    return AsgiProject(tmp_path / "app")


def sync(project: AsgiProject, app: Any = None, *given: Any, **options: Any) -> dict[str, Any]:
    app = app if app is not None else Starlette()
    return asyncio.run(run_startup_auto_sync(app, *given, settings=project.settings, **options))


def test_specs_are_fetched_and_code_is_generated_without_any_database(project: AsgiProject) -> None:
    with SpecHost() as host:
        project.add("crm", host.url, components="[mcp]")
        report = sync(project)
        again = sync(project)
    file = project.folder / "specs" / "crm-openapi.json"
    assert report["success"], report
    assert report["fetched_specs"] == [{"service": "crm", "file": str(file), "changed": True}]
    assert report["changed_services"] == ["crm"]
    assert str(project.folder / "generated" / "crm_mcp.py") in report["generated_files"]
    assert all(Path(name).exists() for name in report["generated_files"])
    assert (report["errors"], report["skipped"]) == ([], False)
    assert (again["changed_services"], again["generated_files"], again["success"]) == ([], [], True)
    assert not (project.folder / ".syncflow" / "postgres").exists()


def test_what_did_not_change_is_generated_where_that_is_asked_for_or_it_is_not_there(project: AsgiProject) -> None:
    module = project.folder / "generated" / "crm_mcp.py"

    def generates(*settings: str, **options: Any) -> bool:
        project.write(*settings)
        report = sync(project, **options)
        assert report["success"], report
        return str(module) in report["generated_files"]

    with SpecHost() as host:
        project.add("crm", host.url, components="[mcp]")
        assert generates()
        assert not generates()
        assert generates(force_regenerate=True)
        assert generates("on_change_only: false")
        module.unlink()
        assert not generates("auto_regenerate: false")
        assert generates()


def test_a_changed_spec_is_not_generated_where_the_settings_say_so(project: AsgiProject) -> None:
    with SpecHost() as host:
        project.add("crm", host.url, components="[mcp]")
        project.write("auto_regenerate: false")
        report = sync(project)
    assert (report["changed_services"], report["generated_files"]) == (["crm"], [])


def test_a_service_that_fails_is_named_and_keeps_no_other_from_being_fetched(project: AsgiProject) -> None:
    with SpecHost({"/openapi.json": json_of(document()), "/bad.json": json_of({"nothing": "here"})}) as host:
        project.add("crm", host.url)
        project.add("bad", host.url, "openapi_path: /bad.json")
        project.add("down", NOWHERE)
        report = sync(project)
    assert not report["success"]
    assert [one["service"] for one in report["fetched_specs"]] == ["crm"]
    assert [error.partition(" ")[0] for error in report["errors"]] == ["bad", "down"]


def test_a_configuration_that_cannot_be_used_is_an_error_of_the_report(project: AsgiProject) -> None:
    project.write("no_such_setting: 1")
    report = sync(project)
    assert (report["success"], report["fetched_specs"]) == (False, [])
    assert "no_such_setting" in report["errors"][0]


def test_without_any_service_there_is_nothing_to_do(project: AsgiProject) -> None:
    report = sync(project)
    assert (report["success"], report["skipped"], report["fetched_specs"]) == (True, False, [])


def test_on_startup_false_skips(project: AsgiProject) -> None:
    project.add("down", NOWHERE)
    project.write("on_startup: false")
    report = sync(project)
    assert (report["success"], report["skipped"]) == (True, True)
    assert report["reason"] == "settings.on_startup is false"


def test_the_flag_skips_and_is_named(project: AsgiProject) -> None:
    project.add("down", NOWHERE)
    project.flags("{auto_sync: false}")
    report = sync(project)
    assert (report["success"], report["skipped"]) == (True, True)
    assert report["reason"] == "The flag auto_sync is off (flags.yaml:1), so no spec is fetched."


def test_a_service_for_which_the_flag_is_off_is_left_alone(project: AsgiProject) -> None:
    with SpecHost() as host:
        project.add("crm", host.url)
        project.add("down", NOWHERE)
        project.flags("{auto_sync: {off_for: [down]}}")
        report = sync(project)
    assert (report["success"], report["changed_services"]) == (True, ["crm"])


def test_an_unhealthy_service_is_not_asked_for_its_spec(project: AsgiProject) -> None:
    with SpecHost({"/openapi.json": json_of(document()), "/health": reply(503, b"")}) as host:
        project.add("crm", host.url)
        project.write("health_check_before_sync: true")
        report = sync(project)
        assert host.targets == ["/health"]
    assert "answered 503" in report["errors"][0]


def test_the_event_bus_hears_of_each_changed_spec(project: AsgiProject) -> None:
    bus = Bus()
    with SpecHost() as host:
        project.add("crm", host.url)
        sync(project, None, bus)
        sync(project, None, bus)
    ((kind, data),) = bus.events
    assert kind == "openapi_spec_changed"
    assert (data["service"], data["spec_file"]) == ("crm", str(project.folder / "specs" / "crm-openapi.json"))
    assert {"timestamp", "checksum"} <= data.keys()


def test_a_bus_whose_emit_is_a_plain_function_will_do(project: AsgiProject) -> None:
    heard: list[str] = []

    class Plain:
        def emit(self, kind: str, data: Mapping[str, Any]) -> None:
            heard.append(kind)

    with SpecHost() as host:
        project.add("crm", host.url)
        assert sync(project, None, Plain())["success"]
    assert heard == ["openapi_spec_changed"]


def test_nothing_is_emitted_where_the_event_bus_is_disabled(project: AsgiProject) -> None:
    bus = Bus()
    with SpecHost() as host:
        project.add("crm", host.url)
        project.write("enable_event_bus: false")
        assert sync(project, None, bus)["changed_services"] == ["crm"]
    assert bus.events == []


def test_a_bus_and_a_manager_that_fail_are_errors_and_stop_nothing(project: AsgiProject) -> None:
    class Failing:
        async def emit(self, kind: str, data: Mapping[str, Any]) -> None:
            raise ConnectionError("no broker")

        async def register_service(self, name: str, base_url: str, spec_file: Path) -> None:
            raise LookupError(name)

    with SpecHost() as host:
        project.add("crm", host.url, components="[mcp]")
        report = sync(project, None, Failing(), Failing())
    assert report["errors"] == [
        "crm: the event bus failed: ConnectionError",
        "crm: the endpoint manager failed: LookupError",
    ]
    assert report["generated_files"]


def test_a_bus_that_is_cancelled_by_itself_is_an_error_and_stops_nothing(project: AsgiProject) -> None:
    class Cancelled:
        async def emit(self, kind: str, data: Mapping[str, Any]) -> None:
            raise asyncio.CancelledError

    with SpecHost() as host:
        project.add("crm", host.url)
        report = sync(project, None, Cancelled())
    assert report["errors"] == ["crm: the event bus failed: RuntimeError"]


def test_a_bus_that_hangs_is_not_waited_for_without_end() -> None:
    class Hanging:
        async def emit(self, kind: str, data: Mapping[str, Any]) -> None:
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(emit(Hanging(), "openapi_spec_changed", {}, patience_s=0.01))


def test_the_endpoint_manager_is_given_every_service_that_was_fetched(project: AsgiProject) -> None:
    registered: list[tuple[str, str, str]] = []

    class Manager:
        async def register_service(self, name: str, base_url: str, spec_file: Path) -> None:
            registered.append((name, base_url, spec_file.name))

    with SpecHost() as host:
        project.add("crm", host.url)
        project.add("down", NOWHERE)
        for _ in range(2):
            sync(project, None, None, Manager())
        assert registered == [("crm", host.url, "crm-openapi.json")] * 2
        assert sync(project, None, None, object())["changed_services"] == []


def test_log_level_of_the_settings_holds_for_syncflow_in_the_application(project: AsgiProject) -> None:
    logger = logging.getLogger("syncflow_pipelines")
    before = logger.level
    try:
        project.write("log_level: DEBUG")
        sync(project)
        assert logger.level == logging.DEBUG
    finally:
        logger.setLevel(before)


def fastapi_app() -> FastAPI:
    app = FastAPI(title="shop")

    @app.get("/orders")
    def orders() -> list[str]:
        return []

    return app


def test_the_applications_own_document_is_asked_of_it_in_this_process(project: AsgiProject) -> None:
    project.add("shop", NOWHERE)
    report = sync(project, fastapi_app(), own_service="shop")
    assert (report["success"], report["changed_services"]) == (True, ["shop"]), report
    assert "/orders" in (project.folder / "specs" / "shop-openapi.json").read_text()


def test_what_was_asked_in_this_process_is_not_fetched_anew_over_the_network(project: AsgiProject) -> None:
    app = fastapi_app()
    with SpecHost({"/openapi.json": json_of(app.openapi())}) as host:
        project.add("shop", host.url)
        sync(project, app, own_service=["shop"])
        assert host.requests == []
        assert sync(project)["changed_services"] == []


def test_several_services_may_be_this_application_each_with_a_path_of_its_own(project: AsgiProject) -> None:
    def gateway(request: Request) -> Response:
        assert request.headers["x-key"] == "k"
        return JSONResponse(document(title=request.headers["host"]))

    (project.folder / "key").write_text("k")
    app = Starlette(
        routes=[Route("/api/gateway/openapi", gateway), Route("/v1/spec", lambda _: JSONResponse(document()))]
    )
    auth = "auth: {type: plugin_api_key, header: X-Key, key_file: key}"
    project.add("gateway", "http://shop.example:8000", "openapi_path: /api/gateway/openapi", auth)
    project.add("shop", "http://127.0.0.1:9/v1", "openapi_paths: [/openapi.json, /spec]")
    report = sync(project, app, own_service={"gateway", "shop"})
    assert report["errors"] == []
    assert "shop.example:8000" in (project.folder / "specs" / "gateway-openapi.json").read_text()


def refusing(_: Request) -> Response:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (Starlette(), "shows no OpenAPI document (GET /openapi.json: 404)"),
        (Starlette(routes=[Route("/openapi.json", refusing)]), "shows no OpenAPI document (GET /openapi.json: 500)"),
        (Starlette(routes=[Route("/openapi.json", lambda _: PlainTextResponse("<html>"))]), "no OpenAPI document"),
    ],
)
def test_an_application_that_does_not_show_its_document_is_told(
    project: AsgiProject, app: Starlette, told: str
) -> None:
    project.add("shop", NOWHERE)
    (error,) = sync(project, app, own_service="shop")["errors"]
    assert error.startswith("shop")
    assert told in error


def test_an_own_service_that_nobody_knows_is_told(project: AsgiProject) -> None:
    assert "no service is called 'shop'" in sync(project, own_service="shop")["errors"][0]
