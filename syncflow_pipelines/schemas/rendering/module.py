"""A source of schemas → the text of its module."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines.schemas.rendering.generator import SchemaGenerator
from syncflow_pipelines.schemas.rendering.rendered import Rendered
from syncflow_pipelines.schemas.rendering.templates import templates_digest

_FOLDER: Final = Path(__file__).parents[1]
_DECIDING: Final = (
    "components/*.py", "entities.py", "introspection/reader/*.py", "model.py", "rendering/*.py",
    "rendering/templates/*.py", "secrets.py",
)  # fmt: skip


def render(
    source: SchemaSource,
    *,
    name: str,
    digest: str,
    with_relations: bool = False,
    template_dir: Path | None = None,
    generator: type[SchemaGenerator] = SchemaGenerator,
) -> Rendered:
    """The module of schemas of a source; `digest` is the source's and goes into the module's first lines.

    The same source always gives the same text, in whatever order its models are. Findings say what could not be carried
    over. Raises `GenerationFailed` and `ConfigurationError` where a generator or templates of the project's own do not
    work.
    """
    made = generator(source, name=name, digest=digest, with_relations=with_relations, template_dir=template_dir)
    return made.generate()


def renderer_version(template_dir: Path | None = None) -> str:
    """Another one whenever the same source may be read or rendered otherwise: by us, by templates, or by ruff."""
    return f"{_code_digest()[:12]}-{templates_digest(template_dir)[:12]}"


def deciding_files() -> list[Path]:
    """Our own modules that decide what is read of a source and what is made of it, sorted."""
    return sorted({file for pattern in _DECIDING for file in _FOLDER.glob(pattern)})


@cache
def _code_digest() -> str:
    """Of those modules, and ruff's version."""
    found = hashlib.sha256(version("ruff").encode())
    for file in deciding_files():
        content = file.read_bytes()
        found.update(f"{file.relative_to(_FOLDER)}:{len(content)}:".encode() + content)
    return found.hexdigest()
