"""One load by dlt, and everything that it is set to. Runs in the peers' own environment, which SyncFlow is not in.

The settings are those that were fastest here, of what dlt's page on performance proposes; docs/benchmarks.md says what
was tried. Types are given, so that nothing has to be inferred and the table has the columns that SyncFlow's has.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

MERGE = {"disposition": "merge", "strategy": "delete-insert"}
"""The default. The strategy upsert, by MERGE, took as long for a first load and longer for a re-sync."""

FILE_FORMAT = "csv"
"""Loaded with COPY; the default writes INSERT statements."""

PAGE_SIZE = 1000
ROWS_A_FILE = 100_000
"""Several files, so that all workers have something to do."""

SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__WORKERS": "4",
    "NORMALIZE__WORKERS": str(os.cpu_count() or 2),
    "LOAD__WORKERS": "4",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "10000",
    "DATA_WRITER__FILE_MAX_ITEMS": str(ROWS_A_FILE),
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    # it would keep an extra copy of every file that was loaded
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}

TYPES: dict[str, dict[str, Any]] = {
    "character varying(10)": {"data_type": "text", "precision": 10},
    "character varying(25)": {"data_type": "text", "precision": 25},
    "character varying(100)": {"data_type": "text", "precision": 100},
    "text": {"data_type": "text"},
    "smallint": {"data_type": "bigint", "precision": 16},
    "integer": {"data_type": "bigint", "precision": 32},
    "bigint": {"data_type": "bigint"},
    "numeric(18,4)": {"data_type": "decimal", "precision": 18, "scale": 4},
    "numeric(18,2)": {"data_type": "decimal", "precision": 18, "scale": 2},
    "date": {"data_type": "date"},
    "timestamp without time zone": {"data_type": "timestamp", "timezone": False, "precision": 6},
    "boolean": {"data_type": "bool"},
    "jsonb": {"data_type": "json"},
}
"""PostgreSQL's type to dlt's hints."""


def main(request: dict[str, Any]) -> int:
    began = time.perf_counter()
    os.environ.update(SETTINGS)
    os.environ["DLT_DATA_DIR"] = request["folder"]
    import dlt  # type: ignore[import-not-found]

    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(Path(request["folder"], "pipelines")),
        destination=dlt.destinations.postgres(credentials=request["database_url"]),
        dataset_name=request["schema"],
    )
    loaded = pipeline.run(_source(request), loader_file_format=FILE_FORMAT)
    loaded.raise_on_failed_jobs()
    steps = {step.step: (step.finished_at - step.started_at).total_seconds() for step in pipeline.last_trace.steps}
    report = {"engine_s": time.perf_counter() - began, "peak_mib": _peak_mib(), "steps_s": steps}
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


def _source(request: dict[str, Any]) -> Any:
    from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found]

    keys = request["business_keys"]
    columns = {name: {**TYPES[type_], "nullable": name not in keys} for name, type_ in request["columns"]}
    rows = {
        "name": request["table"],
        "endpoint": {
            "path": f"data/{request['slug']}",
            "params": {"page_size": PAGE_SIZE},
            "data_selector": "rows",
        },
        "processing_steps": [{"map": _data}],
        "primary_key": keys,
        "columns": columns,
        "write_disposition": MERGE,
    }
    paginator = {"type": "page_number", "base_page": 1, "total_path": None, "has_more_path": "has_more"}
    return rest_api_source(
        {"client": {"base_url": f"{request['base_url']}/api/v1/", "paginator": paginator}, "resources": [rows]}
    )


def _data(row: dict[str, Any]) -> Any:
    return row["data"]


def _peak_mib() -> float:
    """Of this process; its workers have memory of their own."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    raise SystemExit(main(json.loads(sys.argv[1])))
