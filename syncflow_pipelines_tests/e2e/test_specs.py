"""`syncflow specs` as a person runs it: the demo services, watched while they change."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncflow_pipelines.codegen.manifest import read_manifest
from syncflow_pipelines.demo.services.app import build_services
from syncflow_pipelines.demo.services.calling import call_operation, call_tool
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, wait_until

WATCH = ("specs", "watch", "--interval", "1", "--json")

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def url(project: ProjectFolder) -> Iterator[str]:
    """The demo services of the project, served by this process."""
    with serve_in_thread(build_services(project.home)) as served:
        yield served


def generated(project: ProjectFolder) -> Path:
    return project.home / "openapi" / "auto_generated"


def test_a_watched_service_gains_an_operation_and_its_tool_can_be_called(project: ProjectFolder, url: str) -> None:
    assert project.syncflow("db", "start").returncode == 0
    try:
        with project.running(*WATCH, DEMO_SERVICES_URL=url) as watch:
            wait_until(lambda: is_generated(project, "warehouse", 6) or watch.poll() is not None, "the first look")
            assert project.syncflow("demo", "services", "--evolve").returncode == 0
            wait_until(lambda: is_generated(project, "warehouse", 7) or watch.poll() is not None, "the change")
            module = generated(project) / "warehouse_mcp.py"
            answer = call_tool(module, "get_site_capacity", {"site": "AMS"}, project.path / "mcp.log")
            assert answer.is_right, answer.text
            answer = call_operation(generated(project) / "warehouse_resolver.py", "/sites/HAM/capacity")
            assert answer.text.startswith("200 "), answer.text
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(timeout=60) == 143
            assert watch.stdout is not None
            told = [json.loads(line) for line in watch.stdout.read().splitlines()]
        assert "Traceback" not in project.stderr()
        looks = [(one["service"], one["status"]) for one in told]
        assert looks.count(("parcels", "changed")) == looks.count(("parcels", "generated")) == 1
        assert looks.count(("warehouse", "generated")) == 2
    finally:
        assert project.syncflow("db", "stop").returncode == 0
    assert project.processes() == []


def test_a_broken_service_is_told_once_and_does_not_stop_the_others(project: ProjectFolder, url: str) -> None:
    services = project.path / "config" / "auto_sync_services.yaml"
    broken = "  - {name: broken, base_url: 'http://127.0.0.1:9', openapi_path: /openapi.json, components: []}\n"
    services.write_text(services.read_text().replace("services:\n", f"services:\n{broken}", 1))
    with project.running(*WATCH, DEMO_SERVICES_URL=url) as watch:
        wait_until(lambda: is_generated(project, "parcels", 6) or watch.poll() is not None, "the others")
        wait_until(lambda: "Error: broken" in project.stderr() or watch.poll() is not None, "what is wrong")
        right = services.read_text()
        services.write_text("services: [")
        wait_until(
            lambda: f"Error: {services} cannot" in project.stderr() or watch.poll() is not None, "the file is refused"
        )
        services.write_text(right)
        wait_until(lambda: "works again" in project.stderr() or watch.poll() is not None, "the file is mended")
        watch.send_signal(signal.SIGINT)
        assert watch.wait(timeout=60) == 130
    assert project.stderr().count("Error: broken") == 1
    assert project.processes() == []


def is_generated(project: ProjectFolder, service: str, tools: int) -> bool:
    entry = read_manifest(generated(project)).services.get(service)
    return entry is not None and entry.sizes is not None and entry.sizes.tools == tools
