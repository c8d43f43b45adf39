"""URLs: taken apart, put together, shown without secrets, and the proxy that one of them needs."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlencode, urljoin, urlsplit

from syncflow_pipelines.errors import ConfigurationError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?"
_SHOWN = 300
"""Characters of a URL that an error quotes."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what credentials are for."""

    scheme: str
    host: str
    """In lower case and ASCII, an IPv6 address without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """Host and port as in a URL, without a port that goes without saying."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy and what it wants to hear."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({self})"


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of the settings, as `pick_proxy` takes them."""

    http: str | None = None
    https: str | None = None
    no_proxy: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Those that are there; each may hold a password."""
        return tuple(url for url in (self.http, self.https) if url)

    def pick(self, url: str) -> str | None:
        """The proxy to use for `url`, or None."""
        return pick_proxy(url, http_proxy=self.http, https_proxy=self.https, no_proxy=self.no_proxy)

    def __repr__(self) -> str:
        return f"Proxies({len(self.urls)})"


def url_path(*segments: str) -> str:
    """An absolute path of the segments, each percent-encoded whole, slashes included."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


def request_target(base_path: str, path: str, query: Sequence[tuple[str, str]]) -> str:
    """Path and query of a request. `path` is percent-encoded already; what still cannot stand in a URL is encoded."""
    target = base_path + quote(path, safe=_PATH_SAFE)
    return f"{target}?{urlencode(query, quote_via=quote)}" if query else target


def split_base_url(base_url: str) -> tuple[Origin, str]:
    """The origin, and the path without a trailing slash.

    Raises `ConfigurationError`; a user name and password in the URL are refused, and not shown.
    """
    try:
        parts = urlsplit(base_url)
        origin = _origin(parts)
    except ValueError:
        # What the parser says may quote a password.
        raise ConfigurationError("base_url is not a URL; expected something like https://host/path") from None
    if origin is None:
        raise ConfigurationError("base_url has to begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"base_url of {origin} holds a user name or password; put credentials under auth")
    return origin, quote(parts.path.rstrip("/"), safe=_PATH_SAFE)


def locate(url: str) -> tuple[Origin, str]:
    """The origin and the request target of an http or https URL; user name, password and fragment count for nothing.

    Raises `ValueError`, which does not show it.
    """
    try:
        parts = urlsplit(url)
        origin = _origin(parts)
    except ValueError:
        raise ValueError("a URL that cannot be read") from None
    if origin is None:
        raise ValueError("a URL that is neither http nor https")
    return origin, _target(parts)


def redirected(origin: Origin, target: str, location: str | None) -> tuple[Origin | None, str]:
    """Where a `Location` leads: an origin (None where it is no HTTP URL) and a request target."""
    if not location:
        return None, ""
    try:
        parts = urlsplit(urljoin(f"{origin}{target}", location.strip()))
        new_origin = _origin(parts)
    except ValueError:
        return None, ""
    return new_origin, _target(parts)


def shown(origin: Origin, target: str) -> str:
    """The URL for an error: never with credentials, and not too long to read."""
    url = f"{origin}{target}"
    return url if len(url) <= _SHOWN else f"{url[:_SHOWN]}…"


def parse_proxy(url: str) -> Proxy:
    """The proxy of a URL such as `http://user:password@proxy:3128`; a bare `proxy:3128` is one too.

    Raises `ConfigurationError`, which shows neither user nor password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("the proxy's URL cannot be read; expected http://host:port") from None
    if parts.scheme != "http" or not host:
        raise ConfigurationError("the proxy's URL has to be of the form http://host:port; no other kind is supported")
    username = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return Proxy(host, port or 80, username, password)


def pick_proxy(
    base_url: str, *, http_proxy: str | None = None, https_proxy: str | None = None, no_proxy: str | None = None
) -> str | None:
    """The proxy to use for `base_url`, or None.

    `no_proxy` is a list with commas: hosts (with their subdomains), `host:port`, addresses, networks
    such as `10.0.0.0/8`, or `*`. A host on this machine never goes through a proxy.
    """
    origin, _ = split_base_url(base_url)
    proxy = https_proxy if origin.scheme == "https" else http_proxy
    if not proxy or _is_loopback(origin.host):
        return None
    exceptions = (part.strip().lower() for part in (no_proxy or "").split(","))
    return None if any(part and _matches(origin, part) for part in exceptions) else proxy


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    return f"{path}?{quote(parts.query, safe=_QUERY_SAFE)}" if parts.query else path


def _origin(parts: SplitResult) -> Origin | None:
    """The origin, or None where it is no HTTP URL. Raises `ValueError` for a host or port that cannot be."""
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in _DEFAULT_PORTS or not host:
        return None
    if not host.isprintable() or " " in host:
        raise ValueError("its host holds a space or a control character")
    return Origin(scheme, host.encode("idna").decode("ascii").lower(), parts.port or _DEFAULT_PORTS[scheme])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)


def _matches(origin: Origin, exception: str) -> bool:
    if exception == "*":
        return True
    address = _address(origin.host)
    if address is not None and "/" in exception:
        return _in_network(address, exception)
    name, _, port = exception.rpartition(":") if exception.count(":") == 1 else (exception, "", "")
    if port and port != str(origin.port):
        return False
    name = name.removeprefix("*").removeprefix(".").strip("[]")
    return origin.host == name or (address is None and origin.host.endswith(f".{name}"))


def _in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
