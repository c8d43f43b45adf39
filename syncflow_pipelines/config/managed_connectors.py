"""Connectors that are managed over the API: what may be said of them, what is kept of it, and what comes out."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, SecretStr, ValidationError, model_validator

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth, SecretSource
from syncflow_pipelines.config.auth_sections import HeaderName, NoAuthSection, Prefix
from syncflow_pipelines.config.connectors import ConnectorConfig, default_schema
from syncflow_pipelines.config.connectors_file import ConnectorFields, EntitySection, connector_of
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.sealed_secrets import Place, SealedSecret, origin_of
from syncflow_pipelines.config.secret_references import reference_mistake, referenced, secrets_folder
from syncflow_pipelines.config.section import Described, HttpUrl, Section, refused
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError

LONGEST_URL: Final = 500
LONGEST_SECRET: Final = 8192


_LINE: Final = r"^[!-~](?:[ -~]*[!-~])?$"
"""Printable ASCII, without blanks around it."""
_IDENTIFIER: Final = r"^(?!(?:[Pp][Gg]_|information_schema$))[A-Za-z_][A-Za-z0-9_]{0,62}$"
_URL: Final = (
    r"^https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[::1\]|\[(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\])"
    r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    r"(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/-]{0,200})?$"
)
_REFERENCE: Final = r"^(?:env:[A-Za-z_][A-Za-z0-9_]{0,99}|file:[!-~](?:[ -~]*[!-~])?)$"


def _secret(value: object) -> object:
    """Checked here, so that no error holds it."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_SECRET or not re.fullmatch(_LINE, value):
        raise refused(
            f"1 to {LONGEST_SECRET:,} characters of printable ASCII without blanks around them, as headers carry them"
        )
    return SecretStr(value)


def _line(pattern: str, longest: int, expected: str) -> Described:
    """Text that matches the pattern, which the API's description tells; what was sent is not repeated."""

    def check(value: object) -> str:
        if not isinstance(value, str) or len(value) > longest or not re.fullmatch(pattern, value):
            raise refused(expected, "something else")
        return str(value)

    return Described(check, schema={"pattern": pattern, "maxLength": longest})


Kept = Annotated[SecretStr, Described(_secret, schema={"pattern": _LINE, "maxLength": LONGEST_SECRET})]
Reference = Annotated[str, _line(_REFERENCE, 1000, "env:NAME, the name of an environment variable, or file:PATH")]
Name = Annotated[
    str, _line(r"^[A-Za-z][A-Za-z0-9_-]{0,62}$", 63, "a letter, then letters, digits, _ and -, 63 characters or less")
]
Url = Annotated[
    HttpUrl,
    _line(_URL, LONGEST_URL, "a URL such as https://erp.example.com, without user name, password, query or fragment"),
]
Id = Annotated[str, _line(_IDENTIFIER, 63, "letters, digits and underscores, not first a digit, not pg_…")]
Line = Annotated[str, _line(_LINE, 1000, "one line of text in ASCII")]
Slug = Annotated[str, _line(r"^[^\x00-\x1f\x7f]{1,100}$", 100, "the slug of an entity, of 100 characters or less")]


class ManagedBearer(Section):
    """A bearer token: kept here, encrypted, or read where the reference says."""

    type: Literal["bearer"]
    token: Kept | None = None
    reference: Reference | None = None


class ManagedHeader(Section):
    """A header of its own: its value kept here, encrypted, or read where the reference says."""

    type: Literal["header"]
    name: HeaderName = Field(description="the name of a header such as X-Api-Key")
    prefix: Prefix = ""
    value: Kept | None = None
    reference: Reference | None = None


def _with_whole_numbers(document: object) -> object:
    """In JSON, 5.0 is a whole number."""
    if not isinstance(document, dict):
        return document
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in document.items()
    }


class ManagedEntity(EntitySection):
    """What is said of one entity; null leaves the matter to the connector or the source."""

    _whole = model_validator(mode="before")(_with_whole_numbers)

    target_schema: Id | None = None
    target_table: Id | None = None


