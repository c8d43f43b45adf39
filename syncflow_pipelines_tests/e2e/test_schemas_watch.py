"""`syncflow schemas watch` as a process: what it prints, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from syncflow_pipelines.demo.companions import follows_models
from syncflow_pipelines_tests.unit.model_package import PRODUCT, ModelPackage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def close_input(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.close()
    child.stdin = None


def interrupt(child: "subprocess.Popen[str]") -> None:
    child.send_signal(signal.SIGINT)


@pytest.mark.parametrize(("end", "options", "code"), [(close_input, ["--companion"], None), (interrupt, [], 130)])
def test_it_generates_what_is_saved_and_leaves_no_process_behind(
    tmp_path: Path, end: Callable[["subprocess.Popen[str]"], None], options: list[str], code: int | None
) -> None:
    package = ModelPackage(tmp_path / "project")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("SYNCFLOW_", "DAGSTER_"))}
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "syncflow_pipelines.cli", *options, "schemas", "watch", "--json"],
        cwd=package.folder, env={**environ, **package.environ}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdout is not None

        def hear() -> Any:
            assert child.stdout is not None
            return json.loads(child.stdout.readline())

        assert hear()["status"] == "generated"
        package.write("product", PRODUCT + "    price: Mapped[int]\n")
        assert hear()["status"] == "generated"
        assert b"price" in package.output.read_bytes()
        broken = package.write("product", "1 +\n")
        told = hear()
        assert (told["status"], told["error"].split(": ")[0]) == ("failed", f"{broken}:1")
        helpers = psutil.Process(child.pid).children(recursive=True)
        assert helpers, "models are read and modules are tried elsewhere"
        end(child)
        assert child.wait(60) == code if code is not None else child.wait(60) is not None
        _, alive = psutil.wait_procs(helpers, timeout=60)
        assert alive == []
    finally:
        child.kill()
        child.communicate()


def test_beside_dagster_it_runs_where_there_are_models_to_follow(tmp_path: Path) -> None:
    package = ModelPackage(tmp_path / "project")
    assert follows_models(package.settings)
    package.environ["SCHEMA_SYNC_WATCH_ENABLED"] = "false"
    assert not follows_models(package.settings)
    package.environ |= {"SCHEMA_SYNC_WATCH_ENABLED": "true", "SCHEMA_SYNC_ENVIRONMENT": "production"}
    assert not follows_models(package.settings)
    package.environ |= {"SCHEMA_SYNC_ENVIRONMENT": "development", "SCHEMA_SYNC_MODELS_PATH": ""}
    assert not follows_models(package.settings)
