"""What a service sends by itself: callbacks of operations, and webhooks. Its bodies are written by the service, and so
are weighed as answers are."""

from collections.abc import Iterator, Mapping

from syncflow_pipelines.openapi.diff.bodies import compare_media_types
from syncflow_pipelines.openapi.diff.components import members
from syncflow_pipelines.openapi.diff.place import Place
from syncflow_pipelines.openapi.diff.values import contract
from syncflow_pipelines.openapi.model import METHODS, Json

_Sent = dict[tuple[str, ...], Mapping[str, Json]]


def compare_callbacks(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    """All changes of callbacks; both are operations."""
    _compare(place.at("callbacks", direction="response"), "callback", _callbacks(old), _callbacks(new))


def compare_webhooks(place: Place, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    """All changes of webhooks; both are documents."""
    _compare(
        place.at("webhooks", direction="response"),
        "webhook",
        dict(_sent(old, "webhooks")),
        dict(_sent(new, "webhooks")),
    )


def _callbacks(operation: Mapping[str, Json]) -> _Sent:
    listed = members(operation, "callbacks")
    return {(name, *key): sent for name in listed for key, sent in _sent(listed, name)}


def _sent(node: Mapping[str, Json], key: str) -> Iterator[tuple[tuple[str, ...], Mapping[str, Json]]]:
    """What is sent, by the names or expressions of its path items and by its methods."""
    for name, item in members(node, key).items():
        for method in METHODS:
            operation = item.get(method) if isinstance(item, Mapping) else None
            if isinstance(operation, Mapping):
                yield (name, method), operation


def _compare(place: Place, word: str, old: _Sent, new: _Sent) -> None:
    for key in sorted(old.keys() | new.keys()):
        part = place.at(*key)
        if key not in new:
            part.tell(f"{word}-removed", "is not sent any more")
        elif key not in old:
            part.tell(f"{word}-added", "is new")
        else:
            _compare_one(part, word, old[key], new[key])


def _compare_one(place: Place, word: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    before, after = members(old, "requestBody"), members(new, "requestBody")
    compare_media_types(place, members(before, "content"), members(after, "content"))
    if _rest(old) != _rest(new):
        place.tell(f"{word}-changed", "is described differently")


def _rest(operation: Mapping[str, Json]) -> bytes:
    return contract({key: value for key, value in operation.items() if key != "requestBody"})
