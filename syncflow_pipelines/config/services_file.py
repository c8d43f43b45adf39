"""`auto_sync_services.yaml`: what it may say, and the services that come out of it."""

import keyword
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from syncflow_pipelines.config.auth_sections import (
    BearerSection,
    HeaderName,
    KeySection,
    NoAuthSection,
    PluginKeySection,
    auth_of,
    exactly_one,
    from_project,
)
from syncflow_pipelines.config.document import EACH, names_once, read_document, select
from syncflow_pipelines.config.explanations import Explanation, explanations
from syncflow_pipelines.config.mistakes import Location
from syncflow_pipelines.config.oats import FILE_NAMES as OATS_FILES
from syncflow_pipelines.config.oats import OatsConfig, oats_file, read_oats
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
from syncflow_pipelines.config.services import (
    Component,
    FallbackSpec,
    McpOptions,
    OperationRule,
    RestOptions,
    ServiceConfig,
    Services,
    ServiceSettings,
    StartCommand,
)
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.variables import LONGEST_INTERVAL_S, AnyCaseLogLevel

FILE_NAME = "auto_sync_services.yaml"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

_SECRET_KEYS = ("key_env", "key_file", "value_env", "value_file")
_ONE_OF = {
    "bearer": (("token_env", "token_file"),),
    "header": (("header", "name"), _SECRET_KEYS),
    "plugin_api_key": (("key_env", "key_file"),),
}
"""By type of `auth`, the keys of which exactly one has to be there."""


def _method(value: object) -> str:
    method = value.lower() if isinstance(value, str) else ""
    if method not in METHODS:
        raise refused(f"one of {', '.join(METHODS)}")
    return method


_ENDPOINT = r"/[!$-;=?-\[\]_a-z~]*"
Timeout = Annotated[float, number(0.1, 3600)]
Bytes = Annotated[int, whole(1, 2**40)]
EndpointPath = Annotated[str, matching(_ENDPOINT, "a path such as /openapi.json, percent-encoded")]
SpecPath = Annotated[
    str,
    matching(
        rf"{_ENDPOINT}|(?![/\s]|\w+:)[^\x00-\x1f\x7f]*[^/\s\x00-\x1f\x7f]",
        "an endpoint such as /openapi.json, percent-encoded, or a file such as openapi.json or ../backend/openapi.yaml",
    ),
]
OperationPath = Annotated[str, matching(r"[/*][^\x00-\x1f]*", "a path such as /orders/{id} or /orders/**")]
Method = Annotated[str, BeforeValidator(_method)]
HostName = Annotated[
    str,
    matching(
        r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?",
        "a host such as specs.example.com or specs.example.com:8443, without https:// and path",
    ),
]
AllowedHost = Annotated[
    str,
    matching(
        r"\*|(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?",
        "a host such as api.example.com, *.example.com or *, without https:// and port",
    ),
]
Prose = Annotated[str, matching(r"(?s:[^\x00\ud800-\udfff]{0,4000})", "text of 4,000 characters or less")]
Digest = Annotated[str, matching(r"[0-9a-f]{64}", "the digest of a contract, 64 hexadecimal digits in lower case")]


class FallbackSection(Section):
    url: HttpUrl = Field(description="the URL of an OpenAPI document")
    format: Literal["json", "yaml"] = "json"


class RuleSection(Section):
    tags: list[Text] = Field(default_factory=list)
    paths: list[OperationPath] = Field(default_factory=list)
    methods: list[Method] = Field(default_factory=list)


class McpSection(Section):
    mode: Literal["auto", "tools", "search"] = "auto"
    size_budget_bytes: Bytes = 200_000
    read_only: Switch = False
    validate_output: Switch = False
    timeout_s: Timeout = 60.0
    max_answer_bytes: Bytes = 1_000_000
    forward_headers: list[HeaderName] = Field(default_factory=list)


class RestSection(Section):
    mode: Literal["forward", "validate"] = "forward"
    timeout_s: Timeout = 300.0
    allowed_hosts: list[AllowedHost] = Field(default_factory=list)


