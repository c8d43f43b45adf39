"""A wrong `auto_sync_services.yaml` is refused whole: file, line, path, what was found and what was expected."""

import keyword
from textwrap import dedent

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncflow_pipelines.config import load_services
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project
from syncflow_pipelines_tests.unit.test_config_services import REQUIREMENT

SECRETS = "key_env, key_file, value_env and value_file"

A_NAME = "a host such as api.example.com, *.example.com or *, without https:// and port"


def service(line: str) -> str:
    """A file whose sixth line is the given one."""
    return (
        "services:\n- name: crm\n  base_url: https://crm.example.com\n  openapi_path: /openapi.json\n"
        f"  components: [rest, mcp]\n  {line}\n"
    )


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("type: extern", "type: found 'extern', expected one of internal, external"),
        ("openapi_paths: [/a]", ": found both, expected exactly one of openapi_path and openapi_paths"),
        ("health_path: health", "health_path: found 'health', expected a path such as /openapi.json, percent-encoded"),
        ("health_path: /a b", "health_path: found '/a b', expected a path such as /openapi.json, percent-encoded"),
        ("path: ''", "path: found '', expected a path"),
        ("auth: {type: oauth}", "auth.type: found 'oauth', expected one of bearer, header, plugin_api_key, none"),
        ("auth: {type: bearer}", "auth: found neither, expected exactly one of token_env and token_file"),
        ("auth: {type: header, header: X-K}", f"auth: found none of them, expected exactly one of {SECRETS}"),
        (
            "auth: {type: header, header: X-K, key_env: A, value_file: b}",
            f"auth: found key_env and value_file, expected exactly one of {SECRETS}",
        ),
        ("auth: {type: header, key_env: A}", "auth: found neither, expected exactly one of header and name"),
        (
            "auth: {type: plugin_api_key, key_env: A}",
            "auth.header: found nothing, expected the name of a header such as X-Plugin-API-Key",
        ),
        (
            "auth: {type: plugin_api_key, header: X-K}",
            "auth: found neither, expected exactly one of key_env and key_file",
        ),
        (
            "auth: {type: plugin_api_key, header: Host, key_env: A}",
            "auth.header: found something else, expected a header such as X-Api-Key, none that the connection needs",
        ),
        (
            "fallback_github: {format: yaml}",
            "fallback_github.url: found nothing, expected the URL of an OpenAPI document",
        ),
        (
            "fallback_github: {url: 'https://x', format: xml}",
            "fallback_github.format: found 'xml', expected one of json, yaml",
        ),
        ("include: orders", "include: found 'orders', expected a list"),
        ("include: [{}]", "include[0]: found a rule that says nothing, expected tags, paths or methods"),
        ("exclude: [{tags: []}]", "exclude[0]: found a rule that says nothing, expected tags, paths or methods"),
        (
            "exclude: [{methods: [fetch]}]",
            (
                "exclude[0].methods[0]: found 'fetch', expected one of get, put, post, delete, options, head, patch, "
                "trace, query"
            ),
        ),
        (
            "exclude: [{paths: [orders]}]",
            "exclude[0].paths[0]: found 'orders', expected a path such as /orders/{id} or /orders/**",
        ),
        (
            "exclude: [{tag: [a]}]",
            "exclude[0].tag: found an unknown key, expected tags, or another key that is known here",
        ),
        (
            "ref_hosts: ['https://x']",
            (
                "ref_hosts[0]: found 'https://x', expected a host such as specs.example.com or specs.example.com:8443, "
                "without https:// and path"
            ),
        ),
        ("mcp: {mode: lots}", "mcp.mode: found 'lots', expected one of auto, tools, search"),
        ("mcp: {read_only: yes}", "mcp.read_only: found 'yes', expected true or false"),
        (
            "mcp: {size_budget_bytes: 0}",
            "mcp.size_budget_bytes: found 0, expected a whole number from 1 to 1,099,511,627,776",
        ),
        ("rest: {mode: check}", "rest.mode: found 'check', expected one of forward, validate"),
        ("rest: {allowed_hosts: ['https://x']}", f"rest.allowed_hosts[0]: found 'https://x', expected {A_NAME}"),
        ("rest: {timeout_s: 0}", "rest.timeout_s: found 0, expected a number from 0.1 to 3,600"),
        ("timeout_s: long", "timeout_s: found 'long', expected a number from 0.1 to 3,600"),
        ("ca_file: ''", "ca_file: found '', expected a path"),
        ("enabled: 1", "enabled: found 1, expected true or false"),
        ("description: [a]", "description: found a list, expected text of 4,000 characters or less"),
        (
            "openapi_pth: /x",
            "openapi_pth: found an unknown key, expected openapi_path, or another key that is known here",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_path(project: Project, line: str, mistake: str) -> None:
    found = project.service_mistakes(service(line))
    where = f"services[0]{mistake}" if mistake.startswith(":") else f"services[0].{mistake}"
    assert found == [f"auto_sync_services.yaml:{2 if mistake.startswith(':') else 6}: {where}"]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("output_dir: []", "output_dir: found a list, expected a path"),
        ("watch_interval: 0", "watch_interval: found 0, expected a whole number from 1 to 31,536,000"),
        ("concurrency: 257", "concurrency: found 257, expected a whole number from 1 to 256"),
        ("log_level: loud", "log_level: found 'loud', expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("on_startup: maybe", "on_startup: found 'maybe', expected true or false"),
        ("acknowledged: {crm: [abc]}", "acknowledged.crm[0]: found 'abc', expected the digest of a contract, 64 "),
        (
            "acknowledged: {erp: []}",
            "acknowledged.erp: found a name that no service has, expected the name of a service",
        ),
        ("interval: 5", "interval: found an unknown key, expected watch_interval, or another key that is known here"),
    ],
)
def test_a_mistake_in_the_settings_is_told(project: Project, line: str, mistake: str) -> None:
    [found] = project.service_mistakes(service("enabled: true") + f"settings:\n  {line}\n")
    assert found.startswith(f"auto_sync_services.yaml:8: settings.{mistake}")


