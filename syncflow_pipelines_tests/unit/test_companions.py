"""What runs beside Dagster is kept running, and ends with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from syncflow_pipelines.demo.companions import Companion, follows_specs, running_companions
from syncflow_pipelines_tests.unit.config_project import Project

LIMIT_S = 90.0
ONE_FILE = """
services: [{name: crm, base_url: 'http://127.0.0.1:9', openapi_path: openapi.json, components: [rest]}]
"""
STAYS = "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); sys.stdin.read()"
PARENT = """
import sys
from pathlib import Path
from syncflow_pipelines.config import Settings
from syncflow_pipelines.demo.companions import Companion, running_companions

serves = Companion("demo services --port 0", lambda settings: True)
with running_companions(Settings(Path("config"), Path("home")), print, [serves]):
    print("started", flush=True)
    sys.stdin.read()
"""


def stays(pid_file: Path) -> Companion:
    """A companion that writes its process id, and ends with its standard input."""
    return Companion(str(pid_file), lambda _settings: True, (sys.executable, "-c", STAYS))


def pid_in(file: Path, before: int | None = None) -> int:
    """The id in the file, once it is another one than before."""
    found = before

    def is_new() -> bool:
        nonlocal found
        found = int(file.read_text() or 0) if file.exists() else None
        return found not in (None, 0, before)

    wait_until(is_new)
    assert found is not None
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_one_that_was_killed_is_told_and_started_again_and_all_end_with_the_block(
    project: Project, tmp_path: Path
) -> None:
    told: list[str] = []
    files = [tmp_path / "one", tmp_path / "two"]
    with running_companions(project.settings(), told.append, [stays(file) for file in files]):
        first, other = map(pid_in, files)
        os.kill(first, signal.SIGKILL)
        again = pid_in(files[0], first)
        assert is_alive(other)
    assert told == [f"`syncflow {files[0]}` ended (by signal 9); it starts again in 1 s"]
    assert [pid for pid in (first, other, again) if is_alive(pid)] == []


def test_one_that_ends_at_once_is_not_started_again_at_once(project: Project) -> None:
    told: list[str] = []
    fails = Companion("specs watch", lambda _settings: True, (sys.executable, "-c", "raise SystemExit(2)"))
    with running_companions(project.settings(), told.append, [fails]):
        wait_until(lambda: len(told) == 2)
    assert told[0] == "`syncflow specs watch` ended (exit code 2); it starts again in 1 s"
    assert told[1].endswith("in 2 s")


def test_one_that_is_not_needed_is_not_started(project: Project, tmp_path: Path) -> None:
    idle = Companion(str(tmp_path / "pid"), lambda _settings: False, (sys.executable, "-c", STAYS))
    with running_companions(project.settings(), print, [idle]):
        pass
    assert not (tmp_path / "pid").exists()


def test_they_follow_the_configuration_and_one_that_cannot_be_used_changes_nothing(
    project: Project, tmp_path: Path
) -> None:
    told: list[str] = []
    pid_file, said = tmp_path / "pid", project.settings().config_dir / "auto_sync_services.yaml"
    follows = Companion(str(pid_file), follows_specs, (sys.executable, "-c", STAYS))
    with running_companions(project.settings(), told.append, [follows]):
        assert not pid_file.exists()
        said.write_text(ONE_FILE)
        first = pid_in(pid_file)
        said.write_text("services: 5")
        wait_until(lambda: any("stays as it is" in sentence for sentence in told))
        assert is_alive(first)
        said.unlink()
        wait_until(lambda: not is_alive(first))
        said.write_text(ONE_FILE)
        again = pid_in(pid_file, first)
    assert not is_alive(again)
    turns = [sentence.partition("` ")[2].partition(",")[0] for sentence in told if sentence.startswith("`")]
    assert turns == ["starts", "ends", "starts"]


def test_companions_end_though_the_process_that_started_them_was_killed(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        (companion,) = children_of(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(companion))


def children_of(pid: int) -> list[int]:
    wait_until(lambda: bool(psutil.Process(pid).children()))
    return [child.pid for child in psutil.Process(pid).children()]


@pytest.mark.parametrize(
    ("service", "settings", "needed"),
    [
        ("openapi_path: openapi.json", "{}", True),
        ("openapi_path: openapi.json, enabled: false", "{}", False),
        ("openapi_path: /openapi.json", "{}", False),
        ("openapi_path: /openapi.json", "{watch_mode: true}", True),
    ],
)
def test_specs_are_followed_beside_dagster_where_one_is_a_file_or_the_setting_says_so(
    project: Project, service: str, settings: str, needed: bool
) -> None:
    project.services(
        f"services: [{{name: a, base_url: 'http://a', components: [], {service}}}]\nsettings: {settings}\n"
    )
    assert follows_specs(project.settings()) is needed


def test_without_services_there_is_nothing_to_follow(project: Project) -> None:
    assert follows_specs(project.settings()) is False
