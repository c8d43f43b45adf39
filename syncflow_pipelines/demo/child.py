"""A demo server as a child process: it inherits a listening socket, and ends with its parent."""

import argparse
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from syncflow_pipelines.demo.serving import QuietServer, base_url
from syncflow_pipelines.errors import SyncflowError

Beside = Callable[[QuietServer, str], None]
"""What runs in a thread beside a server; it gets the server and its base URL."""
Serve = Callable[[Path, socket.socket, Sequence[Beside]], None]
"""Serves what is under a home on a listening socket until it is told to stop."""

_START_S = 60.0
_STOP_S = 10.0
_LOOK_S = 1.0


@contextmanager
def served_by(module: str, home: Path, listener: socket.socket, log: Path) -> Iterator[str]:
    """The base URL of what `module` serves, for the block; run as a program, it has to call `run_child`.

    The socket becomes the child's, which also ends when this process dies, however it does. What it complains of
    is in `log`. Raises `SyncflowError` where it does not start.
    """
    with listener:
        url = base_url(listener)
        child = _start(module, home, listener, log)
    try:
        _wait_until_ready(child, log)
        yield url
    finally:
        _end(child)


def run_child(serve: Serve) -> None:
    """The child's side: serves on the socket that it inherited, as long as its parent lives."""
    parser = argparse.ArgumentParser(description="Serve a part of the demo on an inherited socket.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--socket", type=int, required=True, help="file descriptor of a listening socket")
    options = parser.parse_args()
    with socket.socket(fileno=options.socket) as listener:
        serve(options.home, listener, (announce, _end_with_parent))


def run_server(app: object, listener: socket.socket, threads: Sequence[Beside]) -> None:
    """Serves `app` on the socket with those threads beside it, until it is told to stop."""
    server = QuietServer(app)
    for target in threads:
        threading.Thread(target=target, args=(server, base_url(listener)), daemon=True).start()
    server.run([listener])


def announce(server: QuietServer, url: str) -> None:
    """Prints the base URL as one line once requests are answered."""
    server.ready.wait()
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def _start(module: str, home: Path, listener: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    """The child takes over a listening socket, so that the port is known and ours from the beginning.

    A session of its own keeps it from the terminal's Ctrl-C: it ends when this process lets go of it.
    """
    descriptor = listener.fileno()
    command = [sys.executable, "-m", module, "--home", str(home), "--socket", str(descriptor)]
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
        raise SyncflowError(f"a server of the demo did not start: {reason} (log: {log})")


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


def _end_with_parent(server: QuietServer, _url: str) -> None:
    """The pipe tells at once; the parent's id tells where a forked sibling still holds the pipe."""
    parent = os.getppid()
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _LOOK_S)
        if readable and not os.read(0, 4096):
            break
    server.should_exit = True
