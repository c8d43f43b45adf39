"""`syncflow demo`, as `make demo` calls it, on fewer rows."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from syncflow_pipelines.defs.record import open_instance
from syncflow_pipelines.demo.erp import ensure_erp, open_erp
from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = "3000"


@pytest.fixture(scope="module")
def first_demo(shared_project: ProjectFolder) -> Iterator[subprocess.CompletedProcess[str]]:
    """The first demo of a folder, on a machine where somebody else has port 8007."""
    with listening(8007):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        yield shared_project.syncflow("demo", "--rows", ROWS, PATH=path)


def test_the_demo_prints_a_page_and_ends_well(first_demo: subprocess.CompletedProcess[str]) -> None:
    assert first_demo.returncode == 0, first_demo.stderr
    lines = first_demo.stdout.splitlines() + first_demo.stderr.splitlines()
    assert len(lines) <= 95
    assert any(line.startswith("All 10 tables equal the source") for line in lines)
    assert [line.split()[:2] for line in lines if line.endswith(("on its own", "without the source"))] == [
        ["syncflow", "dev"],
        ["dagster", "dev"],
    ]
    assert [line for line in first_demo.stdout.splitlines() if len(line) > 125] == []


def test_what_the_demo_did_was_published(first_demo: subprocess.CompletedProcess[str]) -> None:
    (line,) = (line for line in first_demo.stdout.splitlines() if line.startswith("Published: "))
    counted = [told.split() for told in line.removeprefix("Published: ").split(", ")]
    assert {kind: int(number) for number, kind in counted} == {
        "code_generated": 3,
        "entity_discovered": 10,
        "openapi_spec_changed": 3,
        "sync_finished": 20,
    }


def test_the_admin_api_told_of_it(first_demo: subprocess.CompletedProcess[str]) -> None:
    assert "The admin API lists 10 entities, and /metrics has" in first_demo.stderr


def test_where_port_8007_is_taken_the_source_gets_another(first_demo: subprocess.CompletedProcess[str]) -> None:
    assert "The demo source answers at http://127.0.0.1:" in first_demo.stderr
    assert "http://127.0.0.1:8007" not in first_demo.stderr
    assert "Port 8007 is taken; in other terminals: export DEMO_ERP_URL=http://127.0.0.1:" in first_demo.stderr


def test_the_services_part_generates_calls_and_follows_the_one_that_changed(
    first_demo: subprocess.CompletedProcess[str],
) -> None:
    out, err = first_demo.stdout, first_demo.stderr
    assert "The demo services answer at http://127.0.0.1:" in err
    assert "2 services were fetched and generated: 12 tools" in err
    assert "A spec that is a file was followed: " in err
    assert "What changed in warehouse: 1 other change in 1 operation" in out
    assert "operation-added" in out
    assert 'get_site_capacity(site="AMS")' in out
    assert "Starting MCP server" not in err


def test_the_gateway_part_passes_on_and_gives_up(first_demo: subprocess.CompletedProcess[str]) -> None:
    assert "Through the gateway: GET /orchestrator/parcels/health 200, its breaker closed, its check healthy" in (
        first_demo.stdout
    )
    assert (
        "GET /orchestrator/dead/ 502 3 times, its breaker open; then 503: dead@v1 failed too often" in first_demo.stdout
    )


def test_the_schemas_part_reads_synced_rows_with_what_was_generated(
    first_demo: subprocess.CompletedProcess[str], shared_project: ProjectFolder
) -> None:
    told = re.search(
        r"(\d+) Pydantic schemas of 3 sources were generated, and (\d+) synced rows read", first_demo.stderr
    )
    assert told is not None
    assert int(told[1]) > 30
    assert int(told[2]) > 100
    assert "Pydantic schemas, and synced rows that were read with them" in first_demo.stdout
    module = shared_project.home / "schemas" / "generated" / "erp_schemas.py"
    assert "class ItemsResponse(BaseModel):" in module.read_text()


def test_dagster_shows_the_assets_and_the_history_afterwards(
    first_demo: subprocess.CompletedProcess[str], shared_project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kept_database(shared_project) as url:
        monkeypatch.chdir(shared_project.path)
        monkeypatch.setenv("SYNCFLOW_DATABASE_URL", url)
        monkeypatch.setenv("SYNCFLOW_HOME", str(shared_project.home))
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        assert materialisations("erp/items", "erp/order_lines", "erp/catalogue") == [2, 2, 1]
        assert materialisations("openapi/warehouse", "mcp_server/warehouse", "resolver/parcels") == [2, 2, 1]
        assert materialisations("schemas/erp", "schemas/warehouse", "schemas/parcels") == [1, 1, 1]


def test_the_demo_works_again_on_what_an_earlier_one_left(
    first_demo: subprocess.CompletedProcess[str], shared_project: ProjectFolder
) -> None:
    done = shared_project.syncflow("demo", "--json")
    assert (done.returncode, "Error" in done.stderr) == (0, False), done.stderr
    *runs, verdict = [json.loads(line) for line in done.stdout.splitlines()]
    assert (verdict["equal"], verdict["mistakes"]) == (True, [])
    assert sum(verdict["live_rows"].values()) == pytest.approx(int(ROWS), rel=0.1)
    assert {run["status"] for run in runs} == {"success"}
    assert (verdict["services"]["changed"], verdict["services"]["generated"]) == (["warehouse"], ["warehouse"])
    assert all(answer["is_right"] for answer in verdict["services"]["answers"])
    assert verdict["services"]["followed_s"] > 0
    assert [one["source"] for one in verdict["schemas"]] == ["erp", "warehouse", "parcels"]
    assert len(runs) == 2 * len(verdict["live_rows"]) == verdict["events"]["sync_finished"]
    assert shared_project.processes() == []


@contextmanager
def kept_database(project: ProjectFolder) -> Iterator[str]:
    """The URL of the project's embedded server, which runs for the block."""
    started = project.syncflow("db", "start")
    assert started.returncode == 0, started.stderr
    try:
        yield started.stdout.strip()
    finally:
        assert project.syncflow("db", "stop").returncode == 0


