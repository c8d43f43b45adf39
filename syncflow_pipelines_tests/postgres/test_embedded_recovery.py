"""The embedded server comes back from whatever was done to it or its files."""

import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from syncflow_pipelines.database import Database, database_url, embedded_status, open_database, stop_embedded
from syncflow_pipelines.database.embedded import release, server
from syncflow_pipelines.database.embedded.account import account_for
from syncflow_pipelines.database.embedded.place import Place
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines_tests.postgres.embedded_world import (
    Child,
    eventually,
    is_running,
    kill_server,
    postmaster,
    settings_of,
)


def test_what_was_committed_survives_a_killed_server(embedded_home: Path) -> None:
    with Child(embedded_home) as before:
        before.tell("open")
        kill_server(embedded_home)
    with Child(embedded_home) as after:
        assert after.tell("open") == 2
        assert after.leave() == 0
    assert not is_running(embedded_home)


def test_a_process_that_outlives_its_server_starts_it_again(embedded_home: Path) -> None:
    with Child(embedded_home) as child:
        first = child.tell("lease")
        assert child.tell("open") == 1
        kill_server(embedded_home)
        assert child.tell("lease") != first
        assert child.tell("visits") == 1, "the pool replaces the connections that died"


def test_backends_that_outlive_their_server_are_waited_for(embedded_home: Path) -> None:
    busy = psycopg.connect(database_url(settings_of(embedded_home)), autocommit=True)
    count_for_seconds(busy)
    postmaster(embedded_home).kill()
    assert is_running(embedded_home)
    with Child(embedded_home) as child:
        assert child.tell("open") == 1
    busy.close()


def count_for_seconds(busy: psycopg.Connection) -> None:
    """Has the server do something that does not look up to see whether the postmaster has died."""
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 5000) b")
    with psycopg.connect(busy.info.dsn, autocommit=True) as watching:
        question = "SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active' AND query LIKE '%%count%%'"
        eventually(lambda: watching.execute(question, (busy.info.backend_pid,)).fetchone() is not None)


def test_a_pid_file_whose_pid_is_another_programs_by_now(embedded_home: Path) -> None:
    place = Place.of(embedded_home)
    database_url(settings_of(embedded_home))
    release_by_killing(embedded_home)
    with another_program(place) as stranger:
        lines = place.postmaster_pid.read_text().split("\n")
        place.postmaster_pid.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        with Child(embedded_home) as child:
            child.tell("lease")
            child.leave()
        assert not is_running(embedded_home)
        assert stranger.poll() is None
        stranger.kill()


def another_program(place: Place) -> subprocess.Popen[bytes]:
    account = account_for(place.folder, place.data)
    return subprocess.Popen(["sleep", "600"], cwd="/", **account.popen_arguments())


@pytest.mark.parametrize("content", ["", "12", "4711\nnot a folder\n"])
def test_a_pid_file_that_was_half_written(embedded_home: Path, content: str) -> None:
    database_url(settings_of(embedded_home))
    release_by_killing(embedded_home)
    Place.of(embedded_home).postmaster_pid.write_text(content)
    database_url(settings_of(embedded_home))
    assert is_running(embedded_home)


def release_by_killing(home: Path) -> None:
    """Ends the server by force, and leaves this process without a lease."""
    kill_server(home)
    release(home)


def test_the_data_of_an_earlier_run_are_there_again(embedded_home: Path) -> None:
    for visits in (1, 2, 3):
        with Child(embedded_home) as child:
            assert child.tell("open") == visits
            child.leave()


def test_a_home_that_moved_keeps_its_data(embedded_home: Path) -> None:
    with Child(embedded_home) as child:
        child.tell("open")
        child.leave()
    embedded_home.rename(embedded_home.with_name("elsewhere"))
    with Child(embedded_home.with_name("elsewhere")) as child:
        assert child.tell("open") == 2
        child.leave()


