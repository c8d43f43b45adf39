"""Where a service's operations are: the address that is configured, and the path that the spec says."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

Json = Any

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_MAX_LENGTH = 2_000


def operations_url(base_url: str, servers: Sequence[Mapping[str, Json]]) -> str:
    """The address that the paths of the spec are appended to; no slash at its end.

    The host is always the configured one, so that a spec cannot send credentials elsewhere. Of the spec's first
    server only the path counts: `https://api.example.com` and `/v1` make `https://api.example.com/v1`, and so do
    `https://api.example.com/v1` and `/v1`.
    """
    configured = urlsplit(base_url)
    base, path = configured.path.rstrip("/"), _server_path(base_url, servers)
    joined = path if path == base or path.startswith(f"{base}/") else base + path
    return f"{configured.scheme}://{configured.netloc}{joined}"


def _server_path(base_url: str, servers: Sequence[Mapping[str, Json]]) -> str:
    """The path of the first server, variables in it replaced by their defaults; empty where there is none to use."""
    first = servers[0] if servers else {}
    variables = first.get("variables") or {}
    url = _VARIABLE.sub(
        lambda match: str((variables.get(match[1]) or {}).get("default", "")), str(first.get("url", ""))
    )
    try:
        path = urlsplit(urljoin(f"{base_url}/", url[:_MAX_LENGTH])).path
    except ValueError:  # brackets that are no IPv6 address
        return ""
    safe = quote(path, safe="/:@!$&'()*+,;=~%", errors="replace").rstrip("/")
    return "" if any(part in (".", "..") for part in safe.split("/")) else safe
