"""Files and folders are followed, whatever becomes of them and of what leads to them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncflow_pipelines.files.mounts import is_silent, mounted, why_silent
from syncflow_pipelines.files.settling import Settling
from syncflow_pipelines.files.trails import trail_to
from syncflow_pipelines.files.watching import Target, Watcher

LONG_S = 60.0
SHORT_S = 0.2
KEY = frozenset({"spec"})
CHILD = """
import os, resource, sys
from pathlib import Path
from syncflow_pipelines.files.watching import Target, Watcher

file, few_files = Path(sys.argv[1]), sys.argv[2] == "few"
if few_files:
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(kept) + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
told = []
with Watcher({"spec": Target(file)}, debounce_ms=0, tell=told.append) as watcher:
    if few_files:
        os.close(kept[0])
    while not told:
        watcher.wait(0.05)
    file.write_text("{}")
    print(*sorted(watcher.wait(60)))
print(*told)
"""


@contextmanager
def following(*paths: Path, debounce_ms: int = 50) -> Iterator[Watcher]:
    targets = {"spec" if not at else f"spec{at}": Target(path) for at, path in enumerate(paths)}
    with Watcher(targets, debounce_ms=debounce_ms) as watcher:
        yield watcher


def replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text)
    draft.replace(path)


def save_as_vim_does(path: Path) -> None:
    backup = path.with_name(f"{path.name}~")
    path.rename(backup)
    path.write_text("{2}")
    backup.unlink()


def save_in_place(path: Path) -> None:
    path.write_text("{3}")


def delete_and_create(path: Path) -> None:
    path.unlink()
    path.write_text("{4}")


def replace_its_folder(path: Path) -> None:
    new = path.parent.with_name("new")
    new.mkdir()
    (new / path.name).write_text("{5}")
    path.parent.rename(path.parent.with_name("old"))
    new.rename(path.parent)


def replace_the_folder_above(path: Path) -> None:
    new = path.parent.parent.with_name("new")
    (new / path.parent.name).mkdir(parents=True)
    (new / path.parent.name / path.name).write_text("{6}")
    path.parent.parent.rename(new.with_name("old"))
    new.rename(path.parent.parent)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: replace(path, "{1}"), save_as_vim_does, save_in_place, delete_and_create, Path.unlink,
        replace_its_folder, replace_the_folder_above,
    ],
)  # fmt: skip
def test_a_change_is_told_in_whatever_way_it_is_made_and_so_is_the_next(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "above" / "backend" / "openapi.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    with following(path) as watcher:
        change(path)
        assert watcher.wait(LONG_S) == KEY
        replace(path, "{next}")
        assert watcher.wait(LONG_S) == KEY


def test_reading_a_file_and_changing_others_beside_it_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text("{}")
    with following(path) as watcher:
        path.read_text()
        (tmp_path / "other.json").write_text("{}")
        (tmp_path / "folder").mkdir()
        assert watcher.wait(SHORT_S) == frozenset()


def test_a_file_is_seen_in_a_folder_that_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c" / "openapi.json"
    with following(path) as watcher:
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        assert watcher.wait(LONG_S) == KEY
        (tmp_path / "a").rename(tmp_path / "gone")
        assert watcher.wait(LONG_S) == KEY
        (tmp_path / "gone").rename(tmp_path / "a")
        assert watcher.wait(LONG_S) == KEY


def test_a_link_is_followed_to_what_it_points_at_and_to_what_it_points_at_then(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "openapi.json").write_text(name)
    link = tmp_path / "link.json"
    link.symlink_to("one/openapi.json")
    with following(link) as watcher:
        (tmp_path / "one" / "openapi.json").write_text("{}")
        assert watcher.wait(LONG_S) == KEY
        (tmp_path / "next.json").symlink_to("two/openapi.json")
        (tmp_path / "next.json").rename(link)
        assert watcher.wait(LONG_S) == KEY
        (tmp_path / "two" / "openapi.json").write_text("{}")
        assert watcher.wait(LONG_S) == KEY


def test_a_mounted_configmap_is_followed_when_its_data_are_swapped(tmp_path: Path) -> None:
    for name in ("..2026_1", "..2026_2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "openapi.json").write_text(name)
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "openapi.json").symlink_to("..data/openapi.json")
    targets = {"spec": Target(tmp_path / "openapi.json"), "all": Target(tmp_path, is_folder=True)}
    with Watcher(targets, debounce_ms=50) as watcher:
        (tmp_path / "..data_tmp").symlink_to("..2026_2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        seen: set[str] = set()
        while seen != set(targets):
            seen |= watcher.wait(LONG_S)


def test_a_folder_is_followed_with_all_that_comes_to_be_below_it(tmp_path: Path) -> None:
    root = tmp_path / "models"
    with Watcher({"spec": Target(root, True, lambda path: path.suffix == ".py")}, debounce_ms=50) as watcher:
        (root / "deep" / "deeper").mkdir(parents=True)
        (root / "deep" / "deeper" / "a.py").write_text("1")
        assert watcher.wait(LONG_S) == KEY
        (root / "deep" / "deeper" / "a.py").write_text("2")
        assert watcher.wait(LONG_S) == KEY
        (root / "__pycache__").mkdir()
        (root / "__pycache__" / "a.py").write_text("compiled")
        (root / "a.txt").write_text("1")
        assert watcher.wait(SHORT_S) == frozenset()
        (root / "deep").rename(tmp_path / "elsewhere")
        assert watcher.wait(LONG_S) == KEY


def test_many_files_share_folders_and_each_is_told_for_itself(tmp_path: Path) -> None:
    paths = [tmp_path / f"{at}.json" for at in range(20)]
    with following(*paths) as watcher:
        paths[3].write_text("{}")
        assert watcher.wait(LONG_S) == {"spec3"}


def test_what_is_followed_can_be_replaced_and_no_change_is_lost_by_that(tmp_path: Path) -> None:
    old, new = Target(tmp_path / "old.json"), Target(tmp_path / "new.json")
    with Watcher({"old": old, "gone": Target(tmp_path / "gone.json")}, debounce_ms=50) as watcher:
        (tmp_path / "old.json").write_text("{}")
        watcher.follow({"old": old, "new": new})
        (tmp_path / "new.json").write_text("{}")
        (tmp_path / "gone.json").write_text("{}")
        seen: set[str] = set()
        while seen != {"old", "new"}:
            seen |= watcher.wait(LONG_S)


def test_a_change_that_was_seen_before_its_file_was_left_is_not_told_after_it(tmp_path: Path) -> None:
    left, kept = Target(tmp_path / "left.json"), Target(tmp_path / "kept.json")
    with Watcher({"left": left, "kept": kept}, debounce_ms=50) as watcher:
        for _ in range(50):
            watcher.follow({"left": left, "kept": kept})
            left.path.write_text("{}")
            watcher.follow({"kept": kept})
            kept.path.write_text("{}")
            assert watcher.wait(LONG_S) == {"kept"}


def test_replacements_without_a_pause_are_told_once_at_their_end(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    with following(path, debounce_ms=300) as watcher:
        for at in range(300):
            replace(path, f"{at}")
        assert watcher.wait(LONG_S) == KEY
        assert path.read_text() == "299"
        assert watcher.wait(SHORT_S) == frozenset()


def test_what_never_becomes_quiet_is_told_at_last() -> None:
    settling = Settling(3600.0, at_last_s=0.05)
    settled = frozenset[str]()
    while not settled:
        settling.mark("spec")
        settled = settling.take()
    assert settled == KEY


def test_waiting_ends_when_another_thread_or_a_signal_handler_stops_it(tmp_path: Path) -> None:
    with following(tmp_path / "a.json") as watcher:
        threading.Timer(0.05, watcher.stop).start()
        assert watcher.wait() == frozenset()
        assert watcher.wait() == frozenset()
    with following(tmp_path / "a.json") as watcher:
        before = signal.signal(signal.SIGUSR1, lambda *_: watcher.stop())
        try:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert watcher.wait() == frozenset()
        finally:
            signal.signal(signal.SIGUSR1, before)


def test_what_the_callers_own_filter_raises_comes_out_where_somebody_waits(tmp_path: Path) -> None:
    def accepts(_path: Path) -> bool:
        raise LookupError("no such model")

    with Watcher({"spec": Target(tmp_path, True, accepts)}, debounce_ms=0) as watcher:
        (tmp_path / "a.py").write_text("1")
        with pytest.raises(LookupError, match="no such model"):
            watcher.wait(LONG_S)


def test_a_name_that_is_no_text_hides_no_change(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    with following(path) as watcher:
        Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).write_text("1")
        path.write_text("{}")
        assert watcher.wait(LONG_S) == KEY


def test_a_file_in_a_folder_whose_name_is_no_text_is_looked_at_again_and_again(tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff/openapi.json"))
    path.parent.mkdir()
    told: list[str] = []
    with Watcher({"spec": Target(path)}, debounce_ms=0, tell=told.append) as watcher:
        path.write_text("{}")
        assert watcher.wait(LONG_S) == KEY
    assert "its name is no text" in told[0]


def test_where_the_system_watches_no_more_it_is_said_with_the_remedy_and_changes_are_seen_all_the_same(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "openapi.json"), "few"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S).stdout.splitlines()
    told = (
        f"{tmp_path}/openapi.json is looked at every second, as the system watches no more folders; raise "
        "fs.inotify.max_user_instances (sysctl), or how many files may be open (ulimit -n)"
    )
    assert said == ["spec", told]


UNSHARED = ["unshare", "--user", "--map-root-user", "--mount"]
CAN_UNSHARE = sys.platform == "linux" and subprocess.run([*UNSHARED, "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not CAN_UNSHARE, reason="no user namespaces here: limits and mounts of its own take one")
@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        ("echo 2 > /proc/sys/user/max_inotify_watches", "raise fs.inotify.max_user_watches (sysctl)"),
        ('touch "$1.host" "$1" && mount --bind "$1.host" "$1"', "changes there: it is mounted by itself"),
    ],
)  # fmt: skip
def test_a_full_system_and_a_file_mounted_by_itself_are_looked_at_every_second(
    tmp_path: Path, prepare: str, why: str
) -> None:
    path = tmp_path / "openapi.json"
    script = f'{prepare} && exec {sys.executable} -c "$2" "$1" many'
    said = subprocess.run(
        [*UNSHARED, "sh", "-c", script, "sh", path, CHILD], capture_output=True, text=True, timeout=LONG_S
    )
    assert said.stdout.startswith("spec\n"), said.stderr
    assert why in said.stdout


def test_network_mounts_are_known_by_the_longest_mount_point(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "28 27 0:9 / /mnt/our\\040specs rw shared:3 master:1 - nfs4 server:/specs rw\n"
        "29 28 0:8 / /mnt/our\\040specs/local rw - tmpfs none rw\n"
        "cut off"
    )
    mounts = mounted(table)
    assert why_silent("/mnt/our specs/a/openapi.json", mounts) == "it is on nfs4"
    assert why_silent("/mnt/our specs/local/openapi.json", mounts) is None
    assert why_silent("/mnt/other/openapi.json", mounts) is None
    assert mounted(tmp_path / "none") == {}
    assert why_silent("/mnt/openapi.json", {}) is None


@pytest.mark.parametrize(("kind", "silent"), [
    ("nfs", True), ("cifs", True), ("smb3", True), ("9p", True), ("fuse.sshfs", True), ("vboxsf", True),
    ("ext4", False), ("overlay", False), ("fuse.fuse-overlayfs", False), ("fuseblk", False),
])  # fmt: skip
def test_file_systems_that_other_machines_change_are_known(kind: str, silent: bool) -> None:
    assert is_silent(kind) is silent


def test_a_trail_names_all_that_decides_which_file_a_path_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "file").touch()
    here = str(tmp_path)

    def trail(path: str) -> tuple[list[str], bool]:
        found = trail_to(f"{here}/{path}")
        return [
            entry.removeprefix(f"{here}/") for entry in found.entries if entry.startswith(f"{here}/")
        ], found.is_whole

    assert trail("link/a.json") == (["link", "real", "real/a.json"], True)
    assert trail("link/../real/./a.json") == (["link", "real", "real", "real/a.json"], True)
    assert trail("later/a.json") == (["later"], False)
    assert trail("file/a.json") == (["file"], False)
    assert trail("round/a.json")[1] is False
