"""The world of the demo: its source, running, and the connector of connectors.yaml that reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from syncflow_pipelines.config import ConnectorConfig, Settings, load_connectors
from syncflow_pipelines.demo.erp import ROWS, ensure_erp
from syncflow_pipelines.demo.ports import HOST, listen_on_free_port, named_in_environment, taken_port
from syncflow_pipelines.demo.server import served
from syncflow_pipelines.demo.serving import base_url
from syncflow_pipelines.errors import ConfigurationError

PORT = 8007
URL_VARIABLE = "DEMO_ERP_URL"
"""What `base_url` of the demo's connector is filled from."""


class NoDemoConnector(ConfigurationError):
    """No enabled connector of connectors.yaml follows the demo source."""


@dataclass(frozen=True, slots=True)
class DemoSource:
    """The demo source while it runs."""

    url: str
    connector: ConnectorConfig
    taken: str | None = None
    """What to tell where port 8007 is somebody else's."""


@contextmanager
def running_demo_source(settings: Settings, rows: int = ROWS) -> Iterator[DemoSource]:
    """The demo source, served by a child process, on port 8007 or, where that is taken, on a free one.

    The environment names its URL as long as it runs, so that connectors.yaml leads to it, here and in
    child processes. Raises `NoDemoConnector` where connectors.yaml has no enabled connector for it.
    """
    ensure_erp(settings.home, rows)
    # Listened on from here on: a port that is only looked at may be taken by another demo in the next moment.
    with listen_on_free_port(PORT) as listener:
        url = base_url(listener)
        with named_in_environment(URL_VARIABLE, url):
            connector = _connector_of(settings, url)
            with served(settings.home, listener):
                yield DemoSource(url, connector, taken_port(PORT, URL_VARIABLE, url))


def require_demo_connector(settings: Settings) -> None:
    """Raises `NoDemoConnector` where no enabled connector of connectors.yaml follows the demo source."""
    url = f"http://{HOST}:{PORT}"
    with named_in_environment(URL_VARIABLE, url):
        _connector_of(settings, url)


def _connector_of(settings: Settings, url: str) -> ConnectorConfig:
    for connector in load_connectors(settings):
        if connector.enabled and connector.base_url == url:
            return connector
    raise NoDemoConnector(
        f"{settings.config_dir / 'connectors.yaml'} has no enabled connector for the demo source; add one with "
        f"base_url ${{{URL_VARIABLE}:-http://{HOST}:{PORT}}} and the token_file .syncflow/demo/erp.token"
    )
