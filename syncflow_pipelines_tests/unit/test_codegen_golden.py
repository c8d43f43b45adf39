"""The generated package of two small services, compared with the one that is kept in `golden/`.

To accept a change: `SYNCFLOW_GOLDEN=write pytest` this file, and look at the difference.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncflow_pipelines.config.auth import BearerAuth, HeaderAuth
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.config.services import McpOptions, RestOptions
from syncflow_pipelines_tests.unit.generated_world import World, small_spec

GOLDEN = Path(__file__).parent / "golden"
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a package that was generated just now."""
    root = tmp_path_factory.mktemp("project")
    world = World(root)
    environment = Environment(dotenv_files=(root / ".env",))
    token = BearerAuth(token_file=root / "secrets" / "pets", environment=environment)
    world.add("pets", auth=token, description="All pets")
    world.add(
        "user-service",
        small_spec(title='The "users" of {{ title }}'),
        auth=HeaderAuth("X-Key", value_env="USERS_KEY", environment=environment),
        ca_file=root / "ca.pem",
        mcp=McpOptions(mode="search", read_only=True, forward_headers=("x-tenant",), timeout_s=5),
        rest=RestOptions(mode="validate"),
        type="external",
    )
    world.generate()
    return world.folder


def test_the_package_is_the_golden_one(generated: Path) -> None:
    found = {file.name: file.read_text() for file in generated.iterdir() if file.name != ".syncflow.json"}
    if os.environ.get("SYNCFLOW_GOLDEN") == "write":
        for file in GOLDEN.iterdir():
            file.unlink()
        for name, text in found.items():
            (GOLDEN / f"{name}.txt").write_text(text)
    assert found == {file.name.removesuffix(".txt"): file.read_text() for file in GOLDEN.iterdir()}


@pytest.mark.parametrize("configuration", ["--isolated", f"--config={_ROOT / 'pyproject.toml'}"])
def test_the_package_is_formatted(generated: Path, configuration: str) -> None:
    command = [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", configuration, str(generated)]
    if configuration == "--isolated":
        command += ["--line-length=120"]
    subprocess.run(command, check=True)


def test_the_package_passes_the_linter(generated: Path) -> None:
    configuration = f"--config={_ROOT / 'pyproject.toml'}"
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", configuration, str(generated)]
    subprocess.run(command, check=True)


@pytest.mark.slow
def test_the_package_is_typed(generated: Path, tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text(
        "from fastmcp import FastMCP\nfrom typing import Any\n"
        "from generated import UserServiceResolver, create_pets_app, pets_mcp\n"
        "server: FastMCP[Any] = pets_mcp\nresolver: UserServiceResolver = UserServiceResolver()\n"
        "app = create_pets_app()\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path / 'cache'}"]
    command += ["--follow-imports=silent", str(user), str(generated)]
    environment = {**os.environ, "MYPYPATH": f"{generated.parent}{os.pathsep}{_ROOT}"}
    result = subprocess.run(command, cwd=generated.parent, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
