"""The document of an app that is named by its import path, whatever that app does when it is imported."""

import json
import pickle
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from syncflow_pipelines.errors import ConfigurationError, UnusableSpec
from syncflow_pipelines.openapi.exporting.applications import AppFailed, document_of_app
from syncflow_pipelines.openapi.exporting.documents import export_document
from syncflow_pipelines_tests.e2e.project_folder import wait_until

DOCUMENT = '{"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {}}}'
OWN = f"""
class App:
    def openapi(self):
        return {DOCUMENT}
app = App()
def create_app():
    return App()
"""


def told(folder: Path, code: str, target: str = "main:app", **options: Any) -> Any:
    (folder / "main.py").write_text(dedent(code))
    return document_of_app(target, folder, **options)


def failure(folder: Path, code: str, target: str = "main:app", **options: Any) -> str:
    with pytest.raises(AppFailed) as failed:
        told(folder, code, target, **options)
    assert str(pickle.loads(pickle.dumps(failed.value))) == str(failed.value)
    return str(failed.value).replace(str(folder), "DIR")


def test_the_document_of_an_app_of_fastapi_is_that_of_its_own_endpoint(tmp_path: Path) -> None:
    code = """
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    app = FastAPI(title="Shop")
    @app.get("/z")
    def z() -> int: return 1
    @app.get("/a")
    def a() -> int: return 1
    shown = TestClient(app).get("/openapi.json").json
    """
    document = told(tmp_path, code)
    assert list(document["paths"]) == ["/z", "/a"]
    shown = "\nclass Shown:\n  def openapi(self): return shown()\nsecond = Shown()\n"
    assert told(tmp_path, dedent(code) + shown, "main:second") == document


