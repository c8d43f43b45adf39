"""Where one home keeps its embedded PostgreSQL."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

SUPERUSER = "postgres"
DATABASE = "syncflow"
PORT = 5432  # only part of the socket's file name: the server listens on no network address
SOCKETS = Path("/tmp")  # noqa: S108 - the folder below it is 0700 and checked to be ours


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one home's server; `home` is resolved, so that a home has one place only."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> "Place":
        return cls(home.resolve())

    @property
    def folder(self) -> Path:
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def start_lock(self) -> Path:
        """Held by the one process that starts or stops the server."""
        return self.folder / "start.lock"

    @property
    def lease(self) -> Path:
        """Locked, shared, by every process that uses the server."""
        return self.folder / "lease"

    @property
    def server_lock(self) -> Path:
        """Locked by the server: its processes inherit the lock, so it is free once the last has ended."""
        return self.folder / "server.lock"

    @property
    def keep(self) -> Path:
        """Present while the server shall outlive the processes that use it."""
        return self.folder / "keep"

    @property
    def postmaster_pid(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def identity(self) -> Path:
        """A random name of these very data, made together with them."""
        return self.data / "syncflow_identity"

    @property
    def socket_folder(self) -> Path:
        """Short, because a socket's path has 103 bytes at most, and the same whatever TMPDIR says.

        Data that were deleted and made anew get another folder: the server of the old ones, if it still
        runs, removes its socket by name when it notices, and must not remove the new server's.
        """
        words = (str(self.home), _text_of(self.identity))
        digest = hashlib.sha256("\0".join(words).encode(errors="surrogateescape"))
        return SOCKETS / f"syncflow-{digest.hexdigest()[:16]}"

    def url(self, database: str = DATABASE) -> str:
        """The libpq URL of a database of this server."""
        query = urlencode({"host": self.socket_folder, "port": PORT}, safe="/")
        return f"postgresql://{SUPERUSER}@/{database}?{query}"


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
