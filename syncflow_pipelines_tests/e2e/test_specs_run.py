"""`syncflow specs export` and `specs run` in processes of their own: signals, exit codes, and nothing left behind."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from syncflow_pipelines_tests.e2e.project_folder import ProjectFolder, unused_port, wait_until
from syncflow_pipelines_tests.server.exporting_world import ShowingBackend, document

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

BACKEND = """
import http.server, json, os, signal, subprocess, sys, time
port, mode = int(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGHUP, lambda *_: print("hup", flush=True))
if mode == "stubborn":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: print("ignored", number, flush=True))
if mode == "family":
    child = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1000)"
    subprocess.Popen([sys.executable, "-c", child])
if mode == "code":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open("shown.json", "rb").read() if self.path == "/openapi.json" else b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
print("starting", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def backend(shared_project: ProjectFolder) -> Iterator[ProjectFolder]:
    """A project with a backend in `backend.py`, which shows what is in `shown.json`."""
    (shared_project.path / "backend.py").write_text(BACKEND)
    show(shared_project, "/a")
    yield shared_project
    (shared_project.path / "openapi.json").unlink(missing_ok=True)


def show(project: ProjectFolder, *paths: str) -> None:
    draft = project.path / "draft"
    draft.write_text(json.dumps(document(*paths)))
    draft.rename(project.path / "shown.json")


def exported(project: ProjectFolder) -> list[str]:
    try:
        return list(json.loads((project.path / "openapi.json").read_text())["paths"])
    except FileNotFoundError:
        return []


def command(mode: str, port: int) -> list[str]:
    return ["specs", "run", "--url", f"http://127.0.0.1:{port}/openapi.json", "--interval", "0.1", "--",
            sys.executable, "backend.py", str(port), mode]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "number", "code"),
    [
        ("plain", signal.SIGINT, 130),
        ("plain", signal.SIGTERM, 143),
        ("code", signal.SIGTERM, 7),
        ("family", signal.SIGINT, 130),
    ],
)
def test_a_backend_is_exported_and_ends_with_the_signal_and_its_own_code(
    mode: str, number: signal.Signals, code: int, backend: ProjectFolder
) -> None:
    with backend.running(*command(mode, unused_port())) as process:
        wait_until(lambda: exported(backend) == ["/a"] or process.poll() is not None, "the first export")
        show(backend, "/a", "/b")
        wait_until(lambda: exported(backend) == ["/a", "/b"] or process.poll() is not None, "the second export")
        process.send_signal(number)
        assert process.wait(timeout=60) == code, backend.stderr()
    assert [line for line in backend.processes() if "backend.py" in line or "time.sleep" in line] == []


def test_a_backend_ends_where_the_command_is_killed(backend: ProjectFolder) -> None:
    with backend.running(*command("family", unused_port())) as process:
        wait_until(lambda: exported(backend) == ["/a"] or process.poll() is not None, "the first export")
        process.kill()
        wait_until(
            lambda: not [line for line in backend.processes() if "backend.py" in line or "time.sleep" in line],
            "the backend has ended",
        )


def test_hangups_are_passed_on_and_a_backend_that_ends_for_no_signal_is_killed_in_the_end(
    backend: ProjectFolder,
) -> None:
    with backend.running(*command("stubborn", unused_port())) as process:
        wait_until(lambda: exported(backend) == ["/a"] or process.poll() is not None, "the first export")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 128 + signal.SIGKILL
        assert process.stdout is not None
        told = process.stdout.read()
    assert told.count("ignored 2") >= 1
    assert "hup" in told
    assert [line for line in backend.processes() if "backend.py" in line] == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--", "sh", "-c", "exit 7"), 7, ""),
        (("--", "sh", "-c", "kill -9 $$"), 137, ""),
        (("--", "sh", "-c", "sleep 1000 & exit 3"), 3, ""),
        (("--", "./nowhere"), 1, "./nowhere cannot be started (No such file or directory); mend the command"),
        ((), 2, "Name the command of the backend behind --"),
        (("--",), 2, "Name the command of the backend behind --"),
    ],
)
def test_the_exit_code_is_the_backends(
    arguments: tuple[str, ...], code: int, told: str, backend: ProjectFolder
) -> None:
    ended = backend.syncflow("specs", "run", *arguments)
    assert ended.returncode == code, ended.stderr
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [line for line in backend.processes() if "sleep 1000" in line] == []


def test_a_port_at_which_somebody_else_answers_is_refused_before_anything_is_started(backend: ProjectFolder) -> None:
    shown = ShowingBackend()
    shown.show(document("/of/somebody/else"))
    with shown.running() as url:
        ended = backend.syncflow("specs", "run", "--", "touch", "started", "--port", url.rpartition(":")[2])
    assert ended.returncode == 1
    assert (
        f"something answers at {url}/openapi.json already; end it, or name the backend's spec by --url" in ended.stderr
    )
    assert not (backend.path / "started").exists()
    assert exported(backend) == []


