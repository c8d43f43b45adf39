"""Connectors that are managed over the API: what may be said of them, what is kept of it, and what comes out."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth, SecretSource
from syncflow_pipelines.config.auth_sections import HeaderName, NoAuthSection, Prefix
from syncflow_pipelines.config.connectors import ConnectorConfig, default_schema
from syncflow_pipelines.config.connectors_file import ConnectorFields, EntitySection, connector_of
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.sealed_secrets import Place, SealedSecret, origin_of
from syncflow_pipelines.config.secret_references import reference_mistake, referenced, secrets_folder
from syncflow_pipelines.config.section import Section, refused
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError

LONGEST_URL: Final = 500
LONGEST_SECRET: Final = 8192


def _secret(value: object) -> object:
    """Checked here, so that no error holds it."""
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_SECRET:
        raise refused(f"text of 1 to {LONGEST_SECRET:,} characters")
    if not (value.isascii() and value.isprintable() and value == value.strip()):
        raise refused("printable ASCII without blanks around it, as a header can carry it")
    return SecretStr(value)


def _slug(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 100 or not value.isprintable():
        raise refused("the slug of an entity, of 100 characters or less")
    return str(value)


Kept = Annotated[SecretStr, BeforeValidator(_secret)]
Reference = Annotated[str, Field(max_length=1000)]


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


class ManagedConnector(ConnectorFields):
    """A connector, as it is said over the API and kept in the database."""

    model_config = ConfigDict(json_schema_extra={"title": "ConnectorOrder"})

    auth: Annotated[ManagedBearer | ManagedHeader | NoAuthSection, Field(discriminator="type")] = NoAuthSection(
        type="none"
    )
    entities: dict[Annotated[str, BeforeValidator(_slug)], EntitySection] = Field(default_factory=dict)

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
    if len(said.base_url) > LONGEST_URL:
        found["base_url"] = f"expected {LONGEST_URL} characters or less"
    if said.ca_file is not None and (mistake := reference_mistake(f"file:{said.ca_file}", settings)):
        found["ca_file"] = mistake
    if said.page_size is not None and said.page_size > settings.max_page_size:
        found["page_size"] = f"expected {settings.max_page_size} or less (MAX_PAGE_SIZE)"
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
    overrides = {f"entities.{slug}.target_schema": one.target_schema for slug, one in said.entities.items()}
    return found | {place: schema for place, schema in overrides.items() if schema}
