"""The examples of docs/admin-api.md do what it says."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from syncflow_pipelines_tests.postgres.admin_api import ADMIN_TOKEN, ApiWorld, api

__all__ = ["api"]

GUIDE = (Path(__file__).parents[2] / "docs" / "admin-api.md").read_text()
CURL = ("curl", "-q", "--noproxy", "*", "-H", f"Authorization: Bearer {ADMIN_TOKEN}")


def test_every_example_answers_as_the_guide_shows(api: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCFLOW_SECRET_VARIABLES", "CRM_*")
    examples = re.findall(r"^\$ curl (.*)\n(.*)$", GUIDE, re.MULTILINE)
    assert len(examples) == 8
    for command, shown in examples:
        told = re.escape(shown).replace("…", ".*")
        assert re.fullmatch(told, run(api, command), re.DOTALL), command


def run(api: ApiWorld, command: str) -> str:
    """What curl got, without needless blanks; called by a shell as a person would, but with the token."""
    url = str(api.client.base_url).removesuffix("/api/v1/")
    environment = {"PATH": os.environ["PATH"], "API": url, "ORDERS": api.uid("orders")}
    script = f'"$@" {command}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *CURL], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.dumps(json.loads(done.stdout), separators=(",", ":"))


def test_the_guide_names_every_path_and_no_other(api: ApiWorld) -> None:
    described = {path for path in api.get("/openapi.json")["paths"] if path.startswith("/api/v1/")}
    assert described <= set(re.findall(r"/api/v1/[a-z{}/-]+[a-z}]", GUIDE))
