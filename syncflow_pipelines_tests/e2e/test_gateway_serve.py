"""`syncflow serve` as operators meet it: started, reloaded and ended."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import psutil
import pytest

from syncflow_pipelines_tests.e2e.gateway_process import serving, write_gateway
from syncflow_pipelines_tests.e2e.project_folder import LIMIT_S, ProjectFolder, unused_port, wait_until
from syncflow_pipelines_tests.server.recording_backend import OK, Arrival, RecordingBackend

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    with RecordingBackend() as running:
        yield running


def stream(arrival: Arrival) -> None:
    """One event, and then none until the caller goes."""
    arrival.send(STREAM + b"9\r\ndata: 1\n\n\r\n")
    assert arrival.is_hung_up()


class Held:
    """Answers of a backend that wait until the test lets them go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, arrival: Arrival) -> None:
        assert self.go.wait(LIMIT_S)
        arrival.send(OK)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_answered_before_the_process_ends(
    project: ProjectFolder, backend: RecordingBackend, number: int
) -> None:
    write_gateway(project, {"name": "shop", "url": backend.url})
    held = Held()
    backend.answer = held
    with serving(project) as gateway, ThreadPoolExecutor(20) as threads:
        host, port = gateway.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as idle:
            idle.settimeout(LIMIT_S)
            idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(65_536).startswith(b"HTTP/1.1 200")
            asked = [
                threads.submit(httpx2.get, f"{gateway.url}/orchestrator/shop/{i}", timeout=LIMIT_S) for i in range(20)
            ]
            wait_until(lambda: len(backend.arrivals) == 20, "the requests")
            gateway.process.send_signal(number)
            assert idle.recv(1) == b""
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{gateway.url}/health")
        held.go.set()
        assert [one.result().text for one in asked] == ["ok"] * 20
        assert gateway.process.wait(LIMIT_S) == 0
    assert "cut" not in project.stderr()


def test_what_does_not_end_is_cut_when_the_grace_period_is_over(
    project: ProjectFolder, backend: RecordingBackend
) -> None:
    write_gateway(project, {"name": "shop", "url": backend.url})
    backend.answer = stream
    with serving(project, "--grace-period", "0.5") as gateway:
        with gateway.client.stream("GET", "/orchestrator/shop/events") as events:
            pieces = events.iter_raw()
            assert next(pieces) == b"data: 1\n\n"
            gateway.process.send_signal(signal.SIGTERM)
            with pytest.raises(httpx2.TransportError):
                list(pieces)
        assert gateway.process.wait(LIMIT_S) == 0
    assert "The grace period is over: 1 requests are cut" in project.stderr()


def test_it_says_that_it_drains_and_still_accepts_for_the_drain_delay(
    project: ProjectFolder, backend: RecordingBackend
) -> None:
    write_gateway(project, {"name": "shop", "url": backend.url})
    with serving(project, "--drain-delay", "600") as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: gateway.client.get("/health/ready").status_code == 503, "that it drains")
        assert gateway.get("/health")["status"] == "draining"
        assert gateway.client.get("/health/ready").json()["type"] == "urn:syncflow:problem:draining"
        assert gateway.client.get("/orchestrator/shop/x").text == "ok"
        assert gateway.end() == 0  # the second signal does not wait any more


def test_sighup_reads_the_file_anew_and_a_bad_file_changes_nothing(
    project: ProjectFolder, backend: RecordingBackend
) -> None:
    write_gateway(project, {"name": "shop", "url": backend.url})
    with serving(project) as gateway:
        write_gateway(project, {"name": "store", "url": "no URL"})
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: gateway.get("/config/status")["last_reload"], "the reload")
        assert "gateway.yaml:" in gateway.get("/config/status")["last_reload"]["mistakes"][0]
        assert "was not reloaded" in project.stderr()
        assert gateway.client.get("/orchestrator/shop/x").text == "ok"
        write_gateway(project, {"name": "store", "url": backend.url})
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: gateway.client.get("/orchestrator/store/x").status_code == 200, "the new endpoint")
        assert gateway.client.get("/orchestrator/shop/x").status_code == 404
        assert gateway.end() == 0


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_several_processes_share_the_port_and_agree(
    project: ProjectFolder, backend: RecordingBackend, server: str
) -> None:
    write_gateway(project, {"name": "shop", "url": backend.url})
    port = str(unused_port())
    with serving(project, "--workers", "2", "--server", server, "--port", port) as gateway:
        here = psutil.Process(gateway.process.pid)

        def workers() -> list[psutil.Process]:
            return [one for one in here.children() if _is_worker(one)]

        wait_until(lambda: len(workers()) == 2, "both processes")
        (first, _second) = workers()
        first.kill()
        wait_until(lambda: len(workers()) == 2 and first not in workers(), "another in its place")
        write_gateway(project, {"name": "store", "url": backend.url})
        assert _again(lambda: gateway.client.post("/config/reload")) == 200
        wait_until(lambda: _statuses(gateway.url, "/orchestrator/store/x") == {200}, "that all know it")
        assert _statuses(gateway.url, "/orchestrator/shop/x") == {404}
        if server == "granian":
            assert gateway.end() == 0
        else:  # nobody is left behind by one who had no time to end them
            left = workers()
            gateway.process.kill()
            wait_until(lambda: not any(_is_worker(one) for one in left), "the end of both")


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _statuses(url: str, path: str) -> set[int]:
    """What so many connections of their own are answered."""
    return {_again(lambda: httpx2.get(f"{url}{path}", timeout=LIMIT_S)) for _ in range(20)}


