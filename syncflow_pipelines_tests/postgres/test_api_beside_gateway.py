"""`syncflow serve` answers for the gateway and the admin API, in one process behind one guard."""

import httpx

from syncflow_pipelines.api.application import join_gateway
from syncflow_pipelines.cli.commands.serve import WITH_ADMIN_API
from syncflow_pipelines.config import Settings
from syncflow_pipelines.demo.serving import serve_in_thread
from syncflow_pipelines.gateway.application import build_application
from syncflow_pipelines_tests.postgres.admin_api import PATIENCE_S, problem


def test_the_gateway_and_the_admin_api_are_one_application(settings: Settings) -> None:
    application = build_application(settings, join_gateway)
    with (
        serve_in_thread(application, has_lifespan=True) as url,
        httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False) as client,
    ):
        assert client.get("/api/v1/entities").json() == {"items": [], "total": 0}
        assert client.get("/api/v1/health").json() == {"status": "up"}
        assert client.get("/registry/endpoints").status_code == 200
        problem(client.get("/api/v1/runs?limit=0"), 422, "invalid-request")
        problem(client.get("/api/v1/entities?token=x"), 400, "token-in-url")
        problem(client.get("/api/v1/entities", headers={"Host": "evil.example"}), 403, "foreign-host")
        own = client.get("/api/v1/openapi.json").json()
        assert {path.split("/")[1] for path in own["paths"]} == {"api", "metrics"}
        assert own["paths"].keys() < client.get("/openapi.json").json()["paths"].keys()


def test_serve_names_the_application_that_has_both() -> None:
    module, _, function = WITH_ADMIN_API.partition(":")
    assert (module, function) == ("syncflow_pipelines.api.application", "application")
