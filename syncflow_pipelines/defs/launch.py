"""Dagster's UI and daemon as a child that leaves nothing behind.

`dagster dev` starts servers and workers of its own. It takes them down when it alone is interrupted; interrupted
together with it, as Ctrl-C in a terminal does, they hang on it. So it gets a process group of its own.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from syncflow_pipelines.config import Settings
from syncflow_pipelines.defs.guardian import STOP_TIMEOUT_S, guardian
from syncflow_pipelines.defs.record import instance_folder
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.process_groups import end_group

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_LOG = logging.getLogger(__name__)


def run_dev(
    settings: Settings,
    host: str | None = None,
    port: int | None = None,
    extra_env: Mapping[str, str] | None = None,
) -> int:
    """Runs `dagster dev` until SIGINT, SIGTERM or SIGHUP; 0, or the exit code of a Dagster that ended by itself.

    Host and port are those of `dagster_url` unless they are given; where only that port is taken, a free one. All
    processes that it started have ended when this returns, and soon where this process is killed. A second signal ends
    them at once. To be called in the main thread. Raises `ConfigurationError` where the port is taken or there is no
    `dagster.yaml`.
    """
    host, port = _address(settings, host, port)
    command = [sys.executable, "-m", "dagster", "dev", "--host", host, "--port", str(port)]
    if settings.log_format == "json":
        command += ["--log-format", "json"]
    if not Path("workspace.yaml").is_file():
        command += ["--module-name", "syncflow_pipelines.definitions"]
    environment = _environment(settings, _url(host, port), extra_env or {})
    with _stoppable() as stop, guardian(settings) as guard:
        # A handler that is a function becomes the default in the child, where an ignored signal would stay ignored.
        child = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            guard.guard(child.pid)
            stop.arm()
            return child.wait()
        except KeyboardInterrupt:
            _interrupt(child)
            return 0
        finally:
            end_group(child.pid)


def _address(settings: Settings, host: str | None, port: int | None) -> tuple[str, int]:
    wanted = urlsplit(settings.dagster_url)
    host = host or wanted.hostname or "127.0.0.1"
    if port is None:
        port = wanted.port or 3000
        return host, port if _is_free(host, port) else _free_port(host)
    if not _is_free(host, port):
        raise ConfigurationError(f"port {port} of {host} is in use; choose another one for Dagster")
    return host, port


def _is_free(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])


def _url(host: str, port: int) -> str:
    reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def folder_of_instance(settings: Settings) -> Path:
    """Where `dagster.yaml` is. Raises `ConfigurationError` where it is not."""
    folder = instance_folder(settings.home)
    if folder is None:
        raise ConfigurationError(f"there is no dagster.yaml in {Path.cwd()}; go to the folder of SyncFlow")
    return folder


def _environment(settings: Settings, url: str, extra: Mapping[str, str]) -> dict[str, str]:
    folder = folder_of_instance(settings)
    named = {"SYNCFLOW_DAGSTER_URL": url, "SYNCFLOW_HOME": str(settings.home)}
    if folder != Path.cwd():
        # Only then: with DAGSTER_HOME, Dagster keeps files of its own beside dagster.yaml.
        named["DAGSTER_HOME"] = str(folder)
    return {**os.environ, **named, **extra}  # noqa: TID251 - handed on whole, not read


class _Stop:
    """Raises `KeyboardInterrupt` for a signal, but not before there is somebody who takes the child down."""

    def __init__(self) -> None:
        self._is_armed = self._is_asked = False

    def take(self, _number: int, _frame: FrameType | None) -> None:
        self._is_asked = True
        if self._is_armed:
            raise KeyboardInterrupt

    def arm(self) -> None:
        self._is_armed = True
        if self._is_asked:
            raise KeyboardInterrupt


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    """Every way of asking this process to stop comes to the result, even where it was ignored."""
    stop = _Stop()
    before = {number: signal.signal(number, stop.take) for number in _STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    try:
        child.wait(STOP_TIMEOUT_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        _LOG.warning("Dagster does not end by itself and is killed")
