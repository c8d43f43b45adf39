"""Dagster keeps its runs and events in SyncFlow's database, whichever of its commands is used, from wherever."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import psycopg
import pytest
from dagster._serdes import serialize_value
from dagster_postgres import PostgresEventLogStorage
from psycopg import sql

import syncflow_pipelines
from syncflow_pipelines.database.dagster_storage import SyncflowStorage
from syncflow_pipelines.database.url import sqlalchemy_url
from syncflow_pipelines_tests.postgres.embedded_world import eventually, is_running, kill_server

CHECKOUT = Path(syncflow_pipelines.__file__).parents[1]

DAGSTER_YAML = """
storage:
  custom:
    module: syncflow_pipelines.database.dagster_storage
    class: SyncflowStorage
    config: {config}
telemetry:
  enabled: false
"""

DEFINITIONS = """
import dagster as dg

@dg.asset
def number():
    return dg.MaterializeResult(metadata={"answer": 42})

defs = dg.Definitions(assets=[number], jobs=[dg.define_asset_job("number_job", [number])])
"""

COUNT_IN_ANOTHER_PROCESS = """
import sys
from dagster import DagsterInstance
from dagster._serdes import deserialize_value
from dagster._core.instance import InstanceRef
ref = deserialize_value(sys.stdin.read(), InstanceRef)
with DagsterInstance.from_ref(ref) as instance:
    print(instance.get_runs_count())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a `dagster.yaml` and one asset."""
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML.replace("{config}", "{}"))
    (tmp_path / "number.py").write_text(DEFINITIONS)
    return tmp_path


@pytest.fixture
def embedded_project(project: Path, embedded_home: Path) -> tuple[Path, dict[str, str]]:
    """The project, and the environment of a process in it that uses an embedded server of the test's own."""
    return project, environment(SYNCFLOW_HOME=str(embedded_home))


def environment(**added: str) -> dict[str, str]:
    ours = ("SYNCFLOW_", "POSTGRES_", "DAGSTER_")
    clean = {name: setting for name, setting in os.environ.items() if not name.startswith(ours)}
    return clean | {"PYTHONPATH": str(CHECKOUT), "NO_PROXY": "127.0.0.1"} | added


