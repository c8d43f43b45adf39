"""`oats.config.ts` and its kin: the configuration of OATS, read so that a project that has it needs no second file.

Its schema is that of @tryloop/oats 2.2: https://www.npmjs.com/package/@tryloop/oats.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from syncflow_pipelines.config import yaml_tree
from syncflow_pipelines.config.document import EACH, Document, read_text, select
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.js_literal import Literal as Written
from syncflow_pipelines.config.js_literal import Unread, exported_literal, json_literal, plain
from syncflow_pipelines.config.mistakes import Location, Mistake, path_text, refusal
from syncflow_pipelines.config.paths import is_file
from syncflow_pipelines.config.section import FilePath, Text, matching, number, whole
from syncflow_pipelines.config.services import StartCommand
from syncflow_pipelines.errors import ConfigurationError

FILE_NAMES: Final = ("oats.config.ts", "oats.config.js", "oats.config.mjs", "oats.config.cjs", "oats.config.json")
"""In the order in which OATS looks for them."""
DEFAULT_POLLING_MS: Final = 5_000
"""How often OATS asks an endpoint where `pollingInterval` is not said."""
COMPONENTS: Final = ("mcp", "rest")

_PORTS: Final = {"python": 8000}
_OTHER_PORT: Final = 4000
"""What OATS takes where `port` is not said, by `runtime`."""
_NEEDED: Final = ("path", "port", "apiSpec")
_LONGEST_MS: Final = 86_400_000
_PLACES: Final = {
    "path": ("path",),
    "base_url": ("port",),
    "openapi_path": ("apiSpec", "path"),
    "debounce_ms": ("debounceMs",),
    "watch_interval": ("pollingInterval",),
    "on_change_only": ("strategy",),
}
"""Where this file says what `auto_sync_services.yaml` calls by those names."""


class OatsSection(BaseModel):
    """A mapping of OATS; what SyncFlow does not use of it is passed over."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, hide_input_in_errors=True)


class ApiSpecSection(OatsSection):
    path: Annotated[
        str,
        matching(r"(?!https?:)[^\x00-\x1f\x7f\ud800-\udfff]+", "a file such as openapi.json, or /openapi.json"),
    ] = Field(description="a file such as openapi.json, or an endpoint such as /openapi.json")


class ApiServiceSection(OatsSection):
    path: FilePath = Field(description="the folder of the service")
    port: Annotated[int, whole(1, 65_535)] | None = None
    runtime: Text | None = None
    start_command: Text | None = Field(default=None, alias="startCommand")
    cwd: FilePath | None = None
    env: dict[str, str] = Field(default_factory=dict)
    api_spec: ApiSpecSection = Field(alias="apiSpec")


class SyncSection(OatsSection):
    strategy: Literal["smart", "aggressive", "conservative"] = "smart"
    debounce_ms: Annotated[int, whole(0, _LONGEST_MS)] | None = Field(default=None, alias="debounceMs")
    polling_interval: Annotated[float, number(1, _LONGEST_MS)] = Field(
        default=DEFAULT_POLLING_MS, alias="pollingInterval"
    )


class OatsFileSection(OatsSection):
    services: dict[str, ApiServiceSection] = Field(description="services with apiSpec")
    sync: SyncSection = SyncSection()


@dataclass(frozen=True, slots=True)
class OatsConfig:
    """A file of OATS in the words of `auto_sync_services.yaml`."""

    document: Document
    data: dict[str, Any]
    """`services` and `settings`."""
    start_commands: Mapping[str, StartCommand]
    """By service; only of services that say one."""
    notes: tuple[str, ...]
    """What was passed over, one sentence each, with the line."""

    def refusal(self, found: Iterable[Explanation]) -> ConfigurationError:
        """The error for what is wrong with `data`, told by the places of this file."""
        told = [replace(explanation, location=self._place(explanation.location)) for explanation in found]
        return refusal(str(self.document.path), map(self.document.mistake, told))

    def _place(self, location: Location) -> Location:
        match location:
            case ("services", int(index), *rest):
                return ("services", self.data["services"][index]["name"], *_PLACES.get(str((rest or [""])[0]), ()))
            case ("settings", key, *_):
                return ("sync", *_PLACES.get(str(key), ()))
            case _:
                return location


def oats_file(folder: Path) -> Path | None:
    """The file of OATS in the folder that OATS itself would take; None where there is none."""
    return next((folder / name for name in FILE_NAMES if is_file(folder / name)), None)


