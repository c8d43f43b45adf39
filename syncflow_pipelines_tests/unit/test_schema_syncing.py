"""A sync of schemas: what is written when, and what stands whatever goes wrong."""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncflow_pipelines.config import SchemaSourceConfig
from syncflow_pipelines.errors import ConfigurationError, ModelsError, SchemasNotGenerated
from syncflow_pipelines.files.sealing import is_sealed
from syncflow_pipelines.schemas.backups.folder import Backups
from syncflow_pipelines.schemas.backups.restoring import restore
from syncflow_pipelines.schemas.making import Made
from syncflow_pipelines.schemas.reports import SourceReport
from syncflow_pipelines.schemas.state import state_path
from syncflow_pipelines.schemas.syncing import SchemaSyncer
from syncflow_pipelines_tests.unit.text_workshop import TextProject, TextWorkshop

SYNC_FOR_EVER = """
import sys
from pathlib import Path
from syncflow_pipelines_tests.unit.text_workshop import TextProject
project = TextProject(Path(sys.argv[1]))
syncer = project.syncer()
while True:
    for letter in "AB":
        project.source("shop", " ".join(f"{letter}{i}" for i in range(3000)))
        syncer.sync(project.schemas)
"""
SYNC_ONCE = """
import os, resource, sys
from pathlib import Path
from syncflow_pipelines_tests.unit.text_workshop import TextProject
project = TextProject(Path(sys.argv[1]))
source = project.source("shop", " ".join(f"B{i}" for i in range(3000)))
"""


@pytest.fixture
def text_project(tmp_path: Path) -> TextProject:
    return TextProject(tmp_path)


@pytest.fixture
def workshop(text_project: TextProject) -> TextWorkshop:
    return TextWorkshop(text_project.settings)


@pytest.fixture
def syncer(text_project: TextProject, workshop: TextWorkshop) -> Iterator[SchemaSyncer]:
    with SchemaSyncer(text_project.settings, workshop) as entered:
        yield entered
    assert workshop.is_closed


def one(syncer: SchemaSyncer, project: TextProject, *, force: bool = False, dry_run: bool = False) -> SourceReport:
    [report] = syncer.sync(project.schemas, force=force, dry_run=dry_run).sources
    return report


def backups_of(project: TextProject) -> Backups:
    return Backups(project.folder / "backups", project.folder, 10)


def test_a_source_is_generated_once_and_again_when_it_changes(
    syncer: SchemaSyncer, workshop: TextWorkshop, text_project: TextProject
) -> None:
    source = text_project.source("shop", "A B")
    report = one(syncer, text_project)
    assert (report.status, report.schemas, report.digest, report.backup) == ("generated", 2, "digest", None)
    assert is_sealed(source.output.read_bytes())
    assert one(syncer, text_project).status == "unchanged"
    assert workshop.made == ["shop"]
    text_project.source("shop", "A C")
    assert one(syncer, text_project).status == "generated"
    assert b"class C" in source.output.read_bytes()


def test_what_changed_without_a_difference_is_not_written(syncer: SchemaSyncer, text_project: TextProject) -> None:
    source = text_project.source("shop", "A B")
    one(syncer, text_project)
    written_at = source.output.stat().st_mtime_ns
    text_project.source("shop", "A  B")
    report = one(syncer, text_project)
    assert (report.status, report.backup, source.output.stat().st_mtime_ns) == ("unchanged", None, written_at)


def test_what_models_import_elsewhere_is_noticed_too(
    syncer: SchemaSyncer, workshop: TextWorkshop, text_project: TextProject
) -> None:
    elsewhere = text_project.folder / "mixins.txt"
    elsewhere.write_text("1")
    workshop.imported = (str(elsewhere),)
    text_project.source("shop", "A")
    one(syncer, text_project)
    one(syncer, text_project)
    assert workshop.made == ["shop"]
    elsewhere.write_text("2")
    one(syncer, text_project)
    assert workshop.made == ["shop", "shop"]


