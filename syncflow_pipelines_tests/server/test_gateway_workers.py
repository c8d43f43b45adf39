"""The processes that serve together, and what they are told."""

import signal
import socket
import sys
import time

import pytest

from syncflow_pipelines.gateway.workers import _Team

HEARD_TWICE = 3


def listen_for_signals(sockets: list[socket.socket]) -> None:
    """The work of a process: it takes a connection, is told to end, and would be told again at once."""
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    with sockets[0].accept()[0] as told:
        told.sendall(b"?")
        while not heard:
            time.sleep(0.01)
    deadline = time.monotonic() + 1
    while len(heard) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    sys.exit(HEARD_TWICE if len(heard) > 1 else 0)


@pytest.mark.timeout(120)
def test_a_process_is_asked_to_end_once_as_a_second_signal_would_cut_its_requests() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        team = _Team(listen_for_signals, listener, 1)
        team._start()
        (process,) = team._started
        with socket.create_connection(listener.getsockname()) as asked:
            assert asked.recv(1) == b"?"
            team.hear(signal.SIGTERM, None)
            assert asked.recv(1) == b""
        team.end()
        assert process.exitcode == 0
