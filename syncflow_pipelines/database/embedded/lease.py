"""One lease a process and home: while any process holds one, the home's server runs.

The lease is a shared `flock`. The last process to leave in order stops the server; one that is killed
leaves nothing behind but a running server, which the next process uses, and stops.
"""

import atexit
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from syncflow_pipelines.database.embedded import server
from syncflow_pipelines.database.embedded.account import Account, account_for
from syncflow_pipelines.database.embedded.locks import exclusive, is_locked, open_lock, try_exclusive, try_shared
from syncflow_pipelines.database.embedded.place import Place
from syncflow_pipelines.errors import DatabaseError

log = logging.getLogger(__name__)

LOCK_LIMIT_S = server.START_LIMIT_S + server.STOP_LIMIT_S


@dataclass(slots=True)
class _Lease:
    place: Place
    account: Account
    descriptor: int


@dataclass(slots=True)
class _Held:
    """The leases of this process."""

    guard: threading.RLock = field(default_factory=threading.RLock)
    """Held while the process forks, too: a child must not inherit the half-open files of a start."""
    leases: dict[Place, _Lease] = field(default_factory=dict)
    spare: dict[Place, int] = field(default_factory=dict)
    """While the process forks: the leases that the child will hold, so that it never shares one with us."""
    registered: bool = False
    is_over: bool = False
    """The process ends and has left: what still asks for a connection must not start the server once more."""


_held = _Held()


def lease(home: Path) -> str:
    """The URL of the home's database, whose server runs until this process ends or calls `release`.

    Raises `DatabaseError`.
    """
    with _held.guard, translated(home):
        place = Place.of(home)
        held = _held.leases.get(place)
        if _held.is_over:
            raise DatabaseError(f"The embedded PostgreSQL in {place.data} was left already: this process ends.")
        if held is None:
            _held.leases[place] = _take(place)
            _register()
        elif not server.can_connect(place):
            _start(held)  # it was killed in the meantime
        return place.url()


def release(home: Path) -> None:
    """Gives up this process's lease, if it has one; the last one stops the server. Raises `DatabaseError`."""
    with _held.guard, translated(home):
        held = _held.leases.pop(Place.of(home), None)
        if held is not None:
            _leave(held)


def keep(home: Path) -> str:
    """Starts the home's server to stay, whoever leaves, and tells its URL. Raises `DatabaseError`."""
    url = lease(home)
    with translated(home):
        Place.of(home).keep.touch()
    return url


def stop(home: Path, *, force: bool) -> bool:
    """Stops the home's server, and tells whether one was running; this process's own lease is given up.

    Raises `DatabaseError` where other processes hold leases and `force` is false.
    """
    with _held.guard, translated(home):
        place = Place.of(home)
        held = _held.leases.pop(place, None)
        if held is not None:
            os.close(held.descriptor)
        was_running = is_locked(place.server_lock)
        if place.folder.exists():
            _stop_for_all(place, force=force)
        return was_running


@contextmanager
def translated(home: Path) -> Iterator[None]:
    """Makes a `DatabaseError` of what the system says of the home's files."""
    try:
        yield
    except OSError as error:
        raise DatabaseError(
            f"The embedded PostgreSQL cannot be kept in {home}: {error.strerror} ({error.filename}); "
            "set SYNCFLOW_HOME to a folder of your own, or SYNCFLOW_DATABASE_URL to a server."
        ) from error


def _take(place: Place) -> _Lease:
    account = account_for(place.folder, place.data)
    _make_folder(place, account)
    held = _Lease(place, account, open_lock(place.lease, account))
    try:
        # with a lease in hand nobody stops the server: whoever stops it holds the lease alone
        if not (try_shared(held.descriptor) and server.can_connect(place)):
            _start(held)
    except BaseException:
        os.close(held.descriptor)
        raise
    return held


def _start(held: _Lease) -> None:
    with exclusive(held.place.start_lock, held.account, LOCK_LIMIT_S):
        if not try_shared(held.descriptor):
            raise DatabaseError(f"{held.place.lease} is locked by another program; end it.")
        was_running = is_locked(held.place.server_lock)
        try:
            server.start(held.place, held.account)
        except BaseException:
            if not was_running and try_exclusive(held.descriptor):
                server.stop(held.place)
            raise


def _leave(held: _Lease) -> None:
    try:
        with exclusive(held.place.start_lock, held.account, LOCK_LIMIT_S):
            if try_exclusive(held.descriptor) and not held.place.keep.exists():
                server.stop(held.place)
    finally:
        os.close(held.descriptor)


def _stop_for_all(place: Place, *, force: bool) -> None:
    account = account_for(place.folder, place.data)
    with exclusive(place.start_lock, account, LOCK_LIMIT_S):
        descriptor = open_lock(place.lease, account)
        try:
            if not (try_exclusive(descriptor) or force):
                raise DatabaseError(
                    f"The embedded PostgreSQL in {place.data} is in use; "
                    "end the syncflow and dagster processes that use it first."
                )
            place.keep.unlink(missing_ok=True)
            server.stop(place)
        finally:
            os.close(descriptor)


def _make_folder(place: Place, account: Account) -> None:
    if not place.folder.exists():
        place.home.mkdir(parents=True, exist_ok=True)
        place.folder.mkdir(mode=0o700, exist_ok=True)
        account.own(place.folder)


def _register() -> None:
    if not _held.registered:
        atexit.register(_leave_all)
        os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
        _held.registered = True


def _leave_all() -> None:
    with _held.guard:
        _held.is_over = True
        if _held.leases:  # who is asked to end twice would leave the server running
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while _held.leases:
            place, held = _held.leases.popitem()
            try:
                _leave(held)
            except (DatabaseError, OSError) as error:
                log.warning("The embedded PostgreSQL in %s may still run: %s", place.data, error)


def _before_fork() -> None:
    _held.guard.acquire()
    for place, held in _held.leases.items():
        with suppress(OSError):
            descriptor = open_lock(place.lease, held.account)
            try_shared(descriptor)
            _held.spare[place] = descriptor


def _after_in_parent() -> None:
    for descriptor in _held.spare.values():
        os.close(descriptor)
    _held.spare.clear()
    _held.guard.release()


def _after_in_child() -> None:
    for place, held in list(_held.leases.items()):
        os.close(held.descriptor)
        spare = _held.spare.pop(place, None)
        if spare is None:
            del _held.leases[place]
        else:
            held.descriptor = spare
    _held.guard.release()
