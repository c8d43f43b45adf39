"""What is kept of specs on disk, how it is read back, and how it survives what happens to files."""

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.config import ServiceSettings, Settings
from syncflow_pipelines.errors import SpecError, UnusableSpec
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.openapi.inner_form import FORMAT
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.references import Part
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore

PART = Part("http://crm/openapi.json", "http://crm/v2", "ab" * 32, 17, '"1"', "Sat, 28 Nov 2026 10:00:00 GMT")


def a_document(title: str = "T") -> dict[str, Any]:
    return {
        "paths": {"/ö": {"get": {"responses": {"200": {"description": "ok"}}}}},
        "openapi": "3.1.0",
        "info": {"version": "1", "title": title, "x-exact": 1.10},
    }


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(config_dir=tmp_path / "config", home=tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> SpecStore:
    return store_in(settings)


def store_in(settings: Settings, output_dir: Path | None = None) -> SpecStore:
    folder = settings.project_dir
    places = ServiceSettings(output_dir or folder / "docs" / "specs", folder / "generated", folder / ".sums.json")
    return SpecStore(places, settings)


def keep(store: SpecStore, document: dict[str, Any] | None = None, service: str = "crm", **said: Any) -> KeptSpec:
    document = document or a_document()
    spec = normalise(document)
    entry = KeptSpec(spec.checksum, "2026-11-28T10:00:00Z", contract=spec.contract, documents=(PART,), **said)
    return store.keep(service, entry, document, spec)


def entries(settings: Settings) -> Any:
    return json.loads((settings.project_dir / ".sums.json").read_text())


def forms(settings: Settings) -> list[Path]:
    return sorted((settings.home / "specs").glob("[!.]*"))


def test_the_checksum_file_has_the_form_of_the_requirement(store: SpecStore, settings: Settings) -> None:
    kept = keep(store)
    entry = entries(settings)["crm"]
    assert entry["checksum"] == normalise(a_document()).checksum
    assert entry["timestamp"] == "2026-11-28T10:00:00Z"
    assert entry["spec_file"] == "docs/specs/crm-openapi.json"
    assert entry["documents"] == [
        {
            "url": "http://crm/openapi.json",
            "found_at": "http://crm/v2",
            "sha256": "ab" * 32,
            "size": 17,
            "etag": '"1"',
            "last_modified": "Sat, 28 Nov 2026 10:00:00 GMT",
        }
    ]
    assert store.kept() == {"crm": kept}
    assert kept.changed_at == datetime(2026, 11, 28, 10, tzinfo=UTC)
    assert (kept.url, kept.form) == ("http://crm/v2", FORMAT)


def test_the_spec_file_is_the_document_with_its_keys_in_order(store: SpecStore, settings: Settings) -> None:
    keep(store)
    written = store.spec_file("crm").read_bytes()
    assert written.decode() == json.dumps(a_document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert store.spec_file("crm") == settings.project_dir / "docs" / "specs" / "crm-openapi.json"
    assert store.document("crm") == a_document()


def test_a_spec_file_outside_the_project_is_named_whole(settings: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    assert keep(store_in(settings, elsewhere)).spec_file == str(elsewhere / "crm-openapi.json")


def test_the_inner_form_comes_back_as_it_was(store: SpecStore) -> None:
    keep(store)
    assert store.spec("crm") == normalise(a_document())


def test_the_inner_form_is_made_again_where_it_is_lost_or_damaged(store: SpecStore, settings: Settings) -> None:
    keep(store)
    [form] = forms(settings)
    whole = form.read_bytes()
    for damage in (None, b"", b"garbage", whole[:-20], whole.replace(b'"format":1', b'"format":0')):
        form.unlink() if damage is None else form.write_bytes(damage)
        assert store.spec("crm") == normalise(a_document())
        assert form.read_bytes() == whole


def test_a_home_that_cannot_be_written_does_not_keep_a_spec_from_being_read(
    store: SpecStore, settings: Settings
) -> None:
    keep(store)
    for form in forms(settings):
        form.unlink()
    (settings.home / "specs").rmdir()
    (settings.home / "specs").write_text("a file in the way")
    assert store.spec("crm").checksum == store.kept()["crm"].checksum


def test_ids_that_came_from_earlier_specs_outlive_the_inner_form(store: SpecStore, settings: Settings) -> None:
    responses = {"responses": {"200": {"description": "ok"}}}
    document = a_document() | {"paths": {f"/{key}": {"get": {"operationId": "same", **responses}} for key in "ab"}}
    plain = {operation.path: operation.id for operation in normalise(document).operations}
    assert plain["/a"] == "same"
    swapped = {("/b", "get"): "same"}
    spec = normalise(document, swapped)
    ids = {operation.path: operation.id for operation in spec.operations}
    assert ids["/b"] == "same"
    entry = KeptSpec(spec.checksum, ids={f"get {path}": name for path, name in ids.items()})
    store.keep("crm", entry, document, spec)
    for form in forms(settings):
        form.unlink()
    assert {operation.path: operation.id for operation in store.spec("crm").operations} == ids


def test_of_old_inner_forms_nothing_is_left(store: SpecStore, settings: Settings) -> None:
    keep(store)
    keep(store, service="crm2")
    keep(store, a_document("other"))
    assert len(forms(settings)) == 2
    assert (store.spec("crm").title, store.spec("crm2").title) == ("other", "T")


def test_what_is_not_kept_is_told(store: SpecStore) -> None:
    with pytest.raises(UnusableSpec, match="no spec of crm is kept; `syncflow specs fetch crm` fetches it"):
        store.spec("crm")


def test_a_spec_file_that_was_damaged_is_told(store: SpecStore, settings: Settings) -> None:
    keep(store)
    for form in forms(settings):
        form.unlink()
    store.spec_file("crm").write_text('{"openapi": "3.1')
    with pytest.raises(SpecError, match=r"crm-openapi.json: .*; `syncflow specs fetch crm --force` writes it anew"):
        store.spec("crm")


def test_a_spec_file_with_other_bytes_is_not_whole_also_where_they_are_as_many(store: SpecStore) -> None:
    kept = keep(store)
    assert store.is_whole("crm", kept)
    store.spec_file("crm").write_bytes(store.content("crm").replace(b'"T"', b'"U"'))
    assert not store.is_whole("crm", kept)
    store.spec_file("crm").write_text("{}")
    assert not store.is_whole("crm", kept)
    store.spec_file("crm").unlink()
    assert not store.is_whole("crm", kept)


def test_the_older_form_of_the_file_is_read(store: SpecStore, settings: Settings) -> None:
    (settings.project_dir / ".sums.json").write_text('{"crm": "d41d8cd98f00b204e9800998ecf8427e"}')
    assert store.kept() == {"crm": KeptSpec("d41d8cd98f00b204e9800998ecf8427e")}


def test_the_requirements_own_form_of_the_file_is_read(store: SpecStore, settings: Settings) -> None:
    said = {"checksum": "abc123...", "timestamp": "2025-01-14T10:30:00Z", "spec_file": "docs/x.json"}
    (settings.project_dir / ".sums.json").write_text(json.dumps({"service_name": said}))
    kept = store.kept()["service_name"]
    assert (kept.checksum, kept.changed_at) == ("abc123...", datetime(2025, 1, 14, 10, 30, tzinfo=UTC))
    assert not store.is_whole("service_name", kept)


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"\xff\xfe", b"[]", b"5", b"<<<<<<< HEAD\n{}\n", b'{"crm": 5}', b'{"crm": {"checksum": []}}']
)
def test_garbage_counts_for_nothing_and_is_written_over(
    store: SpecStore, settings: Settings, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (settings.project_dir / ".sums.json").write_bytes(garbage)
    with caplog.at_level(logging.WARNING):
        assert store.kept() == {}
    kept = keep(store)
    assert store.kept() == {"crm": kept}


def test_entries_that_are_not_ours_stay_as_they_are(store: SpecStore, settings: Settings) -> None:
    before = {"other": {"checksum": "1", "x": [1]}, "old": "abc", "odd": 5}
    (settings.project_dir / ".sums.json").write_text(json.dumps(before))
    keep(store)
    assert {name: entry for name, entry in entries(settings).items() if name != "crm"} == before


def test_a_note_does_not_bring_back_what_another_process_replaced(store: SpecStore) -> None:
    old = keep(store)
    new = keep(store, a_document("new"))
    store.note("crm", old)
    assert store.kept()["crm"] == new


def test_where_recording_fails_the_old_entry_and_the_old_form_stand(store: SpecStore) -> None:
    old = keep(store)

    def refuse(entry: KeptSpec, document: bytes, form: bytes) -> None:
        raise UnusableSpec("the database is down")

    spec = normalise(a_document("new"))
    with pytest.raises(UnusableSpec, match="the database is down"):
        store.keep("crm", KeptSpec(spec.checksum), a_document("new"), spec, refuse)
    assert store.kept()["crm"] == old
    assert store.spec("crm").title == "T"


KILLED = """
import os, sys
from pathlib import Path
from syncflow_pipelines.config import ServiceSettings, Settings
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore

folder, moment = Path(sys.argv[1]), int(sys.argv[2])
settings = Settings(config_dir=folder / "config", home=folder / "home")
store = SpecStore(ServiceSettings(folder / "docs" / "specs", folder / "generated", folder / ".sums.json"), settings)
document = store.document("crm")
document["info"]["title"] = "new"
spec = normalise(document)
calls = 0

def at_the_moment(event, arguments):
    global calls
    if event in ("os.rename", "open", "os.remove") and str(folder) in str(arguments[0]):
        calls += 1
        if calls == moment:
            os._exit(9)

sys.addaudithook(at_the_moment)
store.keep("crm", KeptSpec(spec.checksum), document, spec)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(1, 13))
def test_killed_at_any_moment_every_file_is_whole(store: SpecStore, settings: Settings, moment: int) -> None:
    old = keep(store)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(settings.project_dir), str(moment)], timeout=120)
    assert ended.returncode in (0, 9)
    entry = store.kept()["crm"]
    new = {**a_document(), "info": {**a_document()["info"], "title": "new"}}
    spec: Spec = store.spec("crm")
    assert spec.checksum == entry.checksum
    assert spec.title == ("T" if entry.checksum == old.checksum else "new")
    assert store.document("crm") in (a_document(), new)
    # and the next one goes on from there
    keep(store, new)
    assert (store.spec("crm").title, len(forms(settings))) == ("new", 1)


GATHERED = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from syncflow_pipelines.config import ServiceSettings, Settings
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore

folder, moment = Path(sys.argv[1]), int(sys.argv[2])
settings = Settings(config_dir=folder / "config", home=folder / "home")
store = SpecStore(ServiceSettings(folder / "docs" / "specs", folder / "generated", folder / ".sums.json"), settings)
document = {**store.document("s0"), "info": {"title": "new", "version": "1"}}
spec = normalise(document)
calls = sums = 0

def at_the_moment(event, arguments):
    global calls, sums
    if event in ("os.rename", "os.remove") and str(folder) in str(arguments[0]):
        calls += 1
        sums += event == "os.rename" and str(arguments[1]).endswith(".sums.json")
        if calls == moment:
            os._exit(9)

sys.addaudithook(at_the_moment)
with ThreadPoolExecutor(6) as threads:
    with locked(folder / ".sums.json.lock"):
        kept = [threads.submit(store.keep, f"s{n}", KeptSpec(spec.checksum), document, spec) for n in range(6)]
        while store._writing.waiting < 5:
            pass
for one in kept:
    one.result()
print(sums)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 8, 13, 14, 20, 99])
def test_killed_while_many_are_written_together_each_spec_is_whole(
    store: SpecStore, settings: Settings, moment: int
) -> None:
    names = [f"s{number}" for number in range(6)]
    old = {name: keep(store, service=name) for name in names}
    child = [sys.executable, "-c", GATHERED, str(settings.project_dir), str(moment)]
    ended = subprocess.run(child, timeout=120, stdout=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stdout) == ((0, "2\n") if moment == 99 else (9, ""))
    kept = store.kept()
    assert kept.keys() == old.keys()
    for name in names:
        assert store.spec(name).checksum == kept[name].checksum
        assert store.spec(name).title == ("T" if kept[name].checksum == old[name].checksum else "new")
        assert store.is_whole(name, kept[name]) or kept[name] == old[name], "what is not whole is fetched again"
    for name in names:
        keep(store, a_document("next"), name)
    assert len(forms(settings)) == len(names)


def test_one_that_cannot_be_written_keeps_no_other_one_from_being_kept(store: SpecStore, settings: Settings) -> None:
    store.spec_file("s1").mkdir(parents=True)
    with ThreadPoolExecutor(3) as threads:
        with locked(settings.project_dir / ".sums.json.lock"):
            first, bad, last = (threads.submit(keep, store, service=f"s{number}") for number in range(3))
        assert (first.exception(), last.exception()) == (None, None)
        assert "s1-openapi.json cannot be written" in str(bad.exception())
    assert entries(settings).keys() == {"s0", "s2"}


def test_names_that_are_no_text_are_kept(settings: Settings) -> None:
    store = store_in(settings, settings.project_dir / "\udcff")
    assert keep(store) == store.kept()["crm"]


TOGETHER = """
import sys
from pathlib import Path
from syncflow_pipelines.config import ServiceSettings, Settings
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.store import KeptSpec, SpecStore

folder, first = Path(sys.argv[1]), int(sys.argv[2])
settings = Settings(config_dir=folder / "config", home=folder / "home")
store = SpecStore(ServiceSettings(folder / "docs" / "specs", folder / "generated", folder / ".sums.json"), settings)
for number in range(first, first + 20):
    for service in (f"s{number}", "shared"):
        document = {"openapi": "3.1.0", "info": {"title": str(number), "version": "1"}, "paths": {}, "webhooks": {}}
        spec = normalise(document)
        store.keep(service, KeptSpec(spec.checksum), document, spec)
"""


@pytest.mark.slow
def test_processes_that_write_at_once_lose_nothing_of_each_other(store: SpecStore, settings: Settings) -> None:
    arguments = [sys.executable, "-c", TOGETHER, str(settings.project_dir)]
    running = [subprocess.Popen([*arguments, str(first)]) for first in (0, 20, 40)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    kept = store.kept()
    assert kept.keys() == {"shared", *(f"s{number}" for number in range(60))}
    for service, entry in kept.items():
        assert store.spec(service).checksum == entry.checksum
        assert store.is_whole(service, entry)
