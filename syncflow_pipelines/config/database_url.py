"""URLs of PostgreSQL: as people give them, as libpq takes them, and as they may be shown."""

import ipaddress
import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

_HARMLESS_OPTIONS = frozenset(
    {"host", "port", "dbname", "user", "sslmode", "application_name", "connect_timeout", "target_session_attrs"}
)


class UnusableUrl(ValueError):
    """The text is no URL of a PostgreSQL database; `found` tells why, without its secrets."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


def plain_database_url(url: str) -> str:
    """The URL with the scheme that libpq knows; `postgres`, `postgresql` and `postgresql+driver` are taken.

    The rest is left as it is. Raises `UnusableUrl`.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UnusableUrl("text that is no URL")
    if not re.fullmatch(r"(postgres|postgresql)(\+\w+)?", scheme.lower()):
        raise UnusableUrl("a URL of another scheme")
    if not url.isprintable() or " " in url:
        raise UnusableUrl("a URL with spaces or control characters")
    servers = re.split(r"[/?]", rest, maxsplit=1)[0].rpartition("@")[2]
    if not all(re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:/@]*)(:[0-9]*)?", server) for server in servers.split(",")):
        raise UnusableUrl("a URL whose host or port cannot be read")
    return f"postgresql://{rest}"


def build_database_url(
    *, host: str | None, port: int | None, database: str | None, user: str | None, password: str | None
) -> str:
    """The libpq URL of those parts, each quoted where it must be; what is None is left to libpq.

    `host` may be an IPv6 address, or the folder of a socket.
    """
    account = quote(user or "", safe="")
    if password is not None:
        account += f":{quote(password, safe='')}"
    if account:
        account += "@"
    name = quote(database or "", safe="")
    if host and host.startswith("/"):
        options = {"host": host} | ({"port": port} if port else {})
        return f"postgresql://{account}/{name}?{urlencode(options)}"
    server = _server(host or "localhost") + (f":{port}" if port else "")
    return f"postgresql://{account}{server}/{name}"


def without_secrets(url: str) -> str:
    """The URL as it may be shown: with `***` for every password, and for all that may be one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://***"
    # A password that holds "/", "?" or "#" unquoted ends up outside the part that is thought to hold it.
    if "@" in parts.path + parts.query + parts.fragment:
        return f"{parts.scheme}://***"
    account, at, server = parts.netloc.rpartition("@")
    user, colon, _ = account.partition(":")
    options = [
        f"{name}={value}" if name in _HARMLESS_OPTIONS else "***"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    shown = f"{user}{':***' if colon else ''}{at}{server}"
    return parts._replace(netloc=shown, query="&".join(options), fragment="").geturl()


def _server(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
