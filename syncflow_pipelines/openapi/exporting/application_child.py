"""Runs as a program of its own, with the Python of the app: imports the app, and writes its OpenAPI document.

Only the standard library is imported, and what the app brings: SyncFlow need not be installed where the app is. The
result is a JSON file with `document`, or with `error` and, where known, `file` and `line`.
"""

import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

MAX_WRAPPERS = 20
"""Middleware around an app."""
_LOOK_S = 0.1
_NOT_THE_APP = (__file__, importlib.__file__)


class Unusable(Exception):
    """The app is not there, or tells no document."""


def main(target: str, folder: str, result: str, patience_s: str) -> None:
    """Ends the process in any case: threads that the app started do not count."""
    sys.path[0] = folder
    threading.Thread(target=_watch, args=(folder, result, float(patience_s)), daemon=True).start()
    try:
        told = {"document": document_of(load(target))}
    except BaseException as error:  # noqa: BLE001 - the app may raise anything, SystemExit as well
        told = _told(error, folder)
    try:
        _write(result, told)
    except (TypeError, ValueError, RecursionError) as error:
        _write(result, {"error": f"its document cannot be written as JSON: {error}"})
    _end()


def load(target: str) -> Any:
    """What `module:name` or `module:name()` stands for."""
    module_name, _, name = target.partition(":")
    found: Any = importlib.import_module(module_name)
    for part in name.removesuffix("()").split("."):
        if not hasattr(found, part):
            raise Unusable(f"{module_name} has no {name.removesuffix('()')}")
        found = getattr(found, part)
    return found() if name.endswith("()") else found


def document_of(app: Any) -> Any:
    """The document of an app of FastAPI, of anything else with `openapi()`, or of Starlette."""
    for _ in range(MAX_WRAPPERS):
        if callable(getattr(app, "openapi", None)):
            return app.openapi()
        if isinstance(getattr(app, "routes", None), list):
            return _from_routes(app)
        if not hasattr(app, "app"):
            break
        app = app.app
    hint = "; write module:name() where it is a function that makes the app" if callable(app) else ""
    raise Unusable(f"a {type(app).__name__} has neither openapi() nor routes{hint}")


def _from_routes(app: Any) -> dict[str, Any]:
    """The document of Starlette's docstrings, with those of the apps that are mounted."""
    schemas = importlib.import_module("starlette.schemas")
    title = str(getattr(app, "title", "") or "API")
    document: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": title, "version": "0.1.0"}, "paths": {}}
    for prefix, part in _parts(app.routes, ""):
        generator = schemas.SchemaGenerator({})
        _merge(document, generator.get_schema(routes=part) if isinstance(part, list) else part, prefix)
    return document


def _parts(routes: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """What stands below a path: a document, or routes with docstrings."""
    plain = [route for route in routes if not hasattr(route, "routes")]
    if plain:
        yield prefix, plain
    for mount in (route for route in routes if hasattr(route, "routes")):
        path = prefix + getattr(mount, "path", "")
        inner: Any = getattr(mount, "app", None)
        if callable(getattr(inner, "openapi", None)):
            yield path, inner.openapi()
        else:
            yield from _parts(mount.routes or [], path)


def _merge(document: dict[str, Any], part: dict[str, Any], prefix: str) -> None:
    names = _new_names(document, part, prefix)
    renamed = _renamed(part, {f"#/components/{kind}/{old}": f"#/components/{kind}/{new}" for kind, old, new in names})
    for path, item in renamed.get("paths", {}).items():
        document["paths"][prefix + path] = _secured(item, renamed.get("security"))
    for kind, old, new in names:
        document.setdefault("components", {}).setdefault(kind, {})[new] = renamed["components"][kind][old]


def _new_names(document: dict[str, Any], part: dict[str, Any], prefix: str) -> list[tuple[str, str, str]]:
    """Kind, name and new name of each component: one of another app may have the same name."""
    known = document.get("components", {})
    label = "".join(char if char.isalnum() else "_" for char in prefix.strip("/")) or "app"
    names = []
    for kind, components in part.get("components", {}).items():
        for name, value in components.items():
            taken = known.get(kind, {})
            is_free = name not in taken or taken[name] == value
            names.append((kind, name, name if is_free else f"{label}_{name}"))
    return names


def _renamed(value: Any, references: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: references.get(item, item) if key == "$ref" and isinstance(item, str) else _renamed(item, references)
            for key, item in value.items()
        }
    return [_renamed(item, references) for item in value] if isinstance(value, list) else value


def _secured(item: Any, security: Any) -> Any:
    """The path item with what its own document asks of every operation."""
    if security is None or not isinstance(item, dict):
        return item
    return {
        key: {"security": security, **value} if isinstance(value, dict) and "responses" in value else value
        for key, value in item.items()
    }


def _told(error: BaseException, folder: str) -> dict[str, Any]:
    """What went wrong, and where in the app."""
    message = (str(error).splitlines() or [""])[0][:300]
    if isinstance(error, Unusable):
        return {"error": message}
    told = {"error": f"{type(error).__name__}: {message}".rstrip(": ")}
    if isinstance(error, SyntaxError) and error.filename:
        return {**told, "file": error.filename, "line": error.lineno}
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return {**told, **_place(frames, folder)}


def _place(frames: list[tuple[str, int]], folder: str) -> dict[str, Any]:
    """The innermost place in the app's own folder, else in any file but this one."""
    files = [(name, line) for name, line in frames if name not in _NOT_THE_APP and not name.startswith("<")]
    own = [(name, line) for name, line in files if _is_own(name, folder)]
    for name, line in (own or files)[-1:]:
        return {"file": name, "line": line}
    return {}


def _is_own(name: str, folder: str) -> bool:
    return name.startswith(os.path.join(folder, "")) and "site-packages" not in name  # noqa: PTH118


def _watch(folder: str, result: str, patience_s: float) -> None:
    """Ends the process when it takes too long, and tells where it is; and when nobody waits for it any more."""
    parent, ends_at = os.getppid(), time.monotonic() + patience_s
    while time.monotonic() < ends_at:
        if os.getppid() != parent:
            _end()
        time.sleep(_LOOK_S)
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    place = _place(list(reversed(list(_lines(frame)))), folder)
    _write(result, {"error": f"it was not ready after {patience_s:g} s", "slow": True, **place})
    _end()


def _lines(frame: FrameType | None) -> Iterator[tuple[str, int]]:
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _write(result: str, told: dict[str, Any]) -> None:
    draft = Path(f"{result}.{threading.get_ident()}")
    draft.write_text(json.dumps(told), encoding="utf-8")
    draft.replace(result)


def _end() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