class ServiceSection(Section):
    name: Annotated[
        str, matching(r"[A-Za-z][A-Za-z0-9_-]{0,62}", "a letter, then letters, digits, _ and -, 63 characters or less")
    ] = Field(description="a name")
    type: Literal["internal", "external"] = "internal"
    path: FilePath = Path()
    base_url: HttpUrl = Field(description="a URL such as https://api.example.com")
    openapi_path: SpecPath | None = None
    openapi_paths: Annotated[list[SpecPath], NOT_EMPTY] | None = None
    health_path: EndpointPath = "/health"
    components: list[Component] = Field(description="a list of rest and mcp")
    auth: Annotated[BearerSection | KeySection | PluginKeySection | NoAuthSection, Field(discriminator="type")] = (
        NoAuthSection(type="none")
    )
    description: Prose = ""
    fallback_github: FallbackSection | None = None
    include: list[RuleSection] = Field(default_factory=list)
    exclude: list[RuleSection] = Field(default_factory=list)
    ref_hosts: list[HostName] = Field(default_factory=list)
    mcp: McpSection = McpSection()
    rest: RestSection = RestSection()
    timeout_s: Timeout = 30.0
    ca_file: FilePath | None = None
    via: Text | None = None
    start_command: Text | None = None
    enabled: Switch = True


class SettingsSection(Section):
    output_dir: FilePath = Path("docs/api/openapi-specs")
    generated_dir: FilePath = Path("services/auto_generated")
    checksum_file: FilePath = Path(".openapi_checksums.json")
    auto_regenerate: Switch = True
    watch_mode: Switch = False
    watch_interval: Annotated[int, whole(1, LONGEST_INTERVAL_S)] = 300
    debounce_ms: Annotated[int, whole(0, 60_000)] = 500
    on_startup: Switch = True
    on_change_only: Switch = True
    enable_connexion: Switch = True
    enable_fastmcp: Switch = True
    enable_event_bus: Switch = True
    health_check_before_sync: Switch = False
    log_level: AnyCaseLogLevel = "INFO"
    concurrency: Annotated[int, whole(1, 256)] = 16
    acknowledged: dict[str, list[Digest]] = Field(default_factory=dict)


class ServicesSection(Section):
    services: list[ServiceSection] = Field(default_factory=list)
    settings: SettingsSection = SettingsSection()


def load_services(settings: Settings) -> Services:
    """The services of `auto_sync_services.yaml`, in its order, and their settings; none where there is no such file.

    Where the project has a file of OATS instead, that one counts: `services_origin` says which.

    Relative paths in it start at `settings.project_dir`, and `${SYNCFLOW_HOME}` is `settings.home`. Raises
    `ConfigurationError` with every mistake of the file; whether a secret is where the file says is seen only
    when it is needed.
    """
    document = read_document(settings.config_dir / FILE_NAME, settings.environment, settings.document_variables)
    if document is None and (file := oats_file(settings.project_dir)) is not None:
        return _services_of_oats(read_oats(file), settings)
    section = ServicesSection() if document is None else document.validated(ServicesSection, checks=CHECKS)
    return services_of(section, settings)


def service_files(settings: Settings) -> tuple[Path, ...]:
    """The files that decide what `load_services` gives, whether they are there or not."""
    return (settings.config_dir / FILE_NAME, *(settings.project_dir / name for name in OATS_FILES))


@dataclass(frozen=True, slots=True)
class ServicesOrigin:
    """Which file says what services there are."""

    path: Path
    """`auto_sync_services.yaml`, though it may not be there, or a file of OATS."""
    notes: tuple[str, ...] = ()
    """What a person should know: parts that were passed over, a file that does not count."""


def services_origin(settings: Settings) -> ServicesOrigin:
    """The file that `load_services` reads. Raises `ConfigurationError` as that does, where it is one of OATS."""
    own, other = settings.config_dir / FILE_NAME, oats_file(settings.project_dir)
    if other is None:
        return ServicesOrigin(own)
    if own.exists() or own.is_symlink():
        return ServicesOrigin(own, (f"{other} is not read, because {own} is there; keep one of them",))
    return ServicesOrigin(other, read_oats(other).notes)


