"""`auto_sync_services.yaml` as the requirement writes it, and everything that it may say besides."""

import os
from pathlib import Path

import pytest

from syncflow_pipelines.config import (
    BearerAuth,
    FallbackSpec,
    HeaderAuth,
    McpOptions,
    NoAuth,
    OperationRule,
    RestOptions,
    ServiceConfig,
    Services,
    ServiceSettings,
    load_services,
)
from syncflow_pipelines_tests.unit.config_project import Project

REQUIREMENT = """
services:
  # Internal FastAPI service
  - name: "main_app"
    type: "internal"
    base_url: "http://localhost:8000"
    openapi_path: "/openapi.json"
    health_path: "/health"
    components:
      - rest  # Generate Connexion resolver
      - mcp   # Generate FastMCP server
    auth: null
    description: "Main FastAPI application"

  # External service with authentication
  - name: "external_api"
    type: "external"
    base_url: "https://api.example.com"
    openapi_path: "/openapi.json"
    health_path: "/health"
    components:
      - rest
      - mcp
    auth:
      type: "bearer"
      token_env: "EXTERNAL_API_TOKEN"
    description: "External API service"

  # Service with plugin API key auth
  - name: "gateway"
    type: "internal"
    base_url: "http://localhost:8000"
    openapi_path: "/api/gateway/openapi"
    components:
      - rest
      - mcp
    auth:
      type: "plugin_api_key"
      header: "X-Plugin-API-Key"
      key_env: "PLUGIN_SYSTEM_API_KEY"
    description: "Dynamic API gateway"

  - name: "legacy_service"
    base_url: "http://legacy-service:9000"
    openapi_paths:
      - "/openapi.json"
      - "/swagger.json"
      - "/api/docs/openapi.json"
    components: [rest]
    auth:
      type: "header"
      header: "X-API-Key"
      key_file: "secrets/api_key.txt"

  - name: "public_api"
    base_url: "${PUBLIC_URL}"
    openapi_path: "/openapi.json"
    fallback_github:
      url: "https://raw.githubusercontent.com/org/repo/main/openapi.json"
      format: "json"
    components: [mcp]

settings:
  output_dir: "docs/api/openapi-specs"
  generated_dir: "services/auto_generated"
  checksum_file: ".openapi_checksums.json"
  auto_regenerate: true
  watch_mode: false
  watch_interval: 300
  on_startup: true
  on_change_only: true
  enable_connexion: true
  enable_fastmcp: true
  enable_event_bus: true
  health_check_before_sync: true
  log_level: "INFO"
"""

SHORT = "services: [{{name: crm, base_url: 'http://crm', openapi_path: /o.json, components: [], {}}}]"


def default_settings(folder: Path) -> ServiceSettings:
    return ServiceSettings(
        output_dir=folder / "docs" / "api" / "openapi-specs",
        generated_dir=folder / "services" / "auto_generated",
        checksum_file=folder / ".openapi_checksums.json",
    )


def test_the_file_of_the_requirement_is_read_as_it_stands(project: Project) -> None:
    project.environ["PUBLIC_URL"] = "https://api.public.com/"
    read = project.services(REQUIREMENT)
    main_app, external, gateway, legacy, public = read.services
    assert main_app == ServiceConfig(
        "main_app", "http://localhost:8000", ("/openapi.json",), ("rest", "mcp"), project.folder,
        description="Main FastAPI application",
    )  # fmt: skip
    assert (external.type, external.auth) == ("external", BearerAuth("EXTERNAL_API_TOKEN"))
    assert gateway.auth == HeaderAuth("X-Plugin-API-Key", "PLUGIN_SYSTEM_API_KEY")
    assert legacy.openapi_paths == ("/openapi.json", "/swagger.json", "/api/docs/openapi.json")
    assert legacy.auth == HeaderAuth("X-API-Key", None, project.folder / "secrets" / "api_key.txt")
    assert public.base_url == "https://api.public.com"
    assert public.fallback == FallbackSpec("https://raw.githubusercontent.com/org/repo/main/openapi.json", "json")
    assert read.settings.health_check_before_sync


def test_without_a_file_there_are_no_services_and_the_default_settings(project: Project) -> None:
    assert load_services(project.settings()) == Services((), default_settings(project.folder))


@pytest.mark.parametrize("text", ["", "services:", "services: []\nsettings:", "settings: {}"])
def test_an_empty_file_says_as_much_as_none(project: Project, text: str) -> None:
    assert project.services(text) == Services((), default_settings(project.folder))


def test_the_shortest_service_has_every_default(project: Project) -> None:
    service = project.service("services: [{name: a-b, base_url: 'http://a', openapi_path: /o.json, components: [mcp]}]")
    assert service == ServiceConfig("a-b", "http://a", ("/o.json",), ("mcp",), project.folder)
    assert service.module_name == "a_b"
    assert service.auth == NoAuth()


