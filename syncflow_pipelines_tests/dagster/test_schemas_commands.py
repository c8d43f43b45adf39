"""What `syncflow schemas` generates shows in Dagster's assets."""

import queue
import threading

import dagster as dg
import pytest

from syncflow_pipelines.cli.application import run
from syncflow_pipelines.cli.commands.schemas_syncing import tell_dagster
from syncflow_pipelines.cli.invocation import Invocation
from syncflow_pipelines.defs.names import schemas_key
from syncflow_pipelines.schemas.watching import Notice, SchemaWatch
from syncflow_pipelines_tests.dagster.schemas_project import MODELS, SchemasProject

KEY = schemas_key("shop")


def materialisations(instance: dg.DagsterInstance) -> int:
    return len(instance.fetch_materializations(KEY, limit=10).records)


def test_a_sync_on_the_command_line_shows_once_and_a_dry_run_does_not(
    schemas_project: SchemasProject, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schemas", "sync", "--dry-run"]) == 0
    assert materialisations(instance) == 0
    for _ in range(2):
        assert run(["schemas", "sync"]) == 0
        assert "Warning" not in capsys.readouterr().err
    assert materialisations(instance) == 1


def test_a_saved_model_shows_as_a_new_materialisation(
    schemas_project: SchemasProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMA_SYNC_WATCH_DEBOUNCE_SECONDS", "0.05")
    invocation = Invocation()
    heard: queue.Queue[str] = queue.Queue()

    def tell(notice: Notice) -> None:
        assert notice.report is not None, notice
        tell_dagster(invocation, [notice.report])
        heard.put(notice.what)

    watch = SchemaWatch(schemas_project.settings, tell)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        assert heard.get(timeout=60) == "generated"
        draft = schemas_project.models.with_name(".draft")
        draft.write_text(MODELS + "    weight: Mapped[int]\n")
        draft.replace(schemas_project.models)
        assert heard.get(timeout=60) == "generated"
    finally:
        watch.stop()
        thread.join(60)
    assert materialisations(instance) == 2