@pytest.mark.parametrize("lose", ["output", "state", "emptied", "state broken"])
def test_an_output_or_a_state_that_is_lost_is_made_again(
    syncer: SchemaSyncer, text_project: TextProject, lose: str
) -> None:
    source = text_project.source("shop", "A B")
    one(syncer, text_project)
    content = source.output.read_bytes()
    state = state_path(text_project.settings.home, "shop")
    match lose:
        case "output":
            source.output.unlink()
        case "emptied":
            source.output.write_bytes(b"")
        case "state":
            state.unlink()
        case _:
            state.write_text("{")
    report = one(syncer, text_project)
    assert report.status == ("unchanged" if lose.startswith("state") else "generated")
    assert source.output.read_bytes() == content
    assert one(syncer, text_project).status == "unchanged"


def test_an_output_that_was_edited_stays_until_it_is_forced_and_is_in_the_backup_then(
    syncer: SchemaSyncer, text_project: TextProject
) -> None:
    source = text_project.source("shop", "A")
    one(syncer, text_project)
    edited = source.output.read_bytes() + b"X = 1\n"
    source.output.write_bytes(edited)
    report = one(syncer, text_project)
    assert (report.status, report.notes) == (
        "unchanged",
        (f"{source.output} was edited by hand and stays so; --force generates it anew",),
    )
    text_project.source("shop", "A B")
    for dry_run in (False, True):
        report = one(syncer, text_project, dry_run=dry_run)
        assert isinstance(report.error, SchemasNotGenerated)
        assert "is not what was generated; it stays as it is: move it away, or use --force" in str(report.error)
        assert source.output.read_bytes() == edited
    report = one(syncer, text_project, force=True)
    assert (report.status, is_sealed(source.output.read_bytes())) == ("generated", True)
    [backup] = backups_of(text_project).kept()
    assert backup.name == report.backup
    assert (backup.folder / "schemas.py").read_bytes() == edited


def test_an_output_whose_ends_of_lines_git_has_changed_was_not_edited(
    syncer: SchemaSyncer, text_project: TextProject
) -> None:
    source = text_project.source("shop", "A")
    one(syncer, text_project)
    written = source.output.read_bytes()
    source.output.write_bytes(written.replace(b"\n", b"\r\n"))
    assert (one(syncer, text_project).status, source.output.read_bytes()) == ("generated", written)


def test_a_file_that_was_never_ours_is_not_overwritten(syncer: SchemaSyncer, text_project: TextProject) -> None:
    source = text_project.source("shop", "A")
    source.output.parent.mkdir()
    source.output.write_text("MINE = 1\n")
    assert one(syncer, text_project).status == "failed"
    assert source.output.read_text() == "MINE = 1\n"


@pytest.mark.parametrize(
    ("text", "kind"), [("broken", ModelsError), ("Invalid", SchemasNotGenerated), ("1x", SchemasNotGenerated)]
)
def test_models_that_cannot_be_used_leave_the_old_file_and_the_other_sources_go_on(
    syncer: SchemaSyncer, text_project: TextProject, text: str, kind: type[Exception]
) -> None:
    if text == "1x":
        text_project.rules["validation_enabled"] = False
    source = text_project.source("shop", "A")
    one(syncer, text_project)
    old = source.output.read_bytes()
    text_project.source("shop", text)
    other = text_project.source("other", "C")
    bad, good = syncer.sync(text_project.schemas).sources
    assert (bad.source, bad.status, type(bad.error)) == ("shop", "failed", kind)
    assert (good.source, good.status, other.output.exists()) == ("other", "generated", True)
    assert source.output.read_bytes() == old
    text_project.source("shop", "A")
    assert syncer.sync(text_project.schemas).sources[0].status == "unchanged"


def test_models_that_are_all_gone_take_their_schemas_along_only_when_that_is_forced(
    syncer: SchemaSyncer, text_project: TextProject
) -> None:
    source = text_project.source("shop", "A")
    one(syncer, text_project)
    text_project.source("shop", "")
    report = one(syncer, text_project)
    assert "shop has no models any more; the old schemas stand: take the source out" in str(report.error)
    assert b"class A" in source.output.read_bytes()
    assert one(syncer, text_project, force=True).schemas == 0
    assert b"class A" not in source.output.read_bytes()
    assert one(syncer, text_project).status == "unchanged"


