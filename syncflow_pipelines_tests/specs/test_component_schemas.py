"""Components of real documents become classes that import, type-check and hold what they should."""

import subprocess
import sys
from pathlib import Path

import pytest

from syncflow_pipelines.schemas.components.document import class_names
from syncflow_pipelines.schemas.components.rendering import render_components
from syncflow_pipelines_tests.specs.real_specs import FOLDER, every_usable, needs_specs, spec_of

pytestmark = needs_specs
TYPE_CHECKED = ("box.json", "moby_docker.yaml", "train_travel31.json")
LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
import made
for name in made.__all__:
    found = getattr(made, name)
    assert isinstance(found, type), name
    if hasattr(found, "model_rebuild"):
        found.model_rebuild()
print(len(made.__all__))
"""


@pytest.fixture(scope="module")
def type_checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the type checker keeps of Pydantic."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.slow
@pytest.mark.timeout(900)
@every_usable
def test_every_component_is_a_class_that_can_be_used(path: Path, tmp_path: Path, type_checks: Path) -> None:
    spec = spec_of(path)
    made = render_components(spec, name=path.stem, digest="", timeout_s=600)
    components = spec.document.get("components", {}).get("schemas", {})
    assert set(class_names(components).values()) <= set(made.exports)
    assert not [finding for finding in made.findings if finding.is_fatal]
    (tmp_path / "made.py").write_text(made.text)
    done = subprocess.run([sys.executable, "-P", "-c", LOOK, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(made.exports))), done.stderr[-2_000:]
    if path.name in TYPE_CHECKED:
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={type_checks}", "made.py"]
        checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout


def test_real_components_give_the_same_text_each_time() -> None:
    path = FOLDER / "museum31.yaml"
    if not path.exists():
        pytest.skip(f"museum31.yaml is not in {FOLDER}")
    texts = {render_components(spec_of(path), name="museum", digest="").text for _ in range(2)}
    assert len(texts) == 1
