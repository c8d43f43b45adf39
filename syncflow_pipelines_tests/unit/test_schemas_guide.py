"""What docs/schemas.md shows works as it is shown, in the order in which it stands there."""

import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.config import SchemaSyncSettings, load_schema_sync, load_settings
from syncflow_pipelines.config.schema_sync_variables import SchemaSyncVariables

GUIDE = (Path(__file__).parents[2] / "docs" / "schemas.md").read_text()
MODELS, EXTENSION, APPLICATION, LIBRARY = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of the guide."""
    monkeypatch.chdir(tmp_path)
    for name in ("SYNCFLOW_CONFIG_DIR", "SYNCFLOW_HOME", "SCHEMA_SYNC_MODELS_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name in ("app/models", "api", "config"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("app", "app/models", "api"):
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "app" / "models" / "products.py").write_text(MODELS)
    [shown] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "config" / "schema_sync.yaml").write_text(shown)
    return tmp_path


def python(source: str) -> str:
    """What a Python in this folder prints; it must not fail."""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shown_commands_and_modules_work_one_after_the_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [shlex.split(line) for line in re.findall(r"^\$ syncflow (.*)$", GUIDE, re.MULTILINE)]
    assert len(commands) == 6
    said = {}
    for arguments in commands:
        assert run(arguments) == 0, capsys.readouterr().err
        said[" ".join(arguments)] = capsys.readouterr().out
    assert "+class ProductCreate(BaseModel):" in said["schemas sync --dry-run"]
    assert "in step" in said["schemas"]

    (folder / "api" / "schemas.py").write_text(EXTENSION)
    refused = (
        "try:\n    ProductCreate(name='Forbidden', base_price='1.5')\nexcept ValueError as error:\n    print(error)"
    )
    assert "the name contains a forbidden word" in python(f"from api.schemas import ProductCreate\n{refused}")
    python(APPLICATION)
    python(f"{LIBRARY}\nimport asyncio\nasyncio.run(follow())")


def test_the_classes_are_what_the_guide_says(folder: Path) -> None:
    assert run(["schemas", "sync"]) == 0
    said = re.findall(r"^\| `(Product\w+)` \|", GUIDE, re.MULTILINE)
    printed = python("import api.schemas_generated as module\nprint(*module.__all__)")
    assert printed.split() == sorted(said)


def test_the_tables_of_settings_have_all_of_them_with_their_defaults(folder: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \|(?: `(SCHEMA_SYNC_\w+)`)? \| `(.*?)` \|", GUIDE, re.MULTILINE)
    defaults = load_schema_sync(load_settings({}, folder)).settings
    assert {name for name, _, _ in rows} == {field.name for field in fields(SchemaSyncSettings)}
    for name, variable, shown in rows:
        value = getattr(defaults, name)
        told = str(value.relative_to(folder)) if isinstance(value, Path) else str(value)
        assert shown == (told.lower() if isinstance(value, bool) else told)
        assert variable in ("", f"SCHEMA_SYNC_{name.upper()}")
    variables = {field.alias for field in SchemaSyncVariables.model_fields.values()}
    assert variables <= set(re.findall(r"`(SCHEMA_SYNC_\w+)`", GUIDE))


def test_every_option_that_the_guide_names_is_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = re.findall(r"^\| `syncflow (schemas [a-z ]+?)(?: \[SOURCE\].*?)?` \| (.*) \|$", GUIDE, re.MULTILINE)
    assert len(rows) == 8
    for command, text in rows:
        assert run([*command.split(), "--help"]) == 0
        helped = capsys.readouterr().out
        assert [name for name in (*re.findall(r"--[a-z-]+", text), "--json") if name not in helped] == []
