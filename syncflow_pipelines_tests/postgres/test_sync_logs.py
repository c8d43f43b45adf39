"""Every sync ends in one log line that says what became of it, and of which run."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from syncflow_pipelines.demo.store import Fault
from syncflow_pipelines.logs.formats import JsonLines
from syncflow_pipelines.logs.redaction import LogRedaction
from syncflow_pipelines_tests.postgres.world import TOKEN, World, row


class Lines(logging.Handler):
    """Keeps what would be written."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(JsonLines(LogRedaction()))
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@contextmanager
def kept() -> Iterator[Lines]:
    logger, lines = logging.getLogger("syncflow_pipelines"), Lines()
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)


def test_a_sync_ends_in_a_line_with_its_ids_and_counts(world: World) -> None:
    world.offer("items")
    world.store.insert("items", [row(number) for number in range(3)])
    world.discover()
    with kept() as lines:
        good = world.sync("items", dagster_run_id="d-1")
        world.store.break_entity("items", Fault(401))
        bad = world.sync("items")
    finished, failed = map(json.loads, lines.said)
    assert (finished["event"], finished["run"], finished["inserted"]) == ("sync_finished", str(good.run_uid), 3)
    assert (finished["entity"], finished["connector"], finished["dagster_run"]) == ("erp/items", "erp", "d-1")
    assert (failed["event"], failed["run"], failed["error_type"]) == ("sync_failed", str(bad.run_uid), "SourceRefused")
    assert TOKEN not in "".join(lines.said)
