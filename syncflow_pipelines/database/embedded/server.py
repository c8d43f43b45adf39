"""Starting and stopping the PostgreSQL of one home.

`start` and `stop` are called by the holder of the home's start lock only.
"""

import logging
import os
import signal
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from syncflow_pipelines.database.embedded.account import Account, make_reachable
from syncflow_pipelines.database.embedded.data import last_words, prepare_data
from syncflow_pipelines.database.embedded.locks import PAUSE_S, QUIET_S, is_locked, open_lock, wait_exclusive
from syncflow_pipelines.database.embedded.place import DATABASE, PORT, Place
from syncflow_pipelines.database.embedded.programs import ENVIRONMENT, make_runnable, program
from syncflow_pipelines.errors import DatabaseError

log = logging.getLogger(__name__)

START_LIMIT_S = 900.0
"""Recovery after a crash replays up to `max_wal_size` of log, on whatever disk there is."""
UNREACHABLE_LIMIT_S = 30.0
STOP_LIMIT_S = 120.0
LOG_LIMIT_BYTES = 10_000_000

SETTINGS = {
    "cluster_name": "syncflow",
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 200,
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    # its pages are in memory or on a disk without a needle: a few rows of a large table are best looked up
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # nothing replicates this server, and so a first load need not be written twice
    "wal_level": "minimal",
    "max_wal_senders": 0,
    # many entities at a time fill the cores; and a parallel join fails on the 64 MB /dev/shm of a container
    "max_parallel_workers_per_gather": 0,
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # the log names no row: errors, statements, details and contexts have values in them
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
}
"""On the command line, so that a new version of SyncFlow brings its own. `fsync` stays on."""


def can_connect(place: Place) -> bool:
    """Whether the server takes connections; its database is made where it is missing."""
    if not _is_socket_ours(place):
        return False
    try:
        psycopg.connect(place.url(), connect_timeout=10).close()
    except psycopg.OperationalError as error:
        if f'database "{DATABASE}" does not exist' in str(error):
            return _create_database(place)
        return "too many clients" in str(error)
    return True


def answers(place: Place) -> bool:
    """Whether the server takes connections; makes nothing."""
    if not _is_socket_ours(place):
        return False
    try:
        psycopg.connect(place.url("postgres"), connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True


def start(place: Place, account: Account) -> None:
    """Starts the server, if it does not run, and waits until it takes connections. Raises `DatabaseError`."""
    started = time.monotonic()
    launched = told = False
    while not can_connect(place):
        waited_s = time.monotonic() - started
        if not is_locked(place.server_lock):
            if launched:
                raise DatabaseError(f"PostgreSQL in {place.data} did not start: {last_words(_log_tail(place))}")
            _launch(place, account)
            launched = True
        _require_hope(place, waited_s)
        if waited_s > QUIET_S and not told:
            told = True
            log.warning("Waiting for PostgreSQL in %s, which recovers from a crash or still ends.", place.data)
        time.sleep(PAUSE_S)


def stop(place: Place) -> None:
    """Stops the server, open connections or not, and waits until its last process has ended.

    Raises `DatabaseError`.
    """
    deadline = time.monotonic() + STOP_LIMIT_S
    told: int | None = None
    while is_locked(place.server_lock):
        pid = server_pid(place)
        if pid != told and _ask_to_stop(pid, place):
            told = pid
        if time.monotonic() > deadline:
            raise DatabaseError(
                f"PostgreSQL in {place.data} (process {pid}) did not stop within {STOP_LIMIT_S:.0f} s; see {place.log}."
            )
        time.sleep(PAUSE_S)
    _remove_socket_folder(place)


def server_pid(place: Place) -> int | None:
    """The process that the server's pid file names, alive or not."""
    try:
        first = place.postmaster_pid.read_text(errors="replace").partition("\n")[0].strip()
    except FileNotFoundError:
        return None
    return int(first) if first.isdecimal() else None


def _require_hope(place: Place, waited_s: float) -> None:
    """Raises `DatabaseError` once it is of no use to wait any longer."""
    if waited_s > START_LIMIT_S:
        raise DatabaseError(
            f"PostgreSQL in {place.data} took no connection for {START_LIMIT_S:.0f} s; see {place.log}."
        )
    if waited_s > UNREACHABLE_LIMIT_S and _says_it_is_ready(place):
        raise DatabaseError(
            f"PostgreSQL in {place.data} (process {server_pid(place)}) runs, but cannot be reached by its socket in "
            f"{place.socket_folder}: that folder was emptied, or the server runs in another container; "
            "stop it with `syncflow db stop`."
        )


def _says_it_is_ready(place: Place) -> bool:
    # https://www.postgresql.org/docs/current/storage-file-layout.html: the eighth line of postmaster.pid
    try:
        lines = place.postmaster_pid.read_text(errors="replace").split("\n")
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"


def _is_socket_ours(place: Place) -> bool:
    """Whether the socket's folder belongs to whom the data belong: nobody else's server is talked to."""
    try:
        folder, data = place.socket_folder.lstat(), place.data.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(folder.st_mode) and folder.st_uid == data.st_uid


def _ask_to_stop(pid: int | None, place: Place) -> bool:
    """Tells the server to stop, open connections or not, and whether there was one to be told."""
    if pid is None or not _is_server_of(pid, place):
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    return True


def _is_server_of(pid: int, place: Place) -> bool:
    # the pid file may be older than the process, or be of another container
    try:
        return psutil.Process(pid).cwd() == str(place.data)
    except psutil.Error:
        return False


def _create_database(place: Place) -> bool:
    # two that find it missing at the same time both make it, and one of them is told so
    made_by_another = suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
    with psycopg.connect(place.url("postgres"), autocommit=True) as connection, made_by_another:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    return True


def _launch(place: Place, account: Account) -> None:
    make_runnable(account)
    make_reachable(place.data, account)
    prepare_data(place, account)
    _make_socket_folder(place, account)
    _rotate_log(place)
    _run(place, account)


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
    _remove_sockets(folder)


def _remove_socket_folder(place: Place) -> None:
    if _is_socket_ours(place):
        _remove_sockets(place.socket_folder)
        with suppress(OSError):  # not empty: somebody keeps something there
            place.socket_folder.rmdir()


def _remove_sockets(folder: Path) -> None:
    for leftover in folder.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def _rotate_log(place: Place) -> None:
    if place.log.exists() and place.log.stat().st_size > LOG_LIMIT_BYTES:
        place.log.replace(place.log.with_suffix(".old"))


def _run(place: Place, account: Account) -> None:
    """Starts the server as a process of its own: no child of ours, in a session that no Ctrl-C reaches.

    It inherits one file on purpose, that of its lock.
    """
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command: list[str | Path] = [
        program("postgres"),
        "-D",
        place.data,
        f"--unix_socket_directories={place.socket_folder}",
        *options,
    ]
    lock = open_lock(place.server_lock, account)
    output = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        account.own(place.log)
        wait_exclusive(lock, place.server_lock, limit_s=10)
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
        os.close(output)
        os.close(lock)


def _log_tail(place: Place) -> str:
    with place.log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 4000))
        return stream.read().decode(errors="replace")