def test_what_has_to_be_said_of_a_service_is_told(project: Project) -> None:
    assert project.service_mistakes('services:\n- name: "incomplete_service"\n  base_url: "http://service:8000"\n') == [
        "auto_sync_services.yaml:2: services[0]: found neither, expected exactly one of openapi_path and openapi_paths",
        "auto_sync_services.yaml:2: services[0].components: found nothing, expected a list of rest and mcp",
    ]
    assert [mistake.split(": ")[1] for mistake in project.service_mistakes("services: [{}]")] == [
        "services[0]",
        "services[0].base_url",
        "services[0].components",
        "services[0].name",
    ]


@pytest.mark.parametrize("paths", ["[]", "[openapi.json/]", "/openapi.json", "[/a#b]", "['']", "[' a']"])
def test_candidates_are_a_list_of_paths(project: Project, paths: str) -> None:
    text = f"services: [{{name: a, base_url: 'http://a', components: [], openapi_paths: {paths}}}]"
    [mistake] = project.service_mistakes(text)
    assert mistake.startswith("auto_sync_services.yaml:1: services[0].openapi_paths")


@pytest.mark.parametrize("path", ["https://a/openapi.json", "file:openapi.json", "docs/", "' '"])
def test_what_is_neither_an_endpoint_nor_a_file_is_told_what_either_looks_like(project: Project, path: str) -> None:
    text = f"services: [{{name: a, base_url: 'http://a', components: [], openapi_path: {path}}}]"
    [mistake] = project.service_mistakes(text)
    assert "expected an endpoint such as /openapi.json, percent-encoded, or a file such as openapi.json or" in mistake


@pytest.mark.parametrize("value", ["-1", "60001", "0.5", "soon"])
def test_the_debounce_is_told_its_range(project: Project, value: str) -> None:
    [mistake] = project.service_mistakes(f"settings: {{debounce_ms: {value}}}")
    assert "settings.debounce_ms: found " in mistake
    assert mistake.endswith("expected a whole number from 0 to 60,000")


