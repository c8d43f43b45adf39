"""What every benchmark that moves rows works with: a server, a source, and the sides to be measured."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Options, Timing
from benchmarks.postgres import Postgres, running_postgres, scratch_folder
from benchmarks.processes import Measured, child_environment, run_python
from benchmarks.rows import COLUMNS
from benchmarks.source.offer import Offer
from benchmarks.source.process import Source, running_source
from benchmarks.verification import RowsDiffer, Verification, syncflow_table


@dataclass(frozen=True, slots=True)
class How:
    """How SyncFlow syncs."""

    strategy: str = "hash"
    workers: int = 4
    connector: Mapping[str, Any] = field(default_factory=dict)
    """Options of the connector that differ from their defaults."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The counts that a sync has to come to, over all its entities."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Workbench:
    """A server without databases, and a source without entities."""

    folder: Path
    postgres: Postgres
    source: Source
    verification: Verification

    def template(self, name: str, *offers: Offer) -> None:
        """A database in which SyncFlow has discovered the offers and made their tables."""
        self.source.offer(*offers)
        report = self._syncflow(self.postgres.create(name), {"do": "discover"}).report
        if report["findings"] or report["refused"]:
            raise RowsDiffer(f"SyncFlow does not take the benchmark's catalogue as it is: {report}")

    @contextmanager
    def database(self, name: str, template: str | None = None) -> Iterator[str]:
        """A fresh database, or a copy of the template, dropped when the block has ended; its name."""
        self.postgres.create(name, template)
        try:
            yield name
        finally:
            self.postgres.drop(name)

    def sync(self, database: str, case: str, offers: Sequence[Offer], how: How, expected: Expected | None) -> Timing:
        """Times SyncFlow, whole process, and verifies what it did. Raises `RowsDiffer`, `ChildFailed`.

        Without `expected`, the counts are not looked at; the rows are in any case.
        """
        self.postgres.settle()
        request = {
            "do": "sync",
            "slugs": [offer.slug for offer in offers],
            "strategy": how.strategy,
            "workers": how.workers,
            "connector": dict(how.connector),
        }
        measured = self._syncflow(self.postgres.url(database), request)
        if expected:
            _check_counts(case, measured.report["outcomes"], expected)
        for offer in offers:
            self.verification.check(syncflow_table(database, offer), offer)
        self.postgres.tidy(database)
        return told(timing(case, "syncflow", measured))

    def floor(self, database: str, case: str, offer: Offer) -> Timing:
        """Times `COPY` of the offer's rows, all of its state, into the table that SyncFlow made, and verifies it."""
        arrived = syncflow_table(database, offer)
        request = {
            "database_url": self.postgres.url(database),
            "copy": str(offer.state.copy.data),
            "table": [arrived.schema, arrived.table],
            "columns": [column.alias for column in COLUMNS[offer.flavour]],
        }
        self.postgres.settle()
        measured = run_python("benchmarks.floor_child", request, child_environment())
        self.verification.check(arrived, offer)
        copied = measured.report["engine_s"]
        return told(Timing(case, "floor", copied, copied, measured.cpu_s, measured.report["peak_mib"]))

    def _syncflow(self, database_url: str, request: Mapping[str, Any]) -> Measured:
        where = {"home": str(self.folder / "home"), "base_url": self.source.base_url, "database_url": database_url}
        environment = child_environment({"PYTHONPYCACHEPREFIX": str(self.folder / "bytecode")})
        return run_python("benchmarks.syncflow_child", {**where, **request}, environment)


def timing(case: str, side: str, measured: Measured) -> Timing:
    """A side's whole process."""
    report = measured.report
    return Timing(case, side, measured.seconds, report["engine_s"], measured.cpu_s, report["peak_mib"])


@contextmanager
def workbench(options: Options) -> Iterator[Workbench]:
    """A workbench; server, source and folder are gone when the block has ended."""
    with (
        scratch_folder(options.folder) as folder,
        running_postgres(folder / "postgres") as postgres,
        running_source() as source,
    ):
        yield Workbench(folder, postgres, source, Verification(postgres))


def say(line: str) -> None:
    """Tells whoever watches how far it is."""
    print(line, file=sys.stderr, flush=True)


def told(timed: Timing) -> Timing:
    """The same timing, once whoever watches has seen it."""
    say(
        f"  {timed.case:24} {timed.side:9} {timed.seconds:8.2f} s, engine {timed.engine_s:8.2f} s, "
        f"processor {timed.cpu_s:7.2f} s, peak {timed.peak_mib:6.0f} MiB"
    )
    return timed


def _check_counts(case: str, outcomes: list[dict[str, Any]], expected: Expected) -> None:
    wanted = {
        "fetched": expected.inserted + expected.updated + expected.unchanged,
        "inserted": expected.inserted,
        "updated": expected.updated,
        "unchanged": expected.unchanged,
        "deleted": 0,
        "rejected": 0,
    }
    found = {name: sum(outcome[name] for outcome in outcomes) for name in wanted}
    if found != wanted:
        differing = [
            f"{name} {found[name]:,} instead of {wanted[name]:,}" for name in wanted if found[name] != wanted[name]
        ]
        raise RowsDiffer(f"{case}: SyncFlow counted {', '.join(differing)}")
