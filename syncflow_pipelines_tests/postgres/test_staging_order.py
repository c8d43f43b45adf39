"""Which of several lines of one key is kept: PostgreSQL sorts row versions as `precedes` compares them."""

from collections.abc import Sequence

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from syncflow_pipelines.database import Database
from syncflow_pipelines.sync.conversion.decode import MAX_VERSION_CHARACTERS, RowDecoder
from syncflow_pipelines.sync.loading.staging import VERSION_ORDER, Staging
from syncflow_pipelines.sync.reading.pages import parse_page
from syncflow_pipelines.sync.reading.rowversion import precedes
from syncflow_pipelines_tests.postgres.loading import KEY, LIGHT, column, entity, page, wire

COUNTERS = st.integers(0, 10**40).map(str)
PADDED = st.tuples(st.integers(0, 10**12), st.integers(0, 20)).map(lambda pair: f"{pair[0]:0{pair[1]}d}")
ZEROS = st.integers(1, 5).map("0".__mul__)
HEX = st.tuples(st.integers(0, 2**80), st.integers(0, 20), st.sampled_from("xX"), st.sampled_from("xX")).map(
    lambda made: f"0{made[2]}{made[0]:0{made[1]}{made[3]}}"
)
LONG = st.tuples(st.integers(0, 9), st.integers(1, MAX_VERSION_CHARACTERS)).map(lambda made: str(made[0]) * made[1])
TIMES = st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z")
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda text: text[0] not in "0123456789"
)
FORMS = (COUNTERS | PADDED | ZEROS | LONG, HEX, TIMES, TEXTS)
"""Within one form versions can be compared; between them the source contract promises nothing."""

SPEC = entity(KEY, column("label", "CLOB"))


def one_form(least: int) -> st.SearchStrategy[list[str]]:
    return st.one_of(*(st.lists(form, min_size=least, max_size=12) for form in FORMS))


def ranks(connection: psycopg.Connection, versions: Sequence[str]) -> list[int]:
    """The place of each version in PostgreSQL's order; equal versions share one."""
    statement = sql.SQL(
        "SELECT rank() OVER (ORDER BY {}) FROM unnest(%s::text[]) WITH ORDINALITY v(_bridge_rowversion, at) ORDER BY at"
    ).format(VERSION_ORDER)
    return [rank for (rank,) in connection.execute(statement, [list(versions)])]


def test_versions_of_one_form_sort_as_they_compare(database: Database) -> None:
    with database.connection() as connection:

        @settings(LIGHT, max_examples=250)
        @given(one_form(2))
        def sorts(versions: list[str]) -> None:
            placed = list(zip(versions, ranks(connection, versions), strict=True))
            for one, its_rank in placed:
                for other, other_rank in placed:
                    assert (its_rank < other_rank) == precedes(one, other)

        sorts()


def test_digits_of_other_scripts_sort_as_text(database: Database) -> None:
    with database.connection() as connection:
        assert ranks(connection, ["\u0669", "10", "9"]) == [3, 2, 1]
        assert ranks(connection, ["7\n", "10\n"]) == [2, 1]


def kept_of(staging: Staging, connection: psycopg.Connection) -> tuple[str, str | None]:
    staging.settle()
    row = connection.execute("SELECT label, _bridge_rowversion FROM syncflow_stage").fetchone()
    assert row is not None
    label, version = row
    return label, version


def greatest(versions: Sequence[str | None]) -> int:
    """The position of the greatest version, of equal ones that of the last."""
    best = 0
    for at in range(1, len(versions)):
        if not precedes(versions[at], versions[best]):
            best = at
    return best


def test_the_line_with_the_greatest_version_is_kept_or_else_the_last_read(database: Database) -> None:
    decoder = RowDecoder(SPEC)
    with database.dedicated("test") as connection, connection.transaction():
        staging = Staging(connection, SPEC, decoder)
        staging.create()

        @LIGHT
        @given(
            one_form(1).flatmap(lambda form: st.lists(st.none() | st.sampled_from(form), min_size=1, max_size=8)),
            st.integers(1, 8),
        )
        def keeps(versions: list[str | None], page_size: int) -> None:
            staging.clear()
            rows = [wire(1, version, label=str(at)) for at, version in enumerate(versions)]
            for start in range(0, len(rows), page_size):
                staging.add(decoder.decode(parse_page(page(*rows[start : start + page_size]))))
            best = greatest(versions)
            assert kept_of(staging, connection) == (str(best), versions[best])

        keeps()
