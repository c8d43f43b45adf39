"""A process that works on a run until it is killed: `python -m ... RUN_ID`. It prints a line when it has begun."""

import sys
import time

from syncflow_pipelines.config import load_settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.record import open_instance
from syncflow_pipelines.defs.workers import working

if __name__ == "__main__":
    settings = load_settings()
    with (
        open_database(settings) as database,
        open_instance(settings.home) as instance,
        working(database, instance, sys.argv[1]),
    ):
        sys.stdout.write("working\n")
        sys.stdout.flush()
        time.sleep(600)