def _services_of_oats(oats: OatsConfig, settings: Settings) -> Services:
    found = [explanation for check in CHECKS for explanation in check(oats.data)]
    try:
        said = ServicesSection.model_validate(oats.data)
    except ValidationError as error:
        raise oats.refusal([*found, *explanations(error, ServicesSection)]) from None
    if found:
        raise oats.refusal(found)
    services = services_of(said, settings)
    started = (replace(one, start_command=oats.start_commands.get(one.name)) for one in services.services)
    return replace(services, services=tuple(started), file_name=oats.document.path.name)


def services_of(said: ServicesSection, settings: Settings) -> Services:
    """The services that a file of whatever form says, once `ServicesSection` and `CHECKS` have accepted it."""
    return Services(tuple(_service(one, settings) for one in said.services), _settings(said.settings, settings))


def _service(said: ServiceSection, settings: Settings) -> ServiceConfig:
    fallback = said.fallback_github
    return ServiceConfig(
        name=said.name,
        base_url=said.base_url,
        openapi_paths=tuple(said.openapi_paths or (said.openapi_path or "",)),
        components=tuple(dict.fromkeys(said.components)),
        path=(path := absolute(said.path, settings.project_dir)),
        type=said.type,
        health_path=said.health_path,
        auth=auth_of(said.auth, settings),
        description=said.description,
        fallback=FallbackSpec(fallback.url, fallback.format) if fallback else None,
        include=_rules(said.include),
        exclude=_rules(said.exclude),
        ref_hosts=tuple(host.lower() for host in said.ref_hosts),
        mcp=McpOptions(**{**dict(said.mcp), "forward_headers": tuple(said.mcp.forward_headers)}),
        rest=RestOptions(**{**dict(said.rest), "allowed_hosts": tuple(map(str.lower, said.rest.allowed_hosts))}),
        timeout_s=said.timeout_s,
        ca_file=from_project(said.ca_file, settings),
        via=said.via,
        start_command=StartCommand(said.start_command, path) if said.start_command else None,
        enabled=said.enabled,
    )


def _rules(said: Iterable[RuleSection]) -> tuple[OperationRule, ...]:
    return tuple(OperationRule(tuple(rule.tags), tuple(rule.paths), tuple(rule.methods)) for rule in said)


def _settings(said: SettingsSection, settings: Settings) -> ServiceSettings:
    places = {name: absolute(getattr(said, name), settings.project_dir) for name in _PLACES}
    acknowledged = {service: tuple(digests) for service, digests in said.acknowledged.items()}
    return ServiceSettings(**{**dict(said), **places, "acknowledged": acknowledged})


_PLACES = ("output_dir", "generated_dir", "checksum_file")


def _no_keywords(data: Any) -> Iterator[Explanation]:
    for location, name in select(data, "services", EACH, "name"):
        if isinstance(name, str) and (keyword.iskeyword(name) or keyword.iskeyword(name.lower())):
            yield Explanation(location, "a name that is no keyword of Python")


def _one_of_each(data: Any) -> Iterator[Explanation]:
    for location, service in select(data, "services", EACH):
        if isinstance(service, dict):
            yield from exactly_one(location, service, ("openapi_path", "openapi_paths"))
            yield from _one_secret((*location, "auth"), service.get("auth"))


def _one_secret(location: Location, auth: Any) -> Iterator[Explanation]:
    kind = auth.get("type") if isinstance(auth, dict) else None
    for keys in _ONE_OF.get(str(kind), ()):
        yield from exactly_one(location, auth, keys)


def _rules_say_something(data: Any) -> Iterator[Explanation]:
    for kind in ("include", "exclude"):
        for location, rule in select(data, "services", EACH, kind, EACH):
            if isinstance(rule, dict) and not any(rule.values()):
                yield Explanation(location, "tags, paths or methods", "a rule that says nothing")


def _acknowledged_known(data: Any) -> Iterator[Explanation]:
    known = [str(name) for _, name in select(data, "services", EACH, "name")]
    for location, _ in select(data, "settings", "acknowledged", EACH):
        if location[-1] not in known:
            yield Explanation(location, "the name of a service", "a name that no service has")


CHECKS = (names_once("services", folded=True), _no_keywords, _one_of_each, _rules_say_something, _acknowledged_known)
"""What no single value of the file can tell."""
