"""Backups of schemas: what they hold, and that restoring brings back just that."""

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from syncflow_pipelines.errors import BackupError, ConfigurationError
from syncflow_pipelines.schemas.backups.folder import Backups

MAKE_FOR_EVER = """
import sys
from pathlib import Path
from syncflow_pipelines.schemas.backups.folder import Backups
backups = Backups(Path(sys.argv[1], "backups"), Path(sys.argv[1]), 5)
while True:
    backups.make([Path(sys.argv[1], "a.py"), Path(sys.argv[1], "b.py")], "again")
"""


@pytest.fixture
def backups(tmp_path: Path) -> Backups:
    return Backups(tmp_path / "backups" / "schemas", tmp_path, 10)


def write(path: Path, content: str = "X = 1\n", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


def metadata_of(tmp_path: Path, name: str) -> Path:
    return tmp_path / "backups" / "schemas" / name / "backup_metadata.txt"


def test_a_backup_is_laid_out_as_the_requirement_says(tmp_path: Path, backups: Backups) -> None:
    files = [write(tmp_path / "src" / "api" / name, name) for name in ("schemas.py", "schemas_generated.py")]
    name = backups.make(files, "before shop\nwas generated")
    assert re.fullmatch(r"schema_backup_\d{8}_\d{6}", name)
    folder = tmp_path / "backups" / "schemas" / name
    assert sorted(file.name for file in folder.iterdir()) == [
        "backup_metadata.txt",
        "schemas.py",
        "schemas_generated.py",
    ]
    assert (folder / "schemas.py").read_text() == "schemas.py"
    told = (folder / "backup_metadata.txt").read_text()
    assert f"syncflow schemas backup restore --name {name}" in told
    assert "reason: before shop was generated" in told
    assert '"path":"src/api/schemas.py"' in told
    [backup] = backups.kept()
    assert (backup.name, backup.problem, backup.size) == (name, None, 30)


def test_without_a_folder_there_are_no_backups(tmp_path: Path, backups: Backups) -> None:
    assert backups.kept() == ()
    with pytest.raises(BackupError, match="there is no backup 'schema_backup_20250121_120000'; `syncflow schemas ba"):
        backups.restore("schema_backup_20250121_120000", [])
    assert list(tmp_path.iterdir()) == []


def test_two_backups_of_one_second_have_names_of_their_own_and_the_newest_is_first(
    tmp_path: Path, backups: Backups
) -> None:
    names = [backups.make([write(tmp_path / "a.py", str(i))], "") for i in range(3)]
    assert len(set(names)) == 3
    assert [backup.name for backup in backups.kept()] == names[::-1]


def test_restoring_brings_back_bytes_modes_and_absence(tmp_path: Path, backups: Backups) -> None:
    first, second, third = (tmp_path / "deep" / name for name in ("a.py", "b.py", "c.py"))
    write(first, "é\r\n", 0o640)
    write(second, "", 0o444)
    name = backups.make([first, second, third], "")
    first.unlink()
    second.chmod(0o644)
    write(second, "changed")
    write(third, "new")
    restored = backups.restore(name, [first, second, third])
    assert restored.files == (first, second, third)
    assert first.read_bytes() == "é\r\n".encode()
    assert (first.stat().st_mode & 0o777, second.stat().st_mode & 0o777) == (0o640, 0o444)
    assert second.read_text() == ""
    assert not third.exists()


def test_a_restoration_can_be_undone(tmp_path: Path, backups: Backups) -> None:
    file, other = write(tmp_path / "a.py", "old"), tmp_path / "b.py"
    name = backups.make([file, other], "")
    write(file, "new", 0o600)
    write(other, "new")
    undone = backups.restore(backups.restore(name, [file, other]).undo, [file, other])
    assert (file.read_text(), other.read_text()) == ("new", "new")
    assert file.stat().st_mode & 0o777 == 0o600
    backups.restore(undone.undo, [file, other])
    assert (file.read_text(), other.exists()) == ("old", False)


def test_a_restoration_that_fails_half_way_names_the_backup_that_undoes_it(tmp_path: Path, backups: Backups) -> None:
    first, second = write(tmp_path / "a.py", "old"), write(tmp_path / "deep" / "b.py", "old")
    name = backups.make([first, second], "")
    write(first, "new")
    second.unlink()
    second.parent.rmdir()
    write(second.parent, "a file where the folder was")
    with pytest.raises(
        BackupError, match=f"{name} was not restored as a whole: .*b.py.* is in the backup schema"
    ) as no:
        backups.restore(name, [first, second])
    assert first.read_text() == "old"
    undo = str(no.value).rpartition(" ")[2]
    second.parent.unlink()
    backups.restore(undo, [first, second])
    assert (first.read_text(), second.exists()) == ("new", False)


def test_files_of_one_name_do_not_collide(tmp_path: Path, backups: Backups) -> None:
    files = [write(tmp_path / folder / "schemas.py", folder) for folder in ("a", "b", "c")]
    files.append(write(tmp_path / "backup_metadata.txt", "mine"))
    name = backups.make(files, "")
    for file in files:
        file.unlink()
    backups.restore(name, files)
    assert [file.read_text() for file in files] == ["a", "b", "c", "mine"]


def test_old_backups_make_room_for_new_ones(tmp_path: Path) -> None:
    backups = Backups(tmp_path / "backups", tmp_path, 3)
    file = tmp_path / "a.py"
    names = [backups.make([write(file, str(i))], "") for i in range(5)]
    assert [backup.name for backup in backups.kept()] == names[:1:-1]
    assert sorted(entry.name for entry in (tmp_path / "backups").iterdir()) == [".lock", *names[2:]]


def test_the_backup_that_is_restored_does_not_make_room_for_the_one_that_undoes_it(tmp_path: Path) -> None:
    backups = Backups(tmp_path / "backups", tmp_path, 2)
    file = tmp_path / "a.py"
    oldest, newest = (backups.make([write(file, str(i))], "") for i in range(2))
    restored = backups.restore(oldest, [file])
    assert file.read_text() == "0"
    assert {backup.name for backup in backups.kept()} == {oldest, restored.undo} != {newest}


def test_a_backup_can_be_deleted(tmp_path: Path, backups: Backups) -> None:
    keep, gone = (backups.make([write(tmp_path / "a.py")], "") for _ in range(2))
    backups.delete(gone)
    assert [backup.name for backup in backups.kept()] == [keep]
    with pytest.raises(BackupError, match="there is no backup"):
        backups.delete(gone)


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "/", "schema_backup_20250121_120000/..", ".lock", "x\0"])
def test_a_hostile_name_is_no_backup(tmp_path: Path, backups: Backups, name: str) -> None:
    backups.make([write(tmp_path / "a.py")], "")
    for act in (backups.delete, lambda name: backups.restore(name, [])):
        with pytest.raises(BackupError, match="there is no backup"):
            act(name)
    assert (tmp_path / "a.py").exists()


