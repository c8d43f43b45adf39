"""Serving an ASGI application with uvicorn: on a free port, until told to stop."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from syncflow_pipelines.errors import ConfigurationError, SyncflowError

_START_S = 30.0
_DRAIN_S = 2


class QuietServer(uvicorn.Server):
    """A uvicorn server without an access log that says when it is ready."""

    def __init__(self, app: Any, *, has_lifespan: bool = False) -> None:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="on" if has_lifespan else "off",
            timeout_graceful_shutdown=_DRAIN_S, timeout_keep_alive=75,
        )  # fmt: skip
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises `ConfigurationError` where the port cannot be had."""
    try:
        return socket.create_server((host, port), backlog=512)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror or error}): choose another port, or 0 for a free one"
        ) from error


def base_url(listener: socket.socket) -> str:
    """The URL at which a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


@contextmanager
def serve_in_thread(app: Any, host: str = "127.0.0.1", port: int = 0, *, has_lifespan: bool = False) -> Iterator[str]:
    """Serve `app` from a thread of this process; the base URL. The server has ended when the block has."""
    listener = listen(host, port)
    server = QuietServer(app, has_lifespan=has_lifespan)
    thread = threading.Thread(target=server.run, args=([listener],), name="demo-source", daemon=True)
    thread.start()
    try:
        if not server.ready.wait(_START_S):
            raise SyncflowError(f"the server on {base_url(listener)} did not start within {_START_S:.0f} s")
        yield base_url(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
