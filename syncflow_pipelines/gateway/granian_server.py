"""Serving by granian, whose processes take SIGHUP as the gateway means it."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.mp import MPServer

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.config.gateway_file import load_gateway
from syncflow_pipelines.config.serving import Serving
from syncflow_pipelines.gateway.logs import configure_logs
from syncflow_pipelines.gateway.workers import end_with_parent


def serve_by_granian(serving: Serving, factory: str, grace_period_s: float) -> None:
    """Serves until SIGINT or SIGTERM; what has not ended within the grace period is cut."""
    server = _Server(
        factory,
        address=serving.host,
        port=serving.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        workers=serving.workers,
        workers_kill_timeout=max(1, round(grace_period_s)),
        respawn_failed_workers=True,
        reload=serving.reload,
        log_enabled=False,
    )
    server.serve(target_loader=_Loader(factory, serving), wrap_loader=False)


class _Server(MPServer):
    def _reload(self, spawn_target: Any, target_loader: Any) -> None:
        """SIGHUP: the processes read their configuration anew, where granian would start others in their place."""
        self.reload_signal = False
        self.main_loop_interrupt.clear()
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class _Loader:
    factory: str
    serving: Serving

    def __call__(self) -> Callable[..., Any]:
        from syncflow_pipelines.gateway.serving import make

        end_with_parent()
        settings = load_settings()
        config = load_gateway(settings, self.serving.config_path)
        configure_logs(settings, self.serving.log_level or config.log_level or settings.log_level)
        return make(self.factory)
