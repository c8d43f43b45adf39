"""The demo source as a process of its own: in the foreground, or as a child."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.child import Beside, announce, run_child, run_server, served_by
from syncflow_pipelines.demo.erp import ROWS, SEED, ensure_erp, erp_token, open_erp
from syncflow_pipelines.demo.serving import listen

MODULE = "syncflow_pipelines.demo.server"


def serve_source(home: Path, host: str = "127.0.0.1", port: int = 8007) -> None:
    """Serve the demo ERP of `home`, built where it is missing, until SIGINT or SIGTERM.

    Prints the base URL as one line once requests are answered. Raises `ConfigurationError` where the
    port is taken.
    """
    ensure_erp(home)
    with listen(host, port) as listener, suppress(KeyboardInterrupt):
        _serve(home, listener, (announce,))


@contextmanager
def running_source(home: Path, port: int = 0, rows: int = ROWS, seed: int = SEED) -> Iterator[str]:
    """The base URL of the demo ERP of `home`, served by a child process that ends with the block.

    Builds the ERP first where it is missing. The child also ends when this process dies, however it
    does. Raises `ConfigurationError` where the port is taken, `SyncflowError` where it does not start.
    """
    ensure_erp(home, rows, seed)
    with served(home, listen("127.0.0.1", port)) as url:
        yield url


@contextmanager
def served(home: Path, listener: socket.socket) -> Iterator[str]:
    """The same for an ERP that is built, on a listening socket, which becomes the child's."""
    with served_by(MODULE, home, listener, home / "demo" / "erp.log") as url:
        yield url


def _serve(home: Path, listener: socket.socket, threads: Sequence[Beside]) -> None:
    with open_erp(home) as store:
        run_server(build_app(store, erp_token(home)), listener, threads)


if __name__ == "__main__":
    run_child(_serve)
