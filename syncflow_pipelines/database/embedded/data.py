"""The data of the embedded server: made by `initdb`, all or nothing, and checked before they are used.

Everything here is called by the holder of the home's start lock only.
"""

import logging
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

from syncflow_pipelines.database.embedded.account import Account
from syncflow_pipelines.database.embedded.place import SUPERUSER, Place
from syncflow_pipelines.database.embedded.programs import VERSION, program, run_as
from syncflow_pipelines.errors import DatabaseError

log = logging.getLogger(__name__)

IMPOSSIBLE_PID = 2_147_483_647  # beyond every system's limit


def prepare_data(place: Place, account: Account) -> None:
    """Data that the server can start with, made where there are none. Raises `DatabaseError`."""
    _remove_unfinished(place)
    if place.data.exists():
        _check_version(place)
        account.own_all(place.data)
        place.data.chmod(0o700)
        _forget_dead_server(place)
    else:
        _make_data(place, account)


def last_words(output: str) -> str:
    """The line of a program's output that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL:" in line or "PANIC:" in line or "error:" in line]
    return (telling or lines or ["it said nothing"])[-1]


def _remove_unfinished(place: Place) -> None:
    for leftover in place.folder.glob("data.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _check_version(place: Place) -> None:
    try:
        version = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise DatabaseError(f"{place.data} is there but holds no PostgreSQL database; move it away.") from None
    if version != str(VERSION):
        raise DatabaseError(
            f"The database in {place.data} was made by PostgreSQL {version}, and this is {VERSION}; "
            f"move it away, or set SYNCFLOW_DATABASE_URL to a server of version {version} that has it."
        )


def _make_data(place: Place, account: Account) -> None:
    fresh = Path(tempfile.mkdtemp(prefix="data.new-", dir=place.folder))
    account.own(fresh)
    _initdb(fresh, account)
    identity = fresh / place.identity.name
    identity.write_text(uuid4().hex)
    account.own(identity)
    fresh.rename(place.data)


def _initdb(folder: Path, account: Account) -> None:
    command: list[str | Path] = [
        program("initdb"),
        f"--pgdata={folder}",
        f"--username={SUPERUSER}",
        "--auth-local=trust",  # the socket's folder lets nobody else in
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",  # the same order of text on every system
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]
    finished = run_as(account, command, folder)
    if finished.returncode != 0:
        raise DatabaseError(f"PostgreSQL could not make a database in {folder.parent}: {last_words(finished.stderr)}")


def _forget_dead_server(place: Place) -> None:
    """Voids the pid that a killed server left, which may be another program's by now and would bar the start.

    The server's lock is free, so its processes are gone. The rest of the file stays: by it PostgreSQL
    itself makes sure that nobody is attached to the shared memory of old.
    """
    try:
        first, newline, rest = place.postmaster_pid.read_text(errors="replace").partition("\n")
    except FileNotFoundError:
        return
    log.warning("PostgreSQL in %s was killed (process %s) and recovers now.", place.data, first or "unknown")
    if newline:
        place.postmaster_pid.write_text(f"{IMPOSSIBLE_PID}\n{rest}")
    else:
        place.postmaster_pid.unlink()
