"""`check_configuration` tells what is in force, and holds no secret."""

import pytest

from syncflow_pipelines.config import ConfigurationFact, check_configuration, load_configuration
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines_tests.unit.config_project import Project

TEXT = """\
connectors:
  - name: erp
    base_url: https://erp.example.com
    auth: {type: bearer, token_env: ERP_TOKEN}
    entities: {items: {strategy: hash, page_size: 5}}
  - name: crm
    base_url: https://crm.example.com
    auth: {type: header, name: X-Key, value_file: crm.key}
    ca_file: ca.pem
    enabled: false
"""


SERVICES = """\
services:
  - name: crm
    base_url: https://crm.example.com
    openapi_paths: [/a.json, /b.json]
    components: [mcp]
    auth: {type: plugin_api_key, header: X-Key, key_env: CRM_KEY}
    include: [{tags: [a, b], methods: [get]}, {paths: [/x]}]
    ca_file: ca.pem
    enabled: false
"""


def facts(project: Project) -> dict[str, ConfigurationFact]:
    found = check_configuration(project.settings())
    return {fact.subject: fact for fact in found}


def test_everything_in_force_is_told(project: Project) -> None:
    (project.folder / ".env").write_text("ERP_TOKEN=s3cret\nPOSTGRES_HOST=db\nPOSTGRES_PASSWORD=s3cret\n")
    (project.folder / "crm.key").write_text("s3cret")
    (project.folder / "ca.pem").write_text("")
    project.file.write_text(TEXT)
    found = facts(project)
    assert {fact.status for fact in found.values()} == {"ok"}
    assert found[str(project.folder / ".env")].text == "read, 3 variables"
    assert found["settings"].details["database_url"] == "postgresql://:***@db/"
    assert found[str(project.file)].text == "read, 2 connectors"
    assert found["connector erp"].details["auth"] == "bearer, token in environment variable ERP_TOKEN"
    assert found["connector erp"].details["page_size"] == "1000"
    assert found["connector erp"].details["entities.items"] == "strategy: hash, page_size: 5"
    assert found["secret of erp"].text == "the environment variable ERP_TOKEN is set"
    assert found["connector crm"].text == "disabled"
    assert found["secret of crm"].text == f"the file {project.folder / 'crm.key'} is set"
    assert "s3cret" not in str(found)


def test_a_secret_or_a_certificate_that_is_not_there_is_a_warning(project: Project) -> None:
    project.file.write_text(TEXT)
    found = facts(project)
    warnings = {subject for subject, fact in found.items() if fact.status == "warning"}
    assert warnings == {"secret of erp", "secret of crm", "certificates of crm"}
    assert "ERP_TOKEN is not set" in found["secret of erp"].text
    assert found[str(project.folder / ".env")].text == "not there"
    assert found["settings"].details["database_url"] == f"the embedded server in {project.folder / '.syncflow'}"


def test_an_absent_file_is_a_warning(project: Project) -> None:
    fact = facts(project)[str(project.file)]
    assert (fact.status, fact.text) == ("warning", "not there, so there are no connectors")


def test_every_mistake_is_a_fact(project: Project) -> None:
    project.file.write_text("connectors:\n- 5\n- 6\n")
    told = [fact.text for fact in check_configuration(project.settings()) if fact.status == "mistake"]
    assert told == [
        "connectors.yaml:2: connectors[0]: found 5, expected a mapping",
        "connectors.yaml:3: connectors[1]: found 6, expected a mapping",
    ]


def test_every_service_is_told(project: Project) -> None:
    (project.folder / ".env").write_text("CRM_KEY=s3cret\n")
    (project.folder / "ca.pem").write_text("")
    project.services_file.write_text(SERVICES)
    found = facts(project)
    told = found[str(project.services_file)]
    assert (told.status, told.text, told.details["concurrency"]) == ("ok", "read, 1 services", "16")
    assert found["service crm"].text == "disabled"
    assert found["service crm"].details == {
        "type": "internal",
        "base_url": "https://crm.example.com",
        "openapi_paths": "/a.json, /b.json",
        "health_path": "/health",
        "components": "mcp",
        "auth": "header X-Key, value in environment variable CRM_KEY",
        "include": "tags: a b, methods: get; paths: /x",
        "timeout_s": "30",
        "ca_file": str(project.folder / "ca.pem"),
    }
    assert found["secret of crm"].text == "the environment variable CRM_KEY is set"
    assert "s3cret" not in str(found)


def test_a_services_secret_or_certificate_that_is_not_there_is_a_warning(project: Project) -> None:
    project.services_file.write_text(SERVICES)
    found = facts(project)
    assert found["secret of crm"].status == found["certificates of crm"].status == "warning"


def test_without_a_file_there_are_no_services_and_that_is_fine(project: Project) -> None:
    fact = facts(project)[str(project.services_file)]
    assert (fact.status, fact.text) == ("ok", "not there, so there are no services")