def test_a_link_in_the_place_of_a_backup_is_none(tmp_path: Path, backups: Backups) -> None:
    real = backups.make([write(tmp_path / "a.py")], "")
    link = tmp_path / "backups" / "schemas" / "schema_backup_20250121_120000"
    link.symlink_to(tmp_path)
    with pytest.raises(BackupError, match="there is no backup"):
        backups.delete(link.name)
    assert backups.kept()[0].name == real


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"path":"a.py"', '"path":"../b.py"', "'../b.py' is no path of a file"),
        ('"path":"a.py"', '"path":"/etc/passwd"', "/etc/passwd, which is no output and no manual_schema_path"),
        ('"path":"a.py"', '"path":"b.py"', "b.py, which is no output and no manual_schema_path"),
        ('"name":"a.py"', '"name":"../../../b.py"', "is no name of a file"),
        ('"name":"a.py"', '"name":".."', "is no name of a file"),
        ('"mode":"0640"', '"mode":"4755"', "'4755' is no mode of a file"),
        ('"sha256":"', '"sha256":"0', "is not what was saved"),
        ("created:", "made:", "does not say when it was made"),
        ('"path":"a.py"', '"path":5', "is not as it was written"),
        ("file: {", "file: [", "is not as it was written"),
    ],
)
def test_metadata_that_somebody_changed_is_refused_and_nothing_is_touched(
    tmp_path: Path, backups: Backups, old: str, new: str, told: str
) -> None:
    file, other = write(tmp_path / "a.py", "old", 0o640), write(tmp_path / "b.py", "other")
    name = backups.make([file], "")
    metadata = metadata_of(tmp_path, name)
    assert old in metadata.read_text()
    metadata.write_text(metadata.read_text().replace(old, new))
    write(file, "new")
    with pytest.raises(BackupError, match=re.escape(told)):
        backups.restore(name, [file])
    assert (file.read_text(), other.read_text(), len(backups.kept())) == ("new", "other", 1)


