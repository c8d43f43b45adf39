"""How a connector proves who it is. Secrets are read when they are needed, and never kept."""

from dataclasses import dataclass, field
from pathlib import Path

from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.errors import ConfigurationError

MAX_SECRET_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class NoAuth:
    """The source asks for no credentials."""

    def headers(self) -> dict[str, str]:
        """No headers."""
        return {}


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """`Authorization: Bearer <token>`, the token from a variable or a file (exactly one)."""

    token_env: str | None = None
    token_file: Path | None = None
    environment: Environment = field(default_factory=Environment, repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        """The header with the token as it is now.

        Raises `ConfigurationError` naming the variable or file where it is absent, empty, or holds
        what a token cannot hold.
        """
        return {"Authorization": f"Bearer {_read_secret(self.token_env, self.token_file, self.environment)}"}


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """`<name>: <prefix><value>`, the value from a variable or a file (exactly one)."""

    name: str
    value_env: str | None = None
    value_file: Path | None = None
    prefix: str = ""
    environment: Environment = field(default_factory=Environment, repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        """The header with the value as it is now.

        Raises `ConfigurationError` naming the variable or file where it is absent, empty, or holds
        what a header cannot hold.
        """
        return {self.name: self.prefix + _read_secret(self.value_env, self.value_file, self.environment)}


Auth = BearerAuth | HeaderAuth | NoAuth


def _read_secret(variable: str | None, file: Path | None, environment: Environment) -> str:
    if (variable is None) == (file is None):
        raise ConfigurationError("a secret needs exactly one source: an environment variable or a file")
    if variable is not None:
        source, secret = f"environment variable {variable}", environment.get(variable)
    else:
        assert file is not None
        source = f"file {file}"
        try:
            secret = file.read_bytes()[:MAX_SECRET_BYTES].decode()
        except OSError as error:
            raise ConfigurationError(f"the {source} with a token cannot be read: {error.strerror}") from error
    if secret is None or not secret.strip():
        raise ConfigurationError(f"the {source} is not set or empty; put the token there")
    secret = secret.strip()
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigurationError(f"the {source} holds a character that an HTTP header cannot carry")
    return secret
