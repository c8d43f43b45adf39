"""What the benchmarks hold against a table: every row the source sent, in every column, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from benchmarks.dataset import State, change, every, render
from benchmarks.postgres import Postgres
from benchmarks.rows import COLUMNS, FLAVOURS, Flavour
from benchmarks.source.offer import Offer
from benchmarks.source.server import Server
from benchmarks.verification import RowsDiffer, Verification, syncflow_table
from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.engine import SyncRequest, sync_entity
from syncflow_pipelines.sync.schema.discovery import discover

ROWS = 60
TABLE = "bench.order_lines"


class OneDatabase(Postgres):
    """The test's own database under whatever name a benchmark gives to it."""

    def url(self, database: str) -> str:
        return self._url

    def create(self, database: str, template: str | None = None) -> str:
        return self._url


class Side:
    """SyncFlow's side of a benchmark, in the test's process."""

    def __init__(self, settings: Settings, database: Database, server: Server) -> None:
        self._settings, self._database, self._server = settings, database, server
        self._connector = ConnectorConfig(name="bench", base_url=server.base_url)
        self._verification = Verification(OneDatabase(database.url))

    def sync(self, state: State) -> Offer:
        offer = Offer.of(state)
        self._server.offer([offer])
        discover(self._database, self._connector, self._settings)
        outcome = sync_entity(self._database, self._settings, SyncRequest(self._connector, offer.slug, strategy="hash"))
        assert outcome.error is None
        return offer

    def spoil(self, statement: str) -> None:
        with psycopg.connect(self._database.url) as connection:
            assert connection.execute(statement.encode()).rowcount == 1

    def check(self, offer: Offer) -> None:
        self._verification.check(syncflow_table("any", offer), offer)


@pytest.fixture
def side(settings: Settings, database: Database) -> Iterator[Side]:
    server = Server()
    yield Side(settings, database, server)
    server.close()


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_syncflow_stored_is_what_the_source_sent_also_after_changes(
    side: Side, tmp_path: Path, flavour: Flavour
) -> None:
    first = render(tmp_path / "first", flavour, ROWS)
    side.check(side.sync(first))
    side.check(side.sync(change(first, tmp_path / "changed", every(7))))


def test_a_table_of_the_moment_before_is_noticed(side: Side, tmp_path: Path) -> None:
    first = render(tmp_path / "first", "plain", ROWS)
    side.sync(first)
    changed = change(first, tmp_path / "changed", every(20))
    with pytest.raises(RowsDiffer, match=r"qty differs in 3\b.*row_version differs in 3\b"):
        side.check(Offer.of(changed))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (f"DELETE FROM {TABLE} WHERE line_no = 7", "1 rows are missing, 0 were never sent"),
        (f"UPDATE {TABLE} SET _bridge_deleted = true WHERE line_no = 7", "1 rows are missing, 0 were never sent"),
        (f"UPDATE {TABLE} SET line_no = 9999 WHERE line_no = 7", "1 rows are missing, 1 were never sent"),
        (f"UPDATE {TABLE} SET _bridge_rowversion = '1' WHERE line_no = 7", "row_version differs in 1"),
    ],
)
def test_one_row_that_is_lost_foreign_or_of_another_version_is_noticed(
    side: Side, tmp_path: Path, statement: str, told: str
) -> None:
    offer = side.sync(render(tmp_path / "first", "plain", ROWS))
    side.spoil(statement)
    with pytest.raises(RowsDiffer, match=told):
        side.check(offer)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_one_changed_value_is_noticed_in_every_column(side: Side, tmp_path: Path, flavour: Flavour) -> None:
    offer = side.sync(render(tmp_path / "first", flavour, ROWS))
    for column in COLUMNS[flavour][2:]:
        side.spoil(f"UPDATE {TABLE} SET {column.alias} = {_OTHER[column.pg_type]} WHERE line_no = 7")
        with pytest.raises(RowsDiffer, match=f"{column.alias} differs in 1"):
            side.check(offer)


_OTHER = {
    "character varying(25)": "'other'",
    "character varying(100)": "NULL",
    "text": "''",
    "bigint": "-1",
    "smallint": "-1",
    "numeric(18,4)": "-0.0001",
    "numeric(18,2)": "-0.01",
    "date": "'1999-01-01'",
    "timestamp without time zone": "'1999-01-01'",
    "boolean": "NOT is_open",
    "jsonb": "'{}'",
}
