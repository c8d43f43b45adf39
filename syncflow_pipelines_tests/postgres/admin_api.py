"""The admin API of a test's own database, served over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from syncflow_pipelines.api.application import create_application
from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import ApiTokens, Role, new_api_token
from syncflow_pipelines.demo.serving import serve_in_thread

ADMIN_TOKEN, _ADMIN = new_api_token("ada", Role.ADMIN)
READ_TOKEN, _READ = new_api_token("grafana", Role.READ)
TOKENS = ApiTokens((_ADMIN, _READ))
PATIENCE_S = 30.0


@contextmanager
def serving_api(settings: Settings, tokens: ApiTokens | None = None) -> Iterator[httpx.Client]:
    """A client of the API, with the token of the role admin where there are tokens."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"} if tokens else {}
    with (
        serve_in_thread(create_application(settings, tokens or ApiTokens()), has_lifespan=True) as url,
        httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=PATIENCE_S, trust_env=False) as client,
    ):
        yield client


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, object]:
    """The problem that the answer is; fails where it is another, or none."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = response.json()
    assert document["type"] == f"urn:syncflow:problem:{kind}"
    assert document["status"] == status
    return document
