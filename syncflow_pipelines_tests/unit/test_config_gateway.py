"""`gateway.yaml` becomes the gateway's configuration; a wrong one is refused whole, with lines."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.config import GatewayConfig, examine_gateway, gateway_path, load_gateway, write_gateway_sample
from syncflow_pipelines.config.gateway import (
    METHODS,
    AuthType,
    BreakerConfig,
    EndpointConfig,
    FallbackConfig,
    HealthConfig,
    LimitConfig,
    RetryConfig,
    TargetRules,
    TimeoutConfig,
)
from syncflow_pipelines.config.gateway_endpoint import RegistrationSection, read_endpoint, said_of
from syncflow_pipelines.config.gateway_file import sample_text
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project

REQUIREMENT = """\
# config/config.yaml
endpoints:
  - url: "https://httpbin.org/get"
    name: "httpbin_get"
    version: "v1"
    methods: ["GET"]
    auth_type: "none"  # Documentation only - no auth required
    disabled: false
    health_check_path: "/get"
    timeout: 30

  - url: "https://api.example.com/v1"
    name: "secure_api"
    version: "v1"
    methods: ["GET", "POST"]
    auth_type: "bearer"  # Documentation only - backend expects Bearer token
    disabled: false
    health_check_path: "/health"
    timeout: 30

circuit_breaker:
  failure_threshold: 5
  reset_timeout: 60
  half_open_max_calls: 3
  fallback_strategy: "error_response"

health_check:
  enabled: true
  interval: 30
  timeout: 10
  unhealthy_threshold: 3
  healthy_threshold: 2

log_level: "INFO"
"""

EVERYTHING = """
endpoints:
  - name: crm
    url: HTTPS://crm.example.com:8443/api/
    version: v2
    methods: [get, POST, get]
    auth_type: oauth2
    description: customers
    disabled: true
    health_check_path: /health?deep=1
    preserve_host: true
    ca_file: certificates/crm.pem
    service: crm
    circuit_breaker: {failure_threshold: 2, failure_statuses: [500], fallback_strategy: alternate}
    fallback: {alternate: crm_copy}
    timeouts: {connect_s: 1, total_s: 0}
    limits: {max_concurrent: 7, requests_per_second: 0, max_body_bytes: 1000}
    retries: {attempts: 3}
  - {name: plain, url: 'http://[::1]:8010', timeout: 0}
