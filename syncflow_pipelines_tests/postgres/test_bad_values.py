"""Every kind of bad value in a column of every type: it is one reject to be seen, and its page's other rows are in."""

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database
from syncflow_pipelines.defs.checks import REJECTS, evaluate
from syncflow_pipelines.sync.model import STRATEGIES, Strategy
from syncflow_pipelines.sync.rejects.record import MAX_VALUE_CHARACTERS
from syncflow_pipelines.sync.rejects.restaging import UNREADABLE
from syncflow_pipelines.sync.rejects.retry import RetryRequest, retry_rejects
from syncflow_pipelines_tests.postgres.exact_values import KINDS
from syncflow_pipelines_tests.postgres.raw_world import RawEntity, RawWorld, raw_world
from syncflow_pipelines_tests.postgres.test_cli_commands import Syncflow, syncflow  # noqa: F401 - a fixture

NO_JSON = {
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "lone surrogate": rb'"a\ud800"',
    "surrogates the wrong way round": rb'"\udc00\ud800"',
    "control character": b'"a\x01"',
    "raw NUL": b'"a\x00"',
    "no literal": b"tru",
    "no number": b"01",
    "no string": b"'a'",
    "unknown escape": rb'"\x41"',
    "escaped byte": b'"\\\xff"',
}
"""Not JSON at all: no type can hold it."""

NO_TEXT = {"NUL character": rb'"a\u0000b"', "bad UTF-8": b'"a\xff\xfe"', "UTF-8 of a surrogate": b'"\xed\xa0\x80"'}
"""JSON, and still nothing that PostgreSQL can hold."""

NESTED = {"object": b'{"a": [1]}', "array": b"[1]", "empty array": b"[]"}
HUGE = {"20 MB": b'"' + b"x" * 20_000_000 + b'"', "2 MB of digits": b"9" * 2_000_000}
OF_NO_USE = {"word": b'"soon"', "boolean": b"true", **NESTED}
NO_DAY = {"no day": b'"2025-02-30"', "number": b"20250228", **OF_NO_USE}

BAD = {
    "text": NESTED,
    "varchar": {"too long": b'"123456"', "too long a number": b"123456", **NESTED},
    "integer": {"out of range": b"2147483648", "decimals": b"1.5", **OF_NO_USE},
    "bigint": {"out of range": b"9223372036854775808", "decimals": b"1e-1", **OF_NO_USE},
    "numeric": {"out of range": b"1e131072", **OF_NO_USE},
    "decimal": {"too many digits": b"1e28", "decimals": b"0.00000000001", **OF_NO_USE},
    "double": {"out of range": b"1e309", "too small": b"1e-400", **OF_NO_USE},
    "real": {"out of range": b"1e39", "too small": b"1e-46", **OF_NO_USE},
    "boolean": {"number": b"2", "word": b'"soon"', **NESTED},
    "date": {"time of day": b'"2025-02-28T01:00:00"', **NO_DAY},
    "stamp": {"no hour": b'"2025-02-28T25:00:00"', **NO_DAY},
    "stamptz": {"no zone": b'"2025-02-28T12:00:00+16:00"', **NO_DAY},
    "time": {"no hour": b'"25:00"', **OF_NO_USE},
    "bytes": {"half a byte": b'"abc"', "word": b'"soon!"', "number": b"17", **NESTED},
    "json": {"out of range": b"[1e200000]", "NUL in a name": rb'{"\u0000": 1}'},
    "uuid": {"too short": b'"12345678"', **OF_NO_USE},
}


def as_kept(literal: bytes) -> str:
    """The literal as a person sees it: what is no Unicode, and NUL, as escapes."""
    return literal.decode("utf-8", "backslashreplace").replace("\0", "\\u0000")


def offered(world: RawWorld, name: str, strategy: Strategy = "hash") -> RawEntity:
    """An entity with one column of that kind, discovered."""
    world.entities["items"] = entity = RawEntity({"v": KINDS[name].data_type}, strategy)
    world.discover()
    return entity