def test_a_connector_names_a_service_that_is_there(project: Project) -> None:
    project.file.write_text("connectors: [{name: erp, base_url: 'http://a', service: crm}]")
    mistake = "connectors.yaml: connectors[0].service: found 'crm', expected "
    for text, expected in (
        ("", "none, since there are none (the services of auto_sync_services.yaml)"),
        (SERVICES.replace("name: crm", "name: hub"), "hub (the services of auto_sync_services.yaml)"),
        (SERVICES.replace("name: crm", "name: CRM"), "CRM (the services of auto_sync_services.yaml)"),
    ):
        project.services_file.write_text(text)
        told = [fact.text for fact in check_configuration(project.settings()) if fact.status == "mistake"]
        assert told == [f"{mistake}{expected}"]
        with pytest.raises(ConfigurationError, match="service: found 'crm'"):
            load_configuration(project.settings())
    project.services_file.write_text(SERVICES)
    connectors, services, _ = load_configuration(project.settings())
    assert connectors[0].service == services.services[0].name


def test_every_webhook_is_told_and_its_headers_are_not_shown(project: Project) -> None:
    project.events_file.write_text(
        "webhooks:\n- {name: chat, url: 'https://x', secret_env: CHAT, headers: {X-A: s3cret}, ca_file: ca.pem}\n"
    )
    found = facts(project)
    assert found[str(project.events_file)].text == "read, 1 webhooks"
    assert found["webhook chat"].details == {
        "url": "https://x",
        "types": "all",
        "secret": "in environment variable CHAT",
        "headers": "X-A",
        "timeout_s": "10",
        "max_attempts": "16",
    }
    warnings = {subject for subject, fact in found.items() if fact.status == "warning"}
    assert warnings >= {"secret of webhook chat", "certificates of webhook chat"}
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("API_PORT", "environment: API_PORT: found 'wr0ng', expected a whole number from 0 to 65,535"),
        ("SYNCFLOW_API_TOKENS", "SYNCFLOW_API_TOKENS must hold name:role:sha256:digest"),
        ("SYNCFLOW_SECRET_KEY", "part 1 of SYNCFLOW_SECRET_KEY is no key"),
    ],
)
def test_variables_that_would_keep_the_gateway_from_starting_are_told(
    variable: str, told: str, project: Project
) -> None:
    settings = project.settings({variable: "wr0ng"})
    with pytest.raises(ConfigurationError, match="the environment cannot be used: 1 mistake") as refused:
        load_configuration(settings)
    assert refused.value.mistakes[0].startswith(told)
    assert refused.value.mistakes[0] in [
        fact.text for fact in check_configuration(settings) if fact.status == "mistake"
    ]


def test_mistakes_of_all_files_are_told_at_once(project: Project) -> None:
    project.events_file.write_text("webhooks: 8")
    project.file.write_text("connectors: 5")
    project.services_file.write_text("services: 6\nextra: 7")
    with pytest.raises(ConfigurationError) as refused:
        load_configuration(project.settings())
    assert refused.value.message == f"the files in {project.folder / 'config'} cannot be used: 4 mistakes"
    assert [mistake.split(": ")[0] for mistake in refused.value.mistakes] == [
        "connectors.yaml:1",
        "auto_sync_services.yaml:1",
        "auto_sync_services.yaml:2",
        "events.yaml:1",
    ]


def test_every_endpoint_of_the_gateway_is_told(project: Project) -> None:
    project.gateway_file.write_text(
        "endpoints:\n- {name: crm, url: 'https://crm.example.com', methods: [GET], ca_file: crm.pem, disabled: true}\n"
        "targets: {allow_networks: [10.0.0.0/8], allow_hosts: [erp.internal]}\n"
    )
    found = facts(project)
    told = found[str(project.gateway_file)]
    assert (told.status, told.text) == ("ok", "read, 1 endpoints")
    assert told.details == {
        "targets.allow_networks": "10.0.0.0/8",
        "targets.allow_hosts": "erp.internal",
        "register_services": "False",
    }
    assert found["endpoint crm@v1"].text == "disabled"
    assert found["endpoint crm@v1"].details == {
        "url": "https://crm.example.com",
        "methods": "GET",
        "health_check_path": "none",
        "fallback": "error_response",
    }
    assert found["certificates of endpoint crm@v1"].status == "warning"


def test_an_endpoint_of_the_gateway_names_a_service_that_is_there(project: Project) -> None:
    project.gateway_file.write_text("endpoints:\n- {name: a, url: 'http://a', service: crm}\n")
    project.services_file.write_text(SERVICES.replace("name: crm", "name: hub"))
    expected = "endpoints[0].service: found 'crm', expected hub (the services of auto_sync_services.yaml)"
    told = [fact.text for fact in check_configuration(project.settings()) if fact.status == "mistake"]
    assert told == [f"gateway.yaml: {expected}"]
    project.services_file.write_text(SERVICES)
    load_configuration(project.settings())


def test_a_mistake_in_the_gateways_file_is_one_of_the_configuration(project: Project) -> None:
    project.gateway_file.write_text("endpoints: 5\n")
    with pytest.raises(ConfigurationError, match=r"gateway\.yaml:1: endpoints: found 5, expected a list"):
        load_configuration(project.settings())
    told = [fact.text for fact in check_configuration(project.settings()) if fact.status == "mistake"]
    assert told == ["gateway.yaml:1: endpoints: found 5, expected a list"]
