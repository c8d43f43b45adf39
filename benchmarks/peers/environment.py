"""The peers' own environments: their packages never come near SyncFlow's."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ChildFailed
from benchmarks.workbench import say

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
GATEWAY_REQUIREMENTS = Path(__file__).with_name("gateway.txt")
PLACE = Path(__file__).parents[1] / ".peers"
GATEWAY_PLACE = PLACE.with_name(".peers-gateway")
_MADE_OF = "made-of"


def peers_python(place: Path = PLACE, requirements: Path = REQUIREMENTS) -> Path:
    """The interpreter of an environment of peers, which is made first if need be. Raises `ChildFailed`."""
    python, note = place / "bin" / "python", place / _MADE_OF
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not (python.exists() and note.exists() and note.read_text() == wanted):
        say(f"Making the environment of the peers in {place}; --no-peers does without")
        _make(place, python, requirements)
        note.write_text(wanted)
    return python


def _make(place: Path, python: Path, requirements: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--compile"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*pip, "--require-hashes", "--requirement", str(requirements)], check=True)
    except subprocess.CalledProcessError as failure:
        shutil.rmtree(place, ignore_errors=True)
        raise ChildFailed(
            "the environment of the peers could not be made, what pip said is above; --no-peers does without"
        ) from failure
