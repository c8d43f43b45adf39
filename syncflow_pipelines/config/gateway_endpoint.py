"""An endpoint of the gateway as somebody says it, in `gateway.yaml` or over the API → as it holds, and back.

What is said leaves out what the file says for all endpoints, so that a change of that reaches those that were
registered long ago.
"""

import ipaddress
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from syncflow_pipelines.config.explanations import Explanation, explanations
from syncflow_pipelines.config.gateway import (
    METHODS,
    AuthType,
    BreakerConfig,
    EndpointConfig,
    FallbackConfig,
    FallbackStrategy,
    GatewayConfig,
    LimitConfig,
    RetryConfig,
    TimeoutConfig,
)
from syncflow_pipelines.config.mistakes import Mistake, path_text, refusal
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.section import (
    NOT_EMPTY,
    FilePath,
    HttpUrl,
    Section,
    Switch,
    Text,
    matching,
    number,
    refused,
    whole,
)
from syncflow_pipelines.config.services_file import EndpointPath, Prose
from syncflow_pipelines.config.variables import LONGEST_INTERVAL_S

Part = TypeVar("Part", BreakerConfig, FallbackConfig, TimeoutConfig, LimitConfig, RetryConfig)

_LABEL = "letters, digits, _, - and ., not first a ."
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")


def _method(value: object) -> str:
    method = value.upper() if isinstance(value, str) else ""
    if method not in METHODS:
        raise refused(f"one of {', '.join(METHODS)}")
    return method


def _endpoint_url(url: str) -> str:
    parts = urlsplit(url)
    if not _is_plain_host(parts.hostname or ""):
        expected = "a host by its name, or an address such as 192.0.2.10 or [2001:db8::10] in its usual spelling"
        raise refused(expected, "a host that programs read differently")
    if any(unquote(segment) in (".", "..") for segment in re.split(r"/|%2[fF]|%5[cC]", parts.path)):
        raise refused("a path without . and .. in it", "a path with . or ..")
    return url


def _is_plain_host(host: str) -> bool:
    """Whether a host is spelled so that every program reads the same in it."""
    if ":" in host:
        return "%" not in host and _reads(ipaddress.IPv6Address, host)
    try:
        socket.inet_aton(host)  # takes 127.1, 0x7f000001 and the like, as the system's resolver does
    except OSError:
        return _HOST.fullmatch(host) is not None
    return _reads(ipaddress.IPv4Address, host)


