"""What the admin API costs beside an empty handler of the same application, for fifty clients of one process."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks.figures import Benchmark, Options, Outcome, Verdict, table
from benchmarks.gateway_load import Load, load
from benchmarks.postgres import running_postgres, scratch_folder
from benchmarks.processes import REPOSITORY, ChildFailed, child_environment
from benchmarks.workbench import say
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import open_database

CLIENTS = 50
SECONDS = 60
TIMES_EMPTY = 3.0
EMPTY, MIXED = "empty handler", "mixed reads"

_ENTITIES, _RUNS, _REJECTS = 200, 100, 10
_PAGE = 20
_WARM_S = 2
_SHORTEST_S = 1
_END_LIMIT_S = 30.0
_FILL = (
    "INSERT INTO connectors (name, base_url) SELECT 'erp_' || n, 'https://erp.test' FROM generate_series(1, 4) n",
    """
    INSERT INTO entities (connector_uid, slug, api_name, description, delta_strategy, strategy, business_keys,
      target_schema, target_table, columns, last_sync_at, last_sync_status, live_rows)
    SELECT c.uid, 'entity_' || n, 'Entity ' || n, 'Something that the source keeps', 'rowversion', 'rowversion',
      '["column_1"]', c.name, 'entity_' || n, (
        SELECT jsonb_agg(jsonb_build_object('name', 'COLUMN_' || i, 'alias', 'column_' || i, 'identifier',
          'column_' || i, 'data_type', 'VARCHAR2(40)', 'pg_type', 'character varying(40)', 'is_nullable', i > 1,
          'is_business_key', i = 1, 'description', NULL)) FROM generate_series(1, 12) i), now(), 'success', 1000
    FROM connectors c, generate_series(1, %(entities)s / 4) n
    """,
    """
    INSERT INTO sync_runs (entity_uid, started_at, completed_at, status, strategy, records_fetched, details)
    SELECT e.uid, now() - n * interval '300 s', now() - n * interval '300 s' + interval '2 s', 'success', 'rowversion',
      12, '{"pages": 1}' FROM entities e, generate_series(1, %(runs)s) n
    """,
    """
    INSERT INTO rejected_rows (entity_uid, run_uid, row_digest, column_name, reason, raw)
    SELECT e.uid, gen_random_uuid(), gen_random_uuid(), 'column_2', 'it is too long', '{"column_1": "x"}'
    FROM entities e, generate_series(1, %(rejects)s) n
    """,
    "ANALYZE",
)


def measure_api(options: Options) -> Outcome:
    """Both sides in turn, in each round. Raises `ChildFailed` where a request is not answered, or refused."""
    if shutil.which("wrk") is None:
        return Outcome({}, ["wrk is not installed (apt-get install wrk): nothing was measured"])
    seconds = max(options.scaled(SECONDS), _SHORTEST_S)
    found: dict[str, list[Load]] = {EMPTY: [], MIXED: []}
    with scratch_folder(options.folder) as folder, running_postgres(folder / "home") as postgres:
        database = postgres.create("api")
        paths = {EMPTY: ("/api/v1/empty",), MIXED: _filled(database, folder)}
        with _serving(database, folder) as url:
            for number in range(1, options.rounds + 1):
                say(f"Round {number} of {options.rounds}: {CLIENTS} clients, {seconds} s a side")
                for side, asked in paths.items():
                    load(url, min(_WARM_S, seconds), folder, connections=CLIENTS, paths=asked)
                    found[side].append(load(url, seconds, folder, connections=CLIENTS, paths=asked))
    return _outcome(found, options)


def _filled(url: str, folder: Path) -> tuple[str, ...]:
    """Fills the tables; the paths that are asked for in turn."""
    open_database(Settings(config_dir=folder, home=folder, database_url=url)).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = bridge")
        for statement in _FILL:
            connection.execute(statement, {"entities": _ENTITIES, "runs": _RUNS, "rejects": _REJECTS})
        entities = [uid for (uid,) in connection.execute("SELECT uid FROM entities ORDER BY uid")]
        runs = [uid for (uid,) in connection.execute("SELECT uid FROM sync_runs ORDER BY uid")]
    return tuple(
        f"/api/v1/{path}"
        for number, (entity, run) in enumerate(zip(entities, runs, strict=False))
        for path in (
            f"entities/{entity}",
            f"runs/{run}",
            f"entities/{entity}/runs?limit={_PAGE}",
            f"entities?limit={_PAGE}&offset={number % 10 * _PAGE}",
            f"runs?limit={_PAGE}",
            f"rejects?limit={_PAGE}",
        )
    )


@contextmanager
def _serving(database: str, folder: Path) -> Iterator[str]:
    (folder / "config").mkdir()
    places = {"SYNCFLOW_CONFIG_DIR": str(folder / "config"), "SYNCFLOW_HOME": str(folder / "served")}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.api_child"],
        cwd=REPOSITORY,
        env=child_environment({**places, "SYNCFLOW_DATABASE_URL": database}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        if not told:
            raise ChildFailed("the admin API did not start")
        yield str(json.loads(told)["url"])
    finally:
        process.terminate()
        try:
            process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _outcome(found: dict[str, list[Load]], options: Options) -> Outcome:
    lines = table(
        [f"{CLIENTS} clients, one process", "requests/s", "p50", "p99"],
        [
            [
                side,
                f"{_median(loads, 'rate'):,.0f}",
                f"{_median(loads, 'p50_ms'):.1f} ms",
                f"{_median(loads, 'p99_ms'):.1f} ms",
            ]
            for side, loads in found.items()
        ],
    )
    ratio = _median(found[MIXED], "p99_ms") / _median(found[EMPTY], "p99_ms")
    figures: dict[str, Any] = {side: [asdict(one) for one in loads] for side, loads in found.items()}
    verdict = Verdict("p99 of mixed reads, times the empty handler's", ratio, TIMES_EMPTY, "at most")
    return Outcome(
        figures, [*lines, f"p99, times the empty handler's: {ratio:.2f}"], [verdict] if options.is_full else []
    )


def _median(loads: list[Load], name: str) -> float:
    return float(median(getattr(one, name) for one in loads))


API = Benchmark("api", "the admin API's reads beside an empty handler, 50 clients of one process", measure_api)
