"""The parameters of an operation: sent by the caller, in the path, the query, a header or a cookie."""

from collections.abc import Mapping
from dataclasses import dataclass

from syncflow_pipelines.openapi.diff.bodies import compare_media_types
from syncflow_pipelines.openapi.diff.components import members
from syncflow_pipelines.openapi.diff.matching import placeholders, url
from syncflow_pipelines.openapi.diff.place import Place
from syncflow_pipelines.openapi.diff.shapes import Components, as_schema
from syncflow_pipelines.openapi.diff.values import referred
from syncflow_pipelines.openapi.model import Json, Operation

_NOT_PARAMETERS = ("accept", "content-type", "authorization")
"""Headers that OpenAPI tells elsewhere."""
_STYLES = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, with the defaults of OpenAPI filled in."""

    name: str
    stands_in: str
    definition: Mapping[str, Json]

    @property
    def where(self) -> str:
        return f"{self.stands_in}.{self.name}"

    @property
    def is_required(self) -> bool:
        return self.stands_in == "path" or self.definition.get("required") is True

    @property
    def is_deprecated(self) -> bool:
        return self.definition.get("deprecated") is True

    @property
    def serialization(self) -> dict[str, Json]:
        """How its value becomes text."""
        if "content" in self.definition:
            return {"content": sorted(members(self.definition, "content"))}
        style = self.definition.get("style", _STYLES.get(self.stands_in))
        reserved = self.definition.get("allowReserved", False)
        return {"style": style, "explode": self.definition.get("explode", style == "form"), "allowReserved": reserved}

    def has_default(self, components: Components) -> bool:
        schema = as_schema(self.definition.get("schema"))
        target = referred(schema)
        return (schema if target is None else {**as_schema(components.get(target)), **schema}).get(
            "default"
        ) is not None


def compare_parameters(place: Place, old: Operation, new: Operation) -> None:
    """All changes of parameters; of the path, those are the same that stand at the same position."""
    ours, theirs = _by_key(old, old.path), _by_key(new, new.path if url(old.path) == url(new.path) else old.path)
    moved = _moved(ours, theirs)
    for key in sorted(ours.keys() | theirs.keys()):
        before, after = ours.get(key), theirs.get(key)
        if before is not None and after is not None:
            _compare(place.at(after.where), before, after)
        elif after is not None:
            origin = moved.get(after.name)
            _tell_new(place.at(after.where), after, origin)
        elif before is not None and before.name not in moved:
            place.at(before.where).tell("request-parameter-removed", "is gone")


def _by_key(operation: Operation, path: str) -> dict[tuple[str, str], Parameter]:
    positions = {name: f"{position:04}" for position, name in enumerate(placeholders(path))}
    found: dict[tuple[str, str], Parameter] = {}
    listed = operation.definition.get("parameters")
    for definition in listed if isinstance(listed, list) else ():
        parameter = _parameter(definition)
        if parameter is None:
            continue
        name = parameter.name.lower() if parameter.stands_in == "header" else parameter.name
        if parameter.stands_in == "path":
            name = positions.get(name, name)
        if parameter.stands_in != "header" or name not in _NOT_PARAMETERS:
            found[parameter.stands_in, name] = parameter
    return found


def _parameter(definition: Json) -> Parameter | None:
    if not isinstance(definition, Mapping):
        return None
    name, stands_in = definition.get("name"), definition.get("in")
    return Parameter(name, stands_in, definition) if isinstance(name, str) and isinstance(stands_in, str) else None


def _moved(
    ours: Mapping[tuple[str, str], Parameter], theirs: Mapping[tuple[str, str], Parameter]
) -> dict[str, Parameter]:
    """Parameters that went elsewhere under the same name: what they were, by their names."""
    gone = {parameter.name: parameter for key, parameter in ours.items() if key not in theirs}
    come = {parameter.name for key, parameter in theirs.items() if key not in ours}
    return {name: parameter for name, parameter in gone.items() if name in come}


def _tell_new(place: Place, parameter: Parameter, origin: Parameter | None) -> None:
    if origin is not None:
        place.tell("request-parameter-moved", "is expected elsewhere", before=origin.where, after=parameter.where)
    elif not parameter.is_required:
        place.tell("request-parameter-added", "is new and optional")
    elif parameter.has_default(place.schemas.shared.new):
        place.tell("request-required-parameter-with-default-added", "is new and required, and has a default")
    else:
        place.tell("request-required-parameter-added", "is new and required")


def _compare(place: Place, old: Parameter, new: Parameter) -> None:
    if old.name != new.name and old.stands_in == "path":
        place.tell("path-parameter-renamed", "has another name", before=old.name, after=new.name)
    if new.is_required and not old.is_required:
        _tell_required(place, new)
    elif old.is_required and not new.is_required:
        place.tell("request-parameter-became-optional", "may be left out")
    if old.serialization != new.serialization:
        message = "is written differently in the request"
        place.tell(
            "request-parameter-serialization-changed", message, before=old.serialization, after=new.serialization
        )
    if old.is_deprecated != new.is_deprecated:
        kind = "deprecated" if new.is_deprecated else "undeprecated"
        place.tell(f"request-parameter-{kind}", "is deprecated" if new.is_deprecated else "is no longer deprecated")
    if "schema" in old.definition or "schema" in new.definition:
        place.compare_schemas(old.definition.get("schema", True), new.definition.get("schema", True))
    compare_media_types(
        place, members(old.definition, "content"), members(new.definition, "content"), tells_names=False
    )


def _tell_required(place: Place, parameter: Parameter) -> None:
    if parameter.has_default(place.schemas.shared.new):
        place.tell("request-parameter-with-default-became-required", "is required, and has a default")
    else:
        place.tell("request-parameter-became-required", "is required")
