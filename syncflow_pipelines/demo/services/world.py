"""The demo services, running, and what auto_sync_services.yaml calls them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from syncflow_pipelines.config import ServiceConfig, Settings, load_services
from syncflow_pipelines.demo.ports import HOST, listen_on_free_port, named_in_environment, taken_port
from syncflow_pipelines.demo.services.revisions import SERVICES, Service
from syncflow_pipelines.demo.services.server import running_services
from syncflow_pipelines.demo.serving import base_url
from syncflow_pipelines.errors import ConfigurationError

PORT = 8008
URL_VARIABLE = "DEMO_SERVICES_URL"
"""What `base_url` of the demo services is filled from."""


class NoDemoServices(ConfigurationError):
    """auto_sync_services.yaml follows not both of the demo services."""


@dataclass(frozen=True, slots=True)
class DemoServices:
    """The demo services while they run."""

    url: str
    configured: dict[Service, ServiceConfig]
    taken: str | None = None
    """What to tell where port 8008 is somebody else's."""


@contextmanager
def running_demo_services(settings: Settings) -> Iterator[DemoServices]:
    """The demo services, served by a child process, on port 8008 or, where that is taken, on a free one.

    The environment names their URL as long as they run, so that auto_sync_services.yaml leads to them. Raises
    `NoDemoServices` where it does not.
    """
    with listen_on_free_port(PORT) as listener:
        url = base_url(listener)
        with named_in_environment(URL_VARIABLE, url):
            configured = _configured(settings, url)
            with running_services(settings.home, listener):
                yield DemoServices(url, configured, taken_port(PORT, URL_VARIABLE, url))


def _configured(settings: Settings, url: str) -> dict[Service, ServiceConfig]:
    enabled = [service for service in load_services(settings).services if service.enabled]
    found = {name: one for name in SERVICES for one in enabled if one.base_url == f"{url}/{name}"}
    for name in SERVICES:
        if name not in found:
            raise NoDemoServices(
                f"{settings.config_dir / 'auto_sync_services.yaml'} follows no demo service {name}; add one with "
                f"base_url ${{{URL_VARIABLE}:-http://{HOST}:{PORT}}}/{name}"
            )
    return found
