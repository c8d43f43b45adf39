"""How soon a changed spec is in the generated module: a file by the system's word, beside looks at intervals.

Both sides are `syncflow specs watch` itself, with the same document of 100 operations: one follows a file, the other
asks a server every five seconds. A look every 30 s is reckoned: its wait is as even, and the work is the same.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil

from benchmarks.figures import Benchmark, Options, Outcome, Verdict, shown, table
from benchmarks.postgres import running_postgres, scratch_folder
from benchmarks.processes import ChildFailed, child_environment
from benchmarks.specs import Specs, specs_document
from benchmarks.workbench import say

OPERATIONS = 100
FILES = 1_000
DEBOUNCE_S = 0.5
POLL_S, SLOW_POLL_S = 5.0, 30.0
CHANGES, POLLED_CHANGES = 20, 4
"""In each round."""
IDLE_S = 60.0

P95_LIMIT_S, IDLE_LIMIT_PERCENT = 1.0, 1.0

_LIMIT_S = 120.0
_FIRST_LOOK_LIMIT_S = 900.0
"""At a thousand services: each is recorded for itself, on the disk and in the database."""
_LOOK_S = 0.002
_NAME = "crm"


def measure_watching(options: Options) -> Outcome:
    """The figures of all rounds. Raises `ChildFailed` where a change does not arrive."""
    by_event: list[float] = []
    by_poll: list[float] = []
    few = not options.is_full
    with scratch_folder(options.folder) as folder, running_postgres(folder / "postgres") as postgres:
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}: {CHANGES} changes of a file, {POLLED_CHANGES} of an answer")
            by_event += _by_event(folder / f"events{number}", postgres.create(f"events{number}"), 3 if few else CHANGES)
            by_poll += _by_poll(
                folder / f"polls{number}", postgres.create(f"polls{number}"), 1 if few else POLLED_CHANGES
            )
        files = 20 if few else FILES
        say(f"{files} files, and nothing happens")
        idle = _idle(folder / "idle", postgres.create("idle"), files, 2.0 if few else IDLE_S)
    return _outcome(by_event, by_poll, idle, options)


def _by_event(folder: Path, url: str, changes: int) -> list[float]:
    """Seconds from each rename to the new module, the debounce left out."""
    file = folder / "backend" / "openapi.json"
    _replace(file, _document(0))
    _configure(folder, _service("path: backend, openapi_path: openapi.json"))
    with _watching(folder, url, "3600"):
        _await(folder, 0)
        return [_until_generated(folder, number, file) - DEBOUNCE_S for number in range(1, changes + 1)]


def _until_generated(folder: Path, number: int, file: Path) -> float:
    _replace(file, _document(number))
    began = time.perf_counter()
    _await(folder, number)
    return time.perf_counter() - began


def _by_poll(folder: Path, url: str, changes: int) -> list[float]:
    """Seconds from each change of the answer to the new module. A change comes at any time between two looks."""
    specs = Specs()
    specs.bodies[_NAME] = _document(0)
    chance = random.Random(7)
    seconds = []
    with specs.served() as base:
        _configure(folder, _service(f"openapi_path: /{_NAME}", base))
        with _watching(folder, url, str(int(POLL_S))):
            _await(folder, 0)
            for number in range(1, changes + 1):
                time.sleep(chance.uniform(0, POLL_S))
                specs.bodies[_NAME] = _document(number)
                began = time.perf_counter()
                _await(folder, number)
                seconds.append(time.perf_counter() - began)
    return seconds


def _idle(folder: Path, url: str, files: int, seconds: float) -> float:
    """The part of one core, in percent, that the process and its children take while nothing changes."""
    lines = []
    for at in range(files):
        path = folder / "services" / f"s{at}" / "openapi.json"
        _replace(path, specs_document(1, f"Service {at}"))
        lines.append(_service(f"path: services/s{at}, openapi_path: openapi.json", name=f"s{at}", components=""))
    _configure(folder, "\n".join(lines))
    with _watching(folder, url, "3600") as process:
        _wait_until(
            lambda: _kept(folder) >= files and _is_quiet(process), "all files were looked at", _FIRST_LOOK_LIMIT_S
        )
        before, began = _cpu_s(process), time.perf_counter()
        time.sleep(seconds)
        return 100 * (_cpu_s(process) - before) / (time.perf_counter() - began)


def _kept(folder: Path) -> int:
    """How many specs are kept; asked seldom, as the process that is measured has to do with the same disk."""
    time.sleep(1.0)
    file = folder / ".openapi_checksums.json"
    return len(json.loads(file.read_bytes())) if file.exists() else 0


def _is_quiet(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it has hardly worked for two seconds."""
    before = _cpu_s(process)
    time.sleep(2.0)
    return _cpu_s(process) - before < 0.1


