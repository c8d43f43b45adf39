"""The last two versions of a source's schemas are kept, and the step between them is told."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.schemas.comparison.versions import SchemaVersion, keep_version, read_versions, versions_path
from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines_tests.unit.contract_sources import field, source_of

NAMES = ("ProductCreate", "ProductResponse", "ProductUpdate")
FIRST, SECOND = source_of(field("name", "str")), source_of(field("name", "str", max_length=5))


def version(digest: str, form: SchemaSource, exports: tuple[str, ...] = NAMES) -> SchemaVersion:
    return SchemaVersion(digest, datetime(2026, 1, 2, tzinfo=UTC), exports, form)


def test_a_first_version_breaks_nothing(tmp_path: Path) -> None:
    assert read_versions(tmp_path, "shop") is None
    keep_version(tmp_path, "shop", version("1", FIRST))
    known = read_versions(tmp_path, "shop")

    assert known is not None
    assert (known.current.form, known.previous) == (FIRST, None)
    assert known.compatibility().is_empty


def test_the_step_to_the_current_version_stays_told_while_nothing_changes(tmp_path: Path) -> None:
    for digest, form in (("1", FIRST), ("2", SECOND), ("2", SECOND)):
        keep_version(tmp_path, "shop", version(digest, form))
    known = read_versions(tmp_path, "shop")

    assert known is not None
    assert known.previous is not None
    assert (known.previous.digest, known.current.digest) == ("1", "2")
    assert {one.rule for one in known.compatibility().writers} == {"writers-bound-narrowed"}


def test_schemas_that_are_not_exported_any_more_are_gone(tmp_path: Path) -> None:
    keep_version(tmp_path, "shop", version("1", FIRST))
    keep_version(tmp_path, "shop", version("1", FIRST, ("ProductResponse",)))
    known = read_versions(tmp_path, "shop")

    assert known is not None
    assert {(one.rule, one.where) for one in known.compatibility().changes} == {
        ("writers-schema-removed", "ProductCreate"),
        ("writers-schema-removed", "ProductUpdate"),
    }


def test_components_are_compared_as_schemas_of_both_sides(tmp_path: Path) -> None:
    for digest, kind in (("1", "string"), ("2", "integer")):
        at = datetime(2026, 1, 2, tzinfo=UTC)
        keep_version(tmp_path, "pets", SchemaVersion(digest, at, ("Pet",), components={"Pet": {"type": kind}}))
    known = read_versions(tmp_path, "pets")

    assert known is not None
    assert {one.rule for one in known.compatibility().changes} == {"readers-type-changed", "writers-type-changed"}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"format": 99}', b"[]"])
def test_a_file_that_cannot_be_used_counts_as_none(content: bytes, tmp_path: Path) -> None:
    keep_version(tmp_path, "shop", version("1", FIRST))
    versions_path(tmp_path, "shop").write_bytes(content)

    assert read_versions(tmp_path, "shop") is None
    keep_version(tmp_path, "shop", version("2", SECOND))
    known = read_versions(tmp_path, "shop")
    assert known is not None
    assert known.previous is None


def test_versions_that_cannot_be_written_are_told_and_the_old_ones_stand(tmp_path: Path) -> None:
    keep_version(tmp_path, "shop", version("1", FIRST))
    folder = versions_path(tmp_path, "shop").parent
    kept = (folder / "shop.json").read_bytes()
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError):
        keep_version(tmp_path / "file", "shop", version("2", SECOND))
    assert (folder / "shop.json").read_bytes() == kept
