"""What docs/mcp.md shows works."""

import json
import re
import signal

import pytest

from syncflow_pipelines_tests.e2e.project_folder import LIMIT_S, REPOSITORY, ProjectFolder, unused_port, wait_until
from syncflow_pipelines_tests.e2e.test_mcp import entities, over_http, over_stdio

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

GUIDE = (REPOSITORY / "docs" / "mcp.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_guide_runs(command: str, project: ProjectFolder) -> None:
    name, *arguments = command.split()
    assert name == "syncflow"
    if "--http" not in arguments:
        done = project.syncflow(*arguments)
        assert (done.returncode, "syncflow_list_entities" in done.stdout) == (0, True)
        return
    port = unused_port()
    moved = [argument.replace("8021", str(port)) for argument in arguments]
    with project.running(*moved, MCP_TOKEN="secret") as process:
        wait_until(lambda: "Serving MCP on" in project.stderr() or process.poll() is not None, "the hub")
        assert over_http(f"http://127.0.0.1:{port}/mcp", entities, "secret") == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=LIMIT_S) == 130


def test_the_configuration_of_clients_starts_the_hub(project: ProjectFolder) -> None:
    (shown,) = [block for kind, block in BLOCKS if kind == "json"]
    server = json.loads(shown)["mcpServers"]["syncflow"]
    assert server["command"].endswith(".venv/bin/syncflow")
    variables = {name: value.replace("/srv/syncflow", str(project.path)) for name, value in server["env"].items()}
    command, *flags = server["args"]
    assert (command, over_stdio(project, entities, *flags, **variables)) == ("mcp", 0)
    wait_until(lambda: not project.processes(), "the end of the hub")


def test_the_guide_names_every_tool_of_ours(project: ProjectFolder) -> None:
    listed = project.syncflow("mcp", "--list", "--json", "--allow-writes").stdout.splitlines()
    assert set(re.findall(r"`(syncflow_\w+)`", GUIDE)) == {json.loads(line)["tool"] for line in listed}
