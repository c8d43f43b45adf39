"""Models that nobody here has written: those that ship with installed packages, and with checkouts where there are any.

`SYNCFLOW_TEST_MODELS` names a folder with checkouts of `tortoise-orm` and `sqlalchemy`; their wheels have no examples.
"""

import os
import re
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import dagster
import pytest

from syncflow_pipelines.errors import ModelsError
from syncflow_pipelines.schemas.examination.process import Examiner
from syncflow_pipelines.schemas.examination.validation import validate_module
from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines.schemas.rendering.module import render

FOLDER = Path(os.environ.get("SYNCFLOW_TEST_MODELS", "/nowhere"))
EXAMPLES = sorted(
    path
    for path in [
        *FOLDER.glob("tortoise-orm/tests/testmodels*.py"),
        *FOLDER.glob("tortoise-orm/tests/schema/models_*.py"),
        *FOLDER.glob("tortoise-orm/examples/*.py"),
        *FOLDER.glob("sqlalchemy/examples/*/*.py"),
    ]
    if path.stem.isidentifier()
)
MEANT_TO_FAIL = re.compile(r"ConfigurationError|ModuleNotFoundError|declarative_base\(\)|SimpleTestCase")
"""Examples of mistakes, or of older versions, or for drivers that are not installed."""
STORAGE = Path(dagster.__file__).parent / "_core" / "storage"


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    with Examiner() as found:
        yield found


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Introspector]]:
    # some examples write files where they run
    here = chdir(tmp_path_factory.mktemp("here"))
    with here, Introspector("tortoise") as tortoise, Introspector("sqlalchemy") as sqlalchemy:
        yield {"tortoise-orm": tortoise, "sqlalchemy": sqlalchemy}


def schemas_work(source: SchemaSource, examiner: Examiner) -> None:
    made = render(source, name="others", digest="", with_relations=True)
    assert not validate_module(made.text, examiner, exports=made.exports).problems


@pytest.mark.parametrize(
    ("module", "tables"),
    [
        ("event_log", {"event_logs", "asset_keys", "asset_event_tags", "dynamic_partitions"}),
        ("runs", {"runs", "run_tags", "snapshots", "daemon_heartbeats", "bulk_actions"}),
        ("schedules", {"jobs", "job_ticks", "instigators"}),
    ],
)
def test_tables_of_dagsters_storage_have_schemas(
    readers: dict[str, Introspector], examiner: Examiner, module: str, tables: set[str]
) -> None:
    source = readers["sqlalchemy"].read(STORAGE / module / "schema.py").source
    assert tables <= {model.table for model in source.models}
    assert not [field for model in source.models for field in model.fields if field.note]
    schemas_work(source, examiner)


@pytest.mark.skipif(not EXAMPLES, reason="SYNCFLOW_TEST_MODELS names no folder with tortoise-orm and sqlalchemy in it")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_examples_of_both_orms_have_schemas(readers: dict[str, Introspector], examiner: Examiner, path: Path) -> None:
    source = None
    with refusals_that_are_meant():
        source = readers[path.relative_to(FOLDER).parts[0]].read(path).source
    if source is not None:
        schemas_work(source, examiner)


@contextmanager
def refusals_that_are_meant() -> Iterator[None]:
    try:
        yield
    except ModelsError as error:
        if not MEANT_TO_FAIL.search(str(error)):
            raise
