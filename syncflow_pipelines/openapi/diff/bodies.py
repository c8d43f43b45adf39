"""What is sent as a body, and in which media types."""

from collections.abc import Mapping

from syncflow_pipelines.openapi.diff.components import members
from syncflow_pipelines.openapi.diff.place import Place
from syncflow_pipelines.openapi.diff.values import contract
from syncflow_pipelines.openapi.model import Json


def compare_bodies(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    """All changes of the body that goes with a request; both are operations."""
    before, after = old.get("requestBody"), new.get("requestBody")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        _compare(place, before, after)
    elif isinstance(after, Mapping):
        rule = "request-required-body-added" if after.get("required") is True else "request-body-added"
        place.tell(rule, "there was no body", after=sorted(members(after, "content")))
    elif isinstance(before, Mapping):
        place.tell("request-body-removed", "is gone", before=sorted(members(before, "content")))


def _compare(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    was_required, is_required = old.get("required") is True, new.get("required") is True
    if is_required and not was_required:
        place.tell("request-body-became-required", "is required")
    elif was_required and not is_required:
        place.tell("request-body-became-optional", "may be left out")
    compare_media_types(place, members(old, "content"), members(new, "content"))


def compare_media_types(
    place: Place, old: Mapping[str, Json], new: Mapping[str, Json], *, tells_names: bool = True
) -> None:
    """All changes of a `content`; not which media types came and went, where `tells_names` is false."""
    ours, theirs = _by_name(old), _by_name(new)
    for name in sorted(ours.keys() | theirs.keys()):
        part = place.at(name)
        if name in ours and name in theirs:
            _compare_one(part, ours[name], theirs[name])
        elif tells_names and name in theirs:
            part.tell(f"{place.direction}-media-type-added", "is possible, too")
        elif tells_names:
            part.tell(f"{place.direction}-media-type-removed", "is not possible any more")


def _by_name(content: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    """In lower case, and without the character set, which no JSON needs."""
    return {_plain(name): media for name, media in content.items() if isinstance(media, Mapping)}


def _plain(name: str) -> str:
    kind, *parameters = (part.strip() for part in name.lower().split(";"))
    return ";".join([kind, *(part for part in parameters if part and not part.startswith("charset"))])


def _compare_one(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    place.compare_schemas(old.get("schema", True), new.get("schema", True))
    before, after = members(old, "encoding"), members(new, "encoding")
    if contract({"encoding": before}) != contract({"encoding": after}):
        message = "parts are encoded differently"
        place.tell(f"{place.direction}-encoding-changed", message, before=before, after=after)
