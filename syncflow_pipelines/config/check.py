"""What a person wants to know of the configuration before it is used. Nothing is contacted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from syncflow_pipelines.config.auth import Auth, BearerAuth, HeaderAuth, NoAuth
from syncflow_pipelines.config.connectors import ConnectorConfig, EntityOverride
from syncflow_pipelines.config.connectors_file import FILE_NAME, load_connectors
from syncflow_pipelines.config.paths import is_file
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ConfigurationFact:
    """One thing that the configuration says, or that is wrong with it; it holds no secret."""

    subject: str
    """What it is about: a file, `settings`, `connector erp`, `secret of erp`, …"""
    status: Literal["ok", "warning", "mistake"]
    """A warning need not be mended here: the machine that checks may not be the one that syncs."""
    text: str
    details: Mapping[str, str] = field(default_factory=dict, hash=False)


def check_configuration(settings: Settings) -> tuple[ConfigurationFact, ...]:
    """The files that were read, the settings in force, every connector, and whether each secret is there.

    Mistakes in `connectors.yaml` come back as facts, one each.
    """
    return (*_environment(settings), *_connectors_file(settings))


def _environment(settings: Settings) -> Iterator[ConfigurationFact]:
    for dotenv in settings.environment.dotenvs():
        text = f"read, {len(dotenv.variables)} variables" if dotenv.exists else "not there"
        yield ConfigurationFact(str(dotenv.path), "ok", text)
    details = settings.shown()
    details.setdefault("database_url", f"the embedded server in {settings.home}")
    yield ConfigurationFact("settings", "ok", "in force", details)


def _connectors_file(settings: Settings) -> Iterator[ConfigurationFact]:
    path = settings.config_dir / FILE_NAME
    try:
        connectors = load_connectors(settings)
    except ConfigurationError as error:
        sentences = error.mistakes or (error.message,)
        yield from (ConfigurationFact(str(path), "mistake", sentence) for sentence in sentences)
        return
    if is_file(path):
        yield ConfigurationFact(str(path), "ok", f"read, {len(connectors)} connectors")
    else:
        yield ConfigurationFact(str(path), "warning", "not there, so there are no connectors")
    for connector in connectors:
        yield ConfigurationFact(
            f"connector {connector.name}", "ok", "enabled" if connector.enabled else "disabled", _details(connector)
        )
        yield from _secret(connector)
        yield from _certificates(connector)


def _secret(connector: ConnectorConfig) -> Iterator[ConfigurationFact]:
    source = connector.auth.secret()
    if source is None:
        return
    subject = f"secret of {connector.name}"
    try:
        connector.auth.headers()
    except ConfigurationError as error:
        yield ConfigurationFact(subject, "warning", str(error))
    else:
        yield ConfigurationFact(subject, "ok", f"the {source} is set")


def _certificates(connector: ConnectorConfig) -> Iterator[ConfigurationFact]:
    if connector.ca_file and not is_file(connector.ca_file):
        text = f"the file {connector.ca_file} is not there; put the certificates there, or mend ca_file"
        yield ConfigurationFact(f"certificates of {connector.name}", "warning", text)


def _details(connector: ConnectorConfig) -> dict[str, str]:
    values = {setting.name: getattr(connector, setting.name) for setting in fields(connector)}
    del values["name"], values["enabled"], values["auth"], values["entities"]
    details = {name: str(value) for name, value in values.items() if value is not None}
    overrides = {f"entities.{slug}": _override(override) for slug, override in connector.entities.items()}
    return {"auth": _auth(connector.auth), **details, **overrides}


def _override(override: EntityOverride) -> str:
    said = {setting.name: getattr(override, setting.name) for setting in fields(override)}
    return ", ".join(f"{name}: {value}" for name, value in said.items() if value is not None) or "nothing"


def _auth(auth: Auth) -> str:
    match auth:
        case BearerAuth():
            return f"bearer, token in {auth.secret()}"
        case HeaderAuth():
            return f"header {auth.name}, value in {auth.secret()}"
        case NoAuth():
            return "none"
