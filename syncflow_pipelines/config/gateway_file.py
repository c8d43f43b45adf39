"""`gateway.yaml`: what it may say, the gateway's configuration that comes out of it, and the sample it begins with."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, cast, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from syncflow_pipelines.config.document import EACH, read_document, select
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.gateway import FallbackConfig, FallbackStrategy, GatewayConfig, HealthConfig, TargetRules
from syncflow_pipelines.config.gateway_endpoint import (
    Count,
    EndpointSection,
    PolicySection,
    Seconds,
    endpoint_mistakes,
    endpoint_of,
    policy_of,
)
from syncflow_pipelines.config.mistakes import Location, path_text, shown
from syncflow_pipelines.config.paths import absolute, is_file
from syncflow_pipelines.config.section import Section, Switch, matching, number, refused, whole
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.variables import AnyCaseLogLevel
from syncflow_pipelines.errors import ConfigurationError

FILE_NAME = "gateway.yaml"
VARIABLE = "CONFIG_PATH"


def _network(value: object) -> IPv4Network | IPv6Network:
    expected = "an address or a network such as 10.0.0.0/8 or ::1/128, without bits behind its prefix"
    if not isinstance(value, str):
        raise refused(expected)
    try:
        return ip_network(str(value))
    except ValueError:
        raise refused(expected) from None


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
HostPattern = Annotated[
    str,
    matching(
        r"(?![0-9.]+\Z)(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?",
        "a name such as api.example.com or *.example.com; addresses go into allow_networks",
    ),
    AfterValidator(str.lower),
]


class HealthSection(Section):
    enabled: Switch = True
    interval: Seconds = 30.0
    timeout: Seconds = 10.0
    unhealthy_threshold: Count = 3
    healthy_threshold: Count = 2


class TargetsSection(Section):
    allow_networks: list[Network] = Field(default_factory=list)
    allow_hosts: list[HostPattern] = Field(default_factory=list)


class GatewaySection(PolicySection):
    endpoints: list[EndpointSection] = Field(default_factory=list)
    health_check: HealthSection = HealthSection()
    targets: TargetsSection = TargetsSection()
    trusted_proxies: list[Network] = Field(default_factory=list)
    register_services: Switch = False
    max_header_bytes: Annotated[int, whole(1024, 1_048_576)] = 65_536
    grace_period_s: Annotated[float, number(0, 86_400)] = 30.0
    log_level: AnyCaseLogLevel | None = None


@dataclass(frozen=True, slots=True)
class GatewayExamination:
    """What is to be said of a file that nobody has put in force."""

    path: Path
    config: GatewayConfig | None
    """What it would mean; None where there are mistakes."""
    mistakes: tuple[str, ...] = ()
    """A sentence each, with the line."""


def load_gateway(settings: Settings, path: Path | None = None) -> GatewayConfig:
    """What the file says; the defaults where nobody names one and there is none.

    `gateway_path` says which file. Relative paths in it start at `settings.project_dir`, and `${SYNCFLOW_HOME}` is
    `settings.home`. Raises `ConfigurationError` with every mistake of the file, and where one was named that is not
    there.
    """
    found = gateway_path(settings, path)
    document = read_document(found, settings.environment, settings.document_variables)
    if document is None:
        if path is not None or _named_by_environment(settings) is not None:
            raise ConfigurationError(f"{found} is not there; name another file in {VARIABLE} or --config, or write it")
        return GatewayConfig()
    said = document.validated(GatewaySection, checks=(_keys_once, _endpoints_whole))
    return _config(said, settings, _digest(document.data))


def gateway_path(settings: Settings, path: Path | None = None) -> Path:
    """The file that `load_gateway` reads: the given one, else that of `CONFIG_PATH`, else `gateway.yaml`."""
    if path is not None:
        return absolute(path, Path.cwd())
    return _named_by_environment(settings) or settings.config_dir / FILE_NAME


def examine_gateway(path: str | Path, settings: Settings) -> GatewayExamination:
    """What is wrong with the file, or what it would mean. Nothing is put in force.

    A relative path starts at `settings.project_dir`. Raises `ConfigurationError`, without having looked, where the path
    leads out of the project's folder and of that of the configuration, or is not that of a YAML file.
    """
    found = absolute(path, settings.project_dir)
    _refuse_outside(found, settings)
    if not is_file(found):
        return GatewayExamination(found, None, (f"{found} is not there, or no file",))
    try:
        return GatewayExamination(found, load_gateway(settings, found))
    except ConfigurationError as error:
        return GatewayExamination(found, None, error.mistakes or (error.message,))


def write_gateway_sample(settings: Settings) -> Path | None:
    """Writes the sample where `load_gateway` would read, if nothing is there; the file, or None where none was made.

    None is made outside the folder of the configuration, whatever `CONFIG_PATH` says. Whoever reads it sees all of it,
    and a file that somebody else writes meanwhile stands. Raises `ConfigurationError` where it cannot be written.
    """
    path = gateway_path(settings)
    if path.parent != settings.config_dir or not _is_yaml(path) or os.path.lexists(path):
        return None
    try:
        return path if _put(path, sample_text().encode()) else None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"{path} cannot be written ({reason}); write it, or name one in {VARIABLE}") from error


def sample_text() -> str:
    """What `write_gateway_sample` writes."""
    return (files("syncflow_pipelines.config") / "gateway_sample.yaml").read_text("utf-8")


def _put(path: Path, content: bytes) -> bool:
    """Whether the file was made, whole and at once; False where there was one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft-{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _named_by_environment(settings: Settings) -> Path | None:
    variable = settings.environment.find(VARIABLE)
    if variable is None or not variable.value:
        return None
    return absolute(variable.value, variable.file.parent if variable.file else Path.cwd())


def _refuse_outside(path: Path, settings: Settings) -> None:
    if "\0" in str(path):
        raise ConfigurationError("a path with a NUL in it is not looked at: no file has such a name")
    real = Path(os.path.realpath(path))
    folders = [Path(os.path.realpath(folder)) for folder in (settings.project_dir, settings.config_dir)]
    if not _is_yaml(real) or not any(real.is_relative_to(folder) for folder in folders):
        raise ConfigurationError(
            f"{shown(str(path))} is not looked at: only YAML files below {settings.project_dir} are; put a copy there"
        )


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _config(said: GatewaySection, settings: Settings, digest: str) -> GatewayConfig:
    health = said.health_check
    config = replace(
        policy_of(said, GatewayConfig()),
        health=HealthConfig(
            enabled=health.enabled,
            interval_s=health.interval,
            timeout_s=health.timeout,
            unhealthy_threshold=health.unhealthy_threshold,
            healthy_threshold=health.healthy_threshold,
        ),
        targets=TargetRules(tuple(said.targets.allow_networks), tuple(said.targets.allow_hosts)),
        trusted_proxies=tuple(said.trusted_proxies),
        register_services=said.register_services,
        max_header_bytes=said.max_header_bytes,
        grace_period_s=said.grace_period_s,
        log_level=said.log_level,
        digest=digest,
    )
    return replace(config, endpoints=tuple(endpoint_of(one, config, settings.project_dir) for one in said.endpoints))


def _digest(data: Any) -> str:
    """Of what the file says, with what the environment filled in: its comments count for nothing."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()


def _keys_once(data: Any) -> Iterator[Explanation]:
    first: dict[tuple[str, str], Location] = {}
    for location, endpoint in select(data, "endpoints", EACH):
        if not isinstance(endpoint, dict) or not isinstance(endpoint.get("name"), str):
            continue
        key = (str(endpoint["name"]), str(endpoint.get("version", "v1")))
        if (before := first.setdefault(key, location)) != location:
            yield Explanation((*location, "name"), f"a name or a version unlike those of {path_text(before)}")


def _endpoints_whole(data: Any) -> Iterator[Explanation]:
    fallback = _usual_fallback(data)
    for location, endpoint in select(data, "endpoints", EACH):
        if isinstance(endpoint, dict):
            for found in endpoint_mistakes(endpoint, fallback):
                yield Explanation((*location, *found.location), found.expected, found.found)


def _usual_fallback(data: Any) -> FallbackConfig:
    """What holds for an endpoint that says nothing of its fallback, as far as it can be read."""
    strategy, alternate = _text(data, "circuit_breaker", "fallback_strategy"), _text(data, "fallback", "alternate")
    if strategy in get_args(FallbackStrategy):
        return FallbackConfig(strategy=cast(FallbackStrategy, strategy), alternate=alternate)
    return FallbackConfig(alternate=alternate)


def _text(data: Any, *pattern: str) -> str | None:
    return next((value for _, value in select(data, *pattern) if isinstance(value, str)), None)
