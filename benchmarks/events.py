"""How many events a second the outbox takes, alone and with a slow subscriber; how fast and how soon they come out."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.figures import Benchmark, Options, Outcome, Verdict, table
from benchmarks.postgres import Postgres, running_postgres, scratch_folder
from benchmarks.processes import REPOSITORY, ChildFailed, child_environment
from benchmarks.workbench import say
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import publish

BATCHES = {1: 5_000, 100: 100_000, 1_000: 200_000}
"""By events in a transaction, how many are published in all."""
DELIVERED = 20_000
NOTICED = 500
WANTED_A_SECOND = 10_000.0
MOST_COST = 0.8
LATENCY_LIMIT_MS = 100.0
SLOW_S = 0.02
_ACKNOWLEDGED = (1, 100)
_SIDES = ("nobody", "slow subscriber")


def measure_events(options: Options) -> Outcome:
    """Publishing with and without a subscriber in turn, delivering, and the way from commit to handler."""
    published: dict[tuple[int, str], list[float]] = {(batch, side): [] for batch in BATCHES for side in _SIDES}
    delivered: dict[int, list[float]] = {every: [] for every in _ACKNOWLEDGED}
    latencies: list[float] = []
    with scratch_folder(options.folder) as folder, running_postgres(folder / "home") as postgres:
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            for batch, events in BATCHES.items():
                for side in _SIDES:
                    rate = _publish(postgres, folder, batch, options.scaled(events), side)
                    published[batch, side].append(rate)
                    say(f"  {batch:,} a transaction, {side}: {rate:,.0f} events a second")
            for every in _ACKNOWLEDGED:
                delivered[every].append(_deliver(postgres, folder, options.scaled(DELIVERED), every))
            latencies += _notice(postgres, folder, options.scaled(NOTICED))
    return _outcome(published, delivered, latencies, options)


def _publish(postgres: Postgres, folder: Path, batch: int, events: int, side: str) -> float:
    """Events a second that one publisher commits."""
    with _database(postgres, folder) as (database, url):
        if side == "nobody":
            return _published(database, batch, events)
        # it never has them all, and is killed
        with _subscriber(url, events=10**9, handler_s=SLOW_S) as child:
            rate = _published(database, batch, events)
            if child.poll() is not None:
                raise ChildFailed("the slow subscriber ended")
            return rate


def _published(database: Database, batch: int, events: int) -> float:
    batches = max(events // batch, 1)
    with database.dedicated("publisher") as connection:
        began = time.perf_counter()
        for number in range(batches):
            at = {"at": time.time(), "entity": "erp/items", "status": "success", "fetched": number}
            told = [Event("sync_finished", f"erp/entity_{n % 50}", at) for n in range(batch)]
            with connection.transaction():
                publish(connection, told)
        return batches * batch / (time.perf_counter() - began)


def _deliver(postgres: Postgres, folder: Path, events: int, every: int) -> float:
    """Events a second that one subscriber gets who finds them all there."""
    with _database(postgres, folder) as (database, url):
        _published(database, 1_000, max(events, 1_000))
        with _subscriber(url, events=events, from_beginning=True, acknowledge_every=every) as child:
            return events / max(float(_report(child)["seconds"]), 1e-9)


def _notice(postgres: Postgres, folder: Path, events: int) -> list[float]:
    """Milliseconds from each commit to the handler, one event after the other at random moments."""
    with _database(postgres, folder) as (database, url), _subscriber(url, events=events) as child:
        with database.dedicated("publisher") as connection:
            for number in range(events):
                time.sleep(random.uniform(0.0, 0.02))
                publish(connection, [Event("sync_finished", f"erp/entity_{number % 50}", {"at": time.time()})])
        return [float(each) for each in _report(child)["latencies_ms"]]


@contextmanager
def _database(postgres: Postgres, folder: Path) -> Iterator[tuple[Database, str]]:
    url = postgres.create("events")
    settings = Settings(folder / "config", folder / "home", database_url=url)
    with open_database(settings) as database:
        postgres.settle()
        yield database, url


@contextmanager
def _subscriber(
    url: str, *, events: int, handler_s: float = 0.0, from_beginning: bool = False, acknowledge_every: int = 1
) -> Iterator["subprocess.Popen[str]"]:
    """A subscriber that is ready; killed at the end if it has not ended."""
    request = {
        "name": "measured", "database_url": url, "events": events, "handler_s": handler_s,
        "from_beginning": from_beginning, "acknowledge_every": acknowledge_every,
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.events_child", json.dumps(request)]
    child = subprocess.Popen(command, cwd=REPOSITORY, env=child_environment(), stdout=subprocess.PIPE, text=True)
    with child:
        try:
            assert child.stdout
            if "ready" not in child.stdout.readline():
                raise ChildFailed("the subscriber did not start")
            yield child
        finally:
            child.kill()


def _report(child: "subprocess.Popen[str]") -> dict[str, Any]:
    assert child.stdout
    line = child.stdout.readline()
    if not line:
        raise ChildFailed(f"the subscriber ended with {child.wait()}")
    return dict(json.loads(line))


def _outcome(
    published: dict[tuple[int, str], list[float]],
    delivered: dict[int, list[float]],
    latencies: Sequence[float],
    options: Options,
) -> Outcome:
    rates = {key: median(found) for key, found in published.items()}
    # of pairs that took turns
    ratios = {
        batch: median(b / a for a, b in zip(*(published[batch, side] for side in _SIDES), strict=True))
        for batch in BATCHES
    }
    rows = [
        [f"{batch:,}", *(f"{rates[batch, side]:,.0f}" for side in _SIDES), f"{ratios[batch]:.2f}"] for batch in BATCHES
    ]
    lines = table(["events a transaction", *(f"a second, {side}" for side in _SIDES), "ratio"], rows)
    lines += [f"delivered, acknowledged each {n:,}: {median(found):,.0f} a second" for n, found in delivered.items()]
    p50, p95 = median(latencies), quantiles([*latencies, *latencies], n=20, method="inclusive")[-1]
    lines.append(f"from commit to handler: median {p50:.1f} ms, p95 {p95:.1f} ms")
    figures = {
        "published": {f"{batch}, {side}": found for (batch, side), found in published.items()},
        "delivered": delivered,
        "latency_ms": {"median": p50, "p95": p95},
    }
    verdicts = [
        Verdict("events a second in batches of 100", rates[100, "nobody"], WANTED_A_SECOND, "at least"),
        Verdict("the same, of the rate with nobody, with a slow subscriber", ratios[100], MOST_COST, "at least"),
        Verdict("from commit to handler, p95", p95, LATENCY_LIMIT_MS, "at most", " ms"),
    ]
    return Outcome(figures, lines, verdicts if options.is_full else [])


EVENTS = Benchmark("events", "events into the outbox, out of it, and how soon", measure_events)
