"""Sources and services that are asked through a gateway that is really served."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncflow_pipelines.config import Environment, HeaderAuth, Settings, load_connectors, load_services
from syncflow_pipelines.config.gateway import GatewayConfig
from syncflow_pipelines.config.gateway_file import load_gateway
from syncflow_pipelines.errors import ConfigurationError, SourceRefused, SourceUnreachable
from syncflow_pipelines.openapi.fetching import open_client
from syncflow_pipelines.transport import NotFound, SourceClient, open_source
from syncflow_pipelines_tests.server.gateway_world import ServedGateway, registered
from syncflow_pipelines_tests.server.health_world import Answers
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend

GATEWAY = """
endpoints: [{name: erp, url: "URL/api", retries: {attempts: 1}}]
circuit_breaker: {failure_threshold: 2, reset_timeout: 3600}
"""
CONNECTORS = """
connectors: [{name: erp, base_url: "URL/api/v1", via: erp, auth: {type: header, name: X-Key, value_env: KEY}}]
"""
SERVICES = """
services: [{name: erp, base_url: "URL/api", openapi_path: /openapi.json, components: [], via: erp@v1}]
"""


class Installed:
    """A folder whose connector and service are asked through a gateway that reads its file."""

    def __init__(self, folder: Path, source: str, gateway: str) -> None:
        for name, text in (("gateway", GATEWAY), ("connectors", CONNECTORS), ("auto_sync_services", SERVICES)):
            (folder / f"{name}.yaml").write_text(text.replace("URL", source))
        environment = Environment({"KEY": "secret"})
        self.settings = Settings(config_dir=folder, home=folder, gateway_url=gateway, environment=environment)

    def gateway_config(self) -> GatewayConfig:
        return load_gateway(self.settings)

    def source(self) -> SourceClient:
        (connector,) = load_connectors(self.settings)
        return open_source(replace(connector, max_retry_after_s=1), self.settings)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def installed(tmp_path: Path, answers: Answers) -> Iterator[Installed]:
    with RecordingBackend(answers) as backend:
        config = Installed(tmp_path, backend.url, "").gateway_config()
        with ServedGateway(config, tuple(map(registered, config.endpoints))) as gateway:
            yield Installed(tmp_path, backend.url, f"http://127.0.0.1:{gateway.port}")


def test_a_source_gets_the_same_request_through_the_gateway(installed: Installed, answers: Answers) -> None:
    with installed.source() as source:
        assert source.get("/data/a%2Fb", [("page", "1")], validate=bytes).body == b""
    assert answers.asked == {"/api/v1/data/a%2Fb?page=1": 1}


def test_what_the_source_refuses_is_the_sources_word(installed: Installed, answers: Answers) -> None:
    answers.statuses = {"/api/v1/gone": 404, "/api/v1/closed": 401}
    with installed.source() as source:
        with pytest.raises(NotFound):
            source.get("/gone", validate=bytes)
        with pytest.raises(SourceRefused, match="the value of header X-Key in KEY"):
            source.get("/closed", validate=bytes)


def test_a_source_that_fails_is_left_alone_once_the_breaker_is_open(installed: Installed, answers: Answers) -> None:
    answers.statuses = {"/api/v1/": 503}
    with installed.source() as source, pytest.raises(SourceUnreachable) as caught:
        source.get("/", validate=bytes)
    assert answers.asked == {"/api/v1/": 2}
    assert "the gateway's breaker for erp@v1 is open; try again in 3600 s" in str(caught.value)


def test_specs_come_through_the_endpoint_that_is_named_and_no_other(installed: Installed, answers: Answers) -> None:
    (service,) = load_services(installed.settings).services
    with open_client(service, installed.settings) as client:
        assert client.get(f"{service.base_url}/openapi.json").content == b""
    with pytest.raises(ConfigurationError, match="erp cannot be asked via nobody"):
        open_client(replace(service, via="nobody"), installed.settings)
    assert answers.asked == {"/api/openapi.json": 1}


def test_what_the_gateway_does_not_know_is_not_gone_from_the_source(installed: Installed) -> None:
    with ServedGateway(GatewayConfig(), ()) as other:
        elsewhere = replace(installed.settings, gateway_url=f"http://127.0.0.1:{other.port}")
        (connector,) = load_connectors(elsewhere)
        with open_source(connector, elsewhere) as source, pytest.raises(SourceUnreachable, match="erp@v1"):
            source.get("/", validate=bytes)


def test_a_gateway_that_is_not_there_is_told_by_its_address(installed: Installed) -> None:
    nowhere = replace(installed.settings, gateway_url="http://127.0.0.1:9")
    (connector,) = load_connectors(nowhere)
    connector = replace(connector, auth=HeaderAuth("X-Key", value_env="KEY", environment=nowhere.environment))
    with open_source(connector, nowhere) as source, pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1 port 9"):
        source.get("/", validate=bytes)
