"""The source in a process of its own, as the benchmarks hold it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import REPOSITORY, child_environment
from benchmarks.source.offer import Offer

_ENDS_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class Requests:
    """What the source counted since it was last told what to offer."""

    requests: int
    most_at_once: int


class Source:
    """Gives orders to a source."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.base_url: str = self._heard()["base_url"]

    def offer(self, *offers: Offer, delay_s: float = 0.0) -> None:
        """Serves these entities from now on, each page after the delay; counts requests anew."""
        self._order({"do": "offer", "offers": [offer.as_json() for offer in offers], "delay_s": delay_s})

    def requests(self) -> Requests:
        return Requests(**self._order({"do": "count"}))

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the source of the benchmark ended by itself; what it said is above")
        return dict(json.loads(line))


@contextmanager
def running_source() -> Iterator[Source]:
    """A source that offers nothing yet; it has ended when the block has."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.source"],
        cwd=REPOSITORY,
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C is for the process that gives the orders
    )
    try:
        with process:
            try:
                yield Source(process)
            finally:
                assert process.stdin
                process.stdin.close()
                process.wait(_ENDS_WITHIN_S)
    finally:
        process.kill()