def test_the_document_of_starlette_is_made_of_docstrings_and_of_the_apps_that_are_mounted(tmp_path: Path) -> None:
    code = '''
    from fastapi import Depends, FastAPI
    from fastapi.security import HTTPBearer
    from pydantic import create_model
    from starlette.applications import Starlette
    from starlette.middleware.cors import CORSMiddleware
    from starlette.routing import Mount, Route

    def api(**fields):
        item = create_model("Item", **fields)
        made = FastAPI()
        @made.get("/item", response_model=item)
        def item(_: object = Depends(HTTPBearer())): ...
        return made

    def home(request):
        """
        responses:
          200: {description: the page}
        """
    undocumented = lambda request: None
    routes = [
        Route("/home/{id:int}", home), Route("/hidden", undocumented),
        Mount("/one", api(a=(int, 1))), Mount("/sub", routes=[Mount("/two", api(b=(str, ""))), Route("/home", home)]),
    ]
    app = CORSMiddleware(Starlette(routes=routes))
    '''
    document = told(tmp_path, code)
    assert list(document["paths"]) == ["/home/{id}", "/one/item", "/sub/home", "/sub/two/item"]
    items = document["components"]["schemas"]
    assert {name: list(item["properties"]) for name, item in items.items()} == {"Item": ["a"], "sub_two_Item": ["b"]}
    answer = document["paths"]["/sub/two/item"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/sub_two_Item"}
    assert document["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}


@pytest.mark.parametrize("target", ["main:app", "main:create_app()", "main:space.app"])
def test_an_app_is_found_by_its_name_and_made_where_the_name_says_so(target: str, tmp_path: Path) -> None:
    code = OWN + "class space:\n    app = App()\n"
    assert told(tmp_path, code, target) == json.loads(DOCUMENT)


@pytest.mark.parametrize(
    "code",
    [
        "print('{\"document\": 1}')",
        "import sys; sys.stdout.close()",
        "import os; os.close(1); os.close(2)",
        "import os; os.chdir('/')",
        "import sys; sys.setrecursionlimit(60)",
        "import threading; threading.Thread(target=lambda: __import__('time').sleep(1000)).start()",
        "import atexit; atexit.register(lambda: __import__('time').sleep(1000))",
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    ],
)
def test_what_an_app_does_at_import_does_not_come_into_its_document(code: str, tmp_path: Path) -> None:
    assert told(tmp_path, f"{code}\n{OWN}") == json.loads(DOCUMENT)


def test_the_modules_beside_the_app_come_before_all_others(tmp_path: Path) -> None:
    for name in ("documents.py", "backends.py", "scaffolds.py"):
        (tmp_path / name).write_text("HERE = True\n")
    code = f"import documents, backends, scaffolds\nassert documents.HERE and backends.HERE and scaffolds.HERE\n{OWN}"
    assert told(tmp_path, code) == json.loads(DOCUMENT)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("a = 1\nraise ValueError('no\\nmore')", "main:app: ValueError: no at DIR/main.py:2; mend it there"),
        ("a = 1\nimport json; json.loads('x')", "JSONDecodeError: Expecting value: line 1 column 1 (char 0) at DIR"),
        ("def f():\n    1 / 0\nf()", "main:app: ZeroDivisionError: division by zero at DIR/main.py:2; mend it there"),
        ("a = (\n", "main:app: SyntaxError: '(' was never closed (main.py, line 1) at DIR/main.py:1; mend it there"),
        ("\nimport nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all' at DIR/main.py:2"),
        ("\nraise SystemExit(2)", "main:app: SystemExit: 2 at DIR/main.py:2; mend it there"),
        ("\nimport sys; sys.exit('bye')", "main:app: SystemExit: bye at DIR/main.py:2; mend it there"),
        ("\nraise KeyboardInterrupt", "main:app: KeyboardInterrupt at DIR/main.py:2; mend it there"),
        ("import os; os._exit(3)", "main:app: importing it ended the process (exit code 3)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "importing it ended the process (signal 9)"),
        ("def f(): f()\nf()", "main:app: RecursionError: maximum recursion depth exceeded"),
        ("", "main:app: main has no app; mend the app, or its name"),
        ("app = 1", "main:app: a int has neither openapi() nor routes; mend the app, or its name"),
        ("def app(): pass", "write module:name() where it is a function that makes the app"),
        ("class app:\n def openapi(): return {1, 2}", "its document cannot be written as JSON: Object of type set"),
        ("class app:\n def openapi():\n  raise KeyError('x')", "main:app: KeyError: 'x' at DIR/main.py:3"),
    ],
)  # fmt: skip
def test_an_app_that_cannot_be_imported_is_told_with_its_file_and_line(
    code: str, sentence: str, tmp_path: Path
) -> None:
    assert sentence in failure(tmp_path, code)


def test_an_app_that_hangs_is_ended_with_all_that_it_started_and_its_line_is_told(tmp_path: Path) -> None:
    code = """
    import subprocess, time
    child = subprocess.Popen(["sleep", "1000"])
    open("pid", "w").write(str(child.pid))
    time.sleep(1000)
    """
    code = code.replace('open("pid"', f'open("{tmp_path}/pid"')
    sentence = failure(tmp_path, code, patience_s=2)
    assert "main:app: it was not ready after 2 s at DIR/main.py:5; start nothing at import" in sentence
    wait_until(lambda: has_ended(int((tmp_path / "pid").read_text())), "its child")


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert failure(tmp_path, "", "nowhere.main:app") == (
        "nowhere.main:app: ModuleNotFoundError: No module named 'nowhere'; mend the app, or its name"
    )


def test_a_python_that_is_not_there_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere cannot be run \(No such file or directory\); name a Python"):
        told(tmp_path, OWN, python=str(tmp_path / "nowhere"))


def test_the_apps_own_python_needs_nothing_of_syncflow(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    code = f"import importlib.util\nassert importlib.util.find_spec('syncflow_pipelines') is None\n{OWN}"
    assert told(tmp_path, code, python=str(bare)) == json.loads(DOCUMENT)


def test_a_document_is_written_with_its_keys_in_their_order_and_only_where_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "openapi.json"
    document = {"openapi": "3.1.0", "paths": {"/z": {"get": {}, "post": {}, "summary": "é"}, "/a": {"parameters": []}}}
    first = export_document(file, document)
    assert (first.changed, first.operations, first.size) == (True, 2, file.stat().st_size)
    text = file.read_text()
    assert text == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    before = file.stat()
    assert not export_document(file, json.loads(text)).changed
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("document", [{}, [], None, {"openapi": "9"}, {"openapi": "3.1.0", "x": float("nan")}])
def test_what_is_no_document_leaves_the_file_as_it_is(document: Any, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text("before")
    with pytest.raises(UnusableSpec):
        export_document(file, document)
    assert file.read_text() == "before"