def rejects_check(world: RawWorld) -> tuple[bool, int]:
    """What the asset check on rejects says."""
    (check,) = (check for check in evaluate(world.database, "raw", "items") if check.key.name == REJECTS)
    return check.passed, check.count


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_one_reject_until_the_source_mends_it(name: str, settings: Settings, database: Database) -> None:
    bad = {**NO_JSON, **NO_TEXT, **BAD[name]}
    good = b'"v":' + KINDS[name].plain
    with raw_world(settings, database) as world:
        entity = offered(world, name)
        rows = {number: b'"v":' + literal for number, literal in enumerate(bad.values(), 1)}
        entity.put({0: good, **rows, 100: good, 101: b'"v":null', 102: b""})
        done = world.sync("items")
        assert (done.status, done.counts.inserted, done.counts.rejected) == ("success", 4, len(bad)), done.error
        assert world.texts("items").keys() == {0, 100, 101, 102}
        found = {int(one.raw.partition('"n":')[2].partition(",")[0]): one for one in world.rejects("items")}
        for number, (what, literal) in enumerate(bad.items(), 1):
            reject = found.pop(number)
            assert (reject.column_name, reject.run_uid, reject.page) == ("v", done.run_uid, 1), what
            assert reject.value == as_kept(literal)[:MAX_VALUE_CHARACTERS], what
            assert as_kept(rows[number]) in reject.raw, what
            assert reject.reason.startswith(UNREADABLE) == (what in NO_JSON), (what, reject.reason)
        assert found == {}
        assert rejects_check(world) == (False, len(bad))

        before = world.rejects("items")
        again = retry_rejects(world.database, RetryRequest("raw", "items", "somebody"))
        assert (again.sync.status, again.tried, again.resolved) == ("success", len(bad), 0), again.sync.error
        assert world.rejects("items") == before

        entity.put(dict.fromkeys(entity.rows, good))
        done = world.sync("items")
        assert (done.counts.inserted, done.open_rejects, world.rejects("items")) == (len(bad), 0, [])
        assert rejects_check(world) == (True, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_value_of_20_mb_is_kept_whole_in_the_table_or_as_a_reject(
    name: str, settings: Settings, database: Database
) -> None:
    with raw_world(settings, database) as world:
        entity = offered(world, name)
        entity.put(dict(enumerate([b'"v":' + value for value in (KINDS[name].plain, *HUGE.values())])))
        done = world.sync("items")
        fits = {"text": 2, "json": 1, "bytes": 1}.get(name, 0)
        assert (done.counts.inserted, done.counts.rejected) == (1 + fits, 2 - fits)
        sizes = [len(text or "") for number, text in sorted(world.texts("items").items()) if number]
        assert sizes == {"text": [20_000_000, 2_000_000], "json": [20_000_002], "bytes": [30_000_002]}.get(name, [])
        assert all(len(one.raw) > 2_000_000 for one in world.rejects("items"))


KEYLESS = {
    "missing": b'{"data":{"v":"x"}}',
    "null": b'{"data":{"n":null,"v":"x"},"oracle_keys":{"N":null}}',
    "nested": b'{"data":{"n":[1],"v":"x"}}',
    "word": b'{"data":{"n":"one","v":"x"},"oracle_keys":{}}',
    "out of range": b'{"data":{"n":2147483648,"v":"x"}}',
    "no data": b'{"oracle_keys":{"N":5}}',
    "data that is none": b'{"data":[],"row_version":null}',
    "a row version that is none": b'{"data":{"n":7,"v":"x"},"row_version":{}}',
    "an array": b"[]",
    "a number": b"17",
    "nothing": b"null",
    "20 MB": b'{"data":{"n":"' + b"1" * 20_000_000 + b'","v":"x"}}',
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_row_whose_key_cannot_be_read_is_one_reject(
    strategy: Strategy, settings: Settings, database: Database
) -> None:
    with raw_world(settings, database) as world:
        entity = offered(world, "text", strategy)
        numbers = range(101, 101 + len(KEYLESS))
        entity.put({100: b'"v":"x"', **dict(zip(numbers, KEYLESS.values(), strict=True)), 200: b'"v":"x"'})
        done = world.sync("items")
        assert done.status == "success", done.error
        kept = {100, 200} | ({5} if 5 in world.texts("items") else set())  # a row without data still has its key
        assert world.texts("items").keys() == kept
        assert done.counts.rejected == len(KEYLESS) + 2 - len(kept)
        assert {one.raw for one in world.rejects("items")}.isdisjoint({""})
        entity.put({100: b'"v":"x"', 200: b'"v":"x"'})
        assert world.sync("items", full_refresh=True).open_rejects == 0


def test_what_the_source_declares_not_nullable_is_not_null(settings: Settings, database: Database) -> None:
    with raw_world(settings, database) as world:
        world.entities["items"] = entity = RawEntity({"v": "CLOB"}, "hash", required=frozenset({"v"}))
        world.discover()
        entity.put({1: b'"v":"x"', 2: b'"v":null', 3: b"", 4: b'"v":""'})
        assert world.sync("items").counts.rejected == 2
        assert world.texts("items") == {1: "x", 4: ""}
        assert {one.column_name for one in world.rejects("items")} == {"v"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_after_a_column_has_grown_a_retry_brings_the_row_in(
    strategy: Strategy, settings: Settings, database: Database
) -> None:
    with raw_world(settings, database) as world:
        entity = offered(world, "varchar", strategy)
        values = {1: b'"x"', 2: b'"123456"', 3: b'"\xff23456"', 4: rb'"\u0000"', 5: b"NaN", 6: rb'"12\\456"'}
        entity.put({number: b'"v":' + value for number, value in values.items()})
        assert world.sync("items").counts.rejected == 5
        entity.columns = {"v": "VARCHAR2(50)"}
        world.discover()
        done = retry_rejects(world.database, RetryRequest("raw", "items", "somebody"))
        assert (done.tried, done.resolved, done.sync.open_rejects) == (5, 2, 3)
        assert world.texts("items") == {1: "x", 2: "123456", 6: "12\\456"}


def test_a_byte_that_was_escaped_to_be_kept_is_not_taken_for_text(settings: Settings, database: Database) -> None:
    with raw_world(settings, database) as world:
        entity = offered(world, "text")
        entity.put({1: b'"v":"\\\xff"', 2: b'"v":"x"'})
        assert world.sync("items").counts.rejected == 1
        assert retry_rejects(world.database, RetryRequest("raw", "items", "somebody")).resolved == 0
        assert world.texts("items") == {2: "x"}


def test_rejects_of_every_kind_are_listed_and_shown(settings: Settings, database: Database, syncflow: Syncflow) -> None:
    bad = {**NO_JSON, **NO_TEXT, **NESTED, "long": b'"' + b"x" * 20_000 + b'"'}
    with raw_world(settings, database) as world:
        entity = offered(world, "date")
        good = dict.fromkeys(range(100, 130), b'"v":"2025-12-08"')
        entity.put({number: b'"v":' + literal for number, literal in enumerate(bad.values())} | good)
        world.sync("items")
    listed = syncflow("rejects", "raw/items", "--limit", "100", "--json").records
    assert {one["value"] for one in listed} == {as_kept(value)[:MAX_VALUE_CHARACTERS] for value in bad.values()}
    said = syncflow("rejects", "list", "--limit", "100")
    assert len(said.out.splitlines()) == len(bad) + 1
    assert said.err == f"{len(bad)} of {len(bad)} rejected rows.\n"
    for one in listed:
        shown = syncflow("rejects", "show", one["reject"])
        assert (shown.code, one["reason"] in shown.out) == (0, True)
        assert not {char for char in shown.out if not char.isprintable()} - {"\n"}
