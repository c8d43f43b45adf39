"""Several pages in one COPY: what PostgreSQL refuses, what ends it, and how it is left."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.conversion.decode import Batch, Reject, RowDecoder
from syncflow_pipelines.sync.loading import batch_copy
from syncflow_pipelines.sync.loading.batch_copy import MOST_PAGES, Taken
from syncflow_pipelines.sync.loading.staging import Staging
from syncflow_pipelines.sync.reading.pages import parse_page
from syncflow_pipelines_tests.postgres.loading import KEY, column, entity, literal, page, wire

SPEC = entity(
    KEY, column("label", "VARCHAR2(20)"), column("day", "date"), column("amount", "NUMBER(5,2)"), column("doc", "JSON")
)
DECODER = RowDecoder(SPEC)
ATTEMPTS = 100
"""A put that comes late, on a busy machine, ends the COPY at once."""


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.dedicated("test") as opened:
        yield opened


@pytest.fixture
def staging(connection: psycopg.Connection) -> Iterator[Staging]:
    """A staging table inside a transaction that is rolled back."""
    with connection.transaction(force_rollback=True):
        made = Staging(connection, SPEC, DECODER)
        made.create()
        with made:
            yield made


def batch(*rows: bytes | dict[str, Any]) -> Batch:
    return DECODER.decode(parse_page(page(*rows)))


def put_all(staging: Staging, *batches: Batch) -> list[Taken]:
    taken = [one for number, sent in enumerate(batches) for one in staging.put(sent, number)]
    return taken + staging.flush()


def rejects(taken: list[Taken]) -> list[Reject]:
    return [reject for one in taken for reject in one.rejects]


def staged(connection: psycopg.Connection) -> list[tuple[int, str | None]]:
    """Numbers and labels of the staged rows, in the order in which they were read."""
    statement = "SELECT n, label FROM syncflow_stage WHERE _bridge_kind <> 2 ORDER BY _bridge_seq"
    return [(number, label) for number, label in connection.execute(statement)]


def is_copying(connection: psycopg.Connection) -> bool:
    return connection.info.transaction_status == TransactionStatus.ACTIVE


def open_copy(staging: Staging, connection: psycopg.Connection, *rows: bytes | dict[str, Any]) -> None:
    """Puts pages until one is on its way; the rows stand in each."""
    for number in range(ATTEMPTS):
        staging.put(batch(*(rows or [wire(number)])), number)
        if is_copying(connection):
            return
    raise AssertionError("no COPY was left open")


BAD = {
    "out of range": (b'{"data":{"n":2147483648,"label":"bad"}}', "n", "2147483648", "out of range"),
    "ill text": (literal(9, "label", b'"\xff"'), "label", '"\\xff"', "not valid Unicode"),
    "no day": (literal(9, "day", b'"2025-02-30"'), "day", '"2025-02-30"', "moment of the calendar"),
    "too many digits": (literal(9, "amount", b"1234"), "amount", "1234", "4 digits before the point"),
    "document": (literal(9, "doc", b"[1e200000]"), "doc", "[1e200000]", "out of range"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("at", [0, 3, 8])
def test_of_several_pages_one_bad_row_alone_is_rejected_and_the_order_is_kept(
    connection: psycopg.Connection, staging: Staging, kind: str, at: int
) -> None:
    row, name, value, reason = BAD[kind]
    rows: list[bytes | dict[str, Any]] = [wire(n, label=str(n)) for n in range(8)]
    mixed = [*rows[:at], row, *rows[at:]]
    pages = [batch(*mixed[start : start + 3]) for start in (0, 3, 6)]
    assert [reject for one in pages for reject in one.rejects] == []
    taken = put_all(staging, *pages)
    assert [one.page for one in taken] == [0, 1, 2]
    assert [len(one.rejects) for one in taken] == [int(number == at // 3) for number in range(3)]
    (reject,) = rejects(taken)
    assert (reject.column, reject.value) == (name, value)
    assert reason in reject.reason
    assert staged(connection) == [(n, str(n)) for n in range(8)]


@pytest.mark.parametrize("kind", BAD)
def test_a_key_that_is_repeated_has_the_last_value_also_where_rows_were_halved(
    connection: psycopg.Connection, staging: Staging, kind: str
) -> None:
    pages = [[wire(n, label=f"{turn}") for n in range(4)] for turn in range(3)]
    put_all(staging, *(batch(*rows[:2], BAD[kind][0], *rows[2:]) for rows in pages))
    assert staging.settle() == 8
    assert staged(connection) == [(n, "2") for n in range(4)]


def test_tombstones_and_rows_of_one_page_keep_their_order(connection: psycopg.Connection, staging: Staging) -> None:
    rows = [wire(1, label="a"), wire(1, deleted=True), wire(2, deleted=True), wire(2, label="b"), wire(3, label="c")]
    for bad in ([], [BAD["no day"][0]]):
        staging.clear()
        put_all(staging, batch(*rows[:3], *bad, *rows[3:]))
        assert staged(connection) == [(1, "a"), (1, None), (2, None), (2, "b"), (3, "c")]
        assert staging.settle() == 2
        kinds = connection.execute("SELECT n, _bridge_kind FROM syncflow_stage WHERE _bridge_kind <> 2 ORDER BY n")
        assert kinds.fetchall() == [(1, 1), (2, 0), (3, 0)]


def test_a_whole_number_with_an_exponent_is_kept(connection: psycopg.Connection, staging: Staging) -> None:
    rows = [literal(7, "label", b'"x"').replace(b'"n":7', b'"n":%b' % number) for number in (b"1e3", b"2.0E0", b"-0")]
    (reject,) = rejects(put_all(staging, batch(*rows), batch(*rows, BAD["out of range"][0])))
    assert reject.column == "n"
    assert staged(connection) == [(1000, "x"), (2, "x"), (0, "x")] * 2


def test_a_row_that_was_copied_unread_and_refused_is_kept_once_it_is_converted(
    connection: psycopg.Connection, staging: Staging
) -> None:
    spelled = batch(wire(5), literal(7, "label", b'"x"').replace(b'"n":7', b'"n":1e3'))
    spelled.lines[1] = spelled.lines[1].replace(b'"1000"', b"1e3", 1)
    assert spelled.lines[1].startswith(b"1e3,")
    assert rejects(put_all(staging, spelled)) == []
    assert staged(connection) == [(5, None), (1000, "x")]


def test_every_page_is_taken_once_and_in_order_however_many_there_are(
    connection: psycopg.Connection, staging: Staging
) -> None:
    pages = [batch() if number % 5 == 4 else batch(wire(number)) for number in range(3 * MOST_PAGES + 1)]
    assert [one.page for one in put_all(staging, *pages)] == list(range(len(pages)))
    assert [n for n, _ in staged(connection)] == [n for n in range(len(pages)) if n % 5 != 4]
    assert staging.flush() == []


def test_no_more_pages_than_so_many_are_held(staging: Staging) -> None:
    held = 0
    for number in range(3 * MOST_PAGES):
        held += 1 - len(staging.put(batch(wire(number)), number))
        assert held < MOST_PAGES


def test_large_pages_are_held_until_they_are_many_bytes_and_no_longer(
    connection: psycopg.Connection, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_copy, "MOST_BYTES", 1)
    for number in range(3):
        assert [one.page for one in staging.put(batch(wire(number)), number, 2)] == [number]
        assert not is_copying(connection)


def test_a_page_with_a_reject_is_not_held(connection: psycopg.Connection, staging: Staging) -> None:
    open_copy(staging, connection)
    taken = staging.put(batch(literal(8, "label", b"{}")), 1000)
    assert taken[-1].page == 1000
    assert [reject.key for reject in taken[-1].rejects] == [("8",)]
    assert not is_copying(connection)


def leave(connection: psycopg.Connection, how: Callable[[Staging], object], *rows: bytes | dict[str, Any]) -> None:
    """A transaction that is left while a COPY is open."""
    with connection.transaction():
        staging = Staging(connection, SPEC, DECODER)
        staging.create()
        with staging:
            open_copy(staging, connection, *rows)
            how(staging)


def assert_usable(connection: psycopg.Connection) -> None:
    assert connection.info.transaction_status == TransactionStatus.IDLE
    row = connection.execute("SELECT to_regclass('pg_temp.syncflow_stage')").fetchone()
    assert row == (None,)


def test_a_copy_that_is_cancelled_ends_with_its_error_and_the_connection_can_be_used(
    connection: psycopg.Connection, database: Database
) -> None:
    def cancelled(staging: Staging) -> None:
        with database.connection() as other:
            other.execute("SELECT pg_cancel_backend(%s)", [connection.info.backend_pid])
        staging.flush()

    with pytest.raises(psycopg.errors.QueryCanceled):
        leave(connection, cancelled)
    assert_usable(connection)


def test_a_connection_that_is_lost_in_a_copy_is_told_as_such(
    connection: psycopg.Connection, database: Database
) -> None:
    def lost(staging: Staging) -> None:
        with database.connection() as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.info.backend_pid])
        staging.flush()

    with pytest.raises(psycopg.OperationalError):
        leave(connection, lost)
    assert connection.broken


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit, psycopg.errors.UniqueViolation])
@pytest.mark.parametrize("row", [wire(1), BAD["no day"][0], BAD["ill text"][0]])
def test_a_copy_that_is_left_in_the_middle_leaves_a_connection_that_can_be_used(
    connection: psycopg.Connection, error: type[BaseException], row: bytes | dict[str, Any]
) -> None:
    def stopped(_staging: Staging) -> None:
        raise error("stopped in the middle")

    with pytest.raises(error, match=r"\Astopped in the middle\Z"):
        leave(connection, stopped, row)
    assert_usable(connection)


def test_pages_that_were_put_and_not_flushed_are_in_the_table_when_all_went_well(
    connection: psycopg.Connection,
) -> None:
    with connection.transaction(force_rollback=True):
        staging = Staging(connection, SPEC, DECODER)
        staging.create()
        with staging:
            open_copy(staging, connection, wire(1))
        assert set(staged(connection)) == {(1, None)}
