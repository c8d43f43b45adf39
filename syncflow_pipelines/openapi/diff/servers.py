"""Where an operation is served."""

from collections.abc import Mapping

from syncflow_pipelines.openapi.diff.components import members
from syncflow_pipelines.openapi.diff.place import Place
from syncflow_pipelines.openapi.model import Json, Operation, Spec


def compare_servers(place: Place, old: list[str], new: list[str]) -> None:
    """All changes of the addresses."""
    if not set(old) & set(new) and old != new:
        place.tell("server-changed", "no server is as it was", before=old, after=new)
        return
    for address in old:
        if address not in new:
            place.tell("server-removed", "is not served there any more", before=address)
    for address in new:
        if address not in old:
            place.tell("server-added", "is served there, too", after=address)


def addresses(spec: Spec, operation: Operation) -> list[str]:
    """Without duplicates, variables by their defaults, and without a slash at the end."""
    listed = operation.definition.get("servers", spec.document.get("servers"))
    servers = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return list(dict.fromkeys(_address(server) for server in servers))


def _address(server: Mapping[str, Json]) -> str:
    address = str(server.get("url", "/"))
    for name, variable in members(server, "variables").items():
        default = variable.get("default") if isinstance(variable, Mapping) else None
        address = address.replace(f"{{{name}}}", str(default)) if default is not None else address
    return address.rstrip("/")
