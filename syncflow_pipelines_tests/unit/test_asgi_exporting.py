"""An application of FastAPI writes its document as it starts, and starts whatever becomes of that."""

import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from syncflow_pipelines import export_lifespan, export_on_startup


def with_a_route(app: FastAPI) -> FastAPI:
    @app.get("/orders")
    def orders(request: Request) -> dict[str, Any]:
        return {"state": getattr(request.state, "opened", None)}

    return app


def happenings(log: list[str]) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        log.append("begins")

        @app.get("/late")
        def late() -> int:
            return 1

        yield {"opened": "pool"}
        log.append("ends")

    return lifespan


def test_the_document_is_there_when_the_application_answers(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    app = with_a_route(FastAPI())
    export_on_startup(app, file)
    assert not file.exists()
    with TestClient(app) as client:
        assert json.loads(file.read_text()) == client.get("/openapi.json").json()
        assert list(json.loads(file.read_text())["paths"]) == ["/orders"]


@pytest.mark.parametrize("way", ["export_on_startup", "export_lifespan"])
def test_the_applications_own_lifespan_runs_as_it_did_and_what_it_adds_is_exported(way: str, tmp_path: Path) -> None:
    log: list[str] = []
    own = happenings(log)
    if way == "export_lifespan":
        app = with_a_route(FastAPI(lifespan=export_lifespan(tmp_path / "a.json", lifespan=own)))
    else:
        app = with_a_route(FastAPI(lifespan=own))
        export_on_startup(app, tmp_path / "a.json")
    with TestClient(app) as client:
        assert log == ["begins"]
        assert client.get("/orders").json() == {"state": "pool"}
    assert log == ["begins", "ends"]
    assert list(json.loads((tmp_path / "a.json").read_text())["paths"]) == ["/orders", "/late"]


def test_a_lifespan_of_the_export_alone_is_enough(tmp_path: Path) -> None:
    with TestClient(with_a_route(FastAPI(lifespan=export_lifespan(tmp_path / "a.json")))):
        assert (tmp_path / "a.json").exists()


def test_a_start_that_changes_nothing_leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    written = set()
    for _ in range(2):
        app = with_a_route(FastAPI())
        export_on_startup(app, str(file))
        with TestClient(app):
            written.add((file.stat().st_ino, file.stat().st_mtime_ns))
    assert len(written) == 1


class Broken(FastAPI):
    def openapi(self) -> dict[str, Any]:
        raise RuntimeError("two models of one name")


@pytest.mark.parametrize(
    ("kind", "place", "told"),
    [
        (Broken, "openapi.json", "openapi.json: two models of one name"),
        (FastAPI, "a file/openapi.json", "cannot be written"),
    ],
)
def test_a_document_that_cannot_be_written_is_logged_and_the_application_starts(
    kind: type[FastAPI], place: str, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a file").write_text("")
    app = with_a_route(kind())
    export_on_startup(app, tmp_path / place)
    with caplog.at_level(logging.WARNING), TestClient(app) as client:
        assert client.get("/orders").status_code == 200
    assert [record.levelname for record in caplog.records if "OpenAPI document" in record.message] == ["WARNING"]
    assert told in caplog.text


def test_an_error_of_the_applications_own_lifespan_is_still_its_own(tmp_path: Path) -> None:
    @asynccontextmanager
    async def failing(app: FastAPI) -> AsyncIterator[None]:
        if app.title:
            raise OSError("no pool")
        yield

    app = FastAPI(lifespan=export_lifespan(tmp_path / "a.json", lifespan=failing))
    with pytest.raises(OSError, match="no pool"), TestClient(app):
        pass
    assert not (tmp_path / "a.json").exists()


def test_the_names_come_from_the_package_and_bring_neither_dagster_nor_a_database() -> None:
    code = """
import sys, syncflow_pipelines
assert "syncflow_pipelines.asgi" not in sys.modules
syncflow_pipelines.export_on_startup, syncflow_pipelines.export_lifespan
print(sorted({name.partition(".")[0] for name in sys.modules} & {"dagster", "psycopg", "sqlalchemy", "fastapi"}))
try:
    syncflow_pipelines.nothing
except AttributeError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert told.stdout.splitlines() == ["[]", "module 'syncflow_pipelines' has no attribute 'nothing'"], told.stderr
