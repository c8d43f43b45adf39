"""A project whose service names a file as its spec."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from syncflow_pipelines.config import ServiceConfig, Services, ServiceSettings, Settings
from syncflow_pipelines.openapi.refreshing import Refreshed, refresh

PING = {"get": {"operationId": "ping", "responses": {"200": {"description": "pong"}}}}


def document(*names: str, **more: Any) -> dict[str, Any]:
    """An OpenAPI document with an operation of each name, and `ping`; `more` stands in it, too."""
    paths = {f"/{name}": {"get": {**PING["get"], "operationId": name}} for name in names}
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/ping": PING, **paths}, **more}


def save(path: Path, value: object) -> None:
    """Replaces the file as a careful writer does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(json.dumps(value))
    draft.replace(path)


def settings_in(folder: Path) -> Settings:
    return Settings(config_dir=folder / "config", home=folder / "home")


def services_in(folder: Path, *paths: str, **options: Any) -> Services:
    """The service `crm`, whose project is the folder's `backend`."""
    given = ServiceConfig("crm", "http://127.0.0.1:9", paths or ("openapi.json",), ("mcp",), folder / "backend")
    places = ServiceSettings(folder / "specs", folder / "generated", folder / ".openapi_checksums.json", debounce_ms=0)
    return Services((replace(given, **options),), places)


def look(folder: Path, *paths: str, is_patient: bool = True, **options: Any) -> Refreshed:
    """A look at the spec of that service."""
    [seen] = refresh(services_in(folder, *paths, **options), settings_in(folder), patient=is_patient)
    return seen


def grown_old(*paths: Path) -> None:
    """Makes files look as if nobody had touched them for long; of what is missing, its folder."""
    for path in paths:
        os.utime(path, (0, 0))
