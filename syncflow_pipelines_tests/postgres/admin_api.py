"""The admin API of a world's own database, served over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from syncflow_pipelines.api.application import create_application
from syncflow_pipelines.config import BearerAuth, Settings
from syncflow_pipelines.config.api_tokens import ApiTokens, Role, new_api_token
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines_tests.postgres.world import World, row

ADMIN_TOKEN, _ADMIN = new_api_token("ada", Role.ADMIN)
READ_TOKEN, _READ = new_api_token("grafana", Role.READ)
TOKENS = ApiTokens((_ADMIN, _READ))
PATIENCE_S = 30.0
TOO_LONG = "x" * 41
"""For `label` of `World.offer`."""


@dataclass(slots=True)
class ApiWorld:
    """A world, and a client of its API with the token of the role admin."""

    world: World
    client: httpx.Client

    def get(self, path: str, **more: Any) -> Any:
        """The document at a path below `/api/v1`."""
        answer = self.client.get(path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def uid(self, slug: str) -> str:
        return str(self.world.entity(slug).uid)


@pytest.fixture
def api(world: World) -> Iterator[ApiWorld]:
    """Items with history, synced twice, one row rejected; orders that were never synced."""
    world.offer("items")
    world.offer("orders", "hash", name="Orders of customers")
    world.configure("items", history=True)
    write_connectors(world, {"items": {"history": True}})
    world.discover()
    world.store.put("items", [row(1), row(2), row(3, TOO_LONG)])
    world.sync("items")
    world.store.put("items", [row(1, "y")])
    world.sync("items")
    with serving_api(world.settings, TOKENS) as client:
        yield ApiWorld(world, client)


def write_connectors(world: World, entities: dict[str, Any]) -> None:
    """The world's connector as `connectors.yaml` has it, with what that says of entities."""
    auth = world.connector.auth
    assert isinstance(auth, BearerAuth)
    connector = {
        "name": "erp",
        "base_url": world.connector.base_url,
        "auth": {"type": "bearer", "token_file": str(auth.token_file)},
        "entities": entities,
    }
    world.settings.config_dir.mkdir(exist_ok=True)
    (world.settings.config_dir / "connectors.yaml").write_text(yaml.safe_dump({"connectors": [connector]}))


@contextmanager
def serving_api(settings: Settings, tokens: ApiTokens) -> Iterator[httpx.Client]:
    """A client of the API, with the token of the role admin."""
    with (
        serve_in_thread(create_application(settings, tokens), has_lifespan=True) as url,
        httpx.Client(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            timeout=PATIENCE_S,
            trust_env=False,
        ) as client,
    ):
        yield client


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem that the answer is; fails where it is another, or none."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:syncflow:problem:{kind}"
    assert document["status"] == status
    return document
