"""What one process of the gateway serves."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from syncflow_pipelines.config import Settings, load_settings
from syncflow_pipelines.config.serving import load_serving
from syncflow_pipelines.gateway.control.application import Join, control_plane
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.root import Root


def application() -> Root:
    """The gateway alone, as the environment says. Raises `ConfigurationError`."""
    return build_application(load_settings())


def build_application(settings: Settings, *join: Join) -> Root:
    """The same with more in its control plane, which `join` adds."""
    serving = load_serving(settings)
    reloaded = _tell_others() if serving.workers > 1 else lambda: None
    return root_of(Gateway(settings, serving, reloaded=reloaded), *join)


def root_of(gateway: Gateway, *join: Join) -> Root:
    """The application of a gateway that it opens and closes."""
    return Root(
        gateway.plane,
        control_plane(gateway, *join),
        gateway.switch,
        gateway,
        drain=gateway.drain,
        max_header_bytes=gateway.config.max_header_bytes,
    )


def _tell_others() -> Callable[[], None]:
    """Has the other processes reload what this one has: the one that started them all passes SIGHUP on."""
    supervisor = os.getppid()

    def tell() -> None:
        with suppress(OSError):
            if os.getppid() == supervisor:
                os.kill(supervisor, signal.SIGHUP)

    return tell
