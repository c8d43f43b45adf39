"""A whole gateway, served by a thread of the test's process, on a database of the test's own."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import yaml

from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.serving import Serving
from syncflow_pipelines.gateway.application import root_of
from syncflow_pipelines.gateway.control.application import Join
from syncflow_pipelines.gateway.draining import DrainingServer
from syncflow_pipelines.gateway.gateway import Gateway
from syncflow_pipelines.gateway.serving import listen, server_config, url_of

PATIENCE_S = 60.0

LOOPBACK = {"allow_networks": ["127.0.0.0/8", "::1/128"]}


@dataclass(frozen=True)
class Served:
    """The gateway, and a client of it."""

    gateway: Gateway
    server: DrainingServer
    url: str
    client: httpx2.Client

    def get(self, path: str, **more: Any) -> Any:
        """The document at the path, which has to be there."""
        answer = self.client.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


def write_gateway(settings: Settings, *endpoints: dict[str, Any], **more: Any) -> None:
    """Makes that the gateway's file; it may lead to this machine, and looks at nothing by itself."""
    said = {"endpoints": list(endpoints), "targets": LOOPBACK, "health_check": {"enabled": False}, **more}
    settings.config_dir.mkdir(exist_ok=True)
    (settings.config_dir / "gateway.yaml").write_text(yaml.safe_dump(said))


@contextmanager
def serving(settings: Settings, *join: Join, headers: dict[str, str] | None = None, **how: Any) -> Iterator[Served]:
    """Serves until the block ends; `how` goes to `Serving`, `headers` with every request of the client."""
    gateway = Gateway(settings, Serving(**how))
    root = root_of(gateway, *join)
    with closing(listen("127.0.0.1", 0)) as listener:
        url = url_of(listener)
        server = DrainingServer(
            server_config(root, root.max_header_bytes),
            root.drain,
            grace_period_s=how.get("grace_period_s", 5.0),
            drain_delay_s=how.get("drain_delay_s", 0.0),
        )
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            with httpx2.Client(base_url=url, timeout=PATIENCE_S, headers=headers, trust_env=False) as client:
                assert client.get("/health/ready").status_code == 200
                yield Served(gateway, server, url, client)
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
        assert not thread.is_alive()
