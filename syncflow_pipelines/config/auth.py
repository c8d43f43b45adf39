"""How a connector proves who it is. Secrets are read when they are needed, and never kept."""

from dataclasses import dataclass, field
from pathlib import Path

from syncflow_pipelines.config.environment import Environment
from syncflow_pipelines.errors import ConfigurationError

MAX_SECRET_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret is: in a variable of the environment or `.env`, or in a file (exactly one)."""

    variable: str | None
    file: Path | None
    environment: Environment = field(default_factory=Environment, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.variable is None) == (self.file is None):
            raise ConfigurationError("a secret needs one source, an environment variable or a file; name exactly one")

    def __str__(self) -> str:
        return f"environment variable {self.variable}" if self.file is None else f"file {self.file}"

    def read(self) -> str:
        """The secret as it is now, without the blanks and line ends around it.

        Raises `ConfigurationError` that names the source where there is nothing, or where the secret
        holds what no HTTP header can carry.
        """
        secret = self._unchecked().strip(" \t\r\n")
        if not secret:
            raise ConfigurationError(f"the {self} is empty; put the secret there")
        if not (secret.isascii() and secret.replace("\t", " ").isprintable()):
            raise ConfigurationError(
                f"the {self} holds a line break, a control character or one outside ASCII, "
                "which no HTTP header can carry; put the bare secret there"
            )
        return secret

    def _unchecked(self) -> str:
        return self._from_variable() if self.file is None else self._from_file(self.file)

    def _from_variable(self) -> str:
        value = self.environment.get(self.variable or "")
        if value is not None:
            return value
        mistakes = tuple(str(mistake) for dotenv in self.environment.dotenvs() for mistake in dotenv.mistakes)
        raise ConfigurationError(f"the {self} is not set; set it in the environment or in .env", mistakes)

    def _from_file(self, file: Path) -> str:
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise ConfigurationError(f"the {self} cannot be read ({cause}); put the secret there") from error
        if len(content) > MAX_SECRET_BYTES:
            raise ConfigurationError(
                f"the {self} holds more than {MAX_SECRET_BYTES:,} bytes; put the bare secret there"
            )
        # Latin-1 takes any byte; what is not ASCII is refused with the variable's.
        return content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


@dataclass(frozen=True, slots=True)
class NoAuth:
    """The source asks for no credentials."""

    def headers(self) -> dict[str, str]:
        """No headers."""
        return {}

    def secret(self) -> None:
        """No secret."""


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """`Authorization: Bearer <token>`, the token from a variable or a file (exactly one)."""

    token_env: str | None = None
    token_file: Path | None = None
    environment: Environment = field(default_factory=Environment, repr=False, compare=False)
    kept: SecretSource | None = None
    """Where the token is instead, of a connector that is managed over the API."""

    def __post_init__(self) -> None:
        self.secret()

    def headers(self) -> dict[str, str]:
        """The header, with the token as it is now.

        Raises `ConfigurationError` that names the variable or file where it is absent or empty, or
        holds what a token cannot hold.
        """
        source = self.secret()
        token = source.read()
        if token.split()[0] != token:
            raise ConfigurationError(
                f"the {source} holds a blank within the token; put the bare token there, without the word Bearer"
            )
        return {"Authorization": f"Bearer {token}"}

    def secret(self) -> SecretSource:
        """Where the token is."""
        return self.kept or SecretSource(self.token_env, self.token_file, self.environment)


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """`<name>: <prefix><value>`, the value from a variable or a file (exactly one)."""

    name: str
    value_env: str | None = None
    value_file: Path | None = None
    prefix: str = ""
    environment: Environment = field(default_factory=Environment, repr=False, compare=False)
    kept: SecretSource | None = None
    """As for `BearerAuth`."""

    def __post_init__(self) -> None:
        self.secret()

    def headers(self) -> dict[str, str]:
        """The header, with the value as it is now.

        Raises `ConfigurationError` that names the variable or file where it is absent or empty, or
        holds what a header cannot hold.
        """
        return {self.name: self.prefix + self.secret().read()}

    def secret(self) -> SecretSource:
        """Where the value is."""
        return self.kept or SecretSource(self.value_env, self.value_file, self.environment)


Auth = BearerAuth | HeaderAuth | NoAuth
