"""Which names a resolver answers to.

A web page can give its own name any address, that of this machine included, and then talk to what listens there as to
its own server (DNS rebinding). The name stands in the `Host` header: one that is not expected is refused. Addresses in
digits are, since no page can claim one that it was not loaded from.
"""

import ipaddress
from collections.abc import Collection

from syncflow_pipelines.codegen.runtime.asgi import Scope, values_of
from syncflow_pipelines.codegen.runtime.problems import Problem

EVERY = "*"
BOUND = "syncflow.bound"
"""Where the scope has the name that the server was told to listen on."""


def wrong_host(scope: Scope, allowed: Collection[str]) -> Problem | None:
    """Why a request is refused for its `Host`; None where it is answered.

    `allowed` are names without ports; `*.example.com` stands for all names below `example.com`, `*` for every one.
    """
    if EVERY in allowed:
        return None
    names = [_name(value.decode("latin-1")) for value in values_of(scope, b"host")]
    strange = [name for name in names if not _is_ours(name, {*allowed, scope.get(BOUND, "")})]
    if not strange:
        return None
    return Problem(
        421,
        "wrong-host",
        f"this server does not answer to the name {strange[0][:253]!r}; put it into rest.allowed_hosts of the service "
        "in auto_sync_services.yaml, and generate anew",
    )


def _name(host: str) -> str:
    """The host without its port, as names are compared."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).rstrip(".").lower()


def _is_ours(name: str, allowed: Collection[str]) -> bool:
    if name == "localhost" or name.endswith(".localhost") or name in allowed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return any(one.startswith("*.") and name.endswith(one[1:]) for one in allowed)
    return True
