"""Signals while entities are synced."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from syncflow_pipelines.cli.interrupts import cancel_on_signal

WORK = """
import sys, time
from syncflow_pipelines.cli.interrupts import Interrupted, cancel_on_signal, code_of_interruption
try:
    with cancel_on_signal() as cancelled:
        print("ready", flush=True)
        while not {ends}:
            time.sleep(0.01)
            if cancelled():
                print("asked", flush=True)
except Interrupted:
    sys.exit(code_of_interruption())
print("never printed")
"""


@contextmanager
def working(ends: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", WORK.format(ends=ends)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_work_that_ends_when_it_is_asked_exits_with_the_signals_code(number: signal.Signals, code: int) -> None:
    with working("cancelled()") as process:
        process.send_signal(number)
        assert process.wait(timeout=30) == code


def test_a_second_signal_ends_work_that_does_not_listen() -> None:
    with working("False") as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGINT)
        for _ in range(100):  # for a second: a person who insists; the first ones are taken for an echo
            assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=4) == 130


@pytest.mark.slow
def test_work_that_does_not_listen_is_given_up_after_some_seconds() -> None:
    with working("False") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143


def test_without_a_signal_nothing_happens_and_handlers_are_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with cancel_on_signal() as cancelled:
        assert not cancelled()
    assert signal.getsignal(signal.SIGINT) is before
