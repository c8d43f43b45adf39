"""Where the real specs are: `SYNCFLOW_TEST_SPECS`, or `shared/specs` beside the repository."""

import os
from functools import cache
from pathlib import Path

import pytest

from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse

FOLDER = Path(os.environ.get("SYNCFLOW_TEST_SPECS") or Path(__file__).parents[3] / "shared" / "specs")
SUFFIXES = frozenset({".json", ".yaml", ".yml"})
UNUSABLE = frozenset({"invalid_not_swagger.yaml", "invalid_ref.yaml", "invalid_dup_placeholders.yaml"})
"""Those of which nothing can be used."""

FILES = sorted(path for path in FOLDER.glob("*") if path.suffix in SUFFIXES) if FOLDER.is_dir() else []
USABLE = [path for path in FILES if path.name not in UNUSABLE]

every_usable = pytest.mark.parametrize("path", USABLE, ids=lambda path: path.name)
needs_specs = pytest.mark.skipif(not FILES, reason=f"no specs in {FOLDER}; name a folder in SYNCFLOW_TEST_SPECS")


@cache
def spec_of(path: Path) -> Spec:
    return normalise(parse(path.read_bytes()))
