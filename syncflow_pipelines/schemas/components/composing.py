"""The generator's module → the source of ours: the components' classes, and their variants."""

from collections.abc import Collection
from dataclasses import dataclass

from syncflow_pipelines.schemas.components.module import taken_apart
from syncflow_pipelines.schemas.components.variants import ComponentVariants


@dataclass(frozen=True, slots=True)
class Composed:
    """Parts of a module, not formatted yet."""

    imports: str
    body: str
    """All classes that the generator made."""
    variants: str
    exports: tuple[str, ...]
    """Names of variants."""
    hidden: tuple[str, ...]
    """Names that variants would have, were they not those of components."""


def composed(text: str, names: Collection[str], chosen: Collection[str]) -> Composed:
    """The parts, with the variants that are chosen; `names` are those of the components' classes."""
    module = taken_apart(text, names)
    made = ComponentVariants(module.classes, frozenset(names), frozenset(chosen))
    return Composed(module.imports, module.body, made.source(), made.exports, made.hidden)
