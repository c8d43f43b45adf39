"""References to secrets over the API: `env:NAME` and `file:PATH`, and which of them may be used.

Whoever may manage connectors over the API decides where SyncFlow sends a secret to. They may name the secrets that are
meant for sources, and none of SyncFlow's own, nor any file of the machine.
"""

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from syncflow_pipelines.config.auth import SecretSource
from syncflow_pipelines.config.paths import absolute
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError

FOLDER_VARIABLE: Final = "SYNCFLOW_SECRETS_DIR"
NAMES_VARIABLE: Final = "SYNCFLOW_SECRET_VARIABLES"
_OWN: Final = re.compile(r"(?i)(SYNCFLOW|POSTGRES|PG|DAGSTER)")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def secrets_folder(settings: Settings) -> Path:
    """The folder below which files may be named over the API: `SYNCFLOW_SECRETS_DIR`, or `secrets` of the project."""
    return absolute(settings.environment.get(FOLDER_VARIABLE) or "secrets", settings.project_dir)


def reference_mistake(reference: str, settings: Settings) -> str | None:
    """What is wrong with a reference, in a sentence that does not repeat it; None where it may be used."""
    kind, _, rest = reference.partition(":")
    if kind == "env" and _VARIABLE.fullmatch(rest):
        return _variable_mistake(rest, settings)
    if kind == "file" and rest.isprintable() and rest.strip():
        return None if _is_below(secrets_folder(settings), rest) else _elsewhere(settings)
    return "expected env:NAME, the name of an environment variable, or file:PATH"


def referenced(reference: str, settings: Settings) -> SecretSource:
    """The secret that the reference names; what is wrong with the reference is told when it is read."""
    kind, _, rest = reference.partition(":")
    is_file = kind == "file"
    return ReferencedSecret(
        variable=None if is_file else rest,
        file=absolute(rest, secrets_folder(settings)) if is_file else None,
        environment=settings.environment,
        reference=reference,
        settings=settings,
    )


@dataclass(frozen=True, slots=True)
class ReferencedSecret(SecretSource):
    """A secret that somebody named over the API; whether it may be used is looked at again when it is read."""

    reference: str = ""
    settings: Settings | None = field(default=None, repr=False, compare=False)

    def _unchecked(self) -> str:
        if self.settings is not None and (mistake := reference_mistake(self.reference, self.settings)):
            raise ConfigurationError(f"the {self} may not be used over the API: {mistake}")
        return self._from_variable() if self.file is None else self._from_file(self.file)


def _variable_mistake(name: str, settings: Settings) -> str | None:
    if _OWN.match(name):
        return "expected a variable for a source, and none of SyncFlow's, PostgreSQL's or Dagster's own"
    patterns = (settings.environment.get(NAMES_VARIABLE) or "").split()
    if not any(fnmatchcase(name, pattern) for pattern in patterns):
        return f"expected a variable that {NAMES_VARIABLE} lets the API use, by names or patterns such as ERP_*"
    return None


def _is_below(folder: Path, path: str) -> bool:
    """Whether the file is in the folder, wherever links lead."""
    try:
        return absolute(path, folder).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that is too long
        return False


def _elsewhere(settings: Settings) -> str:
    return f"expected a file below {secrets_folder(settings)} ({FOLDER_VARIABLE})"
