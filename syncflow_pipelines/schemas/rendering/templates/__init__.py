"""Templates of schemas, and a project's own in their place.

A template gets Python source and lays it out; it never gets what a source of schemas says as such.
"""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.schemas.rendering.variants import SchemaClass, SchemaField

_OURS: Final = Path(__file__).parent
_PLAIN: Final[Mapping[type, Collection[str]]] = {
    SchemaClass: frozenset({"bases", "body", "config", "docstring", "fields", "name"}),
    SchemaField: frozenset({"annotation", "comment", "name", "value"}),
}
"""Attributes that hold texts, and tuples of them."""


class _Environment(SandboxedEnvironment):
    """The sandbox, which does not look twice at what SyncFlow's own values are made of: that is half of the time."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) in _PLAIN and attribute in _PLAIN[type(obj)]:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)


class Templates:
    """Those of a folder, and SyncFlow's where it has none of that name."""

    def __init__(self, folder: Path | None = None) -> None:
        folders = [_OURS] if folder is None else [folder, _OURS]
        self._folder = folder
        self._environment = _Environment(
            loader=ChoiceLoader([FileSystemLoader(each) for each in folders]),
            undefined=StrictUndefined,
            autoescape=False,  # Python is written here, no HTML
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def fill(self, name: str, /, **values: Any) -> str:
        """The template of that name, filled in. Raises `ConfigurationError` where the project's own does not work."""
        try:
            return self._environment.get_template(name).render(**values)
        except Exception as error:  # a project's own template may raise anything
            where = f"{self._folder or _OURS}/{name}"
            raise ConfigurationError(f"the template {where} does not work: {error}; mend it or remove it") from error


def templates_digest(folder: Path | None = None) -> str:
    """Another one whenever a template that is used has changed."""
    found = hashlib.sha256()
    for each in (_OURS, *(() if folder is None else (folder,))):
        for file in sorted(each.glob("*.jinja")):
            content = file.read_bytes()
            found.update(f"{file.name}:{len(content)}:".encode() + content)
    return found.hexdigest()
