"""A service's settings → the literals of its modules; files are told from the generated folder, never absolutely."""

import os
from dataclasses import dataclass
from pathlib import Path

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth
from syncflow_pipelines.config.services import ServiceConfig


@dataclass(frozen=True, slots=True)
class DescribedAccess:
    """How a generated module reaches its service."""

    auth: dict[str, str] | None
    """As `credentials.auth_from` reads it; no secret is in it, only where one is."""
    dotenv_files: tuple[str, ...]
    ca_file: str | None


def describe_access(service: ServiceConfig, folder: Path) -> DescribedAccess:
    """The access of a service whose modules stand in `folder`."""
    ca_file = None if service.ca_file is None else _from(folder, service.ca_file)
    dotenv_files = (
        () if not isinstance(service.auth, BearerAuth | HeaderAuth) else service.auth.environment.dotenv_files
    )
    return DescribedAccess(_auth(service.auth, folder), tuple(_from(folder, file) for file in dotenv_files), ca_file)


def _auth(auth: Auth, folder: Path) -> dict[str, str] | None:
    if not isinstance(auth, BearerAuth | HeaderAuth):
        return None
    source = auth.secret()
    found = {"env": source.variable} if source.file is None else {"file": _from(folder, source.file)}
    described = {key: value for key, value in found.items() if value is not None}
    if isinstance(auth, BearerAuth):
        return {"type": "bearer", **described}
    return {"type": "header", "name": auth.name, **described, **({"prefix": auth.prefix} if auth.prefix else {})}


def _from(folder: Path, file: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()