def test_a_reloading_server_of_fastapi_is_followed_through_its_restarts(backend: ProjectFolder) -> None:
    app = 'from fastapi import FastAPI\napp = FastAPI()\n@app.get("/x")\ndef x() -> int: return 1\n'
    (backend.path / "main.py").write_text(app)
    uvicorn = [sys.executable, "-m", "uvicorn", "main:app", "--reload", "--port", str(unused_port())]
    with backend.running("specs", "run", "--json", "--", *uvicorn) as process:
        wait_until(lambda: exported(backend) == ["/x"] or process.poll() is not None, "the first export")
        (backend.path / "main.py").write_text(app + '@app.get("/y")\ndef y() -> int: return 1\n')
        wait_until(lambda: exported(backend) == ["/x", "/y"] or process.poll() is not None, "the second export")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (0, 143)
        assert process.stdout is not None
        told = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert [(one["status"], one["operations"]) for one in told][:2] == [("written", 1), ("written", 2)]
    assert "Error" not in backend.stderr()
    assert [line for line in backend.processes() if "uvicorn" in line] == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_url_is_followed_until_a_signal_which_gives_the_exit_code(
    number: signal.Signals, code: int, backend: ProjectFolder
) -> None:
    shown = ShowingBackend()
    shown.show(document("/a"))
    with shown.running() as url:
        pass
    follow = ("specs", "export", f"{url}/openapi.json", "--watch", "--interval", "0.1", "--json")
    with backend.running(*follow) as process:
        wait_until(lambda: "Following" in backend.stderr() or process.poll() is not None, "its first words")
        with shown.running():
            wait_until(lambda: exported(backend) == ["/a"] or process.poll() is not None, "the first export")
        shown.show(document("/b"))
        with shown.running():
            wait_until(lambda: exported(backend) == ["/b"] or process.poll() is not None, "the second export")
            process.send_signal(number)
            assert process.wait(timeout=60) == code
        assert process.stdout is not None
        told = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert [one["status"] for one in told] == ["written", "written"]
    assert "Traceback" not in backend.stderr()


def test_an_exporter_that_is_killed_leaves_a_whole_file(backend: ProjectFolder) -> None:
    shown = ShowingBackend()
    big = document(*(f"/{number}" for number in range(5000)))
    shown.show(big)
    with shown.running() as url, backend.running("specs", "export", url, "--watch", "--interval", "0.05") as process:
        wait_until(lambda: exported(backend) or process.poll() is not None, "the first export")
        for count in range(20):
            shown.show({**big, "info": {"title": str(count), "version": "1"}})
            asked = len(shown.asked)
            wait_until(lambda asked=asked: len(shown.asked) > asked, "the next look")  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    assert len(exported(backend)) == 5000


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "Name an app, as in main:app, or a URL; or use --scaffold."),
        (("main",), 2, "'main' is neither an app, as in main:app, nor a URL"),
        (("main.py:app",), 2, None),
        (("../main:app",), 2, "is neither an app"),
        (("nowhere:app",), 1, "No module named 'nowhere'"),
        (("http://127.0.0.1:9/openapi.json", "--wait-s", "0.1"), 1, "no spec was shown within 0.1 s"),
        (("--scaffold", "rails"), 2, "'rails' is not one of 'express', 'django'"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_sentence(
    arguments: tuple[str, ...], code: int, told: str | None, backend: ProjectFolder
) -> None:
    ended = backend.syncflow("specs", "export", *arguments)
    assert told is None or (ended.returncode, told in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_app_that_prints_leaves_stdout_to_the_result(backend: ProjectFolder) -> None:
    code = f"print('noise')\nclass app:\n    def openapi(): return {document('/p')}\n"
    (backend.path / "noisy.py").write_text(code)
    ended = backend.syncflow("specs", "export", "noisy:app", "--json")
    told: dict[str, Any] = json.loads(ended.stdout)
    assert told.pop("bytes") == (backend.path / "openapi.json").stat().st_size
    assert told == {"source": "noisy:app", "status": "written", "file": "openapi.json", "operations": 1}
    assert "noise" in ended.stderr
    assert json.loads(backend.syncflow("specs", "export", "noisy:app", "--json").stdout)["status"] == "unchanged"


def test_help_teaches_the_commands(backend: ProjectFolder) -> None:
    for name in ("export", "run"):
        told = backend.syncflow("specs", name, "--help")
        assert told.returncode == 0
        assert "main:app" in told.stdout