def read_oats(path: Path) -> OatsConfig:
    """What the file says. Raises `ConfigurationError` with every mistake, each with its line."""
    written = _written(path)
    document = Document(path, written.root, _data(written), tuple(_unread_needs(path, written)), _broken(written))
    said = document.validated(OatsFileSection, checks=(_some_service,))
    return OatsConfig(
        document,
        {"services": [_service(*one) for one in said.services.items()], "settings": _settings(said.sync)},
        {name: start for name, one in said.services.items() if (start := _start(one, path.parent))},
        tuple(_notes(path, written, said)),
    )


def _written(path: Path) -> Written:
    read = json_literal if path.suffix == ".json" else exported_literal
    try:
        return read(read_text(path) or "")
    except yaml_tree.Unreadable as unreadable:
        flaw = unreadable.flaw
        mistake = Mistake(path.name, flaw.line, "", flaw.found, flaw.expected)
    raise refusal(str(path), [mistake])


def _data(written: Written) -> Any:
    """Plain values. Of the services those that show an API: the others are clients and front ends."""
    data = plain(written.root)
    services = data.get("services") if isinstance(data, dict) else None
    if isinstance(services, dict):
        shown = {name: one for name, one in services.items() if _shows_api(name, one, written.unread)}
        data = {**data, "services": shown}
    return data


def _shows_api(name: str, service: Any, unread: Iterable[Unread]) -> bool:
    may = any(one.location[:3] == ("services", name, "apiSpec") for one in unread)
    return name == "backend" or may or not isinstance(service, dict) or "apiSpec" in service


def _unread_needs(path: Path, written: Written) -> Iterator[Mistake]:
    """A mistake for each value that has to be known, and that only running code would tell."""
    for one in written.unread:
        if _is_needed(one, written):
            expected = "a value that is written out (no code is run to read it)"
            yield Mistake(path.name, one.line, path_text(one.location), f"code ({one.code})", expected)


def _is_needed(unread: Unread, written: Written) -> bool:
    location = unread.location
    if location[:1] != ("services",) and location != ():
        return False
    if unread.is_entry:
        return _may_hide(location, written)
    service = location[1:2]
    return (
        location == ("services",)
        or (len(location) == 2 and service not in (("client",), ("frontend",)))
        or (len(location) > 2 and location[2] in _NEEDED and (len(location) == 3 or location[3] == "path"))
    )


def _may_hide(location: Location, written: Written) -> bool:
    """Whether a spread may say what is not said beside it."""
    known = dict(select(plain(written.root), *location)).get(location, {})
    wanted = {0: ("services",), 2: _NEEDED, 3: ("path",)}.get(len(location), ())
    is_spec = len(location) < 3 or location[2] == "apiSpec"
    return is_spec and any(key not in known for key in wanted)


def _broken(written: Written) -> frozenset[Location]:
    """Where nothing more is said, since the value is not known."""
    needed = [one for one in written.unread if _is_needed(one, written)]
    missing = [(*one.location, key) for one in needed if one.is_entry for key in (*_NEEDED, "services", "path")]
    unknown = [("services",) for one in needed if len(one.location) == 2]
    return frozenset([*(one.location for one in needed), *missing, *unknown])


def _some_service(data: Any) -> Iterator[Explanation]:
    if isinstance(data, dict) and data.get("services") == {}:
        yield Explanation(("services",), "a service with apiSpec.path", "none")


def _service(name: str, said: ApiServiceSection) -> dict[str, Any]:
    return {
        "name": name,
        "base_url": f"http://127.0.0.1:{_port(said)}",
        "path": str(said.path),
        "openapi_path": said.api_spec.path,
        "components": list(COMPONENTS),
    }


def _port(said: ApiServiceSection) -> int:
    return said.port or _PORTS.get(said.runtime or "", _OTHER_PORT)


def _settings(said: SyncSection) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "on_change_only": said.strategy != "aggressive",
        "watch_interval": max(1, round(said.polling_interval / 1000)),
    }
    return settings if said.debounce_ms is None else {**settings, "debounce_ms": said.debounce_ms}


def _start(said: ApiServiceSection, project: Path) -> StartCommand | None:
    if said.start_command is None:
        return None
    return StartCommand(said.start_command, project / said.path / (said.cwd or ""), said.env)


def _notes(path: Path, written: Written, said: OatsFileSection) -> Iterator[str]:
    for one in written.unread:
        where = path_text(one.location) or "the object itself"
        yield f"{path.name}:{one.line}: {where}: only running code would tell what {one.code} is; it is passed over"
    services = plain(written.root).get("services", {})
    for (_, name), _found in select({"services": services}, "services", EACH):
        if name not in said.services:
            yield f"{path.name}: services.{name} has no apiSpec, and is not used"
    if said.sync.strategy == "conservative":
        yield f"{path.name}: sync.strategy conservative is taken for smart: every change of the contract counts"
