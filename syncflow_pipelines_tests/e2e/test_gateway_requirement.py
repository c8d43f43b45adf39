"""Every command that an operator is told to type, in its order, against `syncflow serve` and services of this machine.

The commands are those of the guide that the gateway was built by; only the ports are others, and the services stand for
those that the guide has elsewhere.
"""

import base64
import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from syncflow_pipelines_tests.e2e.conftest import fresh_project
from syncflow_pipelines_tests.e2e.gateway_process import Serving, serving, write_gateway
from syncflow_pipelines_tests.e2e.project_folder import LIMIT_S, wait_until
from syncflow_pipelines_tests.server.recording_backend import Arrival, RecordingBackend

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9..."
BASIC = f"Basic {base64.b64encode(b'username:password').decode()}"
NEEDS_CREDENTIALS = ("/users", "/payments")


def answer(arrival: Arrival) -> None:
    """A service that tells what arrived, and wants a credential for some of its resources."""
    arrival.read()
    path, credential = arrival.target, arrival.header("authorization") or arrival.header("x-api-key")
    status = b"401 Unauthorized" if path.endswith(NEEDS_CREDENTIALS) and credential is None else b"200 OK"
    body = json.dumps({"path": path, "credential": credential}).encode()
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    arrival.send(head + (b"" if arrival.method == "HEAD" else body))


