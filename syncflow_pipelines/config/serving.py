"""Where and how `syncflow serve` listens: options, the environment, defaults."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from syncflow_pipelines.config.mistakes import refusal
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.schema_sync_variables import AnySwitch
from syncflow_pipelines.config.section import Section, matching, number, whole
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.variables import AnyCaseLogLevel, read_section

ServerName = Literal["uvicorn", "granian"]

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000
MOST_WORKERS: Final = 64
LONGEST_GRACE_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Serving:
    """How the gateway is served. None: what the gateway's file says, or its default."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    """0: a free one."""
    config_path: Path | None = None
    """Of the gateway's file, absolute; None: the one that `gateway_path` finds."""
    log_level: str | None = None
    reload: bool = False
    """Whether to start anew when code changes; for development."""
    workers: int = 1
    server: ServerName = "uvicorn"
    grace_period_s: float | None = None
    """How long requests may take to end once the gateway was asked to."""
    drain_delay_s: float = 0.0
    """How long it says that it will end, and still accepts requests, before it does: for load balancers to notice."""


Host = Annotated[str, matching(r"[\w.-]+|\[?[0-9A-Fa-f:.]+\]?", "a host's name or address, without the port")]
Seconds = Annotated[float, number(0, LONGEST_GRACE_S)]
Port = Annotated[int, whole(0, 65_535)]


class ServingVariables(Section):
    """The variables by the names that they have in the environment; one that is not set says nothing."""

    api_host: Host | None = Field(None, alias="API_HOST")
    host: Host | None = Field(None, alias="HOST")
    api_port: Port | None = Field(None, alias="API_PORT")
    port: Port | None = Field(None, alias="PORT")
    log_level: AnyCaseLogLevel | None = Field(None, alias="LOG_LEVEL")
    reload: AnySwitch | None = Field(None, alias="RELOAD")
    workers: Annotated[int, whole(1, MOST_WORKERS)] | None = Field(None, alias="SYNCFLOW_SERVE_WORKERS")
    server: Annotated[ServerName, matching("uvicorn|granian", "uvicorn or granian")] | None = Field(
        None, alias="SYNCFLOW_SERVE_SERVER"
    )
    grace_period_s: Seconds | None = Field(None, alias="SYNCFLOW_SERVE_GRACE_PERIOD")
    drain_delay_s: Seconds | None = Field(None, alias="SYNCFLOW_SERVE_DRAIN_DELAY")


def load_serving(settings: Settings, **options: Any) -> Serving:
    """What the options say, else the environment, else the defaults; an option that is None says nothing.

    `API_HOST` and `API_PORT` go before `HOST` and `PORT`, which shells and hosting services set for reasons of their
    own. Raises `ConfigurationError` with every mistake in the variables.
    """
    variables = {name: one for name, one in settings.environment.snapshot().items() if one.value}
    said, mistakes = read_section(ServingVariables, variables)
    if said is None:
        raise refusal("the environment", mistakes)
    found: dict[str, Any] = {
        **{name: getattr(said, name) for name in _SAME},
        "host": said.api_host or said.host,
        "port": said.port if said.api_port is None else said.api_port,
    }
    if options.get("config_path") is not None:
        options["config_path"] = absolute(options["config_path"], Path.cwd())
    given = {name: value for name, value in {**found, **_said(options)}.items() if value is not None}
    serving = replace(Serving(), **given)
    return replace(serving, host=serving.host.strip("[]"))


def hand_down(serving: Serving) -> None:
    """Sets the variables so that processes which are started from now on are served in the same way."""
    for variable, value in _VARIABLES.items():
        said = getattr(serving, value)
        if said is not None:  # else they find what this process has found
            os.environ[variable] = str(said)


def _said(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


_VARIABLES: Final = {
    "API_HOST": "host",
    "API_PORT": "port",
    "CONFIG_PATH": "config_path",
    "LOG_LEVEL": "log_level",
    "SYNCFLOW_SERVE_WORKERS": "workers",
    "SYNCFLOW_SERVE_GRACE_PERIOD": "grace_period_s",
    "SYNCFLOW_SERVE_DRAIN_DELAY": "drain_delay_s",
}
_SAME: Final = ("log_level", "reload", "workers", "server", "grace_period_s", "drain_delay_s")
