"""What the configuration says, and what is wrong with it, one thing at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.config.paths import is_file
from syncflow_pipelines.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ConfigurationFact:
    """One thing that the configuration says, or that is wrong with it; it holds no secret."""

    subject: str
    """What it is about: a file, `settings`, `connector erp`, `service crm`, `secret of erp`, …"""
    status: Literal["ok", "warning", "mistake"]
    """A warning need not be mended here: the machine that checks may not be the one that syncs."""
    text: str
    details: Mapping[str, str] = field(default_factory=dict, hash=False)


def state_of(enabled: bool) -> str:
    """The word for it."""
    return "enabled" if enabled else "disabled"


def secret_facts(name: str, source: SecretSource | None, read: Callable[[], object]) -> Iterator[ConfigurationFact]:
    """Whether the secret of that name is there; nothing where there is none. `read` raises where it is not."""
    if source is None:
        return
    subject = f"secret of {name}"
    try:
        read()
    except ConfigurationError as error:
        yield ConfigurationFact(subject, "warning", str(error))
    else:
        yield ConfigurationFact(subject, "ok", f"the {source} is set")


def certificate_facts(name: str, ca_file: Path | None) -> Iterator[ConfigurationFact]:
    """A warning where the certificates to trust are not there."""
    if ca_file and not is_file(ca_file):
        text = f"the file {ca_file} is not there; put the certificates there, or mend ca_file"
        yield ConfigurationFact(f"certificates of {name}", "warning", text)
