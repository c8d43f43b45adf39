"""A process that ends: what still asks for PostgreSQL then does not start it once more."""

import subprocess
import sys
from pathlib import Path

from syncflow_pipelines_tests.postgres.embedded_world import CHECKOUT, is_running

ENDING = """
import atexit
import sys
from pathlib import Path
from syncflow_pipelines.database.embedded.lease import lease
from syncflow_pipelines.errors import DatabaseError

def ask():
    try:
        lease(home)
    except DatabaseError as error:
        print(error)

home = Path(sys.argv[1])
atexit.register(ask)  # registered before the lease's own, and so called after it
lease(home)
"""


def test_a_connection_that_is_asked_for_at_the_very_end_starts_no_server(embedded_home: Path) -> None:
    command = [sys.executable, "-c", ENDING, str(embedded_home)]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)
    assert "was left already: this process ends" in ended.stdout, ended.stderr
    assert not is_running(embedded_home)
