"""Who may use the control plane and the admin API: `SYNCFLOW_API_TOKENS`."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.errors import ConfigurationError

VARIABLE: Final = "SYNCFLOW_API_TOKENS"
_TOKEN_BYTES: Final = 32
_PART = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,62}):(?P<role>read|admin):sha256:(?P<digest>[0-9a-f]{64})")
_EXPECTED: Final = (
    f"{VARIABLE} must hold name:role:sha256:digest, several of them with blanks or commas between; part {{}} is not "
    "of that form (it is not shown). `syncflow serve token NAME --role admin` makes a token and its part"
)


class Role(StrEnum):
    READ = "read"
    ADMIN = "admin"
    """May do everything."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token that is accepted. The token itself is known to its holder alone."""

    name: str
    role: Role
    digest: bytes = field(repr=False)

    def __str__(self) -> str:
        """As it stands in the variable."""
        return f"{self.name}:{self.role}:sha256:{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class ApiTokens:
    """The tokens that are accepted."""

    tokens: tuple[ApiToken, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tokens)

    def find(self, presented: str) -> ApiToken | None:
        """Whose token it is. Every one is looked at, whichever it is, in constant time."""
        digest, found = _digest(presented), None
        for token in self.tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found


def load_api_tokens(environment: Environment) -> ApiTokens:
    """What the variable says now; none where it is not set. Raises `ConfigurationError`, without showing its value."""
    variable = environment.find(VARIABLE)
    return ApiTokens(tuple(_read(variable.value)) if variable and variable.value else ())


def new_api_token(name: str, role: Role) -> tuple[str, ApiToken]:
    """A token for its holder, and what the variable says of it."""
    token = f"syncflow_{secrets.token_urlsafe(_TOKEN_BYTES)}"
    return token, ApiToken(name, role, _digest(token))


def _read(value: str) -> Iterator[ApiToken]:
    for number, part in enumerate(re.split(r"[\s,]+", value.strip()), 1):
        match = _PART.fullmatch(part)
        if match is None:
            raise ConfigurationError(_EXPECTED.format(number))
        yield ApiToken(match["name"], Role(match["role"]), bytes.fromhex(match["digest"]))


def _digest(token: str) -> bytes:
    # Tokens are random and long: nothing slower is needed to keep them from being guessed.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
