"""A file is replaced whole or not at all, and by one writer at a time."""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from syncflow_pipelines.errors import ConfigurationError, SyncCancelled, SyncflowError
from syncflow_pipelines.files.gathering import Gathered
from syncflow_pipelines.files.locking import locked
from syncflow_pipelines.files.replacing import OLD_S, replace_file, replace_files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_made_with_its_folders_and_as_open_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "spec.json"
    replace_file(path, b"1")
    (tmp_path / "other").touch()
    assert path.read_bytes() == b"1"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)
    assert names(path.parent) == ["spec.json"]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(b"1")
    path.chmod(mode)
    replace_file(path, b"2")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"2", mode)


def test_what_a_link_points_at_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "link.json").symlink_to("shared/spec.json")
    replace_file(tmp_path / "link.json", b"1")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "shared" / "spec.json").read_bytes() == b"1"


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    contents = [bytes([digit]) * 500_000 for digit in b"0123456789"]
    replace_file(path, contents[0])
    seen: set[bytes] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents:
        replace_file(path, content)
    over.set()
    reader.join()
    assert seen <= set(contents)


def test_a_place_that_cannot_be_written_is_told_and_the_old_file_stands(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(ConfigurationError, match=r"file/spec.json cannot be written \(.*\); give rights or space"):
        replace_file(tmp_path / "file" / "spec.json", b"1")
    (tmp_path / "spec.json").mkdir()
    with pytest.raises(ConfigurationError, match=r"spec.json cannot be written"):
        replace_file(tmp_path / "spec.json", b"1")
    assert names(tmp_path) == ["file", "spec.json"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_drafts_of_killed_writers_are_removed_and_those_of_others_are_not(tmp_path: Path) -> None:
    killed, writing, foreign = (tmp_path / name for name in (".spec.json.draft-1", ".spec.json.draft-2", ".x.draft-1"))
    for path in (killed, writing, foreign):
        path.touch()
    for path in (killed, foreign):
        os.utime(path, (time.time() - OLD_S - 1,) * 2)
    replace_file(tmp_path / "spec.json", b"1")
    assert names(tmp_path) == [".spec.json.draft-2", ".x.draft-1", "spec.json"]


def test_a_lock_is_held_by_one_thread_at_a_time(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(tmp_path / "x.lock"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_waiting_for_a_lock_can_be_cancelled(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "x.lock"),
        pytest.raises(SyncCancelled, match=r"x.lock"),
        locked(tmp_path / "x.lock", cancelled=lambda: True),
    ):
        pass


def test_a_wait_for_a_lock_has_an_end_which_tells_who_holds_it(tmp_path: Path) -> None:
    holding = f"import fcntl, os; fcntl.flock(os.open({str(tmp_path)!r}, 0), fcntl.LOCK_EX); print(); input()"
    command = [sys.executable, "-c", holding]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(SyncflowError) as refused, locked(tmp_path, patience_s=0.05):
            pass
        other.communicate(b"\n")
    assert str(refused.value) == f"process {other.pid} has held {tmp_path} for 0.05 s; end it, or try again later"
    with locked(tmp_path, patience_s=0.05):
        assert list(tmp_path.iterdir()) == [], "a folder is locked itself, without a file in it"


def test_a_lock_in_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"), locked(tmp_path / "file" / "x.lock"):
        pass


def test_of_many_files_those_that_can_be_written_are_and_the_others_stand(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    bad = [tmp_path / "folder", tmp_path / "file" / "below"]
    good = [tmp_path / "file", tmp_path / "new" / "x"]
    errors = replace_files({path: path.name.encode() for path in [bad[0], good[0], bad[1], good[1]]})
    assert errors.keys() == set(bad)
    assert all("cannot be written" in str(error) and error.__cause__ is not None for error in errors.values())
    assert [path.read_bytes() for path in good] == [b"file", b"x"]
    assert names(tmp_path) == ["file", "folder", "new"]


def test_what_threads_bring_while_work_goes_on_is_done_together_and_each_hears_how_it_went() -> None:
    batches: list[list[int]] = []

    def work(things: Sequence[int]) -> None:
        batches.append(sorted(things))
        ends_at = time.monotonic() + 60
        while things == [0] and gathered.waiting < 8:
            assert time.monotonic() < ends_at
            time.sleep(0.01)
        if 5 in things:
            raise ValueError("not five")

    gathered = Gathered(work)
    with ThreadPoolExecutor(9) as threads:
        first, *others = [threads.submit(gathered.do, number) for number in range(9)]
        assert first.exception() is None
        assert {str(other.exception()) for other in others} == {"not five"}
    gathered.do(9)
    assert batches == [[0], [1, 2, 3, 4, 5, 6, 7, 8], [9]]
