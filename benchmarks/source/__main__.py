"""The source as a process of its own: takes orders on its standard input, a JSON object a line, and ends with it."""

import json
import sys
from typing import Any

from benchmarks.source.offer import Offer
from benchmarks.source.server import Server


def main() -> None:
    server = Server()
    try:
        _say({"base_url": server.base_url})
        for line in sys.stdin:
            _say(_obey(server, json.loads(line)))
    finally:
        server.close()


def _obey(server: Server, order: dict[str, Any]) -> dict[str, Any]:
    if order["do"] == "offer":
        server.offer([Offer(**offer) for offer in order["offers"]], order["delay_s"])
    return {"requests": server.requests, "most_at_once": server.most_at_once}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
