"""The frameworks themselves, installed once a run for all workers, in the versions that are pinned here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from syncflow_pipelines.files.locking import locked
from syncflow_pipelines_tests.e2e.conftest import fresh_project
from syncflow_pipelines_tests.e2e.project_folder import wait_until
from syncflow_pipelines_tests.frameworks.guide import GuideProject

NODE = ("express@5.3.0", "swagger-jsdoc@6.3.0")
PYTHON = (
    "django==5.2.19", "djangorestframework==3.18.3", "drf-spectacular==0.30.0",
    "inflection==0.5.1", "pyyaml==6.0.4", "uritemplate==4.2.0",
)  # fmt: skip
INSTALL_S = 300.0


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `node_modules` with Express and swagger-jsdoc."""
    assert shutil.which("npm"), "the tests of Express need node and npm; install the packages nodejs and npm"
    folder = _shared(tmp_path_factory, "node")
    _installed(folder, ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *NODE])
    return folder / "node_modules"


@pytest.fixture(scope="session")
def django_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Django, Django REST Framework and drf-spectacular, for PYTHONPATH."""
    folder = _shared(tmp_path_factory, "django")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder)]
    _installed(folder, [*pip, *PYTHON])
    return folder


@pytest.fixture
def guide() -> Iterator[GuideProject]:
    """A fresh folder for the examples of the guide, in which nothing runs any more at the end."""
    with fresh_project() as folder:
        for path in folder.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield GuideProject(folder)
        wait_until(lambda: folder.processes() == [], "the end of all that was started")


def _shared(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all workers of the run share."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"frameworks-{name}"


def _installed(folder: Path, command: Sequence[str]) -> None:
    with locked(folder.with_suffix(".lock")):
        done = folder.with_suffix(".done")
        if not done.exists():
            folder.mkdir(exist_ok=True)
            ended = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
            assert ended.returncode == 0, ended.stderr
            done.touch()
