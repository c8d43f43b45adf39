"""The demo services as a process of its own: in the foreground, or as a child."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from syncflow_pipelines.demo.child import Beside, announce, run_child, run_server, served_by
from syncflow_pipelines.demo.services.app import build_services, warehouse_token_path
from syncflow_pipelines.demo.serving import listen
from syncflow_pipelines.demo.tokens import ensure_token

MODULE = "syncflow_pipelines.demo.services.server"


def serve_services(home: Path, host: str = "127.0.0.1", port: int = 8008) -> None:
    """Serve the demo services until SIGINT or SIGTERM.

    Prints the base URL as one line once requests are answered. Raises `ConfigurationError` where the
    port is taken.
    """
    with listen(host, port) as listener, suppress(KeyboardInterrupt):
        _serve(home, listener, (announce,))


@contextmanager
def running_services(home: Path, listener: socket.socket) -> Iterator[str]:
    """The base URL of the demo services, served by a child process on the socket, which ends with the block."""
    ensure_token(warehouse_token_path(home))
    with served_by(MODULE, home, listener, home / "demo" / "services.log") as url:
        yield url


def _serve(home: Path, listener: socket.socket, threads: Sequence[Beside]) -> None:
    run_server(build_services(home), listener, threads)


if __name__ == "__main__":
    run_child(_serve)
