"""A whole gateway where tokens are needed, and one whose database is away."""

from dataclasses import replace

import httpx2
import pytest

from syncflow_pipelines.api.application import join_gateway
from syncflow_pipelines.config import Environment, Settings
from syncflow_pipelines.config.api_tokens import VARIABLE, Role, new_api_token
from syncflow_pipelines_tests.e2e.project_folder import unused_port
from syncflow_pipelines_tests.postgres.gateway_served import serving, write_gateway
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend

READER, _reader = new_api_token("reader", Role.READ)
ADMIN, _admin = new_api_token("admin", Role.ADMIN)
OPEN = {"/health", "/health/ready", "/api/v1/health"}


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    return replace(settings, environment=Environment({VARIABLE: f"{_reader} {_admin}"}))


def test_no_path_of_the_control_plane_and_the_admin_api_answers_without_a_token(guarded: Settings) -> None:
    write_gateway(guarded)
    reader = {"authorization": f"Bearer {READER}"}
    with serving(guarded, join_gateway) as gateway, httpx2.Client(base_url=gateway.url, trust_env=False) as client:
        document = client.get("/openapi.json", headers=reader).json()
        everything = [
            (method.upper(), path.replace("{", "").replace("}", ""))
            for path, item in document["paths"].items()
            for method in item
            if method != "parameters"
        ]
        assert len(everything) > 40
        pages = [("GET", path) for path in ("/status", "/docs", "/redoc", "/openapi.json", "/metrics", "/nowhere")]
        let_in = {path for method, path in (*everything, *pages) if client.request(method, path).status_code != 401}
        assert let_in == OPEN
        changing = [(method, path) for method, path in everything if method != "GET"]
        assert {client.request(method, path, headers=reader).status_code for method, path in changing} == {403}
        assert client.post("/router/refresh", headers={"authorization": f"Bearer {ADMIN}"}).status_code == 200
        assert client.get("/status", auth=("anybody", READER)).status_code == 200
        refused = client.get(f"/health/status?q={ADMIN}", headers=reader)
        assert (refused.status_code, ADMIN in refused.text) == (400, False)


def test_callers_of_an_endpoint_need_no_token_and_theirs_arrives(guarded: Settings) -> None:
    with RecordingBackend() as backend:
        write_gateway(guarded, {"name": "shop", "url": backend.url})
        with serving(guarded) as gateway:
            answer = gateway.client.get("/orchestrator/shop/x?token=mine", headers={"authorization": "Bearer theirs"})
        assert answer.text == "ok"
        assert (backend.last.header("authorization"), backend.last.target) == ("Bearer theirs", "/x?token=mine")


def test_a_gateway_whose_database_is_away_passes_on_what_its_file_says(settings: Settings) -> None:
    away = replace(settings, database_url=f"postgresql://nobody@127.0.0.1:{unused_port()}/nothing")
    with RecordingBackend() as backend:
        write_gateway(away, {"name": "shop", "url": backend.url})
        with serving(away, join_gateway) as gateway:
            assert gateway.client.get("/orchestrator/shop/x").text == "ok"
            assert gateway.get("/registry/stats")["database"] == "away"
            body = {"config": {"name": "pay", "url": backend.url}}
            refused = gateway.client.post("/registry/endpoints", json=body)
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:syncflow:problem:database-unavailable")
            assert int(refused.headers["retry-after"]) > 0
            assert gateway.get("/api/v1/health") == {"status": "up"}
            assert "PostgreSQL is away" in gateway.client.get("/status").text
            write_gateway(away, {"name": "store", "url": backend.url})
            assert gateway.client.post("/config/reload").json()["waits_because"]
            assert gateway.client.get("/orchestrator/store/x").text == "ok"
