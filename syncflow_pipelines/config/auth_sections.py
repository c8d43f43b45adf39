"""How a configuration file says who SyncFlow is to a source or a service."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.mistakes import Location
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.section import FilePath, Section, VariableName, matching
from syncflow_pipelines.config.settings import Settings

_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
# These belong to the transport: another value would break the connection or the body.
_OWN_NAMES = "host|content-length|transfer-encoding|connection|accept-encoding|te|upgrade|expect"
_OWN_HEADERS = re.sub("[a-z]", lambda letter: f"[{letter[0].upper()}{letter[0]}]", _OWN_NAMES)

HeaderName = Annotated[
    str,
    matching(
        rf"(?!(?:{_OWN_HEADERS})$){_HEADER_NAME}",
        "a header such as X-Api-Key, none that the connection needs",
        hide=True,
    ),
]
Prefix = Annotated[str, matching(r"[ -~]{0,100}", "text in ASCII", hide=True)]


class BearerSection(Section):
    type: Literal["bearer"]
    token_env: VariableName | None = None
    token_file: FilePath | None = None


class HeaderSection(Section):
    type: Literal["header"]
    name: HeaderName = Field(description="the name of a header such as X-Api-Key")
    value_env: VariableName | None = None
    value_file: FilePath | None = None
    prefix: Prefix = ""


class KeySection(Section):
    """A header in the words of `auto_sync_services.yaml`, or in those of `connectors.yaml`."""

    type: Literal["header"]
    header: HeaderName | None = None
    key_env: VariableName | None = None
    key_file: FilePath | None = None
    name: HeaderName | None = None
    value_env: VariableName | None = None
    value_file: FilePath | None = None
    prefix: Prefix = ""


class PluginKeySection(Section):
    type: Literal["plugin_api_key"]
    header: HeaderName = Field(description="the name of a header such as X-Plugin-API-Key")
    key_env: VariableName | None = None
    key_file: FilePath | None = None


class NoAuthSection(Section):
    type: Literal["none"]


def auth_of(
    said: BearerSection | HeaderSection | KeySection | PluginKeySection | NoAuthSection, settings: Settings
) -> Auth:
    """The credentials that a section, which has been checked, stands for."""
    environment = settings.environment
    match said:
        case BearerSection():
            return BearerAuth(said.token_env, from_project(said.token_file, settings), environment)
        case HeaderSection():
            file = from_project(said.value_file, settings)
            return HeaderAuth(said.name, said.value_env, file, said.prefix, environment)
        case KeySection():
            file = from_project(said.key_file or said.value_file, settings)
            name = said.header or said.name or ""
            return HeaderAuth(name, said.key_env or said.value_env, file, said.prefix, environment)
        case PluginKeySection():
            return HeaderAuth(said.header, said.key_env, from_project(said.key_file, settings), "", environment)
        case NoAuthSection():
            return NoAuth()


def from_project(path: Path | None, settings: Settings) -> Path | None:
    """The path of a configuration file as an absolute one."""
    return path and absolute(path, settings.project_dir)


def exactly_one(location: Location, section: Any, keys: Sequence[str]) -> Iterator[Explanation]:
    """A mistake, unless exactly one of the keys is there."""
    given = [key for key in keys if key in section]
    if len(given) == 1:
        return
    listed = f"{', '.join(keys[:-1])} and {keys[-1]}"
    nothing, too_much = ("neither", "both") if len(keys) == 2 else ("none of them", " and ".join(given))
    yield Explanation(location, f"exactly one of {listed}", too_much if given else nothing)
