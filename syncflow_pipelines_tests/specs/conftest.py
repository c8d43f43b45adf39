"""Real specs, read where they are. They are not the project's, and the tests skip where they are absent."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("SYNCFLOW_TEST_SPECS") or Path(__file__).parents[2].parent / "shared" / "specs")


@pytest.fixture(scope="session")
def real_specs() -> Path:
    """The folder of real specs."""
    if not FOLDER.is_dir():
        pytest.skip(f"no real specs: {FOLDER} is not there; set SYNCFLOW_TEST_SPECS to a folder of them")
    return FOLDER
