"""Ids of new rows are made in the process, because PostgreSQL may take long over each."""

from uuid import UUID

import pytest

from syncflow_pipelines.sync.loading.row_ids import row_ids


@pytest.mark.parametrize("count", [0, 1, 2, 1000, 4096, 4097, 20_000])
def test_so_many_ids_differ_and_are_of_version_7(count: int) -> None:
    ids = [UUID(digits.decode()) for digits in row_ids(count)]
    assert len(set(ids)) == count
    assert {(one.version, one.variant) for one in ids} <= {(7, UUID(int=7 << 76 | 2 << 62).variant)}


def test_ids_of_one_page_rise_so_that_an_index_grows_at_its_end() -> None:
    ids = row_ids(4096)
    assert ids == sorted(ids)
    longer = [digits[:16] for digits in row_ids(9000)]
    assert longer == sorted(longer)


def test_ids_made_at_the_same_moment_differ() -> None:
    assert len({digits for _ in range(200) for digits in row_ids(10)}) == 2000