circuit_breaker: {reset_timeout: 0.5, half_open_max_calls: 1, fallback_strategy: static}
fallback: {status: 203, body: '{}', content_type: application/json, max_age_s: 60}
health_check: {enabled: false, interval: 5, timeout: 1, unhealthy_threshold: 1, healthy_threshold: 1}
timeouts: {connect_s: 2, read_s: 20, total_s: 40}
limits: {max_concurrent: 9, requests_per_second: 5, burst: 2, max_body_bytes: 0}
retries: {attempts: 2, budget_ratio: 0.5}
targets: {allow_networks: [10.0.0.0/8, '::1'], allow_hosts: [ERP.internal, '*.svc.cluster.local']}
trusted_proxies: [192.168.0.0/24]
register_services: true
max_header_bytes: 32768
grace_period_s: 5
log_level: warn
"""


def test_the_requirements_sample_is_read_unchanged(project: Project) -> None:
    said = project.gateway(REQUIREMENT)
    first, second = said.endpoints
    assert (first.key, first.url, first.methods) == ("httpbin_get@v1", "https://httpbin.org/get", ("GET",))
    assert (second.name, second.auth_type, second.timeouts.read_s) == ("secure_api", "bearer", 30.0)
    assert (said.breaker, said.health, said.log_level) == (BreakerConfig(), HealthConfig(), "INFO")


def test_the_same_file_may_be_named_by_config_path(project: Project) -> None:
    other = project.folder / "config" / "config.yaml"
    other.write_text(REQUIREMENT)
    project.environ["CONFIG_PATH"] = str(other)
    assert load_gateway(project.settings()) == load_gateway(project.settings({}), other)
    assert gateway_path(project.settings()) == other
    other.unlink()
    with pytest.raises(ConfigurationError, match=r"config\.yaml is not there; name another file in CONFIG_PATH"):
        load_gateway(project.settings())


def test_without_a_file_the_defaults_hold(project: Project) -> None:
    assert load_gateway(project.settings()) == GatewayConfig()


def test_everything_that_can_be_said_is_taken(project: Project) -> None:
    said = project.gateway(EVERYTHING)
    crm, plain = said.endpoints
    assert (crm.key, crm.url, crm.methods) == ("crm@v2", "https://crm.example.com:8443/api", ("GET", "POST"))
    assert (crm.auth_type, crm.description, crm.disabled, crm.preserve_host) == ("oauth2", "customers", True, True)
    assert (crm.health_check_path, crm.service) == ("/health?deep=1", "crm")
    assert crm.ca_file == project.folder / "certificates" / "crm.pem"
    fallback = FallbackConfig("alternate", 203, "{}", "application/json", 60.0, "crm_copy")
    assert crm.breaker == BreakerConfig(2, 0.5, 1, frozenset({500}), fallback)
    assert crm.timeouts == TimeoutConfig(1.0, 20.0, None)
    assert crm.limits == LimitConfig(7, None, 2, 1000)
    assert crm.retries == RetryConfig(3, 0.5)
    assert (plain.url, plain.timeouts, plain.limits) == (
        "http://[::1]:8010",
        TimeoutConfig(2.0, None, 40.0),
        said.limits,
    )
    assert said.limits == LimitConfig(9, 5.0, 2, None)
    assert said.targets == TargetRules(
        (ip_network("10.0.0.0/8"), ip_network("::1")), ("erp.internal", "*.svc.cluster.local")
    )
    assert said.health == HealthConfig(False, 5.0, 1.0, 1, 1)
    assert (said.trusted_proxies, said.register_services) == ((ip_network("192.168.0.0/24"),), True)
    assert (said.max_header_bytes, said.grace_period_s, said.log_level) == (32768, 5.0, "WARNING")


def test_the_digest_is_that_of_what_the_file_says_and_of_the_environment(project: Project) -> None:
    text = "endpoints: [{name: a, url: '${A:-http://a}'}]\n"
    first = project.gateway(text).digest
    assert project.gateway(f"# a comment\n{text}").digest == first
    project.environ["A"] = "http://b"
    assert project.gateway(text).digest != first


ONE = "endpoints:\n- {name: a, url: 'https://a.example.com'}\n"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            f"{ONE}- {{name: a, url: 'http://b'}}\n",
            "3: endpoints[1].name: found 'a', expected a name or a version unlike",
        ),
        (f"{ONE}- {{name: a@b, url: 'http://b'}}\n", "3: endpoints[1].name: found 'a@b', expected letters"),
        (f"{ONE}- {{name: ., url: 'http://b'}}\n", "3: endpoints[1].name: found '.', expected letters"),
        (f"{ONE}- {{url: 'http://b'}}\n", "3: endpoints[1].name: found nothing, expected a name"),
        (f"{ONE}- {{name: b}}\n", "3: endpoints[1].url: found nothing, expected a URL such as"),
        (f"{ONE}- {{name: b, url: 'ftp://b'}}\n", "3: endpoints[1].url: found a URL with another scheme"),
        (f"{ONE}- {{name: b, url: 'http://u:p@b'}}\n", "found a URL with a user name or a password"),
        (f"{ONE}- {{name: b, url: 'http://b/?a=1'}}\n", "found a URL with a query or a fragment"),
        (f"{ONE}- {{name: b, url: 'http://b/a/%2e%2e/c'}}\n", "found a path with . or .."),
        (f"{ONE}- {{name: b, url: 'http://127.1'}}\n", "found a host that programs read differently"),
        (
            f"{ONE}- {{name: b, url: 'http://b', method: [GET]}}\n",
            "3: endpoints[1].method: found an unknown key, expected methods",
        ),
        (
            f"{ONE}- {{name: b, url: 'http://b', methods: [TRACE]}}\n",
            "endpoints[1].methods[0]: found 'TRACE', expected one of GET",
        ),
        (f"{ONE}- {{name: b, url: 'http://b', methods: []}}\n", "found an empty list, expected one or more"),
        (
            f"{ONE}- {{name: b, url: 'http://b', health_check_path: health}}\n",
            "found 'health', expected a path such as",
        ),
        (f"{ONE}- {{name: b, url: 'http://b', auth_type: digest}}\n", "found 'digest', expected one of none, bearer"),
        (f"{ONE}- {{name: b, url: 'http://b', timeout: -1}}\n", "found -1, expected a number from 0"),
        (
            f"{ONE}- {{name: b, url: 'http://b', timeout: 1, timeouts: {{read_s: 1}}}}\n",
            "3: endpoints[1].timeout: found both, expected either timeout or timeouts.read_s",
        ),
        (
            f"{ONE}- {{name: b, url: 'http://b', fallback: {{alternate: b}}}}\n",
            "3: endpoints[1].fallback.alternate: found the name of this one, expected the name of another",
        ),
        (
            f"{ONE}circuit_breaker: {{fallback_strategy: alternate}}\n",
            "2: endpoints[0].fallback.alternate: found nothing, expected the name of another endpoint",
        ),
        (f"{ONE}circuit_breaker:\n  failure_threshold: 0\n", "4: circuit_breaker.failure_threshold: found 0, expected"),
        ("circuit_breaker: {failure_statuses: [404]}\n", "found 404, expected a whole number from 500 to 599"),
        ("circuit_breaker: {fallback_strategy: fail}\n", "found 'fail', expected one of error_response, static"),
        ('fallback: {content_type: "a\\nb: c"}\n', "1: fallback.content_type: found 'a\\nb: c', expected one line"),
        ("fallback: {content_type: text}\n", "1: fallback.content_type: found 'text', expected a media type"),
        ("health_check: {intervall: 1}\n", "found an unknown key, expected interval"),
        ("targets:\n  allow_networks:\n  - 10.0.0.1/8\n", "3: targets.allow_networks[0]: found '10.0.0.1/8', expected"),
        ("targets: {allow_hosts: ['*']}\n", "found '*', expected a name such as"),
        ("targets: {allow_hosts: [10.0.0.1]}\n", "found '10.0.0.1', expected a name such as"),
        ("trusted_proxies: [proxy]\n", "1: trusted_proxies[0]: found 'proxy', expected an address or a network"),
        ("grace_period_s: forever\n", "1: grace_period_s: found 'forever', expected a number"),
        ("log_level: loud\n", "1: log_level: found 'loud', expected one of DEBUG"),
    ],
)
def test_a_mistake_is_told_with_its_line(project: Project, text: str, mistake: str) -> None:
    [told] = project.gateway_mistakes(text)
    assert mistake in told
    assert told.startswith("gateway.yaml:")


def test_the_sample_is_the_shipped_file_and_is_what_it_says(project: Project) -> None:
    shipped = Path(__file__).parents[2] / "config" / "gateway.yaml"
    assert shipped.read_text() == sample_text()
    said = project.gateway(sample_text())
    assert [(one.name, one.disabled) for one in said.endpoints] == [("httpbin_get", False), ("secure_api", True)]
    loopback = TargetRules((ip_network("127.0.0.0/8"), ip_network("::1")))
    own = {"endpoints": (), "targets": loopback, "register_services": True, "log_level": "INFO", "digest": said.digest}
    assert replace(said, endpoints=()) == replace(GatewayConfig(), **own)  # type: ignore[arg-type]


def test_the_longest_endpoint_of_the_sample_shows_the_defaults_and_leaves_no_option_out(project: Project) -> None:
    lines = [line.removeprefix("  # ") for line in sample_text().splitlines() if line.startswith("  # ")]
    text = "\n".join(line for line in lines[lines.index("- name: crm") + 2 :] if line.startswith(("- ", "  ")))
    [longest] = project.gateway(f"endpoints:\n{text}\n").endpoints
    shown = replace(longest, ca_file=None, service=None, health_check_path=None)
    fallback = replace(BreakerConfig().fallback, alternate="crm_copy")
    assert shown == EndpointConfig("crm", longest.url, breaker=replace(BreakerConfig(), fallback=fallback))
    assert None not in (longest.ca_file, longest.service, longest.health_check_path)
    kinds = (EndpointConfig, FallbackConfig, TimeoutConfig, LimitConfig, RetryConfig, BreakerConfig)
    options = {field.name.removesuffix("_s") for kind in kinds for field in fields(kind)}
    assert {name for name in options if name not in text} == {"read"}  # which an endpoint calls timeout


def test_a_sample_is_written_where_there_is_no_file_and_never_over_one(project: Project) -> None:
    settings = project.settings()
    assert write_gateway_sample(settings) == project.gateway_file
    assert project.gateway_file.read_text() == sample_text()
    project.gateway_file.write_text("log_level: INFO\n")
    assert write_gateway_sample(settings) is None
    assert project.gateway_file.read_text() == "log_level: INFO\n"
    assert [path.name for path in project.gateway_file.parent.iterdir()] == ["gateway.yaml"]


def test_a_sample_is_written_under_the_name_that_config_path_says_and_in_no_other_folder(project: Project) -> None:
    (project.folder / ".env").write_text("CONFIG_PATH=config/config.yaml\n")
    assert write_gateway_sample(project.settings()) == project.folder / "config" / "config.yaml"
    assert load_gateway(project.settings()).endpoints
    for path in ("elsewhere.yaml", "config/below/gateway.yaml", "config/gateway.txt"):
        assert write_gateway_sample(project.settings({"CONFIG_PATH": str(project.folder / path)})) is None


def test_no_sample_is_written_where_a_link_leads_nowhere(project: Project) -> None:
    project.gateway_file.symlink_to("nowhere")
    assert write_gateway_sample(project.settings()) is None


def test_of_many_that_write_the_sample_at_once_one_does(project: Project) -> None:
    settings, together = project.settings(), threading.Barrier(8)

    def write(_: int) -> Path | None:
        together.wait()
        return write_gateway_sample(settings)

    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(write, range(8)))
    assert written.count(project.gateway_file) == 1
    assert project.gateway_file.read_text() == sample_text()


def test_a_file_is_examined_without_being_in_force(project: Project) -> None:
    settings = project.settings()
    (project.folder / "new.yaml").write_text(ONE)
    found = examine_gateway("new.yaml", settings)
    assert found.mistakes == ()
    assert found.config is not None
    assert [endpoint.name for endpoint in found.config.endpoints] == ["a"]
    (project.folder / "config" / "wrong.yaml").write_text("endpoints: 5\nlog: 1\n")
    found = examine_gateway("config/wrong.yaml", settings)
    assert found.config is None
    assert [mistake.partition(": found")[0] for mistake in found.mistakes] == [
        "wrong.yaml:1: endpoints",
        "wrong.yaml:2: log",
    ]
    assert examine_gateway("config/none.yaml", settings).mistakes == (
        f"{project.folder / 'config' / 'none.yaml'} is not there, or no file",
    )


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.yaml", "config/../../secret.yaml", ".env", "link.yaml", ""])
def test_what_lies_elsewhere_or_is_no_yaml_is_not_looked_at(project: Project, path: str) -> None:
    outside = project.folder.parent / "secret.yaml"
    outside.write_text("s3cret")
    (project.folder / ".env").write_text("A=s3cret\n")
    (project.folder / "link.yaml").symlink_to(outside)
    with pytest.raises(ConfigurationError, match="is not looked at: only YAML files below") as refused:
        examine_gateway(path, project.settings())
    assert "s3cret" not in str(refused.value)


def test_a_file_of_this_machine_cannot_be_named_over_the_api() -> None:
    said = {"name": "a", "url": "http://a", "ca_file": "/etc/shadow"}
    with pytest.raises(ConfigurationError, match="ca_file: found an unknown key"):
        read_endpoint(said, GatewayConfig(), RegistrationSection)


def test_no_value_is_in_what_is_told_of_a_wrong_registration() -> None:
    said = {"name": "s3cret s3cret", "url": "http://s3cret:s3cret@x", "timeout": "s3cret", "methods": ["s3cret"]}
    with pytest.raises(ConfigurationError) as refused:
        read_endpoint(said, GatewayConfig())
    assert len(refused.value.mistakes) == 4
    assert "s3cret" not in str(refused.value)


_SECONDS = st.floats(0.001, 1e6)
_FALLBACKS = st.builds(
    FallbackConfig,
    strategy=st.sampled_from(["error_response", "static", "cached"]),
    status=st.integers(200, 599),
    body=st.text(st.characters(exclude_categories=["Cs"])),
    max_age_s=_SECONDS,
)
_BREAKERS = st.builds(
    BreakerConfig,
    st.integers(1, 100),
    _SECONDS,
    st.integers(1, 100),
    st.frozensets(st.integers(500, 599)),
    _FALLBACKS,
)
_TIMEOUTS = st.builds(TimeoutConfig, _SECONDS, st.none() | _SECONDS, st.none() | _SECONDS)
_LIMITS = st.builds(
    LimitConfig,
    st.integers(1, 100),
    st.none() | st.floats(0.1, 100),
    st.none() | st.integers(1, 9),
    st.none() | st.integers(1, 9),
)
_RETRIES = st.builds(RetryConfig, st.integers(1, 10), st.floats(0, 1))
_AUTH: st.SearchStrategy[AuthType] = st.sampled_from(["none", "bearer", "other"])
_ENDPOINTS = st.builds(
    EndpointConfig,
    st.just("a"),
    st.just("https://a.example.com"),
    methods=st.lists(st.sampled_from(METHODS), min_size=1, unique=True).map(tuple),
    auth_type=_AUTH,
    disabled=st.booleans(),
    health_check_path=st.none() | st.just("/health"),
    timeouts=_TIMEOUTS,
    breaker=_BREAKERS,
    limits=_LIMITS,
    retries=_RETRIES,
    preserve_host=st.booleans(),
    ca_file=st.none() | st.just(Path("/etc/ssl/a.pem")),
)
_DEFAULTS = st.builds(GatewayConfig, breaker=_BREAKERS, timeouts=_TIMEOUTS, limits=_LIMITS, retries=_RETRIES)


@given(_ENDPOINTS, _DEFAULTS)
def test_what_is_said_of_an_endpoint_gives_that_endpoint_again(endpoint: EndpointConfig, usual: GatewayConfig) -> None:
    assert read_endpoint(said_of(endpoint, usual), usual) == endpoint


def test_what_is_not_said_follows_the_configuration() -> None:
    said = said_of(EndpointConfig("a", "http://a"), GatewayConfig())
    assert said == {"name": "a", "url": "http://a", "version": "v1"}
    patient = GatewayConfig(timeouts=TimeoutConfig(read_s=300.0))
    assert read_endpoint(said, patient).timeouts.read_s == 300.0
