"""The doors that are measured, each one process before one backend, on ports of their own.

All are given one worker, no access log, and connections to the backend that stay open.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.peers.environment import GATEWAY_PLACE, GATEWAY_REQUIREMENTS, peers_python
from benchmarks.processes import REPOSITORY, ChildFailed, child_environment

ANSWER = '{"id":1,"name":"a tiny answer of the backend","tags":["a","b"],"price":"12.50"}'
PEERS = {"fastapi-proxy-lib": "proxy_lib_app", "httpx": "httpx_app"}
"""Name of the side, and its module in `benchmarks/peers`."""
OURS = {"uvicorn": "syncflow, uvicorn", "granian": "syncflow, granian"}

_PROCESSORS = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
_START_LIMIT_S = 90.0
_END_LIMIT_S = 20.0
_LOOK_S = 0.02

_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {location} }} }}
}}
"""
_BACKEND = "default_type application/json; return 200 '{answer}';"
_POOL = "upstream backend {{ server 127.0.0.1:{port}; keepalive 256; keepalive_requests 1000000000; }}"
_PASS = 'proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'


@dataclass(frozen=True, slots=True)
class Door:
    """Something that listens."""

    port: int
    process: "subprocess.Popen[bytes]"
    prefix: str = ""
    """Before the path that the backend sees."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def family(self) -> list[psutil.Process]:
        """The process and its children. Looking for them takes a while."""
        return _family(self.process.pid)

    def take_the_first_processor(self) -> None:
        """All its processes run there, with all their threads, and nothing else is meant to."""
        if _can_keep_apart():
            for process in self.family():
                for thread in process.threads():
                    os.sched_setaffinity(thread.id, _PROCESSORS[:1])

    def memory_mib(self) -> float:
        """What they all hold now."""
        return resident_mib(self.family())


def resident_mib(processes: Sequence[psutil.Process]) -> float:
    return sum(map(_resident, processes)) / 2**20


def is_there(program: str) -> bool:
    return shutil.which(program) is not None


@contextmanager
def apart() -> Iterator[None]:
    """For the block, this process and what it starts leave the first processor to the doors.

    Else load, backends and doors would take processors from each other, and the slowest requests would tell of that
    alone. Where there is but one, or the system cannot keep processes apart, everything runs everywhere.
    """
    if _can_keep_apart():
        psutil.Process().cpu_affinity(_PROCESSORS[1:])
    try:
        yield
    finally:
        if _can_keep_apart():
            psutil.Process().cpu_affinity(_PROCESSORS)


def _can_keep_apart() -> bool:
    return len(_PROCESSORS) > 1


@contextmanager
def nginx_backend(folder: Path) -> Iterator[Door]:
    """An nginx that gives one small JSON document for everything."""
    with _nginx(folder / "backend", "", _BACKEND.format(answer=ANSWER)) as door:
        yield door


@contextmanager
def nginx_door(folder: Path, backend: Door) -> Iterator[Door]:
    """An nginx that passes on, without buffers, as one does for streams."""
    with _nginx(folder / "nginx", _POOL.format(port=backend.port), _PASS) as door:
        door.take_the_first_processor()
        yield door


@contextmanager
def peer_door(side: str, backend: Door, folder: Path) -> Iterator[Door]:
    python, port = peers_python(GATEWAY_PLACE, GATEWAY_REQUIREMENTS), free_port()
    command = [str(python), "-m", "uvicorn", "--app-dir", str(Path(__file__).with_name("peers"))]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning", f"{PEERS[side]}:app"]
    environment = child_environment({"PYTHONPATH": "", "BACKEND": f"{backend.url}/"})
    with serving(command, port, folder / side, environment) as process:
        door = Door(port, process)
        door.take_the_first_processor()
        yield door


@contextmanager
def syncflow_door(server: str, configuration: str, folder: Path, database_url: str) -> Iterator[Door]:
    """`syncflow serve` with that `gateway.yaml`; its endpoint `good` answers by the time that the block begins."""
    place, port = folder / f"syncflow-{server}", free_port()
    (place / "config").mkdir(parents=True, exist_ok=True)
    (place / "config" / "gateway.yaml").write_text(configuration)
    command = [sys.executable, "-m", "syncflow_pipelines.cli", "serve", "--server", server, "--port", str(port)]
    places = {"SYNCFLOW_CONFIG_DIR": str(place / "config"), "SYNCFLOW_HOME": str(place / "home")}
    environment = child_environment({**places, "SYNCFLOW_DATABASE_URL": database_url, "LOG_LEVEL": "ERROR"})
    with serving([*command, "--log-level", "error"], port, place, environment) as process:
        door = Door(port, process, "/orchestrator/good")
        wait_until(lambda: _answers(f"{door.url}/x"), f"{' '.join(command)}: {_said(place)}")
        door.take_the_first_processor()
        yield door


@contextmanager
def serving(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that listens by the time that the block begins, and has ended with all its children when it has.

    Raises `ChildFailed` with what it said where it does not come to listen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "said", "ab") as said:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        wait_until(lambda: _listens(process, port, folder), f"{' '.join(command)} listens on {port}")
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Asks it to end, and makes it; what it has started goes with it."""
    family = _family(process.pid)
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_LIMIT_S)
    for one in family:
        with suppress(psutil.Error):
            one.kill()
    process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str, limit_s: float = _START_LIMIT_S) -> None:
    """Returns once it holds. Raises `ChildFailed` where it does not come to that."""
    ends_at = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > ends_at:
            raise ChildFailed(f"not within {limit_s:g} s: {what}")
        time.sleep(_LOOK_S)


@contextmanager
def _nginx(folder: Path, http: str, location: str) -> Iterator[Door]:
    folder.mkdir(parents=True, exist_ok=True)
    port, path = free_port(), folder / "nginx.conf"
    path.write_text(_NGINX.format(folder=folder, port=port, http=http, location=location))
    # -e: else it would complain of a log that it may not write before it has read where its own is
    command = ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(path)]
    with serving(command, port, folder, child_environment()) as process:
        yield Door(port, process)


def _listens(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> bool:
    if process.poll() is not None:
        raise ChildFailed(f"it ended with {process.returncode} before it listened on {port}: {_said(folder)}")
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _said(folder: Path) -> str:
    return (folder / "said").read_text(errors="replace")[-2000:]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        whole = psutil.Process(pid)
        return [whole, *whole.children(recursive=True)]
    return []


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
