"""Secrets that are kept in the database: encrypted, with the keys of `SYNCFLOW_SECRET_KEY`."""

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

VARIABLE: Final = "SYNCFLOW_SECRET_KEY"
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}=")
_HOW: Final = "`syncflow connectors --new-key` makes one"


class SecretKeys:
    """The keys: the first encrypts, every one decrypts, so that keys can be replaced one after the other."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys

    def seal(self, secret: str, place: "Place") -> str:
        """The secret, encrypted for that place alone."""
        return self._fernet().encrypt(json.dumps([place.owner, place.origin, secret]).encode()).decode()

    def unseal(self, sealed: str, place: "Place") -> str:
        """The secret that was sealed for that place.

        Raises `ConfigurationError` where none of the keys opens it, and where it was sealed for another place: somebody
        has copied it there, or made the connector lead elsewhere, past the API.
        """
        from cryptography.fernet import InvalidToken

        try:
            owner, origin, secret = json.loads(self._fernet().decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            told = f"no key of {VARIABLE} opens the token of connector {place.name}; add the old key, or set the token"
            raise ConfigurationError(f"{told} again over the API") from None
        if (owner, origin) != (place.owner, place.origin):
            raise ConfigurationError(
                f"the token that is kept for connector {place.name} is for another address; set it again over the API"
            )
        return str(secret)

    def _fernet(self) -> "MultiFernet":
        # Imported here: it takes longer than everything else of the configuration.
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(key) for key in self._keys])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret belongs: it is of no use for another connector, nor for another address."""

    name: str
    """Of the connector, for errors."""
    owner: str
    """Its uid."""
    origin: str
    """Scheme, host and port of its source."""


@dataclass(frozen=True, slots=True)
class SealedSecret(SecretSource):
    """A secret that is kept in the database, and decrypted when it is needed."""

    variable: str | None = None
    file: None = None
    place: Place = field(default_factory=lambda: Place("", "", ""))
    sealed: str | None = field(default=None, repr=False)
    """None where nobody has asked the database."""

    def __post_init__(self) -> None:
        """It is neither in a variable nor in a file."""

    def __str__(self) -> str:
        return f"token that is kept for connector {self.place.name}"

    def _unchecked(self) -> str:
        if self.sealed is None:
            raise ConfigurationError(f"the {self} can be read from the database alone")
        return secret_keys(self.environment).unseal(self.sealed, self.place)


def secret_keys(environment: Environment) -> SecretKeys:
    """The keys as they are now. Raises `ConfigurationError` where there are none, or one is no key."""
    keys = (environment.get(VARIABLE) or "").split()
    if not keys:
        raise ConfigurationError(
            f"{VARIABLE} is not set, so that no token can be kept; set it where SyncFlow and Dagster run ({_HOW})"
        )
    for number, key in enumerate(keys, 1):
        if not _KEY.fullmatch(key):
            raise ConfigurationError(f"part {number} of {VARIABLE} is no key (it is not shown); {_HOW}")
    return SecretKeys(tuple(keys))


def new_secret_key() -> str:
    """A key, to be put before the others."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def origin_of(base_url: str) -> str:
    """Scheme, host and port of a base URL."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{port}"
