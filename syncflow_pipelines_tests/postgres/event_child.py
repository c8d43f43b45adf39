"""Publishers and subscribers in processes of their own, which the test or they themselves kill (-9).

Run as `python -m syncflow_pipelines_tests.postgres.event_child ROLE REQUEST`, REQUEST being JSON.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import open_database
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import publish
from syncflow_pipelines.events.subscribing import DurableEventBus

ROOT = Path(__file__).parents[2]


def start_child(role: str, settings: Settings, **request: Any) -> "subprocess.Popen[str]":
    """Starts such a process; it prints a line as it begins to work."""
    said = {"home": str(settings.home), "database_url": settings.database_url, **request}
    command = [sys.executable, "-m", "syncflow_pipelines_tests.postgres.event_child", role, json.dumps(said)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def publish_for_ever(settings: Settings, request: dict[str, Any]) -> None:
    """Transactions of a row in `causes` and three events each, counted from `first`."""
    with open_database(settings) as database, database.dedicated("publisher") as connection:
        print("ready", flush=True)
        n = int(request["first"])
        while True:
            with connection.transaction():
                connection.execute("INSERT INTO public.causes VALUES (%s)", (n,))
                publish(connection, [Event("happened", f"subject {part}", {"n": n}) for part in range(3)])
            n += 1


def subscribe(settings: Settings, request: dict[str, Any]) -> None:
    """Writes down what it hears, and kills itself after so many events, before the last is acknowledged."""
    left = int(request["events"])

    def handler(event: Event) -> None:
        nonlocal left
        with Path(request["file"]).open("a") as file:
            file.write(f"{event.data['n']} {event.subject}\n")
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with DurableEventBus(settings) as bus:
        bus.subscribe("killed", [], handler, from_beginning=True)
        print("ready", flush=True)
        threading.Event().wait()


def main(role: str, request: dict[str, Any]) -> None:
    settings = Settings(Path("config"), Path(request["home"]), database_url=request["database_url"])
    {"publish": publish_for_ever, "subscribe": subscribe}[role](settings, request)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
