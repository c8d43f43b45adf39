"""The commands that docs/openapi-specs.md shows do what they are shown to do, and its options are the commands' own."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from syncflow_pipelines.config import load_services, load_settings
from syncflow_pipelines_tests.postgres.test_specs_commands import Syncflow, home, reword, syncflow
from syncflow_pipelines_tests.unit.spec_files import document, save

__all__ = ["home", "syncflow"]

GUIDE = (Path(__file__).parents[2] / "docs" / "openapi-specs.md").read_text()


def shown_commands() -> list[list[str]]:
    """What stands after `$ syncflow`, in the order in which it stands there."""
    return [shlex.split(line) for line in re.findall(r"^\$ syncflow (.*)$", GUIDE, re.MULTILINE)]


@pytest.mark.slow
def test_the_shown_commands_work_one_after_the_other(syncflow: Syncflow) -> None:
    a_service_with_a_file_is_added()
    said = {}
    for arguments in shown_commands():
        done = syncflow(*arguments)
        assert done.code == 0, f"{arguments}: {done.err}"
        said[" ".join(arguments)] = done.out
    assert "operation-added" in said["specs diff warehouse"]
    assert "### Breaking" in said["specs diff parcels --format markdown"]
    assert "breaking" not in said["specs"], "it was accepted"
    modules_can_be_used_as_shown()


def a_service_with_a_file_is_added() -> None:
    save(Path("openapi.json"), document())
    reword(
        "services:\n",
        "services:\n  - {name: notes, base_url: 'http://a', openapi_path: openapi.json, components: [mcp]}\n",
    )


def modules_can_be_used_as_shown() -> None:
    for module in ("mcp", "resolver"):
        named = set(re.findall(rf"auto_generated\.crm_{module} .*?(--[a-z]+)", GUIDE))
        assert named
        assert [
            option for option in named if option not in python("-m", f"generated.warehouse_{module}", "--help")
        ] == []
    (shown,) = re.findall(r"^from services\.auto_generated import .*$", GUIDE, re.MULTILINE)
    (app,) = re.findall(r"^app = create_crm_app\(\)", GUIDE, re.MULTILINE)
    python("-c", f"{shown}\n{app}".replace("services.auto_generated", "generated").replace("crm", "warehouse"))


def python(*arguments: str) -> str:
    """What a Python in this folder prints; it must not fail."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


def test_every_option_that_the_guide_names_is_one(syncflow: Syncflow) -> None:
    rows = re.findall(r"^\| `syncflow (specs \w+|generate)[^`]*` \| (.*) \|$", GUIDE, re.MULTILINE)
    assert len(rows) == 6
    for command, text in rows:
        helped = syncflow(*command.split(), "--help").out
        assert [name for name in re.findall(r"--[a-z-]+", text) if name not in helped] == []


def test_the_shown_configuration_can_be_used(tmp_path: Path) -> None:
    documents = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]
    services, settings = documents[0], documents[-1]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "auto_sync_services.yaml").write_text(yaml.safe_dump({**services, **settings}))
    loaded = load_services(load_settings({}, cwd=tmp_path))
    assert [service.name for service in loaded.services] == ["crm"]
    assert loaded.settings.acknowledged.keys() == {"crm"}
