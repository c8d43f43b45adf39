"""`make specs-report`: what becomes of every document of a folder, in a table."""

from pathlib import Path

import orjson
import pytest

from benchmarks.specs_report.__main__ import main
from benchmarks.specs_report.report import SpecFigures, documents, lines

PETS = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {"/pets": {"get": {"operationId": "list_pets", "responses": {"200": {"description": "Pets"}}}}},
}


def test_documents_are_told_by_their_suffix(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.json", "README.md", "c.YML"):
        (tmp_path / name).touch()
    assert [path.name for path in documents(tmp_path)] == ["a.json", "b.yaml", "c.YML"]


def test_what_cannot_be_used_stands_below_the_table_with_the_reason() -> None:
    good = SpecFigures("a.json", "3.1.0", 3, 0, 0.01, 3, 1_008, "tools", 0.9, True, 105.0)
    told = lines([good, SpecFigures("b.yaml", problem="it is no OpenAPI document")])
    assert told[1].split() == ["a.json", "3.1.0", "3", "0", "0.01", "3", "1,008", "tools", "0.90", "yes", "105"]
    assert told[-1] == "b.yaml: it is no OpenAPI document"


@pytest.mark.parametrize(
    "bad",
    [
        SpecFigures("a", start_s=3.1, list_bytes=10, loads=True),
        SpecFigures("a", start_s=1.0, list_bytes=2_000_001, loads=True),
        SpecFigures("a", start_s=1.0, list_bytes=10, loads=False),
        SpecFigures("a", problem="down"),
    ],
)
def test_a_document_is_good_only_where_it_starts_soon_lists_briefly_and_loads(bad: SpecFigures) -> None:
    assert SpecFigures("a", start_s=1.0, list_bytes=10, loads=True).is_good
    assert not bad.is_good


@pytest.mark.slow
def test_a_document_goes_through_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pets.json").write_bytes(orjson.dumps(PETS))
    (tmp_path / "wrong.json").write_text('{"no": "document"}')
    assert main([str(tmp_path), "--json"]) == 0
    good, wrong = map(orjson.loads, capsys.readouterr().out.splitlines())
    assert (good["version"], good["operations"], good["tools"], good["mode"]) == ("3.1.0", 1, 1, "tools")
    assert (good["loads"], good["problem"]) == (True, None)
    assert good["peak_mib"] > 10
    assert "openapi" in wrong["problem"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "nowhere")])
