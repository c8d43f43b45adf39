"""Many processes, one server: the first to come starts it, the last to leave stops it."""

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from syncflow_pipelines.database import database_url, embedded_status, start_embedded, stop_embedded
from syncflow_pipelines.database.embedded import release
from syncflow_pipelines.database.embedded.place import Place
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines_tests.postgres.embedded_world import (
    Child,
    eventually,
    is_running,
    postmaster,
    settings_of,
)


def test_the_last_process_to_leave_stops_the_server(embedded_home: Path) -> None:
    with Child(embedded_home) as first, Child(embedded_home) as second:
        assert first.tell("lease") == second.tell("lease")
        sockets = Place.of(embedded_home).socket_folder
        assert sockets.is_dir()

        assert first.leave() == 0
        assert is_running(embedded_home)
        assert second.leave() == 0
        assert not is_running(embedded_home)
        assert not sockets.exists()


def test_a_killed_process_is_no_obstacle(embedded_home: Path) -> None:
    with Child(embedded_home) as killed, Child(embedded_home) as next_one:
        server = killed.tell("lease")
        killed.kill()
        assert is_running(embedded_home)

        assert next_one.tell("lease") == server
        next_one.leave()
        assert not is_running(embedded_home)


def test_processes_that_start_at_once_share_one_server(embedded_home: Path) -> None:
    children = [Child(embedded_home) for _ in range(8)]
    try:
        for child in children:
            child.send("open")
        assert max(child.reply() for child in children) == len(children)
        for child in children:
            child.send("lease")
        assert len({child.reply() for child in children}) == 1
    finally:
        for child in children:
            child.kill()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_processes_come_and_go_at_random(embedded_home: Path, seed: int) -> None:
    chance = random.Random(seed)
    living: list[Child] = []
    comings = 0
    try:
        for _ in range(40):
            action = chance.choice(["come", "come", "leave", "kill", "leave lease"])
            if action == "come" and len(living) < 5:
                living.append(Child(embedded_home))
                living[-1].send("open")
                comings += 1
            elif living:
                part_with(living, action, chance)
        for child in living:
            child.reply()
            assert child.leave() == 0
        with Child(embedded_home) as last:
            assert 0 < last.tell("open") <= comings + 1
            last.leave()
        assert not is_running(embedded_home)
    finally:
        for child in living:
            child.kill()


def part_with(living: list[Child], action: str, chance: random.Random) -> None:
    """Lets one process go: some in the middle of a start, some after their work."""
    child = living.pop(chance.randrange(len(living)))
    with child:
        if action == "kill" and chance.random() < 0.5:
            return
        child.reply()
        if action == "leave lease":
            child.tell("leave")
        if action != "kill":
            assert child.leave() == 0


def test_threads_of_one_process_share_its_lease(embedded_home: Path) -> None:
    settings = settings_of(embedded_home)
    with ThreadPoolExecutor(8) as threads:
        urls = set(threads.map(lambda _: database_url(settings), range(16)))
    assert len(urls) == 1
    release(embedded_home)
    assert not is_running(embedded_home)


def test_two_homes_have_two_servers(embedded_home: Path) -> None:
    other = embedded_home.with_name("other home")
    with Child(embedded_home) as here, Child(other) as there:
        assert here.tell("lease") != there.tell("lease")
        here.leave()
        assert is_running(other)
        there.leave()
        assert not is_running(other)


def test_a_forked_child_holds_a_lease_of_its_own(embedded_home: Path) -> None:
    with Child(embedded_home) as child:
        child.tell("open")
        forked = child.tell("fork")  # its parent has ended now, without stopping anything
        assert child.process.wait() == 0
        assert is_running(embedded_home)
        assert child.tell("visits") == 1

        child.leave()
        eventually(lambda: not psutil.pid_exists(forked))
        eventually(lambda: not is_running(embedded_home))


def test_a_forked_child_does_not_use_its_parents_connections(embedded_home: Path) -> None:
    with Child(embedded_home) as child:
        child.tell("open")
        before = child.tell("backend")
        child.tell("fork")
        assert child.tell("backend") != before


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(embedded_home: Path) -> None:
    with Child(embedded_home, start_new_session=True) as child:
        child.tell("lease")
        server = postmaster(embedded_home)
        assert os.getsid(server.pid) != os.getsid(child.pid)
        assert child.pid not in [parent.pid for parent in server.parents()]

        os.killpg(child.pid, signal.SIGINT)
        child.process.wait()
        assert not is_running(embedded_home), "the interrupted process was the last to leave"


def test_the_server_inherits_its_lock_and_no_other_file(embedded_home: Path, tmp_path: Path) -> None:
    place = Place.of(embedded_home)
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        database_url(settings_of(embedded_home))
        files = {Path(file.path) for file in postmaster(embedded_home).open_files()}
    assert {file for file in files if not file.is_relative_to(place.data)} == {place.server_lock, place.log}


def test_an_interrupted_start_leaves_no_server(embedded_home: Path) -> None:
    with Child(embedded_home) as child:
        child.send("lease")
        eventually(lambda: is_running(embedded_home))
        child.process.send_signal(signal.SIGINT)
        child.process.wait()
    eventually(lambda: not is_running(embedded_home))


def test_a_server_started_to_stay_stays_until_it_is_stopped(embedded_home: Path) -> None:
    settings = settings_of(embedded_home)
    start_embedded(settings)
    release(embedded_home)
    with Child(embedded_home) as child:
        child.tell("lease")
        child.leave()
    status = embedded_status(settings)
    assert (status.running, status.ready, status.kept) == (True, True, True)
    assert status.pid == postmaster(embedded_home).pid

    assert stop_embedded(settings)
    status = embedded_status(settings)
    assert (status.running, status.ready, status.kept, status.pid) == (False, False, False, None)
    assert not stop_embedded(settings)


def test_a_server_in_use_is_stopped_by_force_only(embedded_home: Path) -> None:
    settings = settings_of(embedded_home)
    with Child(embedded_home) as child:
        child.tell("lease")
        with pytest.raises(DatabaseError, match="is in use; end the syncflow and dagster processes"):
            stop_embedded(settings)
        assert stop_embedded(settings, force=True)
        assert not is_running(embedded_home)


def test_the_status_of_a_home_that_never_was(embedded_home: Path) -> None:
    assert not embedded_status(settings_of(embedded_home)).running
    assert not embedded_home.exists()