def run(*command: str | Path, cwd: Path, env: dict[str, str], stdin: str = "") -> str:
    finished = subprocess.run(command, cwd=cwd, env=env, input=stdin, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def dagster(*arguments: str, cwd: Path, env: dict[str, str]) -> str:
    return run(sys.executable, "-m", "dagster", *arguments, cwd=cwd, env=env)


def runs_seen_from(folder: Path, env: dict[str, str]) -> int:
    script = (
        "from dagster import DagsterInstance\n"
        f"with DagsterInstance.from_config({str(folder)!r}) as instance: print(instance.get_runs_count())"
    )
    return int(run(sys.executable, "-c", script, cwd=folder, env=env))


@pytest.fixture
def instance(project: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of the project, in a database of the test's own."""
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", database_url)
    monkeypatch.chdir(project)
    with dg.DagsterInstance.from_config(str(project)) as opened:
        yield opened


@dg.asset
def answer() -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(metadata={"answer": 42})


def test_runs_and_events_are_kept(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
    assert dg.materialize([answer], instance=instance).success
    assert instance.get_runs_count() == 1
    event = instance.get_latest_materialization_event(dg.AssetKey("answer"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["answer"].value == 42


def test_a_killed_embedded_server_is_started_again(
    project: Path, embedded_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SYNCFLOW_DATABASE_URL", "POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNCFLOW_HOME", str(embedded_home))
    monkeypatch.chdir(project)
    with dg.DagsterInstance.from_config(str(project)) as instance:
        dg.materialize([answer], instance=instance)
        kill_server(embedded_home)
        assert instance.get_runs_count() == 1
        assert dg.materialize([answer], instance=instance).success


def test_another_process_rebuilds_the_instance_from_its_reference(
    instance: dg.DagsterInstance, project: Path, database_url: str
) -> None:
    dg.materialize([answer], instance=instance)
    env = environment(SYNCFLOW_DATABASE_URL=database_url)
    reference = serialize_value(instance.get_ref())
    assert run(sys.executable, "-c", COUNT_IN_ANOTHER_PROCESS, cwd=project, env=env, stdin=reference) == "1\n"


def test_the_reference_holds_no_password(project: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("SYNCFLOW_DATABASE_URL", database_url.replace("postgres@", "postgres:s3cret@"))
    with dg.DagsterInstance.from_config(str(project)) as instance:
        assert "s3cret" not in serialize_value(instance.get_ref())
        assert "s3cret" not in instance.info_str()


def test_a_folder_in_the_configuration_stands_for_the_working_folder(
    project: Path, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (project / ".env").write_text(f"SYNCFLOW_DATABASE_URL={database_url}\n")
    (project / "dagster.yaml").write_text(DAGSTER_YAML.replace("{config}", "{folder: {env: DAGSTER_HOME}}"))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    env = environment(DAGSTER_HOME=str(project))
    dagster("asset", "materialize", "-f", str(project / "number.py"), "--select", "number", cwd=elsewhere, env=env)
    assert runs_seen_from(project, env) == 1
    assert list(elsewhere.iterdir()) == []


def test_processes_that_come_first_at_once_make_the_tables_together(project: Path, database_url: str) -> None:
    script = "import dagster as d; d.DagsterInstance.from_config('.').get_runs_count()"
    env = environment(SYNCFLOW_DATABASE_URL=database_url)
    processes = [subprocess.Popen([sys.executable, "-c", script], cwd=project, env=env) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4


@pytest.mark.parametrize("missing", ["run_tags", "asset_keys", "job_ticks"])
def test_tables_whose_making_was_interrupted_are_made(database_url: str, missing: str) -> None:
    url = sqlalchemy_url(database_url, "psycopg2")
    SyncflowStorage(url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(missing)))
        SyncflowStorage(url)
        connection.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(missing)))


@pytest.mark.slow
def test_commands_share_their_history_through_the_embedded_server(
    embedded_project: tuple[Path, dict[str, str]], embedded_home: Path
) -> None:
    project, env = embedded_project
    materialize = ("asset", "materialize", "-f", "number.py", "--select", "number")
    dagster(*materialize, cwd=project, env=env)
    assert not is_running(embedded_home)
    dagster(*materialize, cwd=project, env=env | {"DAGSTER_HOME": str(project)})
    dagster("job", "execute", "-f", "number.py", "-j", "number_job", cwd=project, env=env)
    assert runs_seen_from(project, env) == 3
    assert not is_running(embedded_home)


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("with_home", [False, True])
def test_dagster_dev_and_its_run_workers_share_the_server(
    embedded_project: tuple[Path, dict[str, str]], embedded_home: Path, with_home: bool
) -> None:
    project, env = embedded_project
    if with_home:
        env = env | {"DAGSTER_HOME": str(project)}
    with dagster_dev(project, env) as url:
        run_id = launch(url)
        eventually(lambda: status_of(url, run_id) in {"SUCCESS", "FAILURE"})
        assert status_of(url, run_id) == "SUCCESS"
        dagster("asset", "materialize", "-f", "number.py", "--select", "number", cwd=project, env=env)
        assert is_running(embedded_home)
    eventually(lambda: not is_running(embedded_home))
    assert runs_seen_from(project, env) == 2


@contextmanager
def dagster_dev(project: Path, env: dict[str, str]) -> Iterator[str]:
    """Its URL, while it runs; ended as by Ctrl-C."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = str(reserved.getsockname()[1])
    command = [sys.executable, "-m", "dagster", "dev", "-f", "number.py", "-h", "127.0.0.1", "-p", port]
    with (project / "dev.log").open("w") as log:
        process = subprocess.Popen(command, cwd=project, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        # A worker that is killed while it ends would leave the server running, as every killed process does.
        eventually(lambda: has_ended(process.pid))
    finally:
        kill_session(process)


def has_ended(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return True
    return False


def kill_session(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def answers(url: str) -> bool:
    time.sleep(0.2)
    try:
        return httpx.get(f"{url}/server_info", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def ask(url: str, query: str, variables: dict[str, Any]) -> Any:
    reply = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60)
    return reply.json()["data"]


def launch(url: str) -> str:
    query = """
    mutation ($job: ExecutionParams!) {
      launchRun(executionParams: $job) { __typename ... on LaunchRunSuccess { run { runId } } }
    }
    """
    repository = {"repositoryLocationName": "number.py", "repositoryName": "__repository__", "jobName": "number_job"}
    reply = ask(url, query, {"job": {"selector": repository, "runConfigData": {}, "mode": "default"}})
    assert reply["launchRun"]["__typename"] == "LaunchRunSuccess", json.dumps(reply)
    return str(reply["launchRun"]["run"]["runId"])


def status_of(url: str, run_id: str) -> str:
    time.sleep(0.2)
    query = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
    return str(ask(url, query, {"id": run_id})["runOrError"]["status"])
