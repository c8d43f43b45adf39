"""The demo ERP: what it holds, and what changes in it."""

import stat
import threading
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from syncflow_pipelines.demo.erp import ensure_erp, erp_path, erp_token, expected_rows, open_erp, row_counts, token_path
from syncflow_pipelines.demo.erp_rows import ERP
from syncflow_pipelines.demo.exact_json import read_json
from syncflow_pipelines.demo.mutate import mutate
from syncflow_pipelines.demo.versions import is_greater
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.sync.schema.catalogue import parse_catalogue
from syncflow_pipelines.sync.schema.types import Family, postgres_type

SLUGS = tuple(entity.spec.slug for entity in ERP)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ERP that no test of this module changes."""
    home = tmp_path_factory.mktemp("erp")
    ensure_erp(home, rows=2000)
    return home


def everything(home: Path) -> dict[str, dict[tuple[Any, ...], Any]]:
    return {slug: {row.key: row for row in expected_rows(home, slug)} for slug in SLUGS}


def test_it_has_at_least_eight_entities_of_every_strategy_and_kind_of_key() -> None:
    assert len(ERP) >= 8
    assert {entity.spec.strategy for entity in ERP} == {"full", "rowversion", "hash"}
    assert {len(entity.spec.business_keys) for entity in ERP} == {1, 2, 3}
    assert {entity.spec.versions for entity in ERP} == {"time", "counter", "hex", "iso", None}


def test_its_columns_cover_every_family_of_types_and_one_type_that_nobody_knows() -> None:
    types = {column.data_type: postgres_type(column.data_type) for entity in ERP for column in entity.spec.columns}
    assert {mapping.family for mapping in types.values()} == set(get_args(Family))
    assert [name for name, mapping in types.items() if not mapping.known] == ["SDO_GEOMETRY"]


def test_its_catalogue_is_read_without_an_error(home: Path) -> None:
    with open_erp(home) as store:
        catalogue = parse_catalogue(store.catalogue())
    assert {entity.slug for entity in catalogue.entities} == set(SLUGS)
    assert [(finding.severity, finding.entity) for finding in catalogue.findings] == [("warning", "sites")]


@pytest.mark.parametrize("rows", [300, 2000, 200_000, 1_000_000])
def test_its_rows_are_as_many_as_were_asked_for(rows: int) -> None:
    assert sum(row_counts(rows).values()) == rows
    assert min(row_counts(rows).values()) >= 1


def test_every_row_is_there_with_a_key_of_its_own(home: Path) -> None:
    assert {slug: len(rows) for slug, rows in everything(home).items()} == row_counts(2000)


@pytest.mark.slow
def test_the_full_size_has_200_000_rows_and_row_versions_that_fill_several_pages(tmp_path: Path) -> None:
    ensure_erp(tmp_path)
    with open_erp(tmp_path) as store:
        assert sum(map(store.live_count, SLUGS)) == 200_000
        first, second = (read_json(store.page("order_lines", page, rowversion_gt=""))["rows"] for page in (1, 2))
    assert len({row["row_version"] for row in (*first, *second)}) == 1


def test_equal_seeds_make_equal_rows_and_others_do_not(home: Path, tmp_path: Path) -> None:
    ensure_erp(tmp_path / "same", rows=2000)
    ensure_erp(tmp_path / "other", rows=2000, seed=7)
    assert everything(tmp_path / "same") == everything(home)
    assert everything(tmp_path / "other") != everything(home)


def test_it_has_numbers_that_no_double_holds_bare_and_as_strings(home: Path) -> None:
    rows = everything(home)
    bare = [row.data["amount"] for row in rows["prices"].values()]
    assert all(isinstance(amount, Decimal) and Decimal(float(amount)) != amount for amount in bare)
    assert min(len(amount.as_tuple().digits) for amount in bare) == 30
    assert {type(row.data["rate"]) for row in rows["exchange_rates"].values()} == {str}


def test_it_has_the_values_that_trip_programs(home: Path) -> None:
    rows = everything(home)
    items = [row.data for row in rows["items"].values()]
    text = "".join(str(value) for data in items for value in data.values())
    assert all(character in text for character in "\"\\\n\t\r'<Żم防ч🛠")
    assert any(data["drawing_digest"] is None for data in items)
    assert any("catalogue_text" not in data for data in items)
    assert any(data.get("catalogue_text") == "" for data in items)
    assert any(isinstance(row.data["address"], dict) for row in rows["customers"].values())


def test_every_text_fits_its_column(home: Path) -> None:
    for entity in ERP:
        limits = {
            column.key: int(kind.partition("(")[2].rstrip(")"))
            for column in entity.spec.columns
            if (kind := postgres_type(column.data_type).pg_type).startswith("character varying(")
        }
        for row in expected_rows(home, entity.spec.slug):
            assert all(len(row.data.get(name) or "") <= limit for name, limit in limits.items())


def test_many_rows_share_a_row_version_where_versions_are_times(home: Path) -> None:
    ties = Counter(row.row_version for row in expected_rows(home, "order_lines"))
    assert len(ties) > 4
    assert max(ties.values()) > 50
    assert max(Counter(row.row_version for row in expected_rows(home, "orders")).values()) == 1


def test_the_order_of_versions_is_not_that_of_keys(home: Path) -> None:
    for slug in ("items", "orders", "suppliers"):
        versions = [row.row_version or "" for row in expected_rows(home, slug)]
        assert any(is_greater(before, after) for before, after in pairwise(versions))


def test_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    ensure_erp(tmp_path, rows=300)
    mutate(tmp_path)
    before = everything(tmp_path)
    assert ensure_erp(tmp_path, rows=9000, seed=1) == erp_path(tmp_path)
    assert everything(tmp_path) == before


def test_builders_at_the_same_time_build_once(tmp_path: Path) -> None:
    builders = [threading.Thread(target=ensure_erp, args=(tmp_path, 300, seed)) for seed in (1, 2, 3)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert {slug: len(rows) for slug, rows in everything(tmp_path).items()} == row_counts(300)
    assert not list((tmp_path / "demo").glob("*.draft*"))


def test_what_a_killed_builder_or_a_removed_file_left_behind_does_no_harm(tmp_path: Path) -> None:
    ensure_erp(tmp_path, rows=300)
    before = everything(tmp_path)
    for name in ("erp.sqlite.draft", "erp.sqlite-wal", "erp.sqlite.draft-wal", "erp.sqlite.draft-journal"):
        (tmp_path / "demo" / name).write_bytes(b"left behind" * 1000)
    erp_path(tmp_path).unlink()
    ensure_erp(tmp_path, rows=300)
    assert everything(tmp_path) == before


def test_the_token_is_random_lasting_and_for_its_owner_only(tmp_path: Path) -> None:
    token = erp_token(tmp_path / "one")
    assert len(token) > 30
    assert erp_token(tmp_path / "one") == token
    assert erp_token(tmp_path / "two") != token
    assert stat.S_IMODE(token_path(tmp_path / "one").stat().st_mode) == 0o600


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    erp_token(tmp_path)
    token_path(tmp_path).write_text("\n")
    with pytest.raises(ConfigurationError, match=r"erp\.token is empty"):
        erp_token(tmp_path)


def test_an_erp_that_was_never_built_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no demo source at"):
        mutate(tmp_path)
    assert not erp_path(tmp_path).exists()


def test_a_mutation_tells_exactly_what_it_did(tmp_path: Path) -> None:
    ensure_erp(tmp_path, rows=1000)
    for fraction in (0.01, 0.1):
        before = everything(tmp_path)
        mutations = mutate(tmp_path, fraction)
        after = everything(tmp_path)
        assert [mutation.entity for mutation in mutations] == list(SLUGS)
        for mutation in mutations:
            old, new = before[mutation.entity], after[mutation.entity]
            assert set(mutation.inserted) == new.keys() - old.keys()
            assert set(mutation.deleted) == old.keys() - new.keys()
            assert set(mutation.updated) == {key for key in old.keys() & new.keys() if old[key].data != new[key].data}
            assert len(mutation.inserted) == len(mutation.updated) == max(1, round(len(old) * fraction))


def test_a_mutation_gives_greater_row_versions_to_what_it_touched_only(tmp_path: Path) -> None:
    ensure_erp(tmp_path, rows=1000)
    with open_erp(tmp_path) as store:
        for _ in range(3):
            before = everything(tmp_path)
            last = {slug: store.last_version(slug) for slug in SLUGS}
            for mutation in mutate(tmp_path):
                new, old, greatest = (
                    everything(tmp_path)[mutation.entity],
                    before[mutation.entity],
                    last[mutation.entity],
                )
                touched = {*mutation.inserted, *mutation.updated}
                assert all(new[key].row_version == old[key].row_version for key in new.keys() - touched)
                assert mutation.row_version == store.last_version(mutation.entity)
                if greatest is not None:
                    assert all(is_greater(new[key].row_version or "", greatest) for key in touched)


def test_equal_histories_of_mutations_do_the_same_and_each_does_something_else(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        ensure_erp(home, rows=500)
    one, two = ([mutate(home), mutate(home)] for home in homes)
    assert one == two
    assert one[0] != one[1]
    assert everything(homes[0]) == everything(homes[1])
    assert mutate(homes[0], seed=1) != mutate(homes[1], seed=2)


def test_mutations_go_on_until_little_is_left(tmp_path: Path) -> None:
    ensure_erp(tmp_path, rows=60)
    keys: set[tuple[str, Any]] = set()
    for _ in range(30):
        for mutation in mutate(tmp_path, 0.25):
            added = {(mutation.entity, key) for key in mutation.inserted}
            assert not added & keys
            keys |= added


@pytest.mark.parametrize("fraction", [0, -1, 0.3, float("nan")])
def test_a_fraction_beyond_reason_is_refused(home: Path, fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction is"):
        mutate(home, fraction)
