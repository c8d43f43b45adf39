"""Making, starting and stopping the PostgreSQL of one home.

Everything here that changes something is called by the holder of the home's start lock only.
"""

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import psycopg

from syncflow_pipelines.database.embedded.account import Account, make_reachable
from syncflow_pipelines.database.embedded.locks import PAUSE_S, is_locked, open_lock, wait_exclusive
from syncflow_pipelines.database.embedded.place import DATABASE, PORT, SUPERUSER, Place
from syncflow_pipelines.database.embedded.programs import ENVIRONMENT, VERSION, make_runnable, program
from syncflow_pipelines.errors import DatabaseError

log = logging.getLogger(__name__)

START_LIMIT_S = 900.0
"""Recovery after a crash replays up to `max_wal_size` of log, on whatever disk there is."""
STOP_LIMIT_S = 120.0
QUIET_S = 5.0
LOG_LIMIT_BYTES = 10_000_000
IMPOSSIBLE_PID = 2_147_483_647

SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 200,
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def can_connect(place: Place) -> bool:
    """Whether the server answers, with SyncFlow's database there; makes the database where it is missing."""
    try:
        psycopg.connect(place.url(), connect_timeout=10).close()
    except psycopg.OperationalError as error:
        return _lacks_database(error) and _create_database(place)
    return True


def answers(place: Place) -> bool:
    """Whether the server takes connections; makes nothing."""
    try:
        psycopg.connect(place.url("postgres"), connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True


def start(place: Place, account: Account) -> None:
    """Starts the server and waits until it answers. Raises `DatabaseError`."""
    if not is_locked(place.server_lock):
        make_runnable(account)
        make_reachable(place.data, account)
        _make_data(place, account)
        _forget_dead_server(place)
        _make_socket_folder(place, account)
        _launch(place, account)
    _wait_until_ready(place)


def stop(place: Place) -> None:
    """Stops the server, open connections or not, and waits until its last process has ended."""
    deadline = time.monotonic() + STOP_LIMIT_S
    _signal(place, signal.SIGINT)
    while is_locked(place.server_lock):
        if time.monotonic() > deadline:
            raise DatabaseError(f"PostgreSQL in {place.data} did not stop within {STOP_LIMIT_S:.0f} s; see {place.log}.")
        time.sleep(PAUSE_S)


def server_pid(place: Place) -> int | None:
    """The process id of the running server, by its own pid file."""
    try:
        first = place.postmaster_pid.read_text(errors="replace").partition("\n")[0].strip()
    except OSError:
        return None
    return int(first) if first.isdecimal() else None


def _signal(place: Place, number: signal.Signals) -> None:
    pid = server_pid(place)
    if pid is None or not is_locked(place.server_lock):
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _lacks_database(error: psycopg.OperationalError) -> bool:
    return f'database "{DATABASE}" does not exist' in str(error)


def _create_database(place: Place) -> bool:
    with psycopg.connect(place.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    return True


def _make_data(place: Place, account: Account) -> None:
    _remove_unfinished(place)
    if _check_data(place):
        place.data.chmod(0o700)
        return
    fresh = Path(tempfile.mkdtemp(prefix="data.new-", dir=place.folder))
    account.own(fresh)
    _initdb(fresh, account)
    fresh.rename(place.data)


def _check_data(place: Place) -> bool:
    """Whether there is a database that this version can open."""
    if not place.data.exists():
        return False
    try:
        version = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise DatabaseError(f"{place.data} is there but holds no database; move it away.") from None
    if version != str(VERSION):
        raise DatabaseError(
            f"The database in {place.data} was made by PostgreSQL {version}, and this is {VERSION}; "
            "move it away, or set SYNCFLOW_DATABASE_URL to a server that runs it."
        )
    return True


def _remove_unfinished(place: Place) -> None:
    for leftover in place.folder.glob("data.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _initdb(folder: Path, account: Account) -> None:
    finished = subprocess.run(
        [
            program("initdb"),
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
        **account.popen_arguments(),
    )
    if finished.returncode != 0:
        raise DatabaseError(f"PostgreSQL could not make a database in {folder.parent}: {_last_words(finished.stderr)}")


def _forget_dead_server(place: Place) -> None:
    """Clears what a killed server left, so that a pid now used by another program does not bar the start.

    The server's lock is free, so its processes are gone; only the pid is made void, because PostgreSQL
    itself looks at the rest of the file to make sure that nobody is attached to its shared memory.
    """
    try:
        first, newline, rest = place.postmaster_pid.read_text(errors="replace").partition("\n")
    except FileNotFoundError:
        return
    if newline:
        place.postmaster_pid.write_text(f"{IMPOSSIBLE_PID}\n{rest}")
    else:
        place.postmaster_pid.unlink()
    log.warning("PostgreSQL in %s was killed (process %s); it recovers now", place.data, first)


def _make_socket_folder(place: Place, account: Account) -> None:
    folder = place.socket_folder
    try:
        folder.mkdir(mode=0o700)
        account.own(folder)
    except FileExistsError:
        status = folder.lstat()
        if status.st_uid != account.uid or folder.is_symlink() or not folder.is_dir():
            raise DatabaseError(
                f"{folder}, which is to hold PostgreSQL's socket, belongs to somebody else; remove it."
            ) from None
        folder.chmod(0o700)
    for leftover in folder.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def _launch(place: Place, account: Account) -> None:
    """Starts the server as a process of its own: no child of ours, in its own session.

    It inherits one file on purpose, that of its lock.
    """
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command = [program("postgres"), "-D", place.data, f"--unix_socket_directories={place.socket_folder}", *options]
    lock = open_lock(place.server_lock, account)
    try:
        wait_exclusive(lock, place.server_lock, limit_s=10)
        with _open_log(place, account) as output:
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=True,
                cwd=place.data,
                env=ENVIRONMENT,
                pass_fds=(lock,),
                start_new_session=True,
                umask=0o077,
                **account.popen_arguments(),
            )
    finally:
        os.close(lock)


def _open_log(place: Place, account: Account) -> BinaryIO:
    if place.log.exists() and place.log.stat().st_size > LOG_LIMIT_BYTES:
        place.log.replace(place.log.with_name("log.1"))
    output = open(os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    account.own(place.log)
    return output


def _wait_until_ready(place: Place) -> None:
    started = time.monotonic()
    told = False
    while not can_connect(place):
        waited = time.monotonic() - started
        if not is_locked(place.server_lock):
            raise DatabaseError(f"PostgreSQL in {place.data} did not start: {_last_words(_log_tail(place))}")
        if waited > START_LIMIT_S:
            raise DatabaseError(f"PostgreSQL in {place.data} was not ready after {START_LIMIT_S:.0f} s; see {place.log}.")
        if waited > QUIET_S and not told:
            told = True
            log.warning("PostgreSQL in %s is still recovering; waiting", place.data)
        time.sleep(PAUSE_S)


def _log_tail(place: Place) -> str:
    try:
        with open(place.log, "rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 4000))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line or "could not" in line]
    return (telling or lines or ["it said nothing"])[-1]
