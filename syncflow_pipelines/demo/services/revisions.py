"""Which revision of each demo service is served: kept in a file, so that it changes while the services run."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from syncflow_pipelines.errors import ConfigurationError

Service = Literal["warehouse", "parcels"]
FIRST, SECOND = 1, 2
SERVICES: tuple[Service, ...] = ("warehouse", "parcels")


@dataclass(frozen=True, slots=True)
class Evolution:
    """What became of one service."""

    service: Service
    revision: int
    is_new: bool
    """Whether another revision was served before."""
    told: str
    """What the change means for those who call it."""


CHANGES: Mapping[str, tuple[tuple[Service, int], ...]] = {
    "evolve": (("warehouse", SECOND),),
    "break": (("parcels", SECOND),),
    "reset": (("warehouse", FIRST), ("parcels", FIRST)),
}
"""What people may ask for, by name."""

_TOLD: Mapping[tuple[Service, int], str] = {
    ("warehouse", FIRST): "as it was in the beginning",
    ("warehouse", SECOND): "a new operation, GET /sites/{site}/capacity: nobody has to change anything",
    ("parcels", FIRST): "as it was in the beginning",
    (
        "parcels",
        SECOND,
    ): "GET /shipments/{number}/label is gone, and POST /shipments wants a phone number: callers break",
}


def revision_of(home: Path, service: Service) -> int:
    """The revision to serve now. Raises `ConfigurationError` where the file says something else than one."""
    return _read(_path(home)).get(service, FIRST)


def evolve(home: Path, service: Service, revision: int = SECOND) -> Evolution:
    """Serves that revision from now on, also where the services run already."""
    path = _path(home)
    with _one_writer(path):
        before = _read(path)
        draft = path.with_name(f"{path.name}.{uuid4().hex}")
        draft.write_text(json.dumps({**before, service: revision}), "utf-8")
        draft.replace(path)
    return Evolution(service, revision, before.get(service, FIRST) != revision, _TOLD[service, revision])


def _path(home: Path) -> Path:
    return home / "demo" / "services.json"


def _read(path: Path) -> dict[str, int]:
    try:
        said = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: remove it, and the demo services begin anew") from error
    if not isinstance(said, dict) or any(one not in (FIRST, SECOND) for one in said.values()):
        raise ConfigurationError(f"{path} names no revisions: remove it, and the demo services begin anew")
    return said


@contextmanager
def _one_writer(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