def test_everything_else_that_can_be_said_of_a_service(project: Project) -> None:
    service = project.service(
        """
        services:
          - name: crm
            base_url: http://crm
            openapi_path: /api/schema/?format=json
            components: [mcp, mcp]
            path: ../crm
            include: [{tags: [orders, a b], paths: ['/orders/{id}', '**'], methods: [GET, post]}]
            exclude: [{paths: [/internal/**]}, {methods: [query]}]
            ref_hosts: [Schemas.Example.com, 'x:8443', '[::1]:80']
            mcp: {mode: search, size_budget_bytes: 5, read_only: true, validate_output: true, timeout_s: 1,
                  max_answer_bytes: 6, forward_headers: [X-Tenant]}
            rest: {mode: validate, timeout_s: 2, allowed_hosts: [API.example.com, '*.lan']}
            timeout_s: 3.5
            ca_file: certs/ca.pem
            enabled: false
        """
    )
    assert service == ServiceConfig(
        name="crm",
        base_url="http://crm",
        openapi_paths=("/api/schema/?format=json",),
        components=("mcp",),
        path=project.folder.parent / "crm",
        include=(OperationRule(("orders", "a b"), ("/orders/{id}", "**"), ("get", "post")),),
        exclude=(OperationRule(paths=("/internal/**",)), OperationRule(methods=("query",))),
        ref_hosts=("schemas.example.com", "x:8443", "[::1]:80"),
        mcp=McpOptions("search", 5, True, True, 1.0, 6, ("X-Tenant",)),
        rest=RestOptions("validate", 2.0, ("api.example.com", "*.lan")),
        timeout_s=3.5,
        ca_file=project.folder / "certs" / "ca.pem",
        enabled=False,
    )


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("openapi.json", "openapi.json"),
        ("../backend/openapi.yaml", "../backend/openapi.yaml"),
        ("./docs/my spec.json", "docs/my spec.json"),
    ],
)
def test_a_path_without_a_leading_slash_is_a_file_of_the_services_project(
    project: Project, said: str, place: str
) -> None:
    text = f"services: [{{name: a, base_url: 'http://a', openapi_path: {said}, components: []}}]"
    [found] = project.service(text).candidates
    assert found == Path(os.path.normpath(project.folder / place))
    elsewhere = project.service(text.replace("name: a", "name: a, path: services/a"))
    assert elsewhere.spec_files == (Path(os.path.normpath(project.folder / "services" / "a" / place)),)


def test_files_and_endpoints_may_be_mixed_and_are_told_apart_by_the_slash(project: Project) -> None:
    paths = "[openapi.json, /openapi.json]"
    service = project.service(
        f"services: [{{name: a, base_url: 'http://a/b', openapi_paths: {paths}, components: []}}]"
    )
    assert service.candidates == (project.folder / "openapi.json", "http://a/b/openapi.json")
    assert service.spec_files == (project.folder / "openapi.json",)
    assert (
        project.service("services: [{name: a, base_url: 'http://a', openapi_path: /o, components: []}]").spec_files
        == ()
    )


def test_the_debounce_of_files_can_be_said(project: Project) -> None:
    assert project.services("settings: {debounce_ms: 0}").settings.debounce_ms == 0
    assert project.services("").settings.debounce_ms == 500


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("null", NoAuth()),
        ("{type: none}", NoAuth()),
        ("{type: bearer, token_env: A}", BearerAuth("A")),
        ("{type: plugin_api_key, header: X-K, key_env: A}", HeaderAuth("X-K", "A")),
        ("{type: header, header: X-K, key_env: A}", HeaderAuth("X-K", "A")),
        ("{type: header, name: X-K, value_env: A, prefix: 'Token '}", HeaderAuth("X-K", "A", None, "Token ")),
    ],
)
def test_each_way_to_say_who_calls(project: Project, auth: str, expected: object) -> None:
    assert project.service(SHORT.format(f"auth: {auth}")).auth == expected


def test_files_with_secrets_are_found_from_the_projects_folder(project: Project) -> None:
    (project.folder / "secrets").mkdir()
    (project.folder / "secrets" / "key").write_text("s3cret\n")
    for auth in (
        "{type: bearer, token_file: secrets/key}",
        "{type: header, header: Authorization, key_file: secrets/key, prefix: 'Bearer '}",
        "{type: header, name: Authorization, value_file: secrets/key, prefix: 'Bearer '}",
    ):
        assert project.service(SHORT.format(f"auth: {auth}")).auth.headers() == {"Authorization": "Bearer s3cret"}
    plugin = project.service(SHORT.format("auth: {type: plugin_api_key, header: X-K, key_file: secrets/key}"))
    assert plugin.auth.headers() == {"X-K": "s3cret"}


def test_settings_that_were_said_hold(project: Project) -> None:
    digest = "0123456789abcdef" * 4
    read = project.services(
        SHORT.format("enabled: true")
        + f"""
settings:
  output_dir: /app/specs
  generated_dir: ../generated
  checksum_file: state/sums.json
  auto_regenerate: false
  watch_mode: true
  watch_interval: 5
  on_startup: false
  on_change_only: false
  enable_connexion: false
  enable_fastmcp: false
  enable_event_bus: false
  health_check_before_sync: true
  log_level: debug
  concurrency: 2
  acknowledged: {{crm: ['{digest}']}}
"""
    )
    assert read.settings == ServiceSettings(
        output_dir=Path("/app/specs"),
        generated_dir=project.folder.parent / "generated",
        checksum_file=project.folder / "state" / "sums.json",
        auto_regenerate=False,
        watch_mode=True,
        watch_interval=5,
        on_startup=False,
        on_change_only=False,
        enable_connexion=False,
        enable_fastmcp=False,
        enable_event_bus=False,
        health_check_before_sync=True,
        log_level="DEBUG",
        concurrency=2,
        acknowledged={"crm": (digest,)},
    )


def test_numbers_and_switches_may_come_from_the_environment(project: Project) -> None:
    project.environ |= {"INTERVAL": "60", "WATCH": "true", "LEVEL": "warning"}
    settings = project.services(
        "settings: {watch_interval: '${INTERVAL}', watch_mode: '${WATCH}', log_level: '${LEVEL}'}"
    ).settings
    assert (settings.watch_interval, settings.watch_mode, settings.log_level) == (60, True, "WARNING")
