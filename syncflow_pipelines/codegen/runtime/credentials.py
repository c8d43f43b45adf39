"""Where a generated module finds its credentials: told by literals, read whenever a request is made."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.config.paths import absolute


def auth_from(described: Mapping[str, str] | None, folder: Path, dotenv_files: Sequence[str] = ()) -> Auth:
    """The auth of a generated module that stands in `folder`, which its files are relative to."""
    environment = Environment(dotenv_files=tuple(absolute(file, folder) for file in dotenv_files))
    if described is None:
        return NoAuth()
    variable = described.get("env")
    file = absolute(described["file"], folder) if "file" in described else None
    if described["type"] == "bearer":
        return BearerAuth(variable, file, environment)
    return HeaderAuth(described["name"], variable, file, described.get("prefix", ""), environment)


def auth_header(auth: Auth) -> frozenset[str]:
    """The name, in lower case, of the header that the credentials go into."""
    if isinstance(auth, BearerAuth):
        return frozenset({"authorization"})
    return frozenset({auth.name.lower()}) if isinstance(auth, HeaderAuth) else frozenset()
