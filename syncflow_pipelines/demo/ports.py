"""Where the parts of the demo listen, and how other processes find them."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from syncflow_pipelines.demo.serving import listen
from syncflow_pipelines.errors import ConfigurationError

HOST = "127.0.0.1"


def listen_on_free_port(wanted: int) -> socket.socket:
    """A socket on the wanted port, or on one that is free where somebody listens on it."""
    try:
        return listen(HOST, wanted)
    except ConfigurationError:
        return listen(HOST, 0)


def free_port(wanted: int, host: str = HOST) -> int:
    """The wanted port, or one that is free where somebody listens on it."""
    try:
        socket.create_server((host, wanted)).close()
    except OSError:
        with closing(socket.create_server((host, 0))) as listener:
            return int(listener.getsockname()[1])
    return wanted


def taken_port(wanted: int, variable: str, url: str) -> str | None:
    """What lets other terminals find what runs at `url`, where that is not its port of always."""
    if url.endswith(f":{wanted}"):
        return None
    return f"Port {wanted} is taken; in other terminals: export {variable}={url}"


@contextmanager
def named_in_environment(variable: str, url: str) -> Iterator[None]:
    """The variable holds the URL for the block, here and in child processes."""
    before = os.environ.get(variable)  # noqa: TID251 - to put it back
    os.environ[variable] = url  # noqa: TID251
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]  # noqa: TID251
        else:
            os.environ[variable] = before  # noqa: TID251