def test_a_home_deleted_under_a_running_server_can_be_made_anew(embedded_home: Path) -> None:
    with Child(embedded_home) as orphaned:
        orphaned.tell("open")
        old, sockets = postmaster(embedded_home), Place.of(embedded_home).socket_folder
        shutil.rmtree(embedded_home)
        with Child(embedded_home) as child:
            assert child.tell("open") == 1
            old.send_signal(signal.SIGINT)  # it would notice by itself, in a minute
            old.wait(30)
            assert child.tell("lease")
            assert child.tell("visits") == 1
            child.leave()
        assert orphaned.leave() == 0
    sockets.rmdir()


@pytest.mark.parametrize("milliseconds", [20, 80, 150, 250, 400, 600])
def test_a_process_killed_while_it_starts_the_server(embedded_home: Path, milliseconds: int) -> None:
    with Child(embedded_home) as starting:
        starting.send("lease")
        eventually(embedded_home.exists)
        with pytest.raises(subprocess.TimeoutExpired):
            starting.process.wait(milliseconds / 1000)
    with Child(embedded_home) as child:
        assert child.tell("open") == 1
        child.leave()
    assert not is_running(embedded_home)


def test_what_a_killed_start_left_is_cleared(embedded_home: Path) -> None:
    leftover = Place.of(embedded_home).folder / "data.new-killed" / "base"
    leftover.mkdir(parents=True)
    database_url(settings_of(embedded_home))
    assert not leftover.parent.exists()


def test_a_server_whose_socket_was_swept_away_is_told_of_and_can_be_stopped(
    embedded_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNREACHABLE_LIMIT_S", 0.2)
    settings = settings_of(embedded_home)
    database_url(settings)
    shutil.rmtree(Place.of(embedded_home).socket_folder)
    with pytest.raises(DatabaseError, match=r"runs, but cannot be reached by its socket in /tmp/syncflow-.*; stop it"):
        database_url(settings)
    status = embedded_status(settings)
    assert (status.running, status.ready) == (True, False)
    assert stop_embedded(settings)
    with Child(embedded_home) as child:
        child.tell("lease")


def test_a_killed_server_does_not_bar_a_stop(embedded_home: Path) -> None:
    settings = settings_of(embedded_home)
    database_url(settings)
    kill_server(embedded_home)
    assert not stop_embedded(settings)


def test_data_of_another_version_are_refused_and_left_alone(embedded_home: Path) -> None:
    data = Place.of(embedded_home).data
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseError, match=r"was made by PostgreSQL 16, and this is 18; move it away"):
        database_url(settings_of(embedded_home))
    assert list(data.iterdir()) == [data / "PG_VERSION"]


def test_a_folder_that_is_no_database_is_refused_and_left_alone(embedded_home: Path) -> None:
    data = Place.of(embedded_home).data
    data.mkdir(parents=True)
    (data / "letters").write_text("keep me")
    with pytest.raises(DatabaseError, match=r"holds no PostgreSQL database; move it away"):
        database_url(settings_of(embedded_home))
    assert (data / "letters").read_text() == "keep me"


def test_a_server_that_cannot_start_says_why(embedded_home: Path) -> None:
    place = Place.of(embedded_home)
    database_url(settings_of(embedded_home))
    release(embedded_home)
    with (place.data / "postgresql.conf").open("a") as configuration:
        configuration.write("\nno_such_setting = on\n")
    with pytest.raises(DatabaseError, match=r"did not start: .*FATAL: .*postgresql.conf.* contains errors"):
        database_url(settings_of(embedded_home))
    assert not is_running(embedded_home)


def test_the_log_names_no_value_of_a_row(embedded_home: Path) -> None:
    with open_database(settings_of(embedded_home)) as database:
        fill_with_a_secret(database)
    log = Place.of(embedded_home).log.read_text()
    assert "starting PostgreSQL" in log
    assert "s3cret" not in log


def fill_with_a_secret(database: Database) -> None:
    with database.dedicated("test") as connection:
        connection.execute("CREATE TABLE public.secrets (value text PRIMARY KEY)")
        connection.execute("INSERT INTO public.secrets VALUES ('s3cret')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO public.secrets VALUES ('s3cret')")
        with pytest.raises(psycopg.DataError), connection.cursor().copy("COPY public.secrets FROM STDIN") as copy:
            copy.write(b"s3cret\ttoo many columns\n")