def test_a_saved_file_that_became_a_link_is_refused(tmp_path: Path, backups: Backups) -> None:
    file = write(tmp_path / "a.py", "old")
    name = backups.make([file], "")
    saved = metadata_of(tmp_path, name).with_name("a.py")
    saved.unlink()
    saved.symlink_to(write(tmp_path / "secret", "old"))
    with pytest.raises(BackupError, match="is not what was saved"):
        backups.restore(name, [file])


def test_a_backup_without_metadata_is_listed_with_what_is_wrong(tmp_path: Path, backups: Backups) -> None:
    name = backups.make([write(tmp_path / "a.py")], "")
    metadata_of(tmp_path, name).unlink()
    [backup] = backups.kept()
    assert backup.metadata is None
    assert "cannot be read" in (backup.problem or "")
    backups.delete(name)
    assert backups.kept() == ()


def test_a_file_that_cannot_be_read_leaves_no_backup(tmp_path: Path, backups: Backups) -> None:
    with pytest.raises(BackupError, match="cannot be backed up"):
        backups.make([write(tmp_path / "a.py"), tmp_path], "")
    assert [entry.name for entry in (tmp_path / "backups" / "schemas").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    blocked = write(tmp_path / "backups") / "schemas"
    with pytest.raises(ConfigurationError, match=r"backups/schemas.* cannot be written"):
        Backups(blocked, tmp_path, 10).make([write(tmp_path / "a.py")], "")


def test_two_at_once_each_make_their_own(tmp_path: Path, backups: Backups) -> None:
    files = [write(tmp_path / f"{i}.py", str(i)) for i in range(8)]
    threads = [threading.Thread(target=backups.make, args=([file], "")) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    kept = [backup.metadata for backup in backups.kept()]
    assert {one.files[0].path for one in kept if one} == {file.name for file in files}


def test_a_process_killed_at_any_moment_leaves_whole_backups_alone(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        write(tmp_path / name, "X = 1\n" * 20_000)
    backups = Backups(tmp_path / "backups", tmp_path, 5)
    for delay in (0.0, 0.001, 0.003, 0.007, 0.011):
        child = subprocess.Popen([sys.executable, "-c", MAKE_FOR_EVER, str(tmp_path)])
        before = {backup.name for backup in backups.kept()}
        ends_at = time.monotonic() + 60
        while {backup.name for backup in backups.kept()} == before and time.monotonic() < ends_at:
            time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        kept = backups.kept()
        assert kept
        assert [backup.problem for backup in kept if backup.problem] == []
    backups.make([tmp_path / "a.py"], "")
    names = [entry.name for entry in (tmp_path / "backups").iterdir()]
    assert [name for name in names if name.startswith((".draft", ".removed"))] == []
    assert len(backups.kept()) == 5
