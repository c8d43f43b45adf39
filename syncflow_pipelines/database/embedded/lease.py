"""One lease a process and home: while any process holds one, the home's server runs.

The lease is a shared `flock`. The last process to leave in order stops the server; one that is killed
leaves nothing behind but a running server, which the next process uses, and stops.
"""

import atexit
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    leases: dict[Place, _Lease] = field(default_factory=dict)
    spare: dict[Place, int] = field(default_factory=dict)
    """While this process forks: the child's own leases, so that it never shares one with its parent."""
    registered: bool = False


_held = _Held()


def lease(home: Path) -> str:
    """The URL of the home's database, whose server runs until this process ends or calls `release`.

    Raises `DatabaseError`.
    """
    place = Place.of(home)
    with _held.guard:
        if place not in _held.leases:
            _held.leases[place] = _take(place)
            _register()
    return place.url()


def release(home: Path) -> None:
    """Gives up this process's lease, if it has one; the last one stops the server."""
    with _held.guard:
        held = _held.leases.pop(Place.of(home), None)
        if held is not None:
            _leave(held)


def stop(home: Path, *, force: bool) -> bool:
    """Stops the home's server, and tells whether one was running; this process's own lease is no obstacle.

    Raises `DatabaseError` where other processes hold leases and `force` is false.
    """
    place = Place.of(home)
    release(home)
    if not is_locked(place.server_lock):
        return False
    account = account_for(place.data)
    with exclusive(place.start_lock, account, LOCK_LIMIT_S):
        descriptor = open_lock(place.lease, account)
        try:
            if not try_exclusive(descriptor) and not force:
                raise DatabaseError(
                    f"PostgreSQL in {place.data} is in use; end the syncflow and dagster processes that use it first."
                )
            place.keep.unlink(missing_ok=True)
            server.stop(place)
        finally:
            os.close(descriptor)
    return True


def _take(place: Place) -> _Lease:
    with _translated(place):
        account = account_for(place.data)
        _make_folder(place, account)
        descriptor = open_lock(place.lease, account)
        try:
            # holding the lease, nobody stops the server: whoever does holds the lease alone
            if not (try_shared(descriptor) and server.can_connect(place)):
                _start(place, account, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return _Lease(place, account, descriptor)


def _start(place: Place, account: Account, descriptor: int) -> None:
    with exclusive(place.start_lock, account, LOCK_LIMIT_S):
        try_shared(descriptor)
        if not server.can_connect(place):
            server.start(place, account)


def _leave(held: _Lease) -> None:
    try:
        with exclusive(held.place.start_lock, held.account, LOCK_LIMIT_S):
            if try_exclusive(held.descriptor) and not held.place.keep.exists():
                server.stop(held.place)
    finally:
        os.close(held.descriptor)


def _make_folder(place: Place, account: Account) -> None:
    if not place.folder.exists():
        place.home.mkdir(parents=True, exist_ok=True)
        place.folder.mkdir(mode=0o700, exist_ok=True)
        account.own(place.folder)


@contextmanager
def _translated(place: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatabaseError(
            f"PostgreSQL cannot be kept in {place.folder}: {error.strerror} ({error.filename}); set SYNCFLOW_HOME "
            "to a folder of your own, or SYNCFLOW_DATABASE_URL to a server."
        ) from error


def _register() -> None:
    if not _held.registered:
        atexit.register(_leave_all)
        os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
        _held.registered = True


def _leave_all() -> None:
    with _held.guard:
        while _held.leases:
            _, held = _held.leases.popitem()
            _leave(held)


def _before_fork() -> None:
    _held.guard.acquire()
    for place, held in _held.leases.items():
        descriptor = open_lock(place.lease, held.account)
        try_shared(descriptor)
        _held.spare[place] = descriptor


def _after_in_parent() -> None:
    for descriptor in _held.spare.values():
        os.close(descriptor)
    _held.spare.clear()
    _held.guard.release()


def _after_in_child() -> None:
    for place, descriptor in _held.spare.items():
        os.close(_held.leases[place].descriptor)
        _held.leases[place].descriptor = descriptor
    _held.spare.clear()
    _held.guard.release()
