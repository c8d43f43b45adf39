"""The system user that the server runs as, and its way to its files.

PostgreSQL refuses to run as root. Under root it runs as the owner of its data, or as the system user
`postgres` or `nobody`; users are never created.
"""

import logging
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncflow_pipelines.errors import DatabaseError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """The system user of a server."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether the server runs as somebody else than this process; that takes root."""
        return self.uid != os.geteuid()

    @property
    def name(self) -> str:
        return _name_of(self.uid)

    def popen_arguments(self) -> dict[str, Any]:
        """What makes `subprocess` start a program as this user."""
        if not self.is_other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Gives a file that this process made to the user."""
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_all(self, folder: Path) -> None:
        """Gives the user a folder with everything in it, as far as it is somebody else's."""
        if folder.stat().st_uid != self.uid:
            for path in (*folder.rglob("*"), folder):
                self.own(path)

    def can_search(self, folder: Path) -> bool:
        """Whether the folder's mode lets the user pass through it."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def account_for(folder: Path, data: Path) -> Account:
    """The user that the server of these folders runs as, whether they exist or not.

    Raises `DatabaseError` where they belong to somebody else and this process is not root.
    """
    if os.geteuid() == 0:
        return _owner_beside_root(data) or _owner_beside_root(folder) or _service_account()
    for path in (folder, data):
        _require_mine(path)
    return Account(os.geteuid(), os.getegid())


def make_reachable(path: Path, account: Account) -> None:
    """Lets the user pass through every folder above `path`, by adding o+x where it is lacking."""
    if not account.is_other:
        return
    for folder in path.resolve().parents:
        if account.can_search(folder):
            continue
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXOTH)
        log.warning("Added o+x to %s, so that PostgreSQL, which runs as %s, can reach %s.", folder, account.name, path)


def make_readable(folder: Path, account: Account) -> None:
    """Lets the user read all below the folder, where an installation under a strict umask forbids it."""
    if not account.is_other:
        return
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)


def _require_mine(path: Path) -> None:
    owner = _owner(path)
    if owner is not None and owner.uid != os.geteuid():
        raise DatabaseError(
            f"The embedded PostgreSQL in {path} belongs to {owner.name}, and this process runs as "
            f"{_name_of(os.geteuid())}; run as {owner.name}, or set SYNCFLOW_HOME to a folder of your own."
        )


def _owner_beside_root(path: Path) -> Account | None:
    owner = _owner(path)
    return owner if owner is not None and owner.uid != 0 else None


def _owner(path: Path) -> Account | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return Account(status.st_uid, status.st_gid)


def _service_account() -> Account:
    for entry in _service_entries():
        return Account(entry.pw_uid, entry.pw_gid)
    raise DatabaseError(
        "PostgreSQL does not run as root, and this system has neither a user 'postgres' nor 'nobody'; "
        "run as an ordinary user, or set SYNCFLOW_DATABASE_URL."
    )


def _service_entries() -> Iterator[pwd.struct_passwd]:
    for name in ("postgres", "nobody"):
        try:
            yield pwd.getpwnam(name)
        except KeyError:
            continue


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