def test_a_dry_run_writes_nothing_and_shows_the_difference(syncer: SchemaSyncer, text_project: TextProject) -> None:
    manual = text_project.folder / "manual.py"
    manual.write_text("KEPT = 1\n")
    source = text_project.source("shop", "A", manual=manual)
    report = one(syncer, text_project, dry_run=True)
    assert report.diff.splitlines()[:2] == ["--- /dev/null", "+++ b/shop/schemas.py"]
    assert report.status == "generated"
    assert report.comparison is not None
    assert report.comparison.manual_path == "manual.py"
    assert {entry.name for entry in text_project.folder.iterdir()} == {"models", "manual.py"}
    one(syncer, text_project)
    text_project.source("shop", "B", manual=source.manual_schema_path)
    report = one(syncer, text_project, dry_run=True)
    lines = report.diff.splitlines()
    assert lines[:2] == ["--- a/shop/schemas.py", "+++ b/shop/schemas.py"]
    assert ("-class A:" in lines, "+class B:" in lines) == (True, True)
    assert b"class A" in source.output.read_bytes()


def test_schemas_of_people_that_cannot_be_read_are_a_note(syncer: SchemaSyncer, text_project: TextProject) -> None:
    text_project.source("shop", "A", manual=text_project.folder / "gone.py")
    report = one(syncer, text_project)
    assert report.status == "generated"
    assert report.notes == ("they were not compared: there is nothing to compare with",)


def test_all_that_one_sync_overwrites_is_in_one_backup_with_what_people_keep(
    syncer: SchemaSyncer, text_project: TextProject
) -> None:
    manual = text_project.folder / "manual.py"
    manual.write_text("KEPT = 1\n")
    for text in ("A", "B"):
        text_project.source("shop", text, manual=manual)
        text_project.source("crm", text)
        text_project.source("same", "A")
        reports = syncer.sync(text_project.schemas).sources
    assert reports[0].backup == reports[1].backup is not None
    assert reports[2].backup is None
    backup = backups_of(text_project).kept()[0]
    assert backup.metadata is not None
    assert [file.path for file in backup.metadata.files] == ["crm/schemas.py", "shop/schemas.py", "manual.py"]
    assert backup.metadata.reason == "before crm, shop was generated"


def test_without_backups_nothing_is_kept(syncer: SchemaSyncer, text_project: TextProject) -> None:
    text_project.rules["backup_enabled"] = False
    for text in ("A", "B"):
        text_project.source("shop", text)
        assert one(syncer, text_project).status == "generated"
    assert not (text_project.folder / "backups").exists()


def test_where_no_backup_can_be_made_nothing_is_overwritten(syncer: SchemaSyncer, text_project: TextProject) -> None:
    source = text_project.source("shop", "A")
    one(syncer, text_project)
    old = source.output.read_bytes()
    (text_project.folder / "backups").write_text("in the way")
    text_project.source("shop", "B")
    report = one(syncer, text_project)
    assert (report.status, type(report.error)) == ("failed", ConfigurationError)
    assert source.output.read_bytes() == old


def test_what_was_restored_stays_until_the_source_changes(syncer: SchemaSyncer, text_project: TextProject) -> None:
    for text in ("A", "B"):
        source = text_project.source("shop", text)
        report = one(syncer, text_project)
    assert report.backup is not None
    assert restore(text_project.settings, text_project.schemas, report.backup).files == (source.output,)
    assert one(syncer, text_project).status == "unchanged"
    assert b"class A" in source.output.read_bytes()
    assert one(syncer, text_project, force=True).status == "generated"
    assert b"class B" in source.output.read_bytes()


def test_only_the_sources_that_are_named_are_looked_at(
    syncer: SchemaSyncer, workshop: TextWorkshop, text_project: TextProject
) -> None:
    for name in ("b", "a", "c"):
        text_project.source(name, "A")
    assert [report.source for report in syncer.sync(text_project.schemas, only=["c", "b"]).sources] == ["b", "c"]
    assert workshop.made == ["b", "c"]
    with pytest.raises(ConfigurationError, match="no source of schemas is called 'x'"):
        syncer.sync(text_project.schemas, only=["x"])


