"""The catalogue state on disk."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.sync.state import (
    EntityState,
    StateColumn,
    read_catalogue_state,
    state_path,
    write_catalogue_state,
)

ITEMS = EntityState(
    slug="items",
    name="Items",
    description="What is sold",
    strategy="rowversion",
    has_rowversion=True,
    business_keys=("item_number",),
    columns=(
        StateColumn("item_number", "character varying(50)", None, False),
        StateColumn("gewicht", "numeric(10,3)", "Gewicht in kg, größer 0", True),
    ),
    table="erp.items",
    interval_s=300,
    enabled=True,
    is_present=True,
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    orders = replace(ITEMS, slug="sales orders/2024", description=None, table="erp.sales_orders_2024")
    write_catalogue_state(tmp_path, "erp", [orders, ITEMS])
    write_catalogue_state(tmp_path, "crm/eu", [])
    assert read_catalogue_state(tmp_path) == {"erp": (ITEMS, orders), "crm/eu": ()}


def test_no_folder_means_no_state(tmp_path: Path) -> None:
    assert read_catalogue_state(tmp_path / "absent") == {}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"version": 1, "entities": [{"slug": "it', b"\xff\xfe", b"[]", b'{"version": 1, "entities": [{}]}'],
    ids=["empty", "torn", "not text", "another shape", "fields missing"],
)
def test_a_damaged_file_costs_its_connector_only(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    write_catalogue_state(tmp_path, "erp", [ITEMS])
    state_path(tmp_path, "crm").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_catalogue_state(tmp_path) == {"erp": (ITEMS,)}
    assert "crm.json is passed over" in caplog.text
    assert "syncflow discover" in caplog.text


def test_a_file_of_another_version_is_reported_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_catalogue_state(tmp_path, "erp", [ITEMS])
    path = state_path(tmp_path, "erp")
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    with caplog.at_level(logging.WARNING):
        assert read_catalogue_state(tmp_path) == {}
    assert "version 2" in caplog.text


def test_writing_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    write_catalogue_state(tmp_path, "erp", [ITEMS])
    path = state_path(tmp_path, "erp")
    with path.open("rb") as before:
        write_catalogue_state(tmp_path, "erp", [replace(ITEMS, interval_s=60)])
        assert b'"interval_s":300' in before.read()
    assert read_catalogue_state(tmp_path)["erp"][0].interval_s == 60
    assert [entry.name for entry in path.parent.iterdir()] == ["erp.json"]


def test_an_equal_state_is_not_written_again(tmp_path: Path) -> None:
    write_catalogue_state(tmp_path, "erp", [ITEMS])
    inode = state_path(tmp_path, "erp").stat().st_ino
    write_catalogue_state(tmp_path, "erp", [ITEMS])
    assert state_path(tmp_path, "erp").stat().st_ino == inode
