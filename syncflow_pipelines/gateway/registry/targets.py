"""Where the gateway may connect to: public addresses, and such private ones as the file allows.

A name is judged by the addresses that it has at the moment of connecting, and those very addresses are connected to:
DNS that changes its answer gains nothing. An address in a URL is never given to a resolver, so sockets are judged, too.
"""

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from syncflow_pipelines.config.gateway import TargetRules
from syncflow_pipelines.gateway.model import Origin, Registered

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""IANA's special-purpose addresses, and multicast."""
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
"""Within the former: Teredo and other assignments to protocols, documentation, 6to4."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)
"""Where clouds hand out credentials to whoever asks from within."""
_LOOPBACK: Final = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


class TargetRefused(OSError):
    """The gateway may not connect there. aiohttp makes a `ClientConnectorError` of it, with this as its `os_error`."""


def refusal_of(url: str, rules: TargetRules) -> str | None:
    """Why no endpoint may lead to the URL, as far as that can be seen without asking DNS; None where one may."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or "#" in url:
        return "an endpoint leads to http:// or https:// and a host, without user name, password and fragment"
    if _is_named(host, rules):
        return None
    addresses = _LOOPBACK if _is_localhost(host) else tuple(_read(host))
    if not addresses:
        return None if not _is_numeric(host) else f"{host} is an unusual spelling of an address; write it as 192.0.2.10"
    refused = [address for address in addresses if not may_connect(address, rules)]
    return _refusal(host, refused[0]) if len(refused) == len(addresses) else None


def may_connect(address: Address, rules: TargetRules) -> bool:
    """Whether the gateway may connect to the address, whatever name led to it."""
    forms = tuple(_forms(address))
    if any(form in _METADATA for form in forms):
        return any(
            network.num_addresses == 1 and form in network for form in forms for network in rules.allowed_networks
        )
    is_allowed = any(form in network for form in forms for network in rules.allowed_networks)
    return is_allowed or _is_public(forms[-1])


def rules_of(endpoint: Registered, rules: TargetRules) -> TargetRules:
    """The rules for an endpoint's own connections.

    An address, or `localhost`, in the URL of one that the file or a service names counts as allowed, for that endpoint
    alone; but where clouds hand out credentials, the rules have to name that address themselves.
    """
    host = (urlsplit(endpoint.config.url).hostname or "").rstrip(".")
    if endpoint.origin is Origin.API:
        return rules
    own = _LOOPBACK if _is_localhost(host) else tuple(_read(host))
    networks = tuple(ip_network(address) for address in own if not any(form in _METADATA for form in _forms(address)))
    return replace(rules, allowed_networks=(*rules.allowed_networks, *networks))


def checked_resolver(rules: TargetRules, inner: AbstractResolver | None = None) -> "CheckedResolver":
    """A resolver for aiohttp that keeps back addresses which may not be connected to.

    `inner` finds them, by default that of the system. To be made in a running event loop.
    """
    return CheckedResolver(rules, inner or aiohttp.DefaultResolver())


def checked_connector(
    url: str, rules: TargetRules, *, resolver: AbstractResolver | None = None, **options: Any
) -> aiohttp.TCPConnector:
    """A connector for one endpoint, that opens no socket to where it may not connect. `options` are aiohttp's.

    It is made for the URL's host alone: of a name that may lead anywhere, the socket is not judged. To be made in a
    running event loop.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    is_named = _is_named(host, rules)

    def open_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = info
        address = ip_address(str(place[0]).partition("%")[0])
        if not (may_connect(address, rules) or (is_named and not _is_metadata(address))):
            raise TargetRefused(_refusal(host, address))
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setblocking(False)
        return opened

    return _Connector(resolver=checked_resolver(rules, resolver), socket_factory=open_socket, **options)


class CheckedResolver(AbstractResolver):
    """See `checked_resolver`."""

    def __init__(self, rules: TargetRules, inner: AbstractResolver) -> None:
        self._rules, self._inner = rules, inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of the host that may be connected to. Raises `TargetRefused` where it has no such."""
        found = await self._inner.resolve(host, port, family)
        is_named = _is_named(host.rstrip("."), self._rules)
        addresses = [ip_address(result["host"].partition("%")[0]) for result in found]
        allowed = [
            result
            for result, address in zip(found, addresses, strict=True)
            if may_connect(address, self._rules) or (is_named and not _is_metadata(address))
        ]
        if found and not allowed:
            raise TargetRefused(_refusal(host, addresses[0]))
        return allowed

    async def close(self) -> None:
        await self._inner.close()


class _Connector(aiohttp.TCPConnector):
    """Closes the resolver that was made for it."""

    async def close(self, *, abort_ssl: bool = False) -> None:
        await super().close(abort_ssl=abort_ssl)
        await self._resolver.close()


def _refusal(host: str, address: Address) -> str:
    is_address = host.strip("[]") == str(address)
    subject = f"{address} is" if is_address else f"{host} leads to {address}, which is"
    if _is_metadata(address):
        return (
            f"{subject} where clouds hand out credentials; if it really is to be reached, name that very address under "
            "targets.allow_networks in the gateway's file"
        )
    or_name = "" if is_address else ", or the name to targets.allow_hosts,"
    return (
        f"{subject} not public; if the gateway is to reach it, add it to targets.allow_networks{or_name} in the "
        "gateway's file"
    )


def _is_named(host: str, rules: TargetRules) -> bool:
    """Whether the rules say that the name may lead anywhere."""
    host = host.lower()
    return any(
        host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern for pattern in rules.allowed_hosts
    )


def _is_localhost(host: str) -> bool:
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _is_metadata(address: Address) -> bool:
    return any(form in _METADATA for form in _forms(address))


def _read(host: str) -> Iterator[Address]:
    try:
        yield ip_address(host.partition("%")[0])
    except ValueError:
        return


def _is_numeric(host: str) -> bool:
    """Whether the system's resolver would take it for an address, as it does 127.1 and 0x7f000001."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


def _forms(address: Address) -> Iterator[Address]:
    """The address, and the one of IPv4 that a packet to it is meant for, if there is one."""
    yield address
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        elif address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
