"""A source of schemas → the text of its module."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from syncflow_pipelines.schemas.generator import SchemaGenerator
from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines.schemas.rendered import Rendered
from syncflow_pipelines.schemas.templates import templates_digest

_MODULES: Final = (
    "admission", "annotations", "defaults", "formatting", "generator", "imports", "literals", "model", "naming",
    "rendering", "variants",
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
    """Another one whenever the same source may be rendered otherwise: by us, by templates, or by ruff."""
    return f"{_code_digest()[:12]}-{templates_digest(template_dir)[:12]}"


@cache
def _code_digest() -> str:
    """Of the modules that rendering is in, and ruff's version."""
    found = hashlib.sha256(version("ruff").encode())
    for name in _MODULES:
        found.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return found.hexdigest()
