"""`syncflow serve` in a process of its own, and backends for it."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import yaml

from syncflow_pipelines_tests.e2e.project_folder import LIMIT_S, ProjectFolder, wait_until

LOOPBACK = {"allow_networks": ["127.0.0.0/8", "::1/128"]}


@dataclass(frozen=True)
class Serving:
    """The process, and a client of it."""

    project: ProjectFolder
    process: subprocess.Popen[str]
    url: str
    client: httpx2.Client

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit code once it was asked to end."""
        self.process.send_signal(number)
        return self.process.wait(timeout=LIMIT_S)


def write_gateway(project: ProjectFolder, *endpoints: dict[str, Any], **more: Any) -> None:
    """Makes that the gateway's file, which leads to this machine only."""
    said = {"endpoints": list(endpoints), "targets": LOOPBACK, "health_check": {"enabled": False}, **more}
    (project.path / "config" / "gateway.yaml").write_text(yaml.safe_dump(said))


@contextmanager
def serving(project: ProjectFolder, *flags: str, **environment: str) -> Iterator[Serving]:
    """Once it is ready, on a free port."""
    with project.running("serve", "--port", "0", *flags, **environment) as process:
        wait_until(lambda: "listens on" in project.stderr() or process.poll() is not None, "the gateway")
        found = re.search(r"listens on (\S+);", project.stderr())
        assert found, project.stderr()
        with httpx2.Client(base_url=found[1], timeout=LIMIT_S, trust_env=False) as client:
            wait_until(lambda: _is_ready(client) or process.poll() is not None, "the gateway's readiness")
            assert process.poll() is None, project.stderr()
            yield Serving(project, process, found[1], client)


def _is_ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx2.TransportError:
        return False
