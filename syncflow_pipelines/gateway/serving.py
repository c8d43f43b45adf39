"""Running the gateway: one process or several, with uvicorn or granian, until a signal comes."""

import errno
import gc
import importlib
import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.supervisors import ChangeReload

import syncflow_pipelines
from syncflow_pipelines.config import Settings, load_settings
from syncflow_pipelines.config.api_tokens import load_api_tokens
from syncflow_pipelines.config.gateway_file import load_gateway, write_gateway_sample
from syncflow_pipelines.config.serving import Serving, hand_down, load_serving
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.gateway.control.access import refuse_open_binding
from syncflow_pipelines.gateway.draining import KEEP_ALIVE_S, DrainingServer
from syncflow_pipelines.gateway.logs import configure_logs
from syncflow_pipelines.gateway.proxy.handshake import MAX_MESSAGE_BYTES
from syncflow_pipelines.gateway.proxy.http_protocol import http_protocol
from syncflow_pipelines.gateway.proxy.relaying import STALLED_S
from syncflow_pipelines.gateway.root import Root
from syncflow_pipelines.gateway.workers import supervise

GATEWAY_ALONE: Final = "syncflow_pipelines.gateway.application:application"
"""Makes what is served, in every process of its own: `module:function` without arguments, which returns a `Root`."""

_BACKLOG: Final = 2048
Tell = Callable[[str], None]


def serve(settings: Settings, serving: Serving, tell: Tell, factory: str = GATEWAY_ALONE) -> None:
    """Serves until SIGINT or SIGTERM, and returns when the last request has ended or the grace period is over.

    `tell` gets the URL once there is somebody to answer at it, or a little before. Raises `ConfigurationError` where
    the configuration cannot be used, the port cannot be had, or everybody in the network could change things.
    """
    hand_down(serving)
    sample = write_gateway_sample(settings)
    if sample is not None:
        tell(f"{sample} was not there: a sample was written, with two endpoints to look at")
    config = load_gateway(settings, serving.config_path)
    refuse_open_binding(serving.host, load_api_tokens(settings.environment))
    configure_logs(settings, serving.log_level or config.log_level or settings.log_level)
    if serving.server == "granian":
        _serve_by_granian(serving, factory, tell, _grace_period_s(serving, config.grace_period_s))
        return
    with closing(listen(serving.host, serving.port)) as listener:
        tell(f"The gateway listens on {url_of(listener)}; Ctrl-C ends it.")
        worker = Worker(factory, serving, _grace_period_s(serving, config.grace_period_s))
        if serving.reload:
            _serve_anew_when_code_changes(worker, listener)
        elif serving.workers > 1:
            supervise(worker, listener, serving.workers)
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # until the gateway heeds it
            worker.serve(settings, [listener])


@dataclass(frozen=True, slots=True)
class Worker:
    """What one process serves. It goes to processes that are started."""

    factory: str
    serving: Serving
    grace_period_s: float

    def __call__(self, sockets: list[socket.socket]) -> None:
        """In a process of its own."""
        settings = load_settings()
        config = load_gateway(settings, self.serving.config_path)
        configure_logs(settings, self.serving.log_level or config.log_level or settings.log_level)
        self.serve(settings, sockets)

    def serve(self, settings: Settings, sockets: list[socket.socket]) -> None:
        """In this process. Raises `ConfigurationError` where the application does not start."""
        application = make(self.factory)
        server = DrainingServer(
            server_config(application, application.max_header_bytes),
            application.drain,
            grace_period_s=self.grace_period_s,
            drain_delay_s=self.serving.drain_delay_s,
        )
        server.run(sockets)


def server_config(application: Any, max_header_bytes: int) -> uvicorn.Config:
    """How uvicorn has to serve the gateway: it adds nothing, believes nothing, and logs nothing of its own."""
    return uvicorn.Config(
        application,
        http=http_protocol(max_header_bytes),
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws_max_size=MAX_MESSAGE_BYTES,
        # A client is not read while its endpoint does not read, and its pong is not seen: the endpoint is left first.
        ws_ping_timeout=1.5 * STALLED_S,
    )


def make(factory: str) -> Root:
    """The application that `module:function` makes, in a process that serves nothing else."""
    module, _, function = factory.partition(":")
    application = getattr(importlib.import_module(module), function)()
    assert isinstance(application, Root)
    application.when_open = _keep_what_is_loaded
    return application


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises `ConfigurationError` where the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({_reason(error)}); --port {port + 1} is another, --port 0 a free one"
        ) from error
    listener.set_inheritable(True)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _reason(error: OSError) -> str:
    """What the system says, without what Python adds to it."""
    known = error.errno in errno.errorcode and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno) if known and error.errno is not None else str(error.strerror or error)


def _grace_period_s(serving: Serving, of_the_file_s: float) -> float:
    return of_the_file_s if serving.grace_period_s is None else serving.grace_period_s


def _serve_anew_when_code_changes(worker: Worker, listener: socket.socket) -> None:
    folder = str(Path(syncflow_pipelines.__file__).parent)
    config = uvicorn.Config(worker.factory, factory=True, reload=True, reload_dirs=[folder], log_config=None)
    ChangeReload(config, target=worker, sockets=[listener]).run()  # type: ignore[arg-type] # it calls with sockets=


def _serve_by_granian(serving: Serving, factory: str, tell: Tell, grace_period_s: float) -> None:
    try:
        from syncflow_pipelines.gateway.granian_server import serve_by_granian
    except ImportError as error:
        raise ConfigurationError(
            "granian is not installed; pip install 'syncflow-pipelines[granian]', or serve by uvicorn"
        ) from error
    listen(serving.host, serving.port).close()  # granian would share the port with whoever has it
    host = f"[{serving.host}]" if _is_v6(serving.host) else serving.host
    tell(f"The gateway listens on http://{host}:{serving.port}; Ctrl-C ends it.")
    serve_by_granian(serving, factory, grace_period_s)


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


__all__ = ["GATEWAY_ALONE", "Worker", "listen", "load_serving", "make", "serve", "server_config", "url_of"]


def _keep_what_is_loaded() -> None:
    """Has the collector look no more at what stays: all that was loaded, with what a first migration needs.

    It would look through it again and again, and hold up every request in flight for up to a fifth of a second.
    """
    gc.collect()
    gc.freeze()
