"""Running a hub: over stdin and stdout, or over HTTP."""

import asyncio
import ipaddress
import logging
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from fastmcp import FastMCP

from syncflow_pipelines.errors import ConfigurationError

LOCAL_HOST = "127.0.0.1"
PATH = "/mcp"

_CHUNK = 65_536
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 is a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address of `[HOST:]PORT`. Raises `ConfigurationError`."""
        host, _, port = text.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
            raise ConfigurationError(f"'{text}' is no address to listen on; write a port, or host:port")
        return cls(host.removeprefix("[").removesuffix("]") or LOCAL_HOST, int(port))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def serve_stdio(hub: FastMCP, on_signal: Callable[[Callable[[], None]], AbstractContextManager[None]]) -> None:
    """Serves one client on stdin and stdout until it goes.

    While the context that `on_signal` makes is entered, a signal calls what it was given; the hub then ends as it does
    when the client goes.
    """
    _log_as_everything_does()
    with _stdin_that_ends() as end, on_signal(end):
        asyncio.run(hub.run_stdio_async(show_banner=False))


def serve_http(hub: FastMCP, address: Address, ready: Callable[[str], None]) -> None:
    """Serves clients over streamable HTTP until a signal comes; `ready` is told the URL.

    Requests whose Host or Origin is not this server's are refused, so that no web page can reach it through a name
    of its own. Raises `ConfigurationError` where the address cannot be had.
    """
    _log_as_everything_does()
    with _listening(address) as listener:
        port = listener.getsockname()[1]
        host = f"[{address.host}]" if ":" in address.host else address.host
        ready(f"http://{host}:{port}{PATH}")
        asyncio.run(
            hub.run_http_async(
                show_banner=False,
                host=address.host,
                port=port,
                path=PATH,
                sockets=[listener],
                host_origin_protection="auto",
                uvicorn_config={"access_log": False, "log_config": None},
            )
        )


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server((address.host, address.port), family=family, backlog=512)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {address.host}:{address.port} ({error.strerror or error}): "
            "choose another port, or 0 for a free one"
        ) from error
    with listener:
        yield listener


@contextmanager
def _stdin_that_ends() -> Iterator[Callable[[], None]]:
    """Puts a pipe in the place of stdin, fed from stdin by a thread, and gives a function that ends it.

    A thread that reads stdin itself could not be stopped, and would keep the process from ending. The function may be
    called by a signal at any moment.
    """
    original = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    wake, call = os.pipe()

    def end() -> None:
        os.write(call, b".")

    arguments = (original, wake, writing)
    threading.Thread(target=_feed, args=arguments, name="syncflow-stdin", daemon=True).start()
    try:
        yield end
    finally:
        end()


def _feed(source: int, wake: int, target: int) -> None:
    """Copies until the source ends, or somebody wakes it; then the target ends, too."""
    try:
        while wake not in (ready := select.select([source, wake], [], [])[0]) and ready:
            chunk = os.read(source, _CHUNK)
            if not chunk:
                break
            _write_all(target, chunk)
    except OSError:
        _LOG.debug("nobody reads what the client sends any more")
    finally:
        os.close(target)


def _write_all(descriptor: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(descriptor, chunk) :]


def _log_as_everything_does() -> None:
    """What FastMCP logs goes where all of SyncFlow's log lines go, and nowhere else."""
    logger = logging.getLogger("fastmcp")
    logger.handlers.clear()
    logger.propagate = True
