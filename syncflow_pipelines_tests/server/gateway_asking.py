"""Asking a gateway, and looking at what it said and counted."""

import json
import time
from collections.abc import Callable
from typing import Final

from syncflow_pipelines.gateway.routing import Route
from syncflow_pipelines_tests.server.gateway_world import Answer, ServedGateway
from syncflow_pipelines_tests.server.recording_backend import PATIENCE_S

GET: Final = b"GET /orchestrator/it HTTP/1.1\r\nHost: x\r\n\r\n"
POST: Final = b"POST /orchestrator/it HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"


def ask(gateway: ServedGateway, request: bytes = GET) -> Answer:
    with gateway.connect() as client:
        return client.ask(request)


def kind_of(answer: Answer) -> tuple[int, str]:
    assert answer.value("x-syncflow-problem") == "1"
    document = json.loads(answer.body)
    assert (document["status"], document["instance"]) == (answer.status, answer.value("x-request-id"))
    assert answer.value("content-type") == "application/problem+json"
    return answer.status, document["type"].removeprefix("urn:syncflow:problem:")


def route_of(gateway: ServedGateway, name: str = "it") -> Route:
    found = gateway.plane.routes.find(name)
    assert found is not None
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    """What a gateway counts, it counts just after its caller was told."""
    ends = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.005)
