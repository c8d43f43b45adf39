"""Schemas in an application of one's own: at its start, while it lives, and by the calls of the requirement."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from syncflow_pipelines import generate_schemas_from_models, schema_sync_lifespan, sync_schemas_from_models
from syncflow_pipelines.errors import ConfigurationError, ModelsError
from syncflow_pipelines_tests.server.asgi_project import Life, lived, until
from syncflow_pipelines_tests.unit.model_package import PRODUCT, ModelPackage


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    return ModelPackage(tmp_path / "project")


def app_of(package: ModelPackage, lifespan: Any = None, **options: Any) -> Starlette:
    return Starlette(lifespan=schema_sync_lifespan(lifespan, settings=package.settings, **options))


async def nothing(_: Life) -> None:
    """What a test does while the application lives that is about its start and end alone."""


def test_the_calls_of_the_requirement(package: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(package.folder)
    for name, value in package.environ.items():
        monkeypatch.setenv(name, value)
    output_path = asyncio.run(generate_schemas_from_models())
    assert output_path == package.output
    assert "class ProductCreate(BaseModel):" in output_path.read_text()
    result = asyncio.run(sync_schemas_from_models(force=True))
    assert (result.has_failed, [one.status for one in result.sources]) == (False, ["generated"])
    assert not asyncio.run(sync_schemas_from_models()).has_changed


def test_generating_raises_what_went_wrong_and_which_source_is_meant(package: ModelPackage) -> None:
    broken = package.write("product", "from sqlalchemy import Nothing\n")
    with pytest.raises(ModelsError, match=f"{broken}:1"):
        asyncio.run(generate_schemas_from_models(settings=package.settings))
    with pytest.raises(ConfigurationError, match="no source of schemas is called 'shop'"):
        asyncio.run(generate_schemas_from_models("shop", settings=package.settings))
    package.environ["SCHEMA_SYNC_MODELS_PATH"] = ""
    with pytest.raises(ConfigurationError, match="one is wanted, and there is none in schema_sync"):
        asyncio.run(generate_schemas_from_models(settings=package.settings))


def test_an_application_has_its_schemas_before_it_starts_and_its_own_lifespan_around_them(
    package: ModelPackage, caplog: pytest.LogCaptureFixture
) -> None:
    order: list[str] = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        order.append(f"own started, schemas are there: {package.output.exists()}")
        yield {"pool": "the pool"}
        order.append("own ended")

    async def look(life: Life) -> None:
        assert life.state == {"pool": "the pool"}
        assert [one.status for one in app.state.schema_sync.sources] == ["generated"]
        assert package.output.exists()
        order.append("lived")

    app = FastAPI(lifespan=schema_sync_lifespan(own, settings=package.settings))
    with caplog.at_level(logging.INFO, "syncflow_pipelines"):
        lived(app, look)
    assert order == ["own started, schemas are there: False", "lived", "own ended"]
    assert f"Schemas written to: {package.output}" in caplog.messages
    assert "Schema synchronization completed successfully" in caplog.messages
    assert not [thread for thread in threading.enumerate() if thread.name in ("syncflow-watching", "syncflow-schemas")]


def test_models_are_followed_while_the_application_lives(package: ModelPackage) -> None:
    async def change(_: Life) -> None:
        assert b"price" not in package.output.read_bytes()
        package.write("product", PRODUCT + "    price: Mapped[int]\n")
        await until(lambda: b"price" in package.output.read_bytes())

    lived(app_of(package), change)


@pytest.mark.parametrize(
    ("variables", "is_generated"),
    [
        ({"SCHEMA_SYNC_ENVIRONMENT": "production"}, False),
        ({"SCHEMA_SYNC_AUTO_SYNC_ENABLED": "false", "SCHEMA_SYNC_WATCH_ENABLED": "false"}, False),
        ({"SYNCFLOW_FLAG_SCHEMA_SYNC": "false", "SCHEMA_SYNC_WATCH_ENABLED": "false"}, False),
        ({"SCHEMA_SYNC_ENVIRONMENT": "production", "SCHEMA_SYNC_ENABLE_IN_PRODUCTION": "true",
          "SCHEMA_SYNC_WATCH_ENABLED": "false"}, True),
    ],
)  # fmt: skip
def test_where_it_is_not_wanted_nothing_is_generated(
    package: ModelPackage, variables: dict[str, str], is_generated: bool
) -> None:
    package.environ |= variables
    lived(app_of(package), nothing)
    assert package.output.exists() == is_generated


def test_in_development_an_application_starts_with_the_old_schemas_and_a_warning(
    package: ModelPackage, caplog: pytest.LogCaptureFixture
) -> None:
    package.environ["SCHEMA_SYNC_WATCH_ENABLED"] = "false"
    lived(app_of(package), nothing)
    old = package.output.read_bytes()
    broken = package.write("product", "raise RuntimeError('not today')\n")
    lived(app_of(package), nothing)
    assert package.output.read_bytes() == old
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{broken}:1: RuntimeError: not today" in warning


def test_in_production_an_application_does_not_start_without_its_schemas_unless_it_is_told_to(
    package: ModelPackage,
) -> None:
    package.environ |= {"SCHEMA_SYNC_ENVIRONMENT": "production", "SCHEMA_SYNC_ENABLE_IN_PRODUCTION": "true"}
    package.environ["SCHEMA_SYNC_WATCH_ENABLED"] = "false"
    package.write("product", "raise RuntimeError('not today')\n")
    with pytest.raises(RuntimeError, match="the application does not start, as schemas could not be generated: models"):
        lived(app_of(package), nothing)
    package.environ["SCHEMA_SYNC_FAIL_ON_VALIDATION_ERROR"] = "false"
    lived(app_of(package), nothing)


def test_an_application_waits_for_slow_models_no_longer_than_it_wants_and_the_loop_goes_on(
    package: ModelPackage, caplog: pytest.LogCaptureFixture
) -> None:
    go = package.folder / "go"
    package.write(
        "slow", f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.01)\n"
    )

    async def look(_: Life) -> None:
        assert not package.output.exists()
        go.touch()
        await until(package.output.exists)

    lived(app_of(package, startup_timeout_s=0.2), look)
    assert "the schemas take longer than 0.2 s and go on beside the application" in caplog.messages


def test_a_configuration_that_cannot_be_used_keeps_the_application_from_starting(package: ModelPackage) -> None:
    package.environ["SCHEMA_SYNC_MAX_BACKUPS"] = "many"
    with pytest.raises(RuntimeError, match="SCHEMA_SYNC_MAX_BACKUPS"):
        lived(app_of(package), nothing)
