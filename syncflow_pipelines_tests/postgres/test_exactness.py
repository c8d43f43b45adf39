"""What comes out of PostgreSQL is what the source said, whichever way a page takes, or the row is rejected."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg import sql

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.sync.model import STRATEGIES, Counts, Strategy
from syncflow_pipelines_tests.postgres.exact_values import KINDS, Kind
from syncflow_pipelines_tests.postgres.raw_world import RawEntity, RawWorld, raw_world
from syncflow_pipelines_tests.postgres.test_database_postgres16 import old_server, old_settings  # noqa: F401 - fixtures

LAYOUTS = {"alone": (), "among_plain_rows": ("plain", "plain"), "among_odd_rows": ("odd", "plain")}
"""What stands in one page with each value. A page is converted as a whole where all of its values are plain."""

STEP = 10
"""Between the numbers of two values; the others of their page come right behind them."""


def entity_of(kind: Kind, layout: str, strategy: Strategy, literals: list[bytes]) -> RawEntity:
    """An entity that sends each literal in a page of its own."""
    company = [kind.plain if which == "plain" else kind.odd for which in LAYOUTS[layout]]
    entity = RawEntity({"v": kind.data_type}, strategy, page_size=1 + len(company))
    entity.put(
        {
            STEP * place + offset: b'"v":' + literal
            for place, value in enumerate(literals)
            for offset, literal in enumerate((value, *company))
        }
    )
    return entity


def told(world: RawWorld, slug: str) -> dict[int, str | None]:
    """Place of a literal → its text in PostgreSQL, or None where it is rejected and the table holds what it held."""
    found = {number: text for number, text in world.texts(slug).items() if number % STEP == 0}
    assert None not in found.values()
    for reject in world.rejects(slug):
        assert reject.column_name == "v", reject
        number = int(reject.raw.partition('"n":')[2].partition(",")[0])
        assert number % STEP == 0, reject
        found[number] = None
    return {number // STEP: text for number, text in sorted(found.items())}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", [pytest.param("text", marks=pytest.mark.slow), *sorted(KINDS.keys() - {"text"})])
def test_a_value_is_kept_exactly_or_refused(
    name: str, strategy: Strategy, settings: Settings, database: Database
) -> None:
    kind = KINDS[name]
    literals = [literal for literal, _ in kind.cases]
    expected = dict(enumerate(text for _, text in kind.cases))
    with raw_world(settings, database) as world:
        # A page of one row is asked for several times where rows are read by their versions.
        for layout in ("among_plain_rows",) if strategy == "rowversion" else LAYOUTS:
            world.entities[layout] = entity_of(kind, layout, strategy, literals)
        world.discover()
        for slug, entity in world.entities.items():
            assert world.sync(slug).status == "success"
            found = told(world, slug)
            wrong = {literals[at]: (found.get(at), text) for at, text in expected.items() if found.get(at) != text}
            assert wrong == {}, slug
            rows = dict(entity.rows)
            bad = sum(text is None for text in expected.values())
            assert len(world.texts(slug)) == len(rows) - bad
            if slug != "among_odd_rows":
                entity.put(dict.fromkeys(rows, b'"v":' + kind.plain))
                assert world.sync(slug).open_rejects == 0
                entity.put(rows)
                assert world.sync(slug).status == "success"
                assert told(world, slug) == found, slug
            again = world.sync(slug, full_refresh=True).counts
            assert again == Counts(fetched=len(rows), unchanged=len(rows) - bad, rejected=bad), slug


@pytest.mark.slow
def test_the_oldest_postgresql_says_the_same(old_settings: Settings) -> None:
    with open_database(old_settings) as database, raw_world(old_settings, database) as world:
        for name, kind in KINDS.items():
            world.entities[name] = entity_of(kind, "among_plain_rows", "full", [literal for literal, _ in kind.cases])
        world.discover()
        wrong: dict[tuple[str, bytes], str | None] = {}
        for name, kind in KINDS.items():
            assert world.sync(name).status == "success"
            found = told(world, name)
            wrong |= {
                (name, literal[:80]): found.get(at)
                for at, (literal, text) in enumerate(kind.cases)
                if found.get(at) != text
            }
        assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_page_that_is_converted_as_a_whole_says_what_each_row_alone_says(
    name: str, settings: Settings, database: Database
) -> None:
    kind = KINDS[name]
    with raw_world(settings, database) as world:
        for layout in LAYOUTS:
            world.entities[layout] = entity_of(kind, layout, "hash", [kind.plain])
        world.discover()

        @LIGHT
        @given(st.lists(literals_like(kind), min_size=10, max_size=30, unique=True))
        def both_ways(literals: list[bytes]) -> None:
            found = []
            for layout, entity in world.entities.items():
                entity.put(entity_of(kind, layout, "hash", literals).rows)
                with world.database.connection() as connection:
                    connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier("raw", layout)))
                    connection.execute("DELETE FROM rejected_rows")
                assert world.sync(layout, full_refresh=True).status == "success"
                found.append(told(world, layout))
                assert found[-1].keys() == set(range(len(literals)))
            assert found[1:] == found[:1] * (len(found) - 1), literals

        both_ways()


LIGHT = hypothesis_settings(
    max_examples=6, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
WORDS = st.text(st.characters(codec="utf-8"), max_size=8).map(
    lambda text: json.dumps(text, ensure_ascii=False).encode()
)


def literals_like(kind: Kind) -> st.SearchStrategy[bytes]:
    """Good JSON, most of it near to what the type can hold: its cases with a character or two changed."""
    known = st.sampled_from([literal for literal, _ in kind.cases if len(literal) < 80])
    letters = st.text("0123456789-+.eE:TZz /,=\\xabf\u00e4 ", min_size=1, max_size=2)
    changed = st.builds(_changed, known, st.integers(0, 80), st.integers(0, 2), letters)
    return st.one_of(known, changed, changed, changed, WORDS).filter(_is_value)


def _changed(literal: bytes, at: int, cut: int, letters: str) -> bytes:
    text = literal.decode()
    at %= len(text) + 1
    return (text[:at] + letters + text[at + cut :]).encode()


def _is_value(literal: bytes) -> bool:
    """Whether it is good JSON, and neither null nor text around a value, which a parser would take for the page's."""
    try:
        return msgspec.json.decode(literal) is not None and literal == literal.strip()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
