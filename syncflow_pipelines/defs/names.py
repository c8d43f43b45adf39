"""What things are called in Dagster.

Names of connectors and slugs come from outside and may hold any character. Asset keys and partition keys keep
them as they are where that is legal; every other character is percent-encoded, so that no two names meet and
each can be read back.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote, unquote

import dagster as dg

from syncflow_pipelines.sync.model import Strategy

CATALOGUE = "catalogue"
SPEC, MCP_SERVER, RESOLVER = "openapi", "mcp_server", "resolver"
SCHEMAS = "schemas"
ENDPOINT = "gateway"
SERVICE_KINDS = frozenset({SPEC, MCP_SERVER, RESOLVER})
"""First halves of the asset keys of services; no connector's key begins so."""
_RESERVED = SERVICE_KINDS | {SCHEMAS, ENDPOINT}
"""... nor as those of sources of schemas and of endpoints of the gateway do."""

STRATEGY_TAG = "syncflow/strategy"
CONNECTOR_TAG = "syncflow/connector"
SERVICE_TAG = "syncflow/service"
SCHEMAS_TAG = "syncflow/schemas"
"""The source of schemas."""
REPAIR_TAG = "syncflow/repair"
"""On runs of the partitioned jobs: the connector. `dagster.yaml` limits how many of one value run at once."""

_UNSAFE = re.compile(r"[^\w.~-]")


def entity_key(connector: str, slug: str) -> dg.AssetKey:
    """The asset of an entity's table."""
    part = _encode(slug)
    if part == CATALOGUE:
        part = _spelled_out(part[0]) + part[1:]
    return dg.AssetKey([_connector_part(connector), part])


def catalogue_key(connector: str) -> dg.AssetKey:
    """The asset of a connector's catalogue; no entity ever has this key."""
    return dg.AssetKey([_connector_part(connector), CATALOGUE])


def spec_key(service: str) -> dg.AssetKey:
    """The asset of a service's OpenAPI document."""
    return dg.AssetKey([SPEC, service])


def mcp_server_key(service: str) -> dg.AssetKey:
    """The asset of the MCP server that is generated from it."""
    return dg.AssetKey([MCP_SERVER, service])


def resolver_key(service: str) -> dg.AssetKey:
    """The asset of the resolver that is generated from it."""
    return dg.AssetKey([RESOLVER, service])


def schemas_key(source: str) -> dg.AssetKey:
    """The asset of the schemas of a source of `schema_sync.yaml`."""
    return dg.AssetKey([SCHEMAS, source])


def endpoint_key(name: str) -> dg.AssetKey:
    """The asset of an endpoint of the gateway, whatever its version."""
    return dg.AssetKey([ENDPOINT, _encode(name)])


def service_of(key: dg.AssetKey) -> str | None:
    """The service of one of the three; None for any other asset."""
    return key.path[1] if len(key.path) == 2 and key.path[0] in SERVICE_KINDS else None


def entity_of(key: dg.AssetKey) -> tuple[str, str] | None:
    """Connector and slug of an entity's asset; None for any other asset."""
    if len(key.path) != 2 or key.path[1] == CATALOGUE or key.path[0] in _RESERVED:
        return None
    return unquote(key.path[0]), unquote(key.path[1])


def partition_key(connector: str, slug: str) -> str:
    """The entity's partition: `connector/slug`, encoded where need be."""
    return "/".join(entity_key(connector, slug).path)


def entity_of_partition(partition: str) -> tuple[str, str]:
    """Connector and slug of a partition. Raises `ValueError` where it is none."""
    connector, separator, slug = partition.partition("/")
    if not separator:
        raise ValueError(f"partition {partition!r} is not connector/slug")
    return unquote(connector), unquote(slug)


def pool_name(connector: str) -> str:
    """The pool that bounds how many runs read from the connector at once."""
    return _encode(connector)


def identifiers(connectors: Iterable[str]) -> dict[str, str]:
    """For each connector a name of letters, digits and `_`, its own, for groups and ops."""
    names = sorted(set(connectors))
    simple = {name: re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names}
    uses = Counter(simple.values())
    return {name: plain if uses[plain] == 1 else f"{plain}_{_digest(name)}" for name, plain in simple.items()}


def op_name(identifier: str, strategy: Strategy) -> str:
    """The op that syncs a connector's entities of one strategy."""
    return f"{identifier}__{strategy}"


def _connector_part(connector: str) -> str:
    part = _encode(connector)
    return _spelled_out(part[0]) + part[1:] if part in _RESERVED else part


def _encode(name: str) -> str:
    # "..." stands for a range of partitions in Dagster; "." and ".." are folders in the address of a page
    part = _UNSAFE.sub(lambda found: quote(found[0], safe=""), name).replace("...", "%2E%2E%2E")
    return part if part.strip(".") else _spelled_out(part)


def _spelled_out(part: str) -> str:
    return "".join(f"%{ord(character):02X}" for character in part)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
