"""What things are called in Dagster. `sync.asset_path` says how names from outside are encoded."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import unquote

import dagster as dg

from syncflow_pipelines.sync.asset_path import CATALOGUE, RESERVED, connector_part, encoded, entity_path
from syncflow_pipelines.sync.model import Strategy

SPEC, MCP_SERVER, RESOLVER = "openapi", "mcp_server", "resolver"
SCHEMAS = "schemas"
ENDPOINT = "gateway"
SERVICE_KINDS = RESERVED - {SCHEMAS, ENDPOINT}
"""First halves of the asset keys of services; no connector's key begins so, nor as those of sources of schemas and of
endpoints of the gateway do."""

STRATEGY_TAG = "syncflow/strategy"
CONNECTOR_TAG = "syncflow/connector"
SERVICE_TAG = "syncflow/service"
SCHEMAS_TAG = "syncflow/schemas"
"""The source of schemas."""
REPAIR_TAG = "syncflow/repair"
"""On runs of the partitioned jobs: the connector. `dagster.yaml` limits how many of one value run at once."""


def entity_key(connector: str, slug: str) -> dg.AssetKey:
    """The asset of an entity's table."""
    return dg.AssetKey(list(entity_path(connector, slug)))


def catalogue_key(connector: str) -> dg.AssetKey:
    """The asset of a connector's catalogue; no entity ever has this key."""
    return dg.AssetKey([connector_part(connector), CATALOGUE])


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
    return dg.AssetKey([ENDPOINT, encoded(name)])


def service_of(key: dg.AssetKey) -> str | None:
    """The service of one of the three; None for any other asset."""
    return key.path[1] if len(key.path) == 2 and key.path[0] in SERVICE_KINDS else None


def entity_of(key: dg.AssetKey) -> tuple[str, str] | None:
    """Connector and slug of an entity's asset; None for any other asset."""
    if len(key.path) != 2 or key.path[1] == CATALOGUE or key.path[0] in RESERVED:
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
    return encoded(connector)


def identifiers(connectors: Iterable[str]) -> dict[str, str]:
    """For each connector a name of letters, digits and `_`, its own, for groups and ops."""
    names = sorted(set(connectors))
    simple = {name: re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names}
    uses = Counter(simple.values())
    return {name: plain if uses[plain] == 1 else f"{plain}_{_digest(name)}" for name, plain in simple.items()}


def op_name(identifier: str, strategy: Strategy) -> str:
    """The op that syncs a connector's entities of one strategy."""
    return f"{identifier}__{strategy}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
