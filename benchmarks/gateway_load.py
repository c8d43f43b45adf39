"""wrk: as many requests as a door answers, over connections that stay open."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ChildFailed, child_environment

CONNECTIONS = 64

_LIMIT_S = 60.0
_SCRIPT = """\
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "bad": %d, "broken": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""
_IN_TURN = """\
local paths, next_one = {%s}, 0
request = function()
  next_one = next_one %% #paths + 1
  return wrk.format("GET", paths[next_one])
end
"""
_AT_RANDOM = """\
delay = function()
  return math.random(0, %d)
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk tells of one run."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    bad: int
    """Answers that were no success."""
    broken: int
    """Connections that failed, and requests without an answer."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def load(
    url: str,
    seconds: int,
    folder: Path,
    *,
    connections: int = CONNECTIONS,
    paths: Sequence[str] = (),
    must_hold: bool = True,
) -> Load:
    """One thread of wrk for so long, which asks for the paths in turn where some are given.

    Raises `ChildFailed` where an answer is missing or none of success, unless `must_hold` is false: a peer that drops
    some under load is measured all the same.
    """
    with _wrk(
        url, seconds, folder, connections, _IN_TURN % ", ".join(map(json.dumps, paths)) if paths else ""
    ) as process:
        found = _told(process, seconds)
    if must_hold and (found.bad or found.broken):
        raise ChildFailed(f"{url}: of {found.requests} requests {found.bad} were refused and {found.broken} broke off")
    return found


@contextmanager
def pressing(url: str, folder: Path, *, most_delay_ms: int, connections: int = CONNECTIONS) -> Iterator[None]:
    """Requests without end while the block runs, whatever becomes of them.

    Each comes up to that long after the last answer: callers do not come, and give up, all at one moment.
    """
    with _wrk(url, 3600, folder, connections, _AT_RANDOM % most_delay_ms):
        yield


@contextmanager
def _wrk(url: str, seconds: int, folder: Path, connections: int, more: str = "") -> Iterator["subprocess.Popen[str]"]:
    script = folder / "told.lua"
    script.write_text(_SCRIPT + more)
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    process = subprocess.Popen(
        [*command, "--timeout", "60s", "--script", str(script), url],
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _told(process: "subprocess.Popen[str]", seconds: int) -> Load:
    output, _ = process.communicate(timeout=seconds + _LIMIT_S)
    if process.returncode != 0:
        raise ChildFailed(f"wrk ended with {process.returncode}: {output[-1000:]}")
    return Load(**json.loads(output.strip().rpartition("\n")[2]))
