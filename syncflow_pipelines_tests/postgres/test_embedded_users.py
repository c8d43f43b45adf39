"""The embedded server under root, under ordinary users, and in folders that make it hard."""

import os
import pwd
import shutil
import stat
from pathlib import Path

import pytest

from syncflow_pipelines.database import database_url
from syncflow_pipelines.database.embedded import release
from syncflow_pipelines.database.embedded.account import account_for, make_readable
from syncflow_pipelines.database.embedded.place import Place
from syncflow_pipelines.errors import DatabaseError
from syncflow_pipelines_tests.postgres.embedded_world import (
    Child,
    Refused,
    as_user,
    is_running,
    postmaster,
    settings_of,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root meets this")


@pytest.fixture
def nobodys_home(embedded_home: Path) -> Path:
    """A home that belongs to `nobody`, who may make it what it likes."""
    account = as_user("nobody")
    embedded_home.mkdir()
    os.chown(embedded_home, account["user"], account["group"])
    return embedded_home


@pytest.mark.parametrize("name", ["a home", 'it\'s "quoted"', "$(touch x)`id`%41\\", "home,with=signs", "hömé"])
def test_a_path_with_signs_in_it(embedded_home: Path, name: str) -> None:
    home = embedded_home.with_name(name)
    with Child(home) as child:
        assert child.tell("open") == 1
        child.leave()
    assert not is_running(home)
    assert [entry.name for entry in embedded_home.parent.iterdir()] == [name]


def test_a_path_longer_than_any_sockets(embedded_home: Path) -> None:
    home = embedded_home.joinpath(*["a-rather-long-folder-name"] * 8)
    with Child(home) as child:
        assert child.tell("open") == 1


def test_a_home_reached_by_a_link_is_the_same_home(embedded_home: Path) -> None:
    link = embedded_home.with_name("link")
    embedded_home.mkdir()
    link.symlink_to(embedded_home)
    with Child(embedded_home) as straight, Child(link) as around:
        assert straight.tell("lease") == around.tell("lease")


@as_root
def test_under_root_the_server_runs_as_an_existing_user(embedded_home: Path) -> None:
    users = pwd.getpwall()
    database_url(settings_of(embedded_home))
    server = postmaster(embedded_home)
    assert server.username() in {"postgres", "nobody"}
    assert server.uids().effective == embedded_home.joinpath("postgres/data").stat().st_uid
    assert pwd.getpwall() == users


@as_root
def test_under_root_a_closed_parent_is_opened_for_passing_only(embedded_home: Path) -> None:
    embedded_home.parent.chmod(0o700)
    database_url(settings_of(embedded_home))
    assert stat.S_IMODE(embedded_home.parent.stat().st_mode) == 0o701
    assert stat.S_IMODE(embedded_home.joinpath("postgres").stat().st_mode) == 0o700


def test_nobody_else_can_pass_to_the_socket(embedded_home: Path) -> None:
    database_url(settings_of(embedded_home))
    folder = Place.of(embedded_home).socket_folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == Place.of(embedded_home).data.stat().st_uid


@as_root
def test_an_ordinary_user_runs_the_server_itself(nobodys_home: Path) -> None:
    with Child(nobodys_home, user="nobody") as child:
        assert child.tell("open") == 1
        assert postmaster(nobodys_home).username() == "nobody"
        child.leave()
    assert not is_running(nobodys_home)


@as_root
def test_root_and_the_owner_of_the_data_take_turns(nobodys_home: Path) -> None:
    for visits, user in enumerate(("nobody", None, "nobody", None), start=1):
        with Child(nobodys_home, user=user) as child:
            assert child.tell("open") == visits
            assert postmaster(nobodys_home).username() == "nobody"
            child.leave()


@as_root
def test_root_and_the_owner_of_the_data_share_the_server(nobodys_home: Path) -> None:
    with Child(nobodys_home) as root, Child(nobodys_home, user="nobody") as owner:
        owner.tell("open")
        assert root.tell("open") == 2
        owner.leave()
        assert root.tell("visits") == 2
        root.leave()
    assert not is_running(nobodys_home)


@as_root
def test_a_home_that_may_not_be_written(embedded_home: Path) -> None:
    with Child(embedded_home, user="nobody") as child, pytest.raises(Refused) as refused:
        child.tell("lease")
    assert str(refused.value) == (
        f"The embedded PostgreSQL cannot be kept in {embedded_home}: Permission denied ({embedded_home}); "
        "set SYNCFLOW_HOME to a folder of your own, or SYNCFLOW_DATABASE_URL to a server."
    )


@as_root
def test_a_home_of_somebody_else(embedded_home: Path) -> None:
    database_url(settings_of(embedded_home))
    owner = postmaster(embedded_home).username()
    release(embedded_home)
    stranger = "nobody" if owner != "nobody" else "daemon"
    sentence = rf"belongs to {owner}, and this process runs as {stranger}; run as {owner}"
    with Child(embedded_home, user=stranger) as child, pytest.raises(Refused, match=sentence):
        child.tell("lease")


@as_root
def test_data_that_root_copied_are_given_to_the_servers_user(embedded_home: Path) -> None:
    with Child(embedded_home) as child:
        child.tell("open")
        child.leave()
    copy = embedded_home.with_name("copy")
    shutil.copytree(embedded_home, copy)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, 0, 0)
    copy.joinpath("postgres/data").chmod(0o755)
    with Child(copy) as child:
        assert child.tell("open") == 2
        child.leave()


@as_root
def test_a_socket_folder_of_somebody_else_is_refused(embedded_home: Path) -> None:
    database_url(settings_of(embedded_home))
    release(embedded_home)
    folder = Place.of(embedded_home).socket_folder
    folder.mkdir()
    try:
        os.chown(folder, 2, 2)
        with pytest.raises(DatabaseError, match=f"{folder}.* belongs to somebody else; remove it"):
            database_url(settings_of(embedded_home))
        assert not is_running(embedded_home)
    finally:
        folder.rmdir()


@as_root
def test_programs_installed_under_a_strict_umask_are_made_readable(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "postgres"
    program.parent.mkdir(mode=0o700)
    program.touch(mode=0o700)
    (tmp_path / "bin" / "notes").touch(mode=0o600)
    make_readable(program.parent, account_for(tmp_path / "none", tmp_path / "none"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (program.parent, *program.parent.iterdir())}
    assert modes == {"bin": 0o705, "postgres": 0o705, "notes": 0o604}
