"""Sources and services that are to be asked through the gateway."""

from pathlib import Path

import pytest

from syncflow_pipelines.config import ConnectorConfig, Settings, check_configuration, load_connectors, load_settings
from syncflow_pipelines.config.endpoints import endpoints_of, leading_to
from syncflow_pipelines.config.gateway import EndpointConfig, GatewayConfig
from syncflow_pipelines.config.services import ServiceConfig
from syncflow_pipelines.config.via import Via, via_of
from syncflow_pipelines.errors import ConfigurationError

GATEWAY = """
endpoints:
  - {name: erp, url: "https://erp.example.com/api"}
  - {name: erp, url: "https://erp.example.com/api/v2", version: v2}
register_services: true
"""
SERVICES = """
services:
  - {name: parcels, base_url: "https://parcels.example.com", openapi_path: /openapi.json, components: [], via: PARCELS}
"""
CONNECTORS = """
connectors:
  - {name: erp, base_url: "BASE_URL", via: VIA}
"""


def installed(folder: Path, *, via: str = "erp", base_url: str = "https://erp.example.com/api", parcels: str = "parcels"
) -> Settings:  # fmt: skip
    config = folder / "config"
    config.mkdir()
    (config / "gateway.yaml").write_text(GATEWAY)
    (config / "connectors.yaml").write_text(CONNECTORS.replace("VIA", via).replace("BASE_URL", base_url))
    (config / "auto_sync_services.yaml").write_text(SERVICES.replace("PARCELS", parcels))
    return load_settings({"SYNCFLOW_GATEWAY_URL": "https://gateway.example.com/x/"}, folder)


def mistakes(settings: Settings) -> list[str]:
    return [fact.text for fact in check_configuration(settings) if fact.status == "mistake"]


@pytest.mark.parametrize(
    ("via", "base_url", "endpoint", "url"),
    [
        ("erp", "https://erp.example.com/api", "erp@v1", "https://erp.example.com/api"),
        ("erp", "https://ERP.example.com:443/api/v2/x", "erp@v2", "https://erp.example.com/api/v2"),
        ("erp@v1", "https://erp.example.com/api/v2/x", "erp@v1", "https://erp.example.com/api"),
    ],
)
def test_a_source_is_asked_through_the_version_that_is_nearest_above_it(
    tmp_path: Path, via: str, base_url: str, endpoint: str, url: str
) -> None:
    settings = installed(tmp_path, via=via, base_url=base_url)
    assert mistakes(settings) == []
    (connector,) = load_connectors(settings)
    assert via_of(connector, settings) == Via(endpoint, url, "https://gateway.example.com/x")


def test_a_way_that_does_not_lead_there_is_a_mistake(tmp_path: Path) -> None:
    settings = installed(tmp_path, base_url="https://erp.example.com/apis", parcels="nobody")
    assert mistakes(settings) == [
        (
            "connectors.yaml: connectors[0].via: found 'erp', expected an endpoint of gateway.yaml whose url base_url "
            "is below, unlike https://erp.example.com/api"
        ),
        (
            "auto_sync_services.yaml: services[0].via: found 'nobody', expected one of erp, parcels (the endpoints of "
            "gateway.yaml)"
        ),
    ]
    (connector,) = load_connectors(settings)
    with pytest.raises(ConfigurationError, match="erp cannot be asked via erp; expected an endpoint of gateway"):
        via_of(connector, settings)


def test_a_source_that_is_asked_itself_needs_no_gateway(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("no mapping at all")
    settings = Settings(config_dir=tmp_path, home=tmp_path)
    assert via_of(ConnectorConfig("erp", "https://erp.example.com"), settings) is None


def test_services_are_endpoints_where_the_file_says_so_and_names_no_other() -> None:
    services = [ServiceConfig(name, f"https://{name}.example.com", ("/openapi.json",), ()) for name in ("a", "b")]
    own = EndpointConfig("a", "https://other.example.com")
    assert endpoints_of(GatewayConfig(endpoints=(own,)), services) == (own,)
    found = endpoints_of(GatewayConfig(endpoints=(own,), register_services=True), services)
    assert [(one.key, one.url) for one in found] == [("a@v1", own.url), ("b@v1", "https://b.example.com")]
    assert leading_to(found, "https://b.example.com/x") == found[1]
    assert leading_to(found, "http://b.example.com/x") is None
