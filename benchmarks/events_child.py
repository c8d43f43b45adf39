"""A subscriber as `python -m benchmarks.events` measures it, in a process of its own.

It prints `{"ready": true}`, delivers until it had as many events as the request says, and then prints the seconds from
its first event to its last, and the milliseconds from each event's commit to its handler.
"""

import json
import sys
import threading
import time
from pathlib import Path

from syncflow_pipelines.config import Settings
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.subscribing import DurableEventBus


def main() -> None:
    request = json.loads(sys.argv[1])
    heard: list[float] = []
    latencies: list[float] = []
    over = threading.Event()

    def handler(event: Event) -> None:
        time.sleep(request["handler_s"])
        heard.append(time.perf_counter())
        latencies.append((time.time() - event.data["at"]) * 1000)
        if len(heard) == request["events"]:
            over.set()

    with DurableEventBus(Settings(Path("config"), Path("home"), database_url=request["database_url"])) as bus:
        bus.subscribe(
            request["name"], [], handler, from_beginning=request["from_beginning"],
            acknowledge_every=request["acknowledge_every"],
        )  # fmt: skip
        print(json.dumps({"ready": True}), flush=True)
        over.wait()
    print(json.dumps({"seconds": heard[-1] - heard[0], "latencies_ms": latencies}))


if __name__ == "__main__":
    main()