def test_an_unknown_component_is_told(project: Project) -> None:
    text = "services: [{name: a, base_url: 'http://a', openapi_path: /o, components: [rest, soap]}]"
    assert project.service_mistakes(text) == [
        "auto_sync_services.yaml:1: services[0].components[1]: found 'soap', expected one of rest, mcp"
    ]


@pytest.mark.parametrize(("first", "second"), [("a-b", "a_b"), ("Crm", "crm"), ("a-B", "A_b")])
def test_names_that_would_share_a_module_are_refused(project: Project, first: str, second: str) -> None:
    text = "services:\n" + "".join(
        f"- {{name: {name}, base_url: 'http://a', openapi_path: /o, components: []}}\n" for name in (first, second)
    )
    [mistake] = project.service_mistakes(text)
    assert mistake.startswith(f"auto_sync_services.yaml:3: services[1].name: found '{second}', expected a name unlike")


@pytest.mark.parametrize("name", ["class", "None", "True", "Lambda"])
def test_a_keyword_of_python_is_no_name(project: Project, name: str) -> None:
    text = service("enabled: true").replace("crm\n", f'"{name}"\n', 1)
    [mistake] = project.service_mistakes(text)
    assert mistake == (
        f"auto_sync_services.yaml:2: services[0].name: found '{name}', expected a name that is no keyword of Python"
    )


def test_secrets_that_were_written_into_the_file_are_not_told(project: Project) -> None:
    lines = ("auth: s3cret", "auth: {type: bearer, token_env: s3cret-1}", "auth: {type: header, key: s3cret}")
    told = [mistake for line in lines for mistake in project.service_mistakes(service(line))]
    assert len(told) >= 3
    assert "s3cret" not in str(told)


def test_every_mistake_is_told_at_once_in_the_order_of_lines(project: Project) -> None:
    text = """\
        services:
          - name: crm
            base_url: ftp://crm
            openapi_path: https://crm/openapi.json
            components: [rest, soap]
            auth: {type: bearer}
          - nothing
        settings:
          watch_mode: ${NOWHERE}
        extra: true
        """
    mistakes = project.service_mistakes(dedent(text))
    assert [int(mistake.split(":")[1]) for mistake in mistakes] == [3, 4, 5, 6, 7, 9, 10]


def mutilated() -> st.SearchStrategy[str]:
    """The requirement's own file, with one line of it replaced by something else."""
    lines = REQUIREMENT.splitlines()
    odd = st.sampled_from(
        ["5", "[]", "{}", "null", "''", "- x", "x: y", "&a *a", "!!python/none", "\t", "true", "é", "${X}"]
    )
    return st.builds(
        lambda place, value, keep: "\n".join(
            [*lines[:place], (lines[place].partition(":")[0] + ": " if keep else "") + value, *lines[place + 1 :]]
        ),
        st.integers(1, len(lines) - 1),
        odd,
        st.booleans(),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutilated())
def test_any_mutilated_file_is_read_or_refused_with_its_lines(project: Project, text: str) -> None:
    project.services_file.write_text(text)
    mistakes = ["auto_sync_services.yaml: none"]
    try:
        load_services(project.settings())
    except ConfigurationError as error:
        mistakes = list(error.mistakes)
    assert mistakes
    assert all(mistake.startswith("auto_sync_services.yaml:") for mistake in mistakes)


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,10}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(names, max_size=6))
def test_names_are_taken_exactly_where_their_modules_can_stand_side_by_side(project: Project, given: list[str]) -> None:
    entries = [{"name": name, "base_url": "http://a", "openapi_path": "/o", "components": []} for name in given]
    project.services_file.write_text(yaml.safe_dump({"services": entries}))
    modules = {name.replace("-", "_").lower() for name in given}
    fine = len(modules) == len(given) and not any(keyword.iskeyword(name) for name in [*given, *modules])
    try:
        found = [one.module_name for one in load_services(project.settings()).services]
    except ConfigurationError:
        assert not fine
    else:
        assert fine
        assert all(name.isidentifier() for name in found)
