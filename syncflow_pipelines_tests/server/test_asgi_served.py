"""What docs/fastapi.md shows, served by uvicorn in processes of their own."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from fastapi import FastAPI

from syncflow_pipelines.config import ServiceSettings
from syncflow_pipelines_tests.server.asgi_project import PATIENCE_S, AsgiProject
from syncflow_pipelines_tests.server.raw_server import hang
from syncflow_pipelines_tests.server.spec_host import SpecHost

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "fastapi.md").read_text()
LIFESPAN, BY_HAND = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> AsgiProject:
    project = AsgiProject(tmp_path / "app")
    (project.folder / "main.py").write_text(LIFESPAN)
    project.add("main_app", "http://127.0.0.1:9")
    return project


@contextmanager
def served(project: AsgiProject) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and, once it is started, the URL of the application."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", "0"]
    process = subprocess.Popen(command, cwd=project.folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if found := re.search(r"running on (http://[\d.:]+)", line):
                yield process, found[1]
                return
        raise AssertionError("".join(told))
    finally:
        process.kill()
        process.communicate()


def get(url: str) -> Any:
    with urlopen(url, timeout=PATIENCE_S) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_two_processes_that_start_at_once_both_find_everything_fetched_and_generated(project: AsgiProject) -> None:
    with SpecHost() as host, ExitStack() as stack:
        project.add("crm", host.url, components="[mcp]")
        started = [stack.enter_context(served(project)) for _ in range(2)]
        for process, url in started:
            assert get(f"{url}/greeting") == "hello"
            report = get(f"{url}/auto-sync")
            assert (report["success"], len(report["fetched_specs"])) == (True, 2), report
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) in (0, -signal.SIGTERM)
    assert json.loads((project.folder / "generated" / ".syncflow.json").read_text())["services"].keys() == {"crm"}
    assert (project.folder / "generated" / "crm_mcp.py").exists()
    assert "/greeting" in (project.folder / "specs" / "main_app-openapi.json").read_text()


@pytest.mark.slow
def test_a_sync_that_hangs_keeps_the_process_from_neither_serving_nor_ending(project: AsgiProject) -> None:
    text = LIFESPAN.replace('own_service="main_app"', 'own_service="main_app", startup_timeout_s=0.1')
    assert text != LIFESPAN
    (project.folder / "main.py").write_text(text)
    with SpecHost({"/openapi.json": hang}) as host:
        project.add("crm", host.url, "timeout_s: 3600")
        with served(project) as (process, url):
            assert get(f"{url}/greeting") == "hello"
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) in (0, -signal.SIGTERM)


def test_the_sync_by_hand_gives_the_report_that_the_guide_describes(
    project: AsgiProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    for name in ("SYNCFLOW_HOME", "SYNCFLOW_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    names: dict[str, Any] = {}
    exec(BY_HAND, names)
    project.write("on_startup: false")
    report = asyncio.run(names["synced"](FastAPI()))
    described = re.findall(
        r"^\| `(\w+)`(?:, `(\w+)`)? \|", GUIDE.partition("| key |")[2].partition("## ")[0], re.MULTILINE
    )
    assert {name for pair in described for name in pair if name} == report.keys()


def test_the_settings_that_the_guide_names_are_there() -> None:
    named = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", GUIDE.partition("## Settings")[2], re.MULTILINE)
    names = {name for pair in named for name in pair if name} - {"settings"}
    assert len(names) == 8
    assert names <= ServiceSettings.__dataclass_fields__.keys()


def test_importing_the_package_loads_none_of_what_its_names_need() -> None:
    heavy = ("dagster", "fastapi", "starlette", "fastmcp", "psycopg", "pydantic", "openfeature")
    asked = f"import sys, syncflow_pipelines; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_neither_the_lifespan_nor_the_sync_needs_dagster_or_fastapi() -> None:
    asked = (
        "import sys; from syncflow_pipelines import auto_sync_lifespan, run_startup_auto_sync; "
        "print([name for name in ('dagster', 'fastapi', 'starlette', 'fastmcp') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "[]\n"
