"""Fixtures of the tests that run whole commands."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, make_project, wait_until

END_LIMIT_S = 10.0


@pytest.fixture
def project() -> Iterator[ProjectFolder]:
    """A project in a fresh folder; at the end nothing of it may run any more."""
    with fresh_project() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared_project() -> Iterator[ProjectFolder]:
    """The same, for all tests of a module."""
    with fresh_project() as folder:
        yield folder


@contextmanager
def fresh_project() -> Iterator[ProjectFolder]:
    # not below pytest's temporary folder: as root the server runs as another user, to whom that is closed
    parent = Path(tempfile.mkdtemp(prefix="syncflow e2e "))
    parent.chmod(0o755)
    folder = make_project(parent / "project")
    try:
        yield folder
    finally:
        left = _still_running(folder)
        for told in left:
            psutil.Process(int(told.partition(":")[0])).kill()
        shutil.rmtree(parent, ignore_errors=True)
    assert left == []


def _still_running(folder: ProjectFolder) -> list[str]:
    """What runs after the moment that processes may need which end with their parent, as that of multiprocessing."""
    with suppress(AssertionError):
        wait_until(lambda: not folder.processes(), "everything has ended", END_LIMIT_S)
    return folder.processes()
