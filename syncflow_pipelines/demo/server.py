"""The demo source as a process of its own: in the foreground, or as a child."""

import argparse
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from syncflow_pipelines.demo.app import build_app
from syncflow_pipelines.demo.erp import ROWS, SEED, ensure_erp, erp_token, open_erp
from syncflow_pipelines.demo.serving import QuietServer, base_url, listen
from syncflow_pipelines.errors import SyncflowError

MODULE = "syncflow_pipelines.demo.server"
_START_S = 60.0
_STOP_S = 10.0
_LOOK_S = 1.0


def serve_source(home: Path, host: str = "127.0.0.1", port: int = 8007) -> None:
    """Serve the demo ERP of `home`, built where it is missing, until SIGINT or SIGTERM.

    Prints the base URL as one line once requests are answered. Raises `ConfigurationError` where the
    port is taken.
    """
    ensure_erp(home)
    with listen(host, port) as listener, suppress(KeyboardInterrupt):
        _serve(home, listener, threads=(_announce,))


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
    log = home / "demo" / "erp.log"
    with listener:
        url = base_url(listener)
        child = _start(home, listener, log)
    try:
        _wait_until_ready(child, log)
        yield url
    finally:
        _end(child)


def _start(home: Path, listener: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    """The child takes over a listening socket, so that the port is known and ours from the beginning.

    A session of its own keeps it from the terminal's Ctrl-C: it ends when this process lets go of it.
    """
    descriptor = listener.fileno()
    command = [sys.executable, "-m", MODULE, "--home", str(home), "--socket", str(descriptor)]
    with open(log, "wb") as errors:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            pass_fds=[descriptor],
        )  # fmt: skip


def _wait_until_ready(child: subprocess.Popen[bytes], log: Path) -> None:
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], _START_S)
    if not ready or not child.stdout.readline():
        reason = log.read_text("utf-8", "replace").strip().rpartition("\n")[2] or "it said nothing"
        raise SyncflowError(f"the demo source did not start: {reason} (log: {log})")


def _end(child: subprocess.Popen[bytes]) -> None:
    """The end of its standard input asks the child to finish; it is killed if it does not."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


def _serve(home: Path, listener: socket.socket, threads: Sequence[Callable[[QuietServer, str], None]]) -> None:
    with open_erp(home) as store:
        server = QuietServer(build_app(store, erp_token(home)))
        for target in threads:
            threading.Thread(target=target, args=(server, base_url(listener)), daemon=True).start()
        server.run([listener])


def _announce(server: QuietServer, url: str) -> None:
    server.ready.wait()
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def _end_with_parent(server: QuietServer, _url: str) -> None:
    """The pipe tells at once; the parent's id tells where a forked sibling still holds the pipe."""
    parent = os.getppid()
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _LOOK_S)
        if readable and not os.read(0, 4096):
            break
    server.should_exit = True


def main() -> None:
    """The child of `running_source`: serves a listening socket that it inherited, while its parent lives."""
    parser = argparse.ArgumentParser(description="Serve the demo source on an inherited socket.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--socket", type=int, required=True, help="file descriptor of a listening socket")
    options = parser.parse_args()
    with socket.socket(fileno=options.socket) as listener:
        _serve(options.home, listener, threads=(_announce, _end_with_parent))


if __name__ == "__main__":
    main()
