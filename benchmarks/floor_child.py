"""The floor: `COPY` of the same rows, ready in memory before the clock starts, into the table that SyncFlow made."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.dataset import blocks
from benchmarks.peak_memory import peak_mib

_COPY = sql.SQL("COPY {table} ({columns}, _bridge_hash, _bridge_rowversion) FROM STDIN")


def main(request: dict[str, Any]) -> int:
    data = list(blocks(Path(request["copy"])))
    statement = _COPY.format(
        table=sql.Identifier(*request["table"]), columns=sql.SQL(", ").join(map(sql.Identifier, request["columns"]))
    )
    with psycopg.connect(request["database_url"], autocommit=True) as connection:
        began = time.perf_counter()
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in data:
                copy.write(block)
        seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"engine_s": seconds, "peak_mib": peak_mib()}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(json.loads(sys.argv[1])))
