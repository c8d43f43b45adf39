"""What a service answers: status codes, headers and bodies."""

from collections.abc import Mapping

from syncflow_pipelines.openapi.diff.bodies import compare_media_types
from syncflow_pipelines.openapi.diff.components import members
from syncflow_pipelines.openapi.diff.place import Place
from syncflow_pipelines.openapi.model import Json


def compare_responses(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    """All changes of the answers; both are operations."""
    ours, theirs = _by_status(old), _by_status(new)
    for status in sorted(ours.keys() | theirs.keys()):
        part = place.at(status)
        before, after = _answer(ours, status, theirs), _answer(theirs, status, ours)
        if before is not None and after is not None:
            _compare(part, before, after)
        elif after is not None:
            part.tell(_rule(status, theirs, "added"), "is new")
        else:
            part.tell(_rule(status, ours, "removed"), "is not answered any more")


def _by_status(operation: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    listed = members(operation, "responses")
    return {_status(code): answer for code, answer in listed.items() if isinstance(answer, Mapping)}


def _status(code: str) -> str:
    return code if code == "default" else code.upper()


def _answer(
    answers: Mapping[str, Mapping[str, Json]], status: str, other: Mapping[str, Mapping[str, Json]]
) -> Mapping[str, Json] | None:
    """The answer of that status; else of its class, where that is not in the other spec, too."""
    wider = status[:1] + "XX"
    if status in answers:
        return answers[status]
    return answers.get(wider) if wider not in other else None


def _rule(status: str, answers: Mapping[str, Json], end: str) -> str:
    """`default` is a success where no other answer is one."""
    successes = [code for code in answers if code.startswith("2")]
    is_success = status.startswith("2") or (status == "default" and not successes)
    return f"response-{'success' if is_success else 'error'}-{end}"


def _compare(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    _compare_headers(place, members(old, "headers"), members(new, "headers"))
    compare_media_types(place, members(old, "content"), members(new, "content"))


def _compare_headers(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    ours, theirs = _headers(old), _headers(new)
    for name in sorted(ours.keys() | theirs.keys()):
        part = place.at("headers", name)
        if name not in ours:
            part.tell("response-header-added", "is new")
        elif name not in theirs:
            is_sure = ours[name].get("required") is True
            part.tell("response-required-header-removed" if is_sure else "response-header-removed", "is gone")
        else:
            _compare_header(part, ours[name], theirs[name])


def _headers(listed: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    """By names in lower case; `Content-Type` is told by the media types."""
    named = {name.lower(): header for name, header in listed.items() if isinstance(header, Mapping)}
    named.pop("content-type", None)
    return named


def _compare_header(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    was_required, is_required = old.get("required") is True, new.get("required") is True
    if was_required and not is_required:
        place.tell("response-header-became-optional", "may be missing")
    elif is_required and not was_required:
        place.tell("response-header-became-required", "is always sent")
    if "schema" in old or "schema" in new:
        place.compare_schemas(old.get("schema", True), new.get("schema", True))
    compare_media_types(place, members(old, "content"), members(new, "content"), tells_names=False)