def _reads(kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _media_type(value: str) -> str:
    if not re.fullmatch(r"[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]+(\s*;[ -~]*)?", value):
        raise refused("a media type such as application/json")
    return value


Seconds = Annotated[float, number(0.001, LONGEST_INTERVAL_S)]
Patience = Annotated[float, number(0, LONGEST_INTERVAL_S)]
"""Seconds; 0 stands for: as long as it likes."""
Count = Annotated[int, whole(1, 1_000_000)]
Name = Annotated[str, matching(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", f"{_LABEL}, 100 characters or less")]
Version = Annotated[str, matching(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,39}", f"{_LABEL}, 40 characters or less")]
Reference = Annotated[
    str, matching(r"[\w-][\w.-]{0,99}(@[\w-][\w.-]{0,39})?", "the name of another endpoint, or name@version")
]
Method = Annotated[str, BeforeValidator(_method)]
EndpointUrl = Annotated[HttpUrl, AfterValidator(_endpoint_url)]


class FallbackSection(Section):
    status: Annotated[int, whole(200, 599)] | None = None
    body: Annotated[str, matching(r"(?s:[^\ud800-\udfff]{0,65536})", "text of 65,536 characters or less")] | None = None
    content_type: Annotated[Text, AfterValidator(_media_type)] | None = None
    max_age_s: Seconds | None = None
    alternate: Reference | None = None


class BreakerSection(Section):
    failure_threshold: Count | None = None
    reset_timeout: Seconds | None = None
    half_open_max_calls: Count | None = None
    failure_statuses: list[Annotated[int, whole(500, 599)]] | None = None
    fallback_strategy: FallbackStrategy | None = None


class TimeoutsSection(Section):
    connect_s: Seconds | None = None
    read_s: Patience | None = None
    total_s: Patience | None = None


class LimitsSection(Section):
    max_concurrent: Count | None = None
    requests_per_second: Annotated[float, number(0, 1_000_000)] | None = None
    burst: Annotated[int, whole(0, 1_000_000)] | None = None
    max_body_bytes: Annotated[int, whole(0, 2**50)] | None = None


class RetriesSection(Section):
    attempts: Annotated[int, whole(1, 10)] | None = None
    budget_ratio: Annotated[float, number(0, 1)] | None = None


class PolicySection(Section):
    """What holds for all endpoints where it stands at the top, and for one where it stands there."""

    circuit_breaker: BreakerSection = BreakerSection()
    fallback: FallbackSection = FallbackSection()
    timeouts: TimeoutsSection = TimeoutsSection()
    limits: LimitsSection = LimitsSection()
    retries: RetriesSection = RetriesSection()


class RegistrationSection(PolicySection):
    """What may be said of an endpoint over the API."""

    name: Name = Field(description="a name")
    url: EndpointUrl = Field(description="a URL such as https://api.example.com/v1")
    version: Version = "v1"
    methods: Annotated[list[Method], NOT_EMPTY] | None = None
    auth_type: AuthType = "none"
    description: Prose = ""
    disabled: Switch = False
    health_check_path: EndpointPath | None = None
    timeout: Patience | None = None
    preserve_host: Switch = False
    service: Text | None = None


class EndpointSection(RegistrationSection):
    """What may be said of one in the file; only there may a file of this machine be named."""

    ca_file: FilePath | None = None


def policy_of(said: PolicySection, defaults: GatewayConfig) -> GatewayConfig:
    """The configuration with what the section says of breaker, fallback, time-outs, limits and retries."""
    fallback = _part(defaults.breaker.fallback, said.fallback, strategy=said.circuit_breaker.fallback_strategy)
    statuses = said.circuit_breaker.failure_statuses
    breaker = replace(
        _part(
            defaults.breaker,
            said.circuit_breaker,
            reset_timeout_s=said.circuit_breaker.reset_timeout,
            failure_statuses=None if statuses is None else frozenset(statuses),
        ),
        fallback=fallback,
    )
    return replace(
        defaults,
        breaker=breaker,
        timeouts=_part(defaults.timeouts, said.timeouts),
        limits=_part(defaults.limits, said.limits),
        retries=_part(defaults.retries, said.retries),
    )


def endpoint_of(said: RegistrationSection, defaults: GatewayConfig, folder: Path = Path()) -> EndpointConfig:
    """The endpoint, with what the configuration says for all where nothing is said. Paths start at the folder."""
    own = policy_of(said, defaults)
    timeouts = own.timeouts if said.timeout is None else replace(own.timeouts, read_s=said.timeout or None)
    ca_file = said.ca_file if isinstance(said, EndpointSection) else None
    return EndpointConfig(
        name=said.name,
        url=said.url,
        version=said.version,
        methods=tuple(dict.fromkeys(said.methods or METHODS)),
        auth_type=said.auth_type,
        description=said.description,
        disabled=said.disabled,
        health_check_path=said.health_check_path,
        timeouts=timeouts,
        breaker=own.breaker,
        limits=own.limits,
        retries=own.retries,
        preserve_host=said.preserve_host,
        ca_file=absolute(ca_file, folder) if ca_file else None,
        service=said.service,
    )


def said_of(endpoint: EndpointConfig, defaults: GatewayConfig) -> dict[str, Any]:
    """What has to be said for `endpoint_of` to give that endpoint, as JSON has it; nothing that goes without saying."""
    usual = EndpointConfig(endpoint.name, endpoint.url)
    said: dict[str, Any] = {"name": endpoint.name, "url": endpoint.url, "version": endpoint.version}
    for name in ("auth_type", "description", "disabled", "health_check_path", "preserve_host", "service"):
        if getattr(endpoint, name) != getattr(usual, name):
            said[name] = getattr(endpoint, name)
    if endpoint.methods != METHODS:
        said["methods"] = list(endpoint.methods)
    if endpoint.ca_file is not None:
        said["ca_file"] = str(endpoint.ca_file)
    parts = {
        "circuit_breaker": _breaker_said(endpoint.breaker, defaults.breaker),
        "fallback": _said(endpoint.breaker.fallback, defaults.breaker.fallback, without=("strategy",)),
        "timeouts": _said(endpoint.timeouts, defaults.timeouts),
        "limits": _said(endpoint.limits, defaults.limits),
        "retries": _said(endpoint.retries, defaults.retries),
    }
    return said | {name: part for name, part in parts.items() if part}


def read_endpoint(
    said: Mapping[str, Any], defaults: GatewayConfig, section: type[RegistrationSection] = EndpointSection
) -> EndpointConfig:
    """The endpoint that `said_of` or a program has said. Raises `ConfigurationError` with every mistake, no value."""
    valid: RegistrationSection | None = None
    found: list[Explanation] = []
    try:
        valid = section.model_validate(dict(said))
    except ValidationError as error:
        found.extend(explanations(error, section))
    found.extend(endpoint_mistakes(said, defaults.breaker.fallback))
    if valid is None or found:
        raise refusal("the endpoint", (_mistake(one) for one in found))
    return endpoint_of(valid, defaults)


def endpoint_mistakes(said: Mapping[str, Any], usual: FallbackConfig) -> Iterator[Explanation]:
    """What no single value of an endpoint can tell. `said` may be anything that a mapping can hold."""
    timeouts = said.get("timeouts")
    if "timeout" in said and isinstance(timeouts, Mapping) and "read_s" in timeouts:
        yield Explanation(("timeout",), "either timeout or timeouts.read_s, which are the same", "both")
    fallback = said.get("fallback")
    alternate = fallback.get("alternate") if isinstance(fallback, Mapping) else None
    alternate = alternate if alternate is not None else usual.alternate
    if alternate is not None and alternate == said.get("name"):
        yield Explanation(("fallback", "alternate"), "the name of another endpoint", "the name of this one")
    breaker = said.get("circuit_breaker")
    strategy = breaker.get("fallback_strategy") if isinstance(breaker, Mapping) else None
    if (strategy or usual.strategy) == "alternate" and alternate is None:
        yield Explanation(("fallback", "alternate"), "the name of another endpoint, which is asked instead", "nothing")


def _mistake(explanation: Explanation) -> Mistake:
    return Mistake(
        "endpoint", 0, path_text(explanation.location), explanation.found or "something else", explanation.expected
    )


def _part(default: Part, said: Section, **others: object) -> Part:
    """The values with those that are said; 0 stands for none where a value may be none."""
    known = {field.name for field in fields(default)}
    given = {name: value for name, value in (*said, *others.items()) if name in known and value is not None}
    values: dict[str, Any] = {
        name: None if name in _LIMITLESS and not value else value for name, value in given.items()
    }
    return replace(default, **values)


_LIMITLESS = ("read_s", "total_s", "requests_per_second", "burst", "max_body_bytes")
"""Where 0 stands for: without a limit."""


def _said(part: object, usual: object, without: tuple[str, ...] = ()) -> dict[str, Any]:
    names = [field.name for field in fields(part) if field.name not in without]  # type: ignore[arg-type]
    changed = {name: getattr(part, name) for name in names if getattr(part, name) != getattr(usual, name)}
    said = {name: 0 if value is None and name in _LIMITLESS else value for name, value in changed.items()}
    return {name: value for name, value in said.items() if value is not None}


def _breaker_said(breaker: BreakerConfig, usual: BreakerConfig) -> dict[str, Any]:
    said = _said(breaker, usual, without=("fallback",))
    if "failure_statuses" in said:
        said["failure_statuses"] = sorted(breaker.failure_statuses)
    if "reset_timeout_s" in said:
        said["reset_timeout"] = said.pop("reset_timeout_s")
    if breaker.fallback.strategy != usual.fallback.strategy:
        said["fallback_strategy"] = breaker.fallback.strategy
    return said
