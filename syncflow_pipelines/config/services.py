"""The services whose OpenAPI specs are followed, and what is generated from each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from syncflow_pipelines.config.auth import Auth, NoAuth
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.variables import LogLevel

Component = Literal["rest", "mcp"]
"""What is generated: a Connexion resolver, an MCP server."""


@dataclass(frozen=True, slots=True)
class OperationRule:
    """Which operations are meant: those that fit everything that is said. What is empty fits every operation."""

    tags: tuple[str, ...] = ()
    """One of the operation's tags."""
    paths: tuple[str, ...] = ()
    """Its path as the spec spells it; `*` stands for anything within a segment, `**` for any number of segments."""
    methods: tuple[str, ...] = ()
    """In lower case."""


@dataclass(frozen=True, slots=True)
class FallbackSpec:
    """Where a spec is read when the service itself does not show it: the requirement's `fallback_github`."""

    url: str
    format: Literal["json", "yaml"] = "json"


@dataclass(frozen=True, slots=True)
class McpOptions:
    """How a service's MCP server is generated."""

    mode: Literal["auto", "tools", "search"] = "auto"
    """`auto`: tools while their list stays below `size_budget_bytes`, search (two tools) above it."""
    size_budget_bytes: int = 200_000
    """Of `tools/list`."""
    read_only: bool = False
    """Whether only operations that change nothing become tools."""
    validate_output: bool = False
    timeout_s: float = 60.0
    max_answer_bytes: int = 1_000_000
    """Of one tool's answer; a longer one is cut, and says so."""
    forward_headers: tuple[str, ...] = ()
    """Headers of the MCP caller that are passed on to the service."""


@dataclass(frozen=True, slots=True)
class RestOptions:
    """How a service's resolver is generated."""

    mode: Literal["forward", "validate"] = "forward"
    """`validate`: a request is held against the spec before it is passed on."""
    timeout_s: float = 300.0
    allowed_hosts: tuple[str, ...] = ()
    """Names that the resolver answers to, beside addresses and `localhost`: `*.example.com` for all below it, `*` for
    every one."""


@dataclass(frozen=True, slots=True)
class StartCommand:
    """How a service is started on a developer's machine."""

    command: str
    """A line for the shell."""
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What is set beside the variables that are there."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service. From `load_services`, every setting has been checked."""

    name: str
    """A letter, then letters, digits, `_` and `-`; a Python identifier once `-` has become `_`, and unique as such."""
    base_url: str
    """http or https, without a trailing slash."""
    openapi_paths: tuple[str, ...]
    """Candidates, tried in this order: with a leading slash an endpoint of `base_url`, without one a file of `path`."""
    components: tuple[Component, ...]
    path: Path = Path()
    """The folder of the service's own project. What a spec file refers to is read there, and nowhere else."""
    type: Literal["internal", "external"] = "internal"
    health_path: str = "/health"
    auth: Auth = field(default_factory=NoAuth)
    description: str = ""
    fallback: FallbackSpec | None = None
    include: tuple[OperationRule, ...] = ()
    """Operations that fit one of these are taken; empty: all."""
    exclude: tuple[OperationRule, ...] = ()
    """Of those, the ones that fit one of these are left out."""
    ref_hosts: tuple[str, ...] = ()
    """Hosts beside the spec's own origin from which an external `$ref` may be read."""
    mcp: McpOptions = field(default_factory=McpOptions)
    rest: RestOptions = field(default_factory=RestOptions)
    timeout_s: float = 30.0
    """For one request of the spec."""
    ca_file: Path | None = None
    via: str | None = None
    """The endpoint of the gateway, or one version of it, that the spec is asked for through; None: the service itself
    is asked."""
    start_command: StartCommand | None = None
    enabled: bool = True

    @property
    def module_name(self) -> str:
        """The name as a Python identifier: `user-service` is `user_service`."""
        return self.name.replace("-", "_")

    @property
    def candidates(self) -> tuple[str | Path, ...]:
        """Where the spec may be, in the order of trying: URLs, and absolute paths of files."""
        return tuple(
            f"{self.base_url}{path}" if path.startswith("/") else absolute(path, self.path.absolute())
            for path in self.openapi_paths
        )

    @property
    def spec_files(self) -> tuple[Path, ...]:
        """The candidates that are files."""
        return tuple(candidate for candidate in self.candidates if isinstance(candidate, Path))


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What holds for all services: the requirement's `settings`. Folders and files are absolute."""

    output_dir: Path
    """Specs as they were fetched: `{service}-openapi.json`."""
    generated_dir: Path
    checksum_file: Path
    auto_regenerate: bool = True
    """Whether a changed spec is generated anew without being asked."""
    watch_mode: bool = False
    """Whether specs are followed closely without being asked: beside Dagster, and after the sync at a start."""
    watch_interval: int = 300
    """Seconds between two looks at what is no file."""
    debounce_ms: int = 500
    """How long a spec file has to be quiet after a change before it is read."""
    on_startup: bool = True
    """Whether an application of one's own syncs when it starts."""
    on_change_only: bool = True
    """False: whoever asks for the generation of a service has it, changed or not."""
    enable_connexion: bool = True
    enable_fastmcp: bool = True
    enable_event_bus: bool = True
    """Whether it is published that a spec changed or that code was generated."""
    health_check_before_sync: bool = False
    log_level: LogLevel = "INFO"
    """Of what SyncFlow logs in an application of one's own."""
    concurrency: int = 16
    """Requests to all services together at the same time."""
    acknowledged: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """By service, digests of contracts whose breaking changes somebody has accepted."""


@dataclass(frozen=True, slots=True)
class Services:
    """`auto_sync_services.yaml`, or a file of OATS in its place."""

    services: tuple[ServiceConfig, ...]
    settings: ServiceSettings
    file_name: str = "auto_sync_services.yaml"
    """Of the file that says them."""