def test_two_that_sync_at_once_write_whole_files_and_make_each_once(text_project: TextProject) -> None:
    sources = [text_project.source(name, " ".join(f"A{i}" for i in range(500))) for name in ("a", "b")]
    workshops = [TextWorkshop(text_project.settings) for _ in range(4)]
    failed: list[bool] = []

    def sync(workshop: TextWorkshop) -> None:
        with SchemaSyncer(text_project.settings, workshop) as syncer:
            failed.append(syncer.sync(text_project.schemas).has_failed)

    threads = [threading.Thread(target=sync, args=(workshop,)) for workshop in workshops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == [False] * 4
    assert sorted(name for workshop in workshops for name in workshop.made) == ["a", "b"]
    assert all(is_sealed(source.output.read_bytes()) for source in sources)


def test_an_output_that_changes_while_it_is_generated_is_not_overwritten(text_project: TextProject) -> None:
    source = text_project.source("shop", "A")

    class Meddled(TextWorkshop):
        def examine(self, source: SchemaSourceConfig, content: bytes) -> None:
            source.output.parent.mkdir()
            source.output.write_text("MINE = 1\n")

    with SchemaSyncer(text_project.settings, Meddled(text_project.settings)) as syncer:
        report = one(syncer, text_project)
    assert "was changed while it was generated" in str(report.error)
    assert source.output.read_text() == "MINE = 1\n"


def test_a_source_that_changes_while_it_is_read_is_read_again(text_project: TextProject) -> None:
    imported = text_project.folder / "mixins.txt"
    imported.write_text("")

    class Slow(TextWorkshop):
        def make(self, source: SchemaSourceConfig) -> Made:
            made = super().make(source)
            if len(self.made) == 1:
                text_project.source("shop", "B")
            return made

    text_project.source("shop", "A")
    with SchemaSyncer(text_project.settings, Slow(text_project.settings, imported=(str(imported),))) as syncer:
        one(syncer, text_project)
        assert one(syncer, text_project).status == "generated"
    assert b"class B" in text_project.sources["shop"].output.read_bytes()


def run_child(project: TextProject, then: str) -> str:
    child = subprocess.run(
        [sys.executable, "-c", SYNC_ONCE + then, str(project.folder)], capture_output=True, text=True, timeout=60
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_on_a_full_disk_the_old_files_stand(syncer: SchemaSyncer, text_project: TextProject) -> None:
    source = text_project.source("shop", "A")
    one(syncer, text_project)
    old = source.output.read_bytes()
    full = """
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
print(project.syncer().sync(project.schemas).sources[0].error)
"""
    assert "schemas.py cannot be written (File too large); give rights or space" in run_child(text_project, full)
    assert source.output.read_bytes() == old
    assert [entry.name for entry in source.output.parent.iterdir()] == ["schemas.py"]


def test_in_a_folder_that_cannot_be_written_the_old_files_stand() -> None:
    # not below pytest's own folder, which other users cannot pass through
    with tempfile.TemporaryDirectory(prefix="syncflow-") as folder:
        project = TextProject(Path(folder))
        source = project.source("shop", "A")
        one(project.syncer(), project)
        old = source.output.read_bytes()
        for path in [project.folder, *project.folder.rglob("*")]:
            path.chmod(0o777)
        source.output.parent.chmod(0o555)
        nobody = """
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(project.syncer().sync(project.schemas).sources[0].error)
"""
        assert "schemas.py cannot be written (Permission denied); give rights or space" in run_child(project, nobody)
        assert source.output.read_bytes() == old
        source.output.parent.chmod(0o777)


def test_a_process_killed_at_any_moment_leaves_a_whole_module_and_loses_nothing(text_project: TextProject) -> None:
    text_project.source("shop", "A")
    output = text_project.sources["shop"].output
    for delay in (0.0, 0.002, 0.004, 0.008, 0.016):
        before = output.stat().st_mtime_ns if output.exists() else 0
        child = subprocess.Popen([sys.executable, "-c", SYNC_FOR_EVER, str(text_project.folder)])
        ends_at = time.monotonic() + 60
        while (not output.exists() or output.stat().st_mtime_ns == before) and time.monotonic() < ends_at:
            time.sleep(0.001)
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        content = output.read_bytes()
        assert is_sealed(content)
        assert content.count(b"class ") == 3000
        assert [backup.problem for backup in backups_of(text_project).kept() if backup.problem] == []
    text_project.source("shop", "C")
    report = one(text_project.syncer(), text_project)
    assert (report.status, output.read_bytes().count(b"class ")) == ("generated", 1)
    [saved] = [backup for backup in backups_of(text_project).kept() if backup.name == report.backup]
    assert (saved.folder / "schemas.py").read_bytes() == content
