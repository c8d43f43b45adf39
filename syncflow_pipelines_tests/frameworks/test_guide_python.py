"""What the guide shows for FastAPI, for any backend and for OATS, done as it stands there."""

import signal
import sys

import pytest

from syncflow_pipelines_tests.e2e.project_folder import unused_port
from syncflow_pipelines_tests.frameworks.guide import GuideProject, commands_of, files_of

pytestmark = [pytest.mark.frameworks, pytest.mark.e2e, pytest.mark.timeout(600)]

ANOTHER_OPERATION = '\n\n@app.get("/late")\ndef late() -> int:\n    return 1\n'


def add_an_operation(guide: GuideProject) -> None:
    main = guide.path / "main.py"
    main.write_text(main.read_text().replace("\n\nexport_on_startup", f"{ANOTHER_OPERATION}\n\nexport_on_startup"))


def test_an_app_of_fastapi_exports_as_it_starts_and_restarts(guide: GuideProject) -> None:
    guide.write(files_of("FastAPI"))
    port = str(unused_port())
    with guide.running(f"uvicorn main:app --reload --port {port}") as server:
        server.wait_for("/orders")
        add_an_operation(guide)
        server.wait_for("/orders", "/late")
        server.end()


def test_a_lifespan_of_the_guide_exports_too(guide: GuideProject) -> None:
    guide.write(files_of("FastAPI"))
    with guide.running(f"uvicorn with_lifespan:app --port {unused_port()}") as server:
        server.wait_for_output("Application startup complete")
        server.end()
    assert guide.document()["info"]["title"] == "FastAPI"


def test_an_app_is_exported_by_its_name(guide: GuideProject) -> None:
    guide.write(files_of("FastAPI"))
    (line,) = commands_of("An app by its name")
    assert guide.run(line).stdout.startswith("openapi.json: written, 1 operation,")
    assert guide.run(line).stdout.startswith("openapi.json: unchanged, 1 operation,")
    assert guide.paths() == ["/orders"]


def test_a_backend_that_syncflow_starts_is_followed_through_its_restarts(guide: GuideProject) -> None:
    guide.write({"main.py": files_of("FastAPI")["main.py"].replace("\nexport_on_startup(", "\nprint(")})
    line, _ = commands_of("Started by SyncFlow")
    with guide.running(line, ("--reload", f"--reload --port {unused_port()}")) as backend:
        backend.wait_for("/orders")
        main = guide.path / "main.py"
        main.write_text(main.read_text() + ANOTHER_OPERATION)
        backend.wait_for("/orders", "/late")
        assert backend.end(signal.SIGTERM) in (0, 143)


def test_any_running_backend_is_exported_once_and_followed(guide: GuideProject) -> None:
    guide.write({"main.py": files_of("FastAPI")["main.py"].replace("\nexport_on_startup(", "\nprint(")})
    once, always = commands_of("Any running backend")
    port = str(unused_port())
    with guide.running(f"uvicorn main:app --port {port}") as server:
        guide.run(once, ("8000", port))
        server.wait_for("/orders")
        server.end()
    guide.spec.unlink()
    with guide.running(always, ("8000", port)) as follower:
        main = guide.path / "main.py"
        main.write_text(main.read_text() + ANOTHER_OPERATION)
        with guide.folder.running("specs", "run", "-o", "other.json", "--",
                                  sys.executable, "-m", "uvicorn", "main:app", "--port", port) as other:  # fmt: skip
            follower.wait_for("/orders", "/late")
            other.send_signal(signal.SIGINT)
            other.wait(timeout=60)
        assert follower.end() == 130


def test_a_project_of_oats_needs_nothing_else(guide: GuideProject) -> None:
    port = str(unused_port())
    oats = files_of("OATS")["oats.config.ts"].replace("8000", port)
    oats = oats.replace("'uvicorn", f'\'"{sys.executable}" -m uvicorn')
    guide.write({"main.py": files_of("FastAPI")["main.py"], "oats.config.ts": oats})
    assert "oats.config.ts (OATS) is in force" in guide.run("syncflow config check").stdout
    _, line = commands_of("Started by SyncFlow")
    with guide.running(line) as backend:
        backend.wait_for("/orders")
        add_an_operation(guide)
        backend.wait_for("/orders", "/late")
        backend.end()
    fetched = guide.run("syncflow specs fetch --dry-run --json").stdout
    assert '"service": "backend"' in fetched
    assert '"operations": 2' in fetched