class ManagedConnector(ConnectorFields):
    """A connector, as it is said over the API and kept in the database."""

    model_config = ConfigDict(json_schema_extra={"title": "ConnectorOrder"})
    _whole = model_validator(mode="before")(_with_whole_numbers)

    auth: Annotated[ManagedBearer | ManagedHeader | NoAuthSection, Field(discriminator="type")] = NoAuthSection(
        type="none"
    )
    name: Name = Field(examples=["crm"])
    base_url: Url = Field(examples=["https://crm.example.com"])
    target_schema: Id | None = None
    ca_file: Line | None = None  # type: ignore[assignment]  # below the folder of secrets
    service: Line | None = None
    via: Line | None = None
    entities: dict[Slug, ManagedEntity] = Field(  # type: ignore[assignment]  # they say no more than the file's
        default_factory=dict, json_schema_extra={"additionalProperties": False}
    )

    @property
    def secret(self) -> str | None:
        """The secret that is to be kept; None where it says none."""
        match self.auth:
            case ManagedBearer(token=SecretStr() as said) | ManagedHeader(value=SecretStr() as said):
                return said.get_secret_value()
        return None

    @property
    def reference(self) -> str | None:
        return None if isinstance(self.auth, NoAuthSection) else self.auth.reference

    @property
    def needs_secret(self) -> bool:
        """Whether it has to be known who SyncFlow is, and no reference says where that stands."""
        return not isinstance(self.auth, NoAuthSection) and self.auth.reference is None

    def kept(self) -> dict[str, Any]:
        """What is kept of it in the clear: everything but its secret, and what has a column of its own."""
        document = self.model_dump(mode="json", exclude_none=True, exclude={"name", "base_url", "enabled"})
        for key in ("token", "value"):
            document["auth"].pop(key, None)
        return document


def mistakes_of(said: ManagedConnector, settings: Settings) -> dict[str, str]:
    """What the installation has against it, by the part that says it; no sentence repeats a secret."""
    found: dict[str, str] = {}
    if said.secret is not None and said.reference is not None:
        found["auth"] = "expected one of a secret to keep and a reference, and not both"
    elif said.reference is not None and (mistake := reference_mistake(said.reference, settings)):
        found["auth.reference"] = mistake
    if said.ca_file is not None and (mistake := reference_mistake(f"file:{said.ca_file}", settings)):
        found["ca_file"] = mistake
    sizes = {"page_size": said.page_size, **_of_entities(said, "page_size")}
    for place, size in sizes.items():
        if size is not None and size > settings.max_page_size:
            found[place] = f"expected {settings.max_page_size} or less (MAX_PAGE_SIZE)"
    for place, schema in _schemas(said).items():
        if schema.lower() == settings.schema.lower():
            found[place] = f"expected another schema than {settings.schema}, which holds SyncFlow's own tables"
    return found


def managed_connector(
    name: str,
    base_url: str,
    enabled: bool,
    kept: Mapping[str, Any],
    settings: Settings,
    *,
    uid: str,
    sealed: str | None,
) -> ConnectorConfig:
    """The connector of a row of the table.

    Raises `ConfigurationError` where what is kept of it cannot be used any more, by this version or these settings.
    """
    document = {**kept, "name": name, "base_url": base_url, "enabled": enabled}
    try:
        said = ManagedConnector.model_validate(document, context={"max_page_size": settings.max_page_size})
    except ValidationError as error:
        places = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
        raise ConfigurationError(f"connector {name} cannot be used: {places}; PUT it anew over the API") from None
    auth = _auth(said, settings, SealedSecret(environment=settings.environment, place=_place(said, uid), sealed=sealed))
    ca_file = None if said.ca_file is None else absolute(said.ca_file, secrets_folder(settings))
    return connector_of(said, auth, ca_file, settings, managed_by="api")


def _place(said: ManagedConnector, uid: str) -> Place:
    return Place(said.name, uid, origin_of(said.base_url))


def _auth(said: ManagedConnector, settings: Settings, sealed: SealedSecret) -> Auth:
    source: SecretSource = sealed if said.reference is None else referenced(said.reference, settings)
    match said.auth:
        case ManagedBearer():
            return BearerAuth(kept=source)
        case ManagedHeader():
            return HeaderAuth(said.auth.name, prefix=said.auth.prefix, kept=source)
        case NoAuthSection():
            return NoAuth()


def _schemas(said: ManagedConnector) -> dict[str, str]:
    found = {"target_schema" if said.target_schema else "name": said.target_schema or default_schema(said.name)}
    return found | {place: schema for place, schema in _of_entities(said, "target_schema").items() if schema}


def _of_entities(said: ManagedConnector, name: str) -> dict[str, Any]:
    """What the sections of single entities say of one setting, by its place."""
    return {f"entities.{slug}.{name}": getattr(one, name) for slug, one in said.entities.items()}
