"""Small files for applications of other frameworks, which then export their spec by themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.files.replacing import replace_file

_TEMPLATES: Final = Path(__file__).parent
_SUFFIX: Final = ".scaffold"


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What is written for a framework."""

    files: Mapping[str, str]
    """By the path to write, the template; an empty one stands for an empty file, which may be there already."""
    hint: str
    """What to do next."""


KINDS: Final = {
    "express": Scaffold(
        {"openapi-export.cjs": "express/openapi-export.cjs", "openapi-options.cjs": "express/openapi-options.cjs"},
        "npm install swagger-jsdoc; then node openapi-export.cjs, or call exportOnStart() where your server starts.",
    ),
    "django": Scaffold(
        {
            "management/__init__.py": "",
            "management/commands/__init__.py": "",
            "management/commands/export_openapi.py": "django/export_openapi.py",
        },
        "The folder has to be that of an app in INSTALLED_APPS; then python manage.py export_openapi.",
    ),
}


def write_scaffold(kind: str, folder: Path, *, force: bool = False) -> list[Path]:
    """The files that were written for a framework.

    Raises `ConfigurationError`, with nothing written, where one is there already and may not be replaced.
    """
    files = {folder / name: template for name, template in KINDS[kind].files.items()}
    there = [path for path, template in files.items() if template and path.exists() and not force]
    if there:
        raise ConfigurationError(f"{there[0]} is there already; --force replaces it")
    wanted = {path: template for path, template in files.items() if template or not path.exists()}
    for path, template in wanted.items():
        replace_file(path, (_TEMPLATES / f"{template}{_SUFFIX}").read_bytes() if template else b"")
    return list(wanted)