def _again(ask: Callable[[], httpx2.Response]) -> int:
    """The status; where the connection was that of a process that is not ready yet, that of the next one."""
    answers: list[int] = []

    def asked() -> bool:
        with suppress(httpx2.TransportError):
            answers.append(ask().status_code)
        return bool(answers)

    wait_until(asked, "an answer", limit_s=30)
    return answers[0]


def test_a_port_that_is_taken_is_told_in_a_sentence(project: ProjectFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for server in ("uvicorn", "granian"):
            done = project.syncflow("serve", "--port", str(port), "--server", server)
            assert done.returncode == 2
            assert (
                f"Error: cannot listen on 127.0.0.1:{port} (Address already in use); --port {port + 1}" in done.stderr
            )


def test_others_may_reach_it_only_with_a_token(project: ProjectFolder) -> None:
    refused = project.syncflow("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "will not listen on 0.0.0.0: without tokens" in refused.stderr
    made = project.syncflow("serve", "token", "ops", "--role", "admin")
    token, part = made.stdout.strip(), made.stderr.strip().rpartition(" ")[2]
    assert re.fullmatch(r"syncflow_[\w-]{43}", token)
    assert token not in made.stderr
    (project.path / ".env").write_text(f"SYNCFLOW_API_TOKENS={part}\n")
    with serving(project, "--host", "0.0.0.0") as gateway:
        url = f"http://127.0.0.1:{gateway.url.rpartition(':')[2]}"
        assert httpx2.get(f"{url}/registry/stats").status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx2.get(f"{url}/registry/stats", headers=bearer).status_code == 200
        assert httpx2.get(f"{url}/orchestrator/nobody/x").status_code == 404
        (project.path / ".env").write_text("")
        # without a token, all the network could change things: what holds stays
        assert httpx2.post(f"{url}/config/reload", headers=bearer).status_code == 422
        other = json.loads(project.syncflow("serve", "token", "next", "--role", "admin", "--json").stdout)
        (project.path / ".env").write_text(f"SYNCFLOW_API_TOKENS={other['part']}\n")
        assert httpx2.post(f"{url}/config/reload", headers=bearer).status_code == 200
        assert httpx2.get(f"{url}/registry/stats", headers=bearer).status_code == 401
        assert gateway.end() == 0
    assert token not in project.stderr()


def test_the_token_command_refuses_a_name_twice_and_no_name(project: ProjectFolder) -> None:
    part = json.loads(project.syncflow("serve", "token", "ops", "--json").stdout)["part"]
    twice = project.syncflow("serve", "token", "ops", SYNCFLOW_API_TOKENS=part)
    assert (twice.returncode, twice.stdout) == (2, "")
    assert "names a token 'ops' already" in twice.stderr
    assert project.syncflow("serve", "token", "a:b").returncode == 2


def test_without_a_file_a_sample_is_written_and_served(project: ProjectFolder) -> None:
    file = project.path / "config" / "gateway.yaml"
    file.unlink()
    with serving(project) as gateway:
        assert gateway.get("/config/status")["endpoints"] == 2
        assert gateway.end() == 0
    assert f"{file} was not there: a sample was written" in project.stderr()


def test_the_module_takes_the_flags_and_the_variables_of_the_requirement(project: ProjectFolder) -> None:
    (project.path / "other.yaml").write_text("log_level: WARNING\nendpoints: [{name: it, url: 'http://127.0.0.1:9'}]")
    port = unused_port()
    command = [sys.executable, "-m", "syncflow_pipelines.gateway"]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=LIMIT_S)
    assert re.findall(r"^  (?:-h, )?(--[\w-]+)", told.stdout, re.MULTILINE) == [
        "--config", "--host", "--port", "--log-level", "--reload", "--help",
    ]  # fmt: skip
    environment = project.environment(HOST="127.0.0.1", PORT=str(port), CONFIG_PATH="other.yaml", LOG_LEVEL="DEBUG")
    with subprocess.Popen([*command, "--reload"], cwd=project.path, env=environment) as process:
        try:
            wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health/ready"), "the gateway")
            status = httpx2.get(f"http://127.0.0.1:{port}/config/status").json()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    wait_until(lambda: project.processes() == [], "what multiprocessing has started has seen that")
    assert (status["path"], status["endpoints"]) == (str(project.path / "other.yaml"), 1)
    assert status["log_level"] == "DEBUG"


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False
