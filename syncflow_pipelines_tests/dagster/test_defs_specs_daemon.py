"""`dagster dev` with its daemon: a service gains an operation, and its tool can be called after one run."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest

from syncflow_pipelines.codegen.manifest import read_manifest
from syncflow_pipelines.database.specs import recorded_specs
from syncflow_pipelines.defs.names import SERVICE_TAG, mcp_server_key, resolver_key, spec_key
from syncflow_pipelines.demo.services.calling import call_tool
from syncflow_pipelines_tests.dagster.services_project import ServicesProject
from syncflow_pipelines_tests.dagster.test_defs_daemon import dagster_dev, processes_in, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def has_tools(project: ServicesProject, service: str, count: int) -> Callable[[], bool]:
    """Whether the service's MCP server was generated with so many tools."""

    def counted() -> bool:
        entry = read_manifest(project.path / "generated").services.get(service)
        return entry is not None and entry.sizes is not None and entry.sizes.tools == count

    return counted


def runs_of(instance: dg.DagsterInstance, service: str) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs() if run.tags.get(SERVICE_TAG) == service]


def has_ended(instance: dg.DagsterInstance, service: str, count: int) -> Callable[[], bool]:
    return lambda: [run.status for run in runs_of(instance, service)] == [dg.DagsterRunStatus.SUCCESS] * count


def was_looked_at(project: ServicesProject, service: str, since: datetime) -> Callable[[], bool]:
    def looked() -> bool:
        with project.database.connection() as connection:
            record = recorded_specs(connection).get(service)
        return record is not None and record.fetched_at is not None and record.fetched_at > since

    return looked


@pytest.mark.timeout(900)
def test_a_service_gains_an_operation_and_its_tool_can_be_called_after_one_run(
    services_project: ServicesProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNCFLOW_DAGSTER_URL")
    with dagster_dev(services_project.path) as dev:
        for service in ("warehouse", "parcels"):
            wait_until(has_ended(instance, service, 1), f"the first run of {service} has ended")
            assert has_tools(services_project, service, 6)()

        services_project.evolve("warehouse")
        wait_until(has_ended(instance, "warehouse", 2), "the run of the change has ended")
        assert has_tools(services_project, "warehouse", 7)()
        module = services_project.path / "generated" / "warehouse_mcp.py"
        answer = call_tool(module, "get_site_capacity", {"site": "AMS"}, services_project.path / "mcp.log")
        assert answer.is_right, answer.text

        newest = runs_of(instance, "warehouse")[0].run_id
        for key in (spec_key("warehouse"), mcp_server_key("warehouse"), resolver_key("warehouse")):
            event = instance.get_latest_materialization_event(key)
            assert event is not None
            assert event.run_id == newest

        wait_until(was_looked_at(services_project, "parcels", datetime.now(UTC)), "parcels were looked at once more")
        assert len(runs_of(instance, "parcels")) == 1, "an unchanged service causes no run"
        assert len(runs_of(instance, "warehouse")) == 2
        dev.send_signal(signal.SIGINT)
        assert dev.wait(120) == 0
    wait_until(lambda: not processes_in(services_project.path), "all processes have ended")
