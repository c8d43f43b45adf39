"""What a gateway adds to a request: which way it came, and for whom (RFC 9110, section 7.6.3; RFC 7239)."""

import re
import secrets
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final

from syncflow_pipelines.transport import detour

Header = tuple[bytes, bytes]

PSEUDONYM: Final = detour.PSEUDONYM.encode()
VIA: Final = b"1.1 " + PSEUDONYM
MAX_HOPS: Final = 10
"""Gateways of this kind that a request may pass; more of them are a loop."""

REQUEST_ID: Final = b"x-request-id"
FORWARDED: Final = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded"}
)
_LISTS: Final = (b"x-forwarded-for", b"forwarded")

_KNOWN_CALLERS: Final = 1024
_PROPER_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class Forwarding:
    """Writes the lines for one process. Callers that are not trusted are believed nothing."""

    def __init__(self, trusted: Iterable[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(trusted)
        self._lines: dict[tuple[str | None, bytes, str], bytes] = {}

    def trusts(self, scope: Mapping[str, Any]) -> bool:
        return bool(self._trusted) and self._is_trusted(_peer(scope))

    def lines(self, scope: Mapping[str, Any], host: bytes) -> bytes:
        """For a caller whose own headers of these names are replaced, ready to be sent; without `Via`."""
        key = (_peer(scope), host, scope["scheme"])
        lines = self._lines.get(key)
        if lines is None:
            if len(self._lines) >= _KNOWN_CALLERS:
                self._lines.clear()
            lines = self._lines[key] = _write(_own(scope, host))
        return lines

    def continued(self, scope: Mapping[str, Any], host: bytes, headers: Iterable[Header]) -> bytes:
        """For a caller that is trusted: what it says is kept, and continued where it is a list."""
        said: dict[bytes, bytes] = {}
        for name, value in headers:
            if value and (name in FORWARDED or name.startswith(b"x-forwarded-")):
                said[name] = said[name] + b", " + value if name in said else value
        own = _own(scope, host)
        for name in _LISTS:
            if name in said:
                own[name] = said[name] + b", " + own[name]
        return _write({**own, **{name: value for name, value in said.items() if name not in _LISTS}})

    def _is_trusted(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._trusted)


def new_request_id() -> bytes:
    return secrets.token_hex(16).encode()


def believed_id(headers: Iterable[Header]) -> bytes | None:
    """What a trusted caller calls the request; None where it says nothing proper."""
    given = next((value for name, value in headers if name == REQUEST_ID), b"")
    return given if _PROPER_ID.fullmatch(given) else None


def hops(via: bytes) -> int:
    """How many gateways of this kind a request has passed."""
    return sum(PSEUDONYM in part.split() for part in via.split(b","))


def _peer(scope: Mapping[str, Any]) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def _own(scope: Mapping[str, Any], host: bytes) -> dict[bytes, bytes]:
    peer, scheme = _peer(scope), {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"]).encode()
    node = peer.encode("latin-1", "replace") if peer else b"unknown"
    quoted = b'"[' + node + b']"' if b":" in node else node
    forwarded = b"for=" + quoted + b";proto=" + scheme + (b';host="' + host + b'"' if host else b"")
    return {
        b"x-forwarded-for": node,
        b"x-forwarded-proto": scheme,
        **({b"x-forwarded-host": host} if host else {}),
        b"x-forwarded-port": _port(scope, host, scheme),
        b"forwarded": forwarded,
    }


def _port(scope: Mapping[str, Any], host: bytes, scheme: bytes) -> bytes:
    named = host.rpartition(b":")[2] if b":" in host.rpartition(b"]")[2] else b""
    if named.isdigit():
        return named
    if host:
        return b"443" if scheme == b"https" else b"80"
    server = scope.get("server")
    return str(server[1] or 0).encode() if server else b"0"


def _write(headers: Mapping[bytes, bytes]) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers.items())
