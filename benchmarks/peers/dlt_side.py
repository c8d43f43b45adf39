"""dlt, measured as SyncFlow is; what it is set to stands in `dlt_pipeline.py`."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Timing
from benchmarks.processes import child_environment, run_measured
from benchmarks.rows import BUSINESS_KEYS, COLUMNS
from benchmarks.source.offer import Offer
from benchmarks.verification import Arrived
from benchmarks.workbench import Workbench, timing, told

_SCRIPT = Path(__file__).with_name("dlt_pipeline.py")
_SCHEMA = "bench"


@dataclass(frozen=True, slots=True)
class Dlt:
    """A pipeline with its working folder, from its first load on."""

    bench: Workbench
    python: Path
    database: str

    @classmethod
    def fresh(cls, bench: Workbench, python: Path, database: str) -> "Dlt":
        """A pipeline that has loaded nothing yet, into a database that is empty."""
        pipeline = cls(bench, python, database)
        shutil.rmtree(pipeline._folder, ignore_errors=True)
        return pipeline

    @property
    def _folder(self) -> Path:
        return self.bench.folder / "dlt"

    def load(self, case: str, offer: Offer) -> Timing:
        """Times one load, whole process, and verifies it. Raises `RowsDiffer`, `ChildFailed`."""
        table = offer.slug.replace("-", "_")
        request = {
            "folder": str(self._folder),
            # dlt asks for a host and a password; the socket's folder behind them is what counts
            "database_url": self.bench.postgres.url(self.database).replace("@/", ":none@localhost/"),
            "base_url": self.bench.source.base_url,
            "slug": offer.slug,
            "schema": _SCHEMA,
            "table": table,
            "business_keys": BUSINESS_KEYS,
            "columns": [(column.alias, column.pg_type) for column in COLUMNS[offer.flavour]],
        }
        self.bench.postgres.settle()
        command = [str(self.python), str(_SCRIPT), json.dumps(request)]
        measured = run_measured(command, child_environment({"PYTHONPATH": ""}))
        self.bench.verification.check(Arrived(self.database, _SCHEMA, table), offer)
        self.bench.postgres.tidy(self.database)
        return told(timing(case, "dlt", measured))