def _cpu_s(process: "subprocess.Popen[bytes]") -> float:
    whole = psutil.Process(process.pid)
    times = [one.cpu_times() for one in (whole, *whole.children(recursive=True))]
    return sum(one.user + one.system for one in times)


@contextmanager
def _watching(folder: Path, url: str, interval: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`syncflow specs watch`, warm by the time that the block begins; ended with it."""
    places = {"SYNCFLOW_CONFIG_DIR": str(folder / "config"), "SYNCFLOW_HOME": str(folder / "home")}
    environment = child_environment({**places, "SYNCFLOW_DATABASE_URL": url})
    command = [sys.executable, "-m", "syncflow_pipelines.cli", "specs", "watch", "--interval", interval, "--json"]
    with open(folder / "said", "wb") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_LIMIT_S)


def _await(folder: Path, number: int) -> None:
    """Returns when the generated MCP server is that of the document with that number."""
    module = folder / "generated" / f"{_NAME}_mcp.py"
    known: int | None = None

    def is_there() -> bool:
        nonlocal known
        try:
            now = module.stat().st_ino
        except FileNotFoundError:
            return False
        if now == known:
            return False
        known = now
        return any(f"Number {number}." in spec.read_text() for spec in _specs_of(module))

    _wait_until(is_there, f"change {number}: {(folder / 'said').read_text()[-2000:] if known is None else ''}")


def _specs_of(module: Path) -> Sequence[Path]:
    """The document that a generated module stands on; those before it are kept for a while."""
    text = module.read_text()
    return [spec for spec in module.parent.glob(f"{_NAME}_spec_*.json") if spec.name in text]


def _wait_until(holds: Callable[[], bool], what: str, limit_s: float = _LIMIT_S) -> None:
    ends_at = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > ends_at:
            raise ChildFailed(f"not within {limit_s:g} s: {what}")
        time.sleep(_LOOK_S)


def _document(number: int) -> bytes:
    return specs_document(OPERATIONS, "A service", words=f"Number {number}.")


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(".draft")
    draft.write_bytes(content)
    draft.replace(path)


def _service(where: str, base: str = "http://127.0.0.1:9", *, name: str = _NAME, components: str = "rest, mcp") -> str:
    return f"  - {{name: {name}, base_url: '{base}', {where}, components: [{components}]}}"


def _configure(folder: Path, services: str) -> None:
    (folder / "config").mkdir(parents=True, exist_ok=True)
    places = "output_dir: specs, generated_dir: generated, checksum_file: .openapi_checksums.json"
    (folder / "config" / "auto_sync_services.yaml").write_text(f"services:\n{services}\nsettings: {{{places}}}\n")


def _outcome(by_event: list[float], by_poll: list[float], idle: float, options: Options) -> Outcome:
    work = median(by_event)
    reckoned = [at / 100 * SLOW_POLL_S + work for at in range(101)]
    sides = {"a file, beyond 0.5 s": by_event, "a look every 5 s": by_poll, "a look every 30 s, reckoned": reckoned}
    rows = [[side, *(shown(_share(found, part), " s") for part in (0.5, 0.95, 1.0))] for side, found in sides.items()]
    verdicts = [
        Verdict("rename to module, p95 beyond the debounce", _share(by_event, 0.95), P95_LIMIT_S, "at most", " s"),
        Verdict(f"{FILES} files, nothing happens", idle, IDLE_LIMIT_PERCENT, "at most", " % of a core"),
    ]
    lines = [*table(["", "p50", "p95", "longest"], rows), f"idle: {idle:.2f} % of a core"]
    figures = {"event_s": by_event, "poll_s": by_poll, "idle_percent": idle}
    return Outcome(figures, lines, verdicts if options.is_full else [])


def _share(found: Sequence[float], part: float) -> float:
    """The figure below which that part of them is."""
    ordered = sorted(found)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


WATCH = Benchmark(
    "watch",
    "from the rename of a changed spec file to the new module, beside looks at intervals; 1,000 files at rest",
    measure_watching,
    has_rows=False,
)
