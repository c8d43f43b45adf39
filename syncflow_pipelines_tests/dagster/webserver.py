"""A stand-in for Dagster's webserver that keeps what it is asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webserver:
    """What it answers, and what it was asked so far."""

    url: str = ""
    loaded: str = "RepositoryLocation"
    asked: list[dict[str, Any]] = field(default_factory=list)

    def locations(self) -> list[str]:
        """The code locations that it was asked to load anew."""
        return [request["variables"]["location"] for request in self.asked]


@contextmanager
def running_webserver() -> Iterator[Webserver]:
    """The stand-in on a port of its own, until the end of the block."""
    state = Webserver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            entry = {"__typename": "WorkspaceLocationEntry", "locationOrLoadError": {"__typename": state.loaded}}
            body = json.dumps({"data": {"reloadRepositoryLocation": entry}}).encode()
            self.send_response(200 if self.path == "/graphql" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *values: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
