"""A process that uses a home's embedded server as it is told, line by line: the other side of `Child`."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import Database, database_url, open_database
from syncflow_pipelines.database.embedded import release
from syncflow_pipelines.errors import SyncflowError

_ABOUT = "SELECT extract(epoch FROM pg_postmaster_start_time())::text, pg_backend_pid()"


class Process:
    """What the process has of the database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database: Database | None = None

    def lease(self) -> Any:
        """Takes a lease and looks at the server: its time of start, which names it."""
        url = database_url(self.settings)
        with Database(url, self.settings.schema).dedicated("test") as connection:
            row = connection.execute(_ABOUT).fetchone()
        assert row is not None
        return row[0]

    def open(self) -> Any:
        """Opens the database, and leaves a row in it."""
        self.database = open_database(self.settings)
        with self.database.connection() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(1)")  # IF NOT EXISTS alone is no match for a race
            connection.execute("CREATE TABLE IF NOT EXISTS public.visits (at timestamptz DEFAULT now())")
            connection.execute("INSERT INTO public.visits DEFAULT VALUES")
        return self.visits()

    def visits(self) -> Any:
        assert self.database is not None
        with self.database.connection() as connection:
            row = connection.execute("SELECT count(*) FROM public.visits").fetchone()
        assert row is not None
        return row[0]

    def backend(self) -> Any:
        assert self.database is not None
        with self.database.connection() as connection:
            return connection.info.backend_pid

    def leave(self) -> Any:
        release(self.settings.home)
        return "left"

    def fork(self) -> Any:
        """Forks; the parent ends without a word, the child goes on being told."""
        if os.fork():
            os._exit(0)
        return os.getpid()


def main() -> None:
    home = Path(sys.argv[1])
    process = Process(Settings(config_dir=home / "config", home=home))
    for line in sys.stdin:
        order: Callable[[], Any] = getattr(process, line.strip())
        try:
            reply = {"reply": order()}
        except SyncflowError as error:
            reply = {"error": str(error), "kind": type(error).__name__}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