def materialisations(*assets: str) -> list[int]:
    """How often each asset was materialised, by Dagster's instance of the working folder."""
    with open_instance(Path.cwd() / ".syncflow") as instance:
        return [
            len(instance.fetch_materializations(dg.AssetKey(asset.split("/")), limit=100).records) for asset in assets
        ]


def listening(port: int) -> socket.socket:
    """A socket on the port; where somebody listens there already, any other, since that one is taken too."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("step", "rows"),
    [
        ("demo source answers", "30000"),
        ("were discovered", "30000"),
        ("demo services answer", "1000"),
        ("services were fetched", "1000"),
        ("A tool was called", "1000"),
    ],
)
def test_a_signal_ends_the_demo_and_all_that_it_started(
    step: str, rows: str, number: signal.Signals, project: ProjectFolder
) -> None:
    with project.running("demo", "--rows", rows) as process:
        wait_until(lambda: step in project.stderr() or process.poll() is not None, step)
        assert process.poll() is None, project.stderr()
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    assert "Traceback" not in project.stderr()
    wait_until(lambda: not project.processes(), "all processes of the demo have ended", limit_s=30)


def test_an_entity_that_cannot_be_synced_fails_the_demo_by_name(project: ProjectFolder) -> None:
    ensure_erp(project.home, int(ROWS))
    with open_erp(project.home) as source:
        source.break_entity("prices", Fault(status=410))
    done = project.syncflow("demo", "--json")
    assert done.returncode == 1
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict["equal"] is False
    assert all(mistake.startswith("erp/prices") for mistake in verdict["mistakes"])
    assert done.stderr.count("Error: erp/prices") == len(verdict["mistakes"]) > 0


def test_a_source_that_cannot_be_discovered_is_one_sentence(project: ProjectFolder) -> None:
    ensure_erp(project.home, int(ROWS))
    with open_erp(project.home) as source:
        source.break_entity("", Fault(status=410))
    done = project.syncflow("demo")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("Error: ") == 1
    assert "Error: erp was not discovered: GET http://" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_without_the_demo_source_is_refused(project: ProjectFolder) -> None:
    connectors = Path(project.path, "config", "connectors.yaml")
    connectors.write_text("connectors: [{name: crm, base_url: 'https://crm.example.com'}]\n")
    done = project.syncflow("demo", "--rows", ROWS)
    assert done.returncode == 2
    assert "no enabled connector for the demo source" in done.stderr
    assert done.stdout == ""


def test_without_a_dagster_yaml_the_demo_is_refused(project: ProjectFolder) -> None:
    (project.path / "dagster.yaml").unlink()
    done = project.syncflow("demo", "--rows", ROWS)
    assert done.returncode == 2
    assert "dagster.yaml" in done.stderr
