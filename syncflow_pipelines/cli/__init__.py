"""The `syncflow` command."""

import sys
from typing import NoReturn

from syncflow_pipelines.cli import interrupts


def main() -> NoReturn:
    """Runs the command that `sys.argv` names, and exits with its code, or with that of the signal that ended it."""
    interrupts.end_on_signals()
    from syncflow_pipelines.cli.application import run  # what it imports takes time, in which a signal may come

    try:
        interrupts.raise_on_signals()
        code = run(sys.argv[1:])
        interrupts.finish_in_spite_of_signals()
    except interrupts.Interrupted:
        code = interrupts.code_of_interruption()
    sys.exit(code)
