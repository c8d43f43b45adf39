"""What the gateway costs and what it holds, beside other doors to the same backend."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Benchmark, Options, Outcome
from benchmarks.gateway_doors import (
    OURS,
    PEERS,
    Door,
    apart,
    free_port,
    is_there,
    nginx_backend,
    nginx_door,
    peer_door,
    syncflow_door,
)
from benchmarks.gateway_failures import PROBES, RESET_S, THRESHOLD, kill_and_revive, scripted_backend
from benchmarks.gateway_load import Load, load, pressing
from benchmarks.gateway_outcome import NGINX, SIDE, STREAMS, Found, outcome_of
from benchmarks.gateway_streams import download, listen, upload
from benchmarks.postgres import Postgres, running_postgres, scratch_folder
from benchmarks.workbench import say

GIGABYTE, REQUESTS_TO_A_DYING_ONE = 10**9, 2_000

_WARM_S = 1
_LOAD_S = 5
_OPEN_FILES = 16_384
_HANGING_MS = 1000
"""How long the endpoint that hangs is waited for."""

_CONFIGURATION = """\
endpoints:
  - {{name: good, url: "{backend}"}}
  - {{name: scripted, url: "{scripted}", timeout: 0}}
  - {{name: hanging, url: "{scripted}/hang", timeout: {hanging_s}, circuit_breaker: {{failure_threshold: 1000000}}}}
  - name: mortal
    url: "http://127.0.0.1:{mortal}"
    circuit_breaker: {{failure_threshold: {threshold}, reset_timeout: {reset_s}, half_open_max_calls: {probes}}}
limits: {{max_concurrent: 100000}}
health_check: {{enabled: false}}
register_services: false
"""


@dataclass(frozen=True, slots=True)
class _Yard:
    """The backends, and the doors before them."""

    folder: Path
    scripted: Door
    mortal_port: int
    doors: dict[str, Door]

    @property
    def ours(self) -> Door:
        return self.doors[SIDE]


def measure_gateway(options: Options) -> Outcome:
    """All figures. Raises `ChildFailed` where something is not answered, or not rightly."""
    found, scale = Found(), min(1.0, options.rows / 1_000_000)
    with apart(), _many_open_files(), scratch_folder(options.folder) as folder, _yard(folder, options) as yard:
        if is_there("wrk"):
            _measure_loads(yard, options, found, seconds=max(round(_LOAD_S * scale), 1))
        else:
            say("wrk is not installed (apt-get install wrk): no requests a second, no latencies")
        _measure_streams(yard, found, scale)
        say(f"A backend that dies: {THRESHOLD} failures open its breaker, {PROBES} probes close it")
        requests = max(int(REQUESTS_TO_A_DYING_ONE * scale), 100)
        found.died = kill_and_revive(_bare(yard.ours), "/orchestrator/mortal", yard.mortal_port, folder / "m", requests)
    return outcome_of(found, options)


@contextmanager
def _yard(folder: Path, options: Options) -> Iterator[_Yard]:
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(folder / "postgres"))
        scripted = stack.enter_context(scripted_backend(free_port(), folder / "scripted"))
        backend = stack.enter_context(nginx_backend(folder)) if is_there("nginx") else scripted
        mortal_port = free_port()
        configuration = _CONFIGURATION.format(
            backend=backend.url, scripted=scripted.url, mortal=mortal_port, threshold=THRESHOLD, reset_s=RESET_S,
            probes=PROBES,
            hanging_s=_HANGING_MS / 1000,
        )  # fmt: skip
        doors = dict(_doors(stack, folder, postgres, backend, configuration))
        if options.with_peers:
            doors |= {side: stack.enter_context(peer_door(side, backend, folder)) for side in PEERS}
        yield _Yard(folder, scripted, mortal_port, doors)


def _doors(
    stack: ExitStack, folder: Path, postgres: Postgres, backend: Door, configuration: str
) -> Iterator[tuple[str, Door]]:
    for server, side in OURS.items():
        url = postgres.create(f"gateway_{server}")
        yield side, stack.enter_context(syncflow_door(server, configuration, folder, url))
    if is_there("nginx"):
        yield NGINX, stack.enter_context(nginx_door(folder, backend))
    else:
        say("nginx is not installed (apt-get install nginx-light): the backend is one in Python, and nginx no side")


def _measure_loads(yard: _Yard, options: Options, found: Found, seconds: int) -> None:
    for number in range(1, options.rounds + 1):
        say(f"Round {number} of {options.rounds}: {', '.join(yard.doors)}")
        for side, door in yard.doors.items():
            load(f"{door.url}/x", _WARM_S, yard.folder, must_hold=side not in PEERS)
            found.loads[side].append(load(f"{door.url}/x", seconds, yard.folder, must_hold=side not in PEERS))
        found.beside.append(_beside_a_hanging_one(yard, seconds))
    say(f"{options.rows:,} requests: does the memory grow?")
    found.memory_mib = _memory_over(yard, options.rows, seconds)


def _beside_a_hanging_one(yard: _Yard, seconds: int) -> tuple[Load, Load]:
    good = f"{yard.ours.url}/x"
    before = load(good, seconds, yard.folder)
    with pressing(f"{_bare(yard.ours).url}/orchestrator/hanging/x", yard.folder, most_delay_ms=_HANGING_MS):
        load(good, 2 * _WARM_S, yard.folder)  # its callers all come at once, the first time
        return before, load(good, seconds, yard.folder)


def _memory_over(yard: _Yard, requests: int, seconds: int) -> list[float]:
    sent, after_a_tenth = 0, 0.0
    while sent < requests:
        sent += load(f"{yard.ours.url}/x", seconds, yard.folder).requests
        if not after_a_tenth and sent >= requests // 10:
            after_a_tenth = yard.ours.memory_mib()
    return [after_a_tenth, yard.ours.memory_mib()]


def _measure_streams(yard: _Yard, found: Found, scale: float) -> None:
    size, streams = max(int(GIGABYTE * scale), 10_000_000), max(int(STREAMS * scale), 50)
    say(f"{size:,} bytes each way, and {streams:,} streams of events")
    door = _bare(yard.ours)
    found.streamed = {
        "down": download(door, "/orchestrator/scripted", size),
        "up": upload(door, "/orchestrator/scripted", size),
    }
    found.listened = listen(door, "/orchestrator/scripted", yard.scripted, streams)


def _bare(door: Door) -> Door:
    return Door(door.port, door.process)


@contextmanager
def _many_open_files() -> Iterator[None]:
    """Thousands of connections, here and in what is started from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


GATEWAY = Benchmark(
    "gateway",
    "requests through the gateway and its peers; memory, streams, and backends that hang or die; rows are requests",
    measure_gateway,
)
