"""`syncflow db` on an embedded server of its own."""

import json

import pytest

from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_server_that_was_started_stays_until_it_is_stopped(project: ProjectFolder) -> None:
    assert status(project) == (1, False)
    started = project.syncflow("db", "start")
    assert started.returncode == 0, started.stderr
    assert project.syncflow("entities").returncode == 0
    assert status(project) == (0, True)
    assert project.syncflow("db", "url").stdout == started.stdout
    assert project.syncflow("db", "stop").returncode == 0
    assert project.processes() == []
    assert status(project) == (1, False)


def test_without_db_start_the_server_ends_with_the_command_that_needed_it(project: ProjectFolder) -> None:
    done = project.syncflow("db", "migrate", "--dry-run")
    assert (done.returncode, "would be brought from nothing to revision" in done.stdout) == (0, True)
    assert "were brought from nothing" in project.syncflow("db", "migrate").stdout
    assert "the newest" in project.syncflow("db", "migrate").stdout
    assert project.processes() == []


def test_asking_how_the_database_is_starts_nothing(project: ProjectFolder) -> None:
    assert status(project) == (1, False)
    url = project.syncflow("db", "url")
    assert url.stdout.startswith("postgresql://")
    assert "syncflow db start" in url.stderr
    assert not (project.home / "postgres").exists()


def status(project: ProjectFolder) -> tuple[int, bool]:
    """The exit code of `db status`, and whether it says that the server runs."""
    done = project.syncflow("db", "status", "--json")
    return done.returncode, json.loads(done.stdout)["running"]
