"""`syncflow schemas` and its commands, as a person or a program calls them."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from syncflow_pipelines.cli.application import application, run
from syncflow_pipelines_tests.unit.model_package import PRODUCT, ModelPackage

WITH_PRICE = PRODUCT + "    price: Mapped[int]\n"


@dataclass
class Syncflow:
    """The command line in the folder of a package of models."""

    package: ModelPackage
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What `syncflow schemas` prints on stdout; `self.err` is what it printed on stderr."""
        assert run(["schemas", *arguments]) == code, self.capsys.readouterr()
        printed = self.capsys.readouterr()
        self.err = printed.err
        return printed.out

    def objects(self, *arguments: str, code: int = 0) -> list[Any]:
        return [json.loads(line) for line in self(*arguments, "--json", code=code).splitlines()]


@pytest.fixture
def syncflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Syncflow:
    package = ModelPackage(tmp_path / "project")
    monkeypatch.chdir(package.folder)
    for name in ("SYNCFLOW_CONFIG_DIR", "SYNCFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in package.environ.items():
        monkeypatch.setenv(name, value)
    return Syncflow(package, capsys)


def test_a_sync_is_told_as_a_table_and_as_json(syncflow: Syncflow) -> None:
    output = str(syncflow.package.output)
    assert re.search(rf"^models  generated +3 +0 .* - +{re.escape(output)}$", syncflow("sync"), re.MULTILINE)
    [told] = syncflow.objects("sync")
    assert (told["source"], told["status"], told["schemas"], told["output"]) == ("models", "unchanged", 3, output)
    assert (told["error"], told["backup"], told["diff"]) == (None, None, None)
    [told] = syncflow.objects("sync", "--force", "models")
    assert told["status"] == "generated"


def test_a_dry_run_prints_the_difference_and_the_comparison_with_what_people_keep(
    syncflow: Syncflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual = syncflow.package.folder / "api" / "schemas.py"
    manual.write_text("from pydantic import BaseModel\n\n\nclass ProductCreate(BaseModel):\n    name: int\n")
    monkeypatch.setenv("SCHEMA_SYNC_MANUAL_SCHEMA_PATH", str(manual))
    syncflow("sync")
    syncflow.package.write("product", WITH_PRICE)
    told = syncflow("sync", "--dry-run")
    assert syncflow.err == "It was a dry run: nothing was written.\n"
    assert told.startswith("--- a/api/schemas_generated.py\n+++ b/api/schemas_generated.py\n@@ ")
    assert re.search(r"^\+    price: int", told, re.MULTILINE)
    assert f"{manual}: 1 classes are generated, too" in told
    assert "ProductCreate.name" in told
    assert "price" not in syncflow.package.output.read_text()
    [record] = syncflow.objects("sync", "--dry-run")
    assert (record["status"], record["diff"].splitlines()[1]) == ("generated", "+++ b/api/schemas_generated.py")
    assert record["comparison"]["only_generated"] == ["ProductResponse", "ProductUpdate"]


def test_what_fails_is_told_with_exit_code_1_and_wrong_usage_with_2(syncflow: Syncflow) -> None:
    broken = syncflow.package.write("product", "1 +\n")
    assert "failed" in syncflow("sync", code=1)
    assert syncflow.err.startswith(f"Error: models: {broken}:1: SyntaxError")
    assert syncflow.objects("sync", code=1)[0]["error"].startswith(str(broken))
    syncflow("sync", "model", code=2)
    assert "no source of schemas is called 'model'; did you mean 'models'?" in syncflow.err
    syncflow("backup", "restore", code=2)
    syncflow("backup", "restore", "a", "--name", "b", code=2)
    syncflow("backup", "delete", "../..", code=1)
    assert "there is no backup '../..'" in syncflow.err


def test_status_tells_how_a_source_stands(syncflow: Syncflow) -> None:
    def word() -> str:
        [told] = syncflow.objects("status")
        return str(told["status"])

    assert word() == "missing"
    syncflow("sync")
    assert word() == "in step"
    syncflow.package.write("product", WITH_PRICE)
    assert word() == "changed"
    syncflow.package.output.write_text(syncflow.package.output.read_text() + "\n")
    assert word() == "edited"
    (syncflow.package.folder / "app" / "models").rename(syncflow.package.folder / "gone")
    assert word() == "failed"
    told = syncflow()
    assert "max_backups               10" in told
    assert "environment               development" in told


def test_validate_tries_what_is_there(syncflow: Syncflow) -> None:
    syncflow("validate", code=1)
    assert "`syncflow schemas sync models` generates it" in syncflow.err
    syncflow("sync")
    assert "valid" in syncflow("validate")
    syncflow.package.output.write_text("import nosuchmodule\n")
    [told] = syncflow.objects("validate", code=1)
    assert (told["status"], "nosuchmodule" in told["error"]) == ("invalid", True)


def test_backups_are_listed_restored_undone_and_deleted(syncflow: Syncflow) -> None:
    syncflow("backup", "list")
    assert "There are no backups" in syncflow.err
    syncflow("sync")
    old = syncflow.package.output.read_bytes()
    syncflow.package.write("product", WITH_PRICE)
    syncflow("sync")
    [backup] = syncflow.objects("backup", "list")
    name = backup["backup"]
    assert backup["files"] == [{"path": "api/schemas_generated.py", "was_there": True}]
    assert name in syncflow("backup")
    assert syncflow("backup", "restore", "--name", name) == f"{syncflow.package.output}\n"
    assert syncflow.package.output.read_bytes() == old
    assert syncflow.objects("sync")[0]["status"] == "unchanged", "what was restored stays until the source changes"
    undo = re.findall(r"--name (\S+)", syncflow.err) or [one["backup"] for one in syncflow.objects("backup")][:1]
    [restored] = syncflow.objects("backup", "restore", undo[0])
    assert b"price" in syncflow.package.output.read_bytes()
    assert restored["files"] == [str(syncflow.package.output)]
    assert syncflow("backup", "delete", "--name", name) == f"{name} was deleted\n"
    assert name not in [one["backup"] for one in syncflow.objects("backup")]


def test_the_shell_completes_sources_and_backups(syncflow: Syncflow) -> None:
    def completions(*words: str) -> list[str]:
        completer = ShellComplete(application, {}, "syncflow", "_SYNCFLOW_COMPLETE")
        return [item.value for item in completer.get_completions(list(words[:-1]), words[-1])]

    assert completions("schemas", "sync", "mo") == ["models"]
    syncflow("sync")
    syncflow.package.write("product", WITH_PRICE)
    [report] = syncflow.objects("sync")
    assert completions("schemas", "backup", "restore", "--name", "schema_") == [report["backup"]]


def test_without_sources_a_person_is_told_why(syncflow: Syncflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCHEMA_SYNC_MODELS_PATH")
    for command in ("status", "sync", "validate"):
        syncflow(command)
        assert "go to the folder of SyncFlow, or set SCHEMA_SYNC_MODELS_PATH" in syncflow.err
    (syncflow.package.folder / "config").mkdir()
    (syncflow.package.folder / "config" / "schema_sync.yaml").write_text("sources: []")
    syncflow("sync")
    assert "names no source that is enabled" in syncflow.err


def test_on_a_terminal_the_difference_is_in_colours(syncflow: Syncflow) -> None:
    read, write = pty.openpty()
    said: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(read, said.append))
    reader.start()
    child = subprocess.run(
        [sys.executable, "-m", "syncflow_pipelines.cli", "schemas", "sync", "--dry-run"],
        stdout=write, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(write)
    reader.join(60)
    os.close(read)
    assert child.returncode == 0, child.stderr
    assert b"\x1b[32m+class ProductCreate(BaseModel):" in b"".join(said)


def _drain(descriptor: int, said: Callable[[bytes], None]) -> None:
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other end is closed
            return
        if not chunk:
            return
        said(chunk)
