"""What a person does with the embedded server: start it to stay, stop it, ask how it is."""

from dataclasses import dataclass
from pathlib import Path

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database.embedded import lease, server
from syncflow_pipelines.database.embedded.locks import is_locked
from syncflow_pipelines.database.embedded.place import Place


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """How the embedded server of a home is."""

    running: bool
    """Some process of it is alive; it may still be starting, or stopping."""
    ready: bool
    """It takes connections."""
    kept: bool
    """It stays when the last process that uses it leaves."""
    pid: int | None
    url: str
    data: Path
    log: Path


def start_embedded(settings: Settings) -> str:
    """Starts the server to stay until `stop_embedded`, and tells its URL. Raises `DatabaseError`."""
    return lease.keep(settings.home)


def stop_embedded(settings: Settings, *, force: bool = False) -> bool:
    """Stops the server, and tells whether one was running.

    Raises `DatabaseError` where other processes use it and `force` is false.
    """
    return lease.stop(settings.home, force=force)


def embedded_status(settings: Settings) -> EmbeddedStatus:
    """How the server of the settings' home is; changes nothing. Raises `DatabaseError`."""
    with lease.translated(settings.home):
        place = Place.of(settings.home)
        running = is_locked(place.server_lock)
        return EmbeddedStatus(
            running=running,
            ready=running and server.answers(place),
            kept=place.keep.exists(),
            pid=server.server_pid(place) if running else None,
            url=place.url(),
            data=place.data,
            log=place.log,
        )
