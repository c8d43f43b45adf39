"""Generates schemas in this process, again and again, and tells how long each time took."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.schema_models import change_model, write_models

TIMES = 5
COLUMNS = 12
DEBOUNCE_S = 0.1
_LONG_S = 60.0


def main(request: dict[str, Any]) -> None:
    home = Path(request["home"])
    case = request["case"]
    steps = {"entities": _entities, "components": _components, "watch": _watch, "peers": _peers}
    told = steps[case](home, request) if case in steps else _models(home, case)
    print(json.dumps(told))


def _models(home: Path, kind: str) -> dict[str, Any]:
    """Seconds of a sync after a model changed, and of one that finds nothing changed."""
    from syncflow_pipelines.schemas.syncing import SchemaSyncer

    folder = home / "shop"
    write_models(folder, kind)
    settings, schemas = _world(home, f"{{name: shop, type: {kind}, models_path: shop}}")
    changed, unchanged = [], []
    with SchemaSyncer(settings) as syncer:

        def synced(wanted: str) -> float:
            began = time.perf_counter()
            (report,) = syncer.sync(schemas).sources
            seconds = time.perf_counter() - began
            assert report.status == wanted, report.error
            return seconds

        first = synced("generated")
        for number in range(TIMES):
            change_model(folder, kind, number)
            changed.append(synced("generated"))
            unchanged.append(synced("unchanged"))
    return {"first": first, "changed": median(changed), "unchanged": median(unchanged)}


def _entities(home: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Seconds of the sync of so many entities, each of so many columns, and of one that finds nothing changed."""
    from syncflow_pipelines.schemas.syncing import SchemaSyncer
    from syncflow_pipelines.sync.state import EntityState, StateColumn, write_catalogue_state

    types = ("integer", "character varying(50)", "numeric(12,2)", "timestamp with time zone", "boolean", "jsonb")
    columns = tuple(StateColumn(f"c{at}", types[at % len(types)], "A column.", at > 0) for at in range(COLUMNS))
    entities = [
        EntityState(
            f"entity_{at}", f"Entity {at}", "An entity.", "hash", False, ("c0",), columns, f"erp.entity_{at}", 300,
            True, True,
        )
        for at in range(request["entities"])
    ]  # fmt: skip
    write_catalogue_state(home, "erp", entities)
    settings, schemas = _world(home, "{name: erp, type: connector}")
    with SchemaSyncer(settings) as syncer:
        return _timed(lambda: syncer.sync(schemas).sources[0])


def _components(home: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Seconds of the sync of the components of a spec that is kept already."""
    from syncflow_pipelines.config import load_services
    from syncflow_pipelines.openapi.refreshing import refresh
    from syncflow_pipelines.schemas.syncing import SchemaSyncer

    (home / "config").mkdir(parents=True)
    (home / "config" / "auto_sync_services.yaml").write_text(
        "services:\n"
        f"  - {{name: large, base_url: '{request['url']}/large', openapi_path: /openapi.json, components: []}}\n"
    )
    settings, schemas = _world(home, "{name: large, type: openapi}")
    (look,) = refresh(load_services(settings), settings)
    assert look.error is None, look.error
    with SchemaSyncer(settings) as syncer:
        return _timed(lambda: syncer.sync(schemas).sources[0])


def _watch(home: Path, _: dict[str, Any]) -> dict[str, Any]:
    """Seconds from a saved file to the new module, beyond the debounce."""
    from syncflow_pipelines.schemas.watching import Notice, SchemaWatch

    folder = home / "shop"
    write_models(folder, "tortoise")
    settings, schemas = _world(
        home, "{name: shop, type: tortoise, models_path: shop}", f"watch_debounce_seconds: {DEBOUNCE_S}"
    )
    told = threading.Semaphore(0)

    def tell(notice: Notice) -> None:
        if notice.what == "generated":
            told.release()

    watch = SchemaWatch(settings, tell)
    thread = threading.Thread(target=watch.run)
    thread.start()
    seconds = []
    try:
        assert told.acquire(timeout=_LONG_S)
        for number in range(TIMES):
            began = time.perf_counter()
            change_model(folder, "tortoise", number)
            _wait_for(schemas.sources[0].output, f"added_{number}")
            seconds.append(time.perf_counter() - began - DEBOUNCE_S)
            assert told.acquire(timeout=_LONG_S)
    finally:
        watch.stop()
        thread.join()
    return {"changed": median(seconds), "slowest": max(seconds)}


def _peers(home: Path, _: dict[str, Any]) -> dict[str, Any]:
    """Seconds of others on the same models, warm: from JSON Schema to a module, and from Tortoise to classes."""
    from datamodel_code_generator import InputFileType, generate
    from datamodel_code_generator.enums import DataModelType
    from pydantic.json_schema import models_json_schema
    from tortoise import Tortoise
    from tortoise.contrib.pydantic import pydantic_model_creator

    folder = home / "shop"
    write_models(folder, "tortoise")
    sys.path.insert(0, str(home))
    Tortoise.init_models([f"shop.things{at}" for at in range(20)], "models")
    models = [model for app in Tortoise.apps.values() for model in app.values()] if Tortoise.apps else []
    assert models
    names = iter(range(1_000_000))

    def classes() -> list[Any]:
        return [
            pydantic_model_creator(model, name=f"{model.__name__}{next(names)}", exclude_readonly=exclude)
            for model in models
            for exclude in (False, True)
        ]

    text = json.dumps(models_json_schema([(one, "validation") for one in classes()])[1])

    def generated() -> None:
        generate(
            text,
            input_file_type=InputFileType.JsonSchema,
            output=home / "peer.py",
            output_model_type=DataModelType.PydanticV2BaseModel,
        )

    with contextlib.redirect_stdout(sys.stderr):
        return {"datamodel-code-generator": _seconds(generated), "pydantic_model_creator": _seconds(classes)}


def _seconds(work: Callable[[], object]) -> float:
    work()
    found = []
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)


def _timed(sync: Callable[[], Any]) -> dict[str, Any]:
    """The first sync, and one that finds nothing changed."""
    began = time.perf_counter()
    report = sync()
    first = time.perf_counter() - began
    assert report.status == "generated", report.error
    unchanged = []
    for _ in range(TIMES):
        began = time.perf_counter()
        assert sync().status == "unchanged"
        unchanged.append(time.perf_counter() - began)
    return {"changed": first, "unchanged": median(unchanged), "classes": report.schemas}


def _wait_for(module: Path, name: str) -> None:
    deadline = time.perf_counter() + _LONG_S
    while name not in (module.read_text() if module.exists() else ""):
        assert time.perf_counter() < deadline, f"{name} did not turn up"
        time.sleep(0.005)


def _world(home: Path, source: str, *settings: str) -> tuple[Any, Any]:
    from syncflow_pipelines.config import Settings, load_schema_sync

    config = home / "config"
    config.mkdir(parents=True, exist_ok=True)
    lines = ["sources:", f"  - {source}", "settings:", *(f"  {line}" for line in ("backup_enabled: true", *settings))]
    (config / "schema_sync.yaml").write_text("\n".join(lines) + "\n")
    made = Settings(config_dir=config, home=home)
    return made, load_schema_sync(made)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