@dataclass(frozen=True)
class Shell:
    """Runs commands as they stand, but that what goes to port 8000 goes to the gateway, and to 8010 to the service."""

    gateway: Serving
    service: RecordingBackend

    def run(self, command: str) -> tuple[int, Any]:
        """The status and the document, or the text, that the command brought."""
        port = self.gateway.url.rpartition(":")[2]
        words = shlex.split(command.replace("\\\n", " ").replace(":8010", f":{self.service.port}"))
        assert words[0] == "curl"
        words[1:1] = [
            "-s",
            "-w",
            "\n%{http_code}",
            "--noproxy",
            "*",
            "--connect-to",
            f"localhost:8000:127.0.0.1:{port}",
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(text) if text.startswith(("{", "[")) else text


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with fresh_project() as project, RecordingBackend(answer) as service:
        endpoints: list[dict[str, Any]] = [
            {"url": f"{service.url}/get", "name": "httpbin_get", "methods": ["GET"], "health_check_path": "/get"},
            {"url": f"{service.url}/v1", "name": "secure_api", "methods": ["GET", "POST"], "auth_type": "bearer"},
            *({"url": service.url, "name": name} for name in SERVICES),
        ]
        write_gateway(project, *endpoints)
        shown = (project.path / "config" / "gateway.yaml").read_text()
        (project.path / "config" / "config.yaml").write_text(shown)
        with serving(project) as gateway:
            # on a busy machine it goes by the file before PostgreSQL is there, and is ready all the same
            wait_until(lambda: gateway.get("/registry/stats")["database"] == "up", "the registry in PostgreSQL")
            yield Shell(gateway, service)
            assert gateway.end() == 0


SERVICES = ("user_service", "api_service", "basic_auth_service", "public_service", "your_service", "your_endpoint")
REGISTER = """curl -X POST http://localhost:8000/registry/endpoints \\
  -H "Content-Type: application/json" \\
  -d '{"config": %s}'"""
EXAMPLE_V2 = """{
      "url": "https://api.example.com/v2",
      "name": "example_v2",
      "version": "v2",
      "methods": ["GET", "POST"],
      "auth_type": "bearer",
      "disabled": false,
      "timeout": 30
    }"""
ADDED = """{
         "url": "https://your-api.com",
         "name": "added_service",
         "version": "v1",
         "methods": ["GET", "POST"],
         "auth_type": "bearer"
       }"""
PAYMENTS = """{
      "url": "http://localhost:8010",
      "name": "payment_service",
      "version": "v1",
      "methods": ["GET", "POST"],
      "auth_type": "bearer",
      "disabled": false,
      "health_check_path": "/health",
      "timeout": 30
    }"""

Look = Callable[[Any], object]
COMMANDS: list[tuple[str, int, Look]] = [
    # service information
    ("curl http://localhost:8000/", 200, lambda it: it["service"] == "SyncFlow gateway"),
    ("curl http://localhost:8000/health", 200, lambda it: it["status"] == "healthy"),
    ("curl http://localhost:8000/docs", 200, lambda it: "registerEndpoint" in it),
    ("curl http://localhost:8000/redoc", 200, lambda it: "registerEndpoint" in it),
    ("curl http://localhost:8000/openapi.json", 200, lambda it: "/registry/endpoints/{name}" in it["paths"]),
    # configuration
    ("curl http://localhost:8000/config/status", 200, lambda it: it["endpoints"] == 8 and not it["is_stale"]),
    ("curl -X POST http://localhost:8000/config/reload", 200, lambda it: it["unchanged"] == 8),
    ("curl http://localhost:8000/config/endpoints", 200, lambda it: it["endpoints"][0]["name"] == "httpbin_get"),
    (
        'curl -X POST "http://localhost:8000/config/validate?config_path=config/config.yaml"',
        200,
        lambda it: it["valid"] and it["endpoints"] == 8,
    ),
    # registry
    ("curl http://localhost:8000/registry/endpoints", 200, lambda it: it["total"] == 8),
    (
        'curl "http://localhost:8000/registry/endpoints?status=active&limit=10&offset=0"',
        200,
        lambda it: (it["limit"], it["offset"], len(it["endpoints"])) == (10, 0, 8),
    ),
    ("curl http://localhost:8000/registry/endpoints/httpbin_get", 200, lambda it: it["config"]["timeout"] == 30),
    (REGISTER % EXAMPLE_V2, 201, lambda it: it["key"] == "example_v2@v2" and it["origin"] == "api"),
    (
        'curl -X PUT "http://localhost:8000/registry/endpoints/example_v2/status?status=inactive"',
        200,
        lambda it: it["status"] == "inactive",
    ),
    (
        "curl http://localhost:8000/registry/stats",
        200,
        lambda it: it["by_status"] == {"active": 8, "inactive": 1, "disabled": 0},
    ),
    ("curl -X POST http://localhost:8000/registry/sync", 200, lambda it: it["unchanged"] == 8 and it["total"] == 9),
    (
        "curl -X DELETE http://localhost:8000/registry/endpoints/example_v2",
        200,
        lambda it: it == {"unregistered": "example_v2@v2"},
    ),
    # health
    ("curl http://localhost:8000/health/status", 200, lambda it: sum(it["endpoints"].values()) == 8),
    ("curl http://localhost:8000/health/endpoints", 200, lambda it: it["total"] == 8),
    (
        "curl http://localhost:8000/health/endpoints/httpbin_get",
        200,
        lambda it: it["key"] == "httpbin_get@v1" and it["circuit_breaker"] is None,
    ),
    ("curl -X POST http://localhost:8000/health/check/httpbin_get", 200, lambda it: it["last_error"] is None),
    ("curl http://localhost:8000/health/unhealthy", 200, lambda it: it["total"] == 0),
    ("curl http://localhost:8000/health/summary", 200, lambda it: it["unhealthy"] == []),
    # routing
    ("curl http://localhost:8000/router/routes", 200, lambda it: it["total"] == 8),
    ("curl http://localhost:8000/router/test/httpbin_get", 200, lambda it: it["reachable"]),
    ("curl -X POST http://localhost:8000/router/refresh", 200, lambda it: it["routes"] == 8),
    (
        "curl http://localhost:8000/router/debug/httpbin_get/some/path",
        200,
        lambda it: it["target_url"].endswith("/get/some/path"),
    ),
    # credentials pass through
    (
        f'curl -H "Authorization: Bearer {JWT}" \\\n     http://localhost:8000/orchestrator/secure_api/users',
        200,
        lambda it: it == {"path": "/v1/users", "credential": f"Bearer {JWT}"},
    ),
    ("curl http://localhost:8000/orchestrator/user_service/users", 401, lambda it: it["credential"] is None),
    (
        (
            'curl -H "Authorization: Bearer sample-token-12345" \\\n'
            "     http://localhost:8000/orchestrator/user_service/users"
        ),
        200,
        lambda it: it["credential"] == "Bearer sample-token-12345",
    ),
    (
        'curl -H "X-API-Key: your-secret-api-key" \\\n     http://localhost:8000/orchestrator/api_service/data',
        200,
        lambda it: it == {"path": "/data", "credential": "your-secret-api-key"},
    ),
    (
        "curl -u username:password \\\n     http://localhost:8000/orchestrator/basic_auth_service/resource",
        200,
        lambda it: it["credential"] == BASIC,
    ),
    (
        "curl http://localhost:8000/orchestrator/public_service/info",
        200,
        lambda it: it == {"path": "/info", "credential": None},
    ),
    # monitoring
    ("curl http://localhost:8000/health/status", 200, lambda it: it["circuit_breakers"]["closed"] == 5),
    (
        "curl http://localhost:8000/health/circuit-breakers",
        200,
        lambda it: {one["name"] for one in it["circuit_breakers"]} == {"secure_api", *SERVICES[:4]},
    ),
    ("curl http://localhost:8000/health/circuit-breakers/open", 200, lambda it: it["circuit_breakers"] == []),
    ("curl http://localhost:8000/health/summary", 200, lambda it: it["requests"] == 6),
    # adding an endpoint
    (REGISTER % ADDED, 201, lambda it: it["status"] == "active"),
    ("curl http://localhost:8000/router/test/your_service", 200, lambda it: it["reachable"]),
    (
        (
            'curl -H "Authorization: Bearer your-token" \\\n'
            "        http://localhost:8000/orchestrator/your_service/some/path"
        ),
        200,
        lambda it: it == {"path": "/some/path", "credential": "Bearer your-token"},
    ),
    # the whole of registering a service while the gateway runs
    (REGISTER % PAYMENTS, 201, lambda it: it["key"] == "payment_service@v1"),
    ("curl http://localhost:8000/registry/endpoints/payment_service", 200, lambda it: it["is_current"]),
    (
        (
            'curl -H "Authorization: Bearer test-token" \\\n'
            "     http://localhost:8000/orchestrator/payment_service/payments"
        ),
        200,
        lambda it: it == {"path": "/payments", "credential": "Bearer test-token"},
    ),
    (
        "curl http://localhost:8000/health/endpoints/payment_service",
        200,
        lambda it: it["circuit_breaker"]["state"] == "closed",
    ),
    # troubleshooting
    (
        'curl -X POST "http://localhost:8000/config/validate?config_path=config/config.yaml"',
        200,
        lambda it: it["mistakes"] == [],
    ),
    ("curl http://localhost:8000/config/status", 200, lambda it: it["last_reload"]["succeeded"]),
    ("curl http://localhost:8000/config/endpoints", 200, lambda it: it["total"] == 8),
    ("curl http://localhost:8000/registry/endpoints/your_endpoint", 200, lambda it: it["name"] == "your_endpoint"),
    ("curl http://localhost:8000/router/test/your_endpoint", 200, lambda it: it["reachable"]),
    ("curl http://localhost:8000/health/endpoints/your_endpoint", 200, lambda it: it["traffic"] is None),
    ("curl -X POST http://localhost:8000/health/check/your_endpoint", 200, lambda it: it["last_checked_at"]),
    ("curl http://localhost:8000/health/endpoints/your_endpoint", 200, lambda it: it["circuit_breaker"] is None),
    ("curl http://localhost:8000/router/debug/your_endpoint/path", 200, lambda it: it["reason"] == "It is passed on."),
    ("curl -X POST http://localhost:8000/router/refresh", 200, lambda it: it["routes"] == 10),
    (
        (
            'curl -v -H "Authorization: Bearer your-token" \\\n'
            "       http://localhost:8000/orchestrator/your_service/endpoint"
        ),
        200,
        lambda it: it["credential"] == "Bearer your-token",
    ),
    ("curl http://localhost:8000/health/circuit-breakers", 200, lambda it: it["total"] == 7),
    ("curl http://localhost:8000/router/debug/your_service/your/path", 200, lambda it: it["matched"]),
    ("curl http://localhost:8000/router/routes", 200, lambda it: it["total"] == 10),
    ("curl http://localhost:8000/router/debug/your/path", 200, lambda it: not it["matched"]),
]


def test_every_command_of_the_guide_does_what_it_says(shell: Shell) -> None:
    for command, status, looks_right in COMMANDS:
        found, document = shell.run(command)
        assert (found, bool(looks_right(document))) == (status, True), f"{command}\n{document}"
    assert "sample-token-12345" not in shell.gateway.project.stderr()
