"""Where the gateway may connect to, whatever the address is called, and whatever DNS says next."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.config import GatewayConfig
from syncflow_pipelines.config.gateway import EndpointConfig, TargetRules
from syncflow_pipelines.config.gateway_endpoint import RegistrationSection, read_endpoint
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines.gateway.registry.targets import (
    TargetRefused,
    checked_connector,
    checked_resolver,
    may_connect,
    refusal_of,
    rules_of,
)

NOTHING = TargetRules()
NEVER_PUBLIC = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
)
PUBLIC = ("8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8")
SPELLINGS = (
    "0",
    "0x7f000001",
    "0X7F.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.000.000.001",
    "2130706433",
    "[::1%25lo]",
    "[fe80::1%25eth0]",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.com",
    "１２７.0.0.1",
    "127。0。0。1",
    "a b",
    "",
    "example..com",
    "-example.com",
)


def url_of(address: str) -> str:
    return f"http://[{address}]/" if ":" in address else f"http://{address}/"


@pytest.mark.parametrize("address", NEVER_PUBLIC)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not may_connect(ip_address(address), NOTHING)
    assert refusal_of(url_of(address), NOTHING) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_not(address: str) -> None:
    assert may_connect(ip_address(address), NOTHING)
    assert refusal_of(url_of(address), NOTHING) is None


@given(st.ip_addresses(v=4))
def test_an_address_of_ipv4_within_one_of_ipv6_is_judged_alike(address: IPv4Address) -> None:
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert may_connect(ip_address(form), NOTHING) == may_connect(address, NOTHING)
    for form in (f"::{address}", f"64:ff9b:1::{address}"):
        assert not may_connect(ip_address(form), NOTHING)


@given(st.ip_addresses())
def test_no_address_that_python_calls_special_is_public(address: IPv4Address | IPv6Address) -> None:
    inner = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    is_special = inner.is_private or inner.is_multicast or inner.is_link_local or inner.is_loopback
    if is_special and address not in ip_network("64:ff9b::/96"):
        assert not may_connect(address, NOTHING)


@pytest.mark.parametrize("host", SPELLINGS)
def test_other_spellings_of_addresses_are_no_url_of_an_endpoint(host: str) -> None:
    with pytest.raises(ConfigurationError, match="endpoint: url: found"):
        read_endpoint({"name": "a", "url": f"http://{host}/"}, GatewayConfig(), RegistrationSection)


@pytest.mark.parametrize("host", ["0", "0x7f000001", "127.1", "017700000001", "2130706433"])
def test_nor_do_they_get_past_the_rules(host: str) -> None:
    assert "unusual spelling" in (refusal_of(f"http://{host}/", NOTHING) or "")


@pytest.mark.parametrize("url", ["ftp://a", "file:///etc/passwd", "http://u:p@a", "http://a#b", "http:///x", "a"])
def test_what_is_no_plain_http_url_is_refused(url: str) -> None:
    assert "http:// or https://" in (refusal_of(url, NOTHING) or "")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost"])
def test_localhost_is_known_without_dns(host: str) -> None:
    assert "not public" in (refusal_of(f"http://{host}:1/", NOTHING) or "")
    assert refusal_of(f"http://{host}:1/", TargetRules((ip_network("127.0.0.0/8"),))) is None


def test_networks_and_names_may_be_allowed() -> None:
    rules = TargetRules((ip_network("10.0.0.0/8"), ip_network("fd00::/8")), ("erp.internal", "*.svc.local"))
    assert [
        may_connect(ip_address(text), rules) for text in ("10.9.9.9", "::ffff:10.9.9.9", "fd00::1", "11.0.0.1")
    ] == [
        True,
        True,
        True,
        True,
    ]
    assert not may_connect(ip_address("192.168.0.1"), rules)
    assert refusal_of("http://10.9.9.9/", rules) is None
    for name in ("erp.internal", "ERP.internal.", "a.svc.local"):
        assert resolved(name, rules, "192.168.0.1") == ["192.168.0.1"]
    for name in ("xerp.internal", "svc.local", "erp.internal.evil.example"):
        with pytest.raises(TargetRefused, match="not public"):
            resolved(name, rules, "192.168.0.1")


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"])
def test_where_clouds_hand_out_credentials_has_to_be_named_itself(address: str) -> None:
    wide = TargetRules((ip_network("169.254.0.0/16"), ip_network("0.0.0.0/0"), ip_network("::/0")), ("meta",))
    assert not may_connect(ip_address(address), wide)
    assert "credentials" in (refusal_of(url_of(address), wide) or "")
    with pytest.raises(TargetRefused, match="credentials"):
        resolved("meta", wide, address)
    assert may_connect(ip_address(address), TargetRules((ip_network("169.254.169.254"), ip_network("fd00:ec2::254"))))


def test_of_several_addresses_those_that_may_be_connected_to_are_left() -> None:
    assert resolved("mixed.example.com", NOTHING, "10.0.0.1", "8.8.8.8", "fe80::1") == ["8.8.8.8"]


def test_an_address_in_the_file_is_allowed_for_that_endpoint_alone() -> None:
    for url, address in (("http://127.0.0.1:1", "127.0.0.1"), ("http://localhost:1", "::1"), ("http://[::1]:1", "::1")):
        for origin in (Origin.FILE, Origin.SERVICE):
            assert may_connect(ip_address(address), rules_of(endpoint(url, origin), NOTHING))
        assert not may_connect(ip_address(address), rules_of(endpoint(url, Origin.API), NOTHING))
    own = rules_of(endpoint("http://10.0.0.1", Origin.FILE), NOTHING)
    assert not may_connect(ip_address("10.0.0.2"), own)
    assert rules_of(endpoint("http://internal.example.com", Origin.FILE), NOTHING) == NOTHING
    metadata = rules_of(endpoint("http://169.254.169.254", Origin.FILE), NOTHING)
    assert not may_connect(ip_address("169.254.169.254"), metadata)


def test_a_socket_is_opened_to_no_address_that_is_not_allowed() -> None:
    async def connect() -> int:
        async with listening() as (port, calls):
            for url in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
                assert isinstance(await failure(url, NOTHING), TargetRefused)
                assert await failure(url, TargetRules((ip_network("127.0.0.0/8"),))) is None
            assert await failure(f"http://localhost:{port}", TargetRules((), ("localhost",))) is None
        return len(calls)

    assert asyncio.run(connect()) == 3


def test_dns_that_changes_its_answer_gains_nothing() -> None:
    async def connect() -> int:
        async with listening() as (port, calls):
            url = f"http://rebinding.example.com:{port}"
            answers = [["127.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["10.0.0.1"], ["::ffff:169.254.169.254"]]
            resolver = Answering(answers)
            rules = TargetRules((ip_network("127.0.0.1"),))
            connector = checked_connector(url, rules, resolver=resolver, use_dns_cache=False, force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session:
                await session.get(url)
                await session.get(url)
                for told in ("leads to 10.0.0.1", "credentials"):
                    with pytest.raises(aiohttp.ClientConnectorError) as refused:
                        await session.get(url)
                    assert isinstance(refused.value.os_error, TargetRefused)
                    assert told in str(refused.value.os_error)
        assert resolver.is_closed
        return len(calls)

    assert asyncio.run(connect()) == 2


class Answering(AbstractResolver):
    """Gives one answer after the other."""

    def __init__(self, answers: list[list[str]]) -> None:
        self.answers = answers
        self.is_closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        self.is_closed = True


def resolved(host: str, rules: TargetRules, *addresses: str) -> list[str]:
    async def resolve() -> list[str]:
        found = await checked_resolver(rules, Answering([list(addresses)])).resolve(host)
        return [result["host"] for result in found]

    return asyncio.run(resolve())


def endpoint(url: str, origin: Origin) -> Registered:
    now = datetime.now(UTC)
    return Registered(EndpointConfig("a", url), origin, Status.ACTIVE, True, 1, now, now)


async def failure(url: str, rules: TargetRules) -> OSError | None:
    """What keeps a request to the URL from being sent; None where it is answered."""
    async with aiohttp.ClientSession(connector=checked_connector(url, rules)) as session:
        try:
            await session.get(url)
        except aiohttp.ClientConnectorError as error:
            return error.os_error
    return None


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on 127.0.0.1, its port, and the requests that it got."""
    calls: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], calls
