"""A component's class → what may be sent to create it, to update it, and what comes out of it.

Create and Update leave out what is read only, Response what is written only; also in the classes that they hold. All of
Update may be left out. Where that makes no difference, the variant is the class itself.
"""

import ast
import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from syncflow_pipelines.schemas.components.module import ClassField, ClassSource

Variant = Literal["Create", "Update", "Response"]

_ORDER: Final[tuple[Variant, ...]] = ("Create", "Update", "Response")
_NESTED: Final[Mapping[Variant, Variant]] = {"Create": "Create", "Update": "Create", "Response": "Response"}
_WORD: Final = re.compile(r"\w+")
_DEFAULTS: Final = frozenset({"default", "default_factory", "validate_default"})


@dataclass(frozen=True)
class ComponentVariants:
    """The variants of one module's classes."""

    classes: Mapping[str, ClassSource]
    components: frozenset[str]
    """Those of the classes that are components, by name."""
    chosen: frozenset[str] = frozenset(_ORDER)
    """Of the others, there are those that fields of the chosen ones hold."""

    def source(self) -> str:
        """All of them, as source."""
        return "\n\n".join(filter(None, (self._written(name, each) for each in _ORDER for name in self.classes)))

    @cached_property
    def exports(self) -> tuple[str, ...]:
        """The names of those that belong to components."""
        objects = [name for name in self.classes if name in self.components]
        return tuple(name + each for name in objects for each in self._chosen if self._is_made(name, each))

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """Names that variants would have, were they not those of components."""
        objects = [name for name in self.classes if name in self.components and not self.classes[name].is_root]
        return tuple(name + each for name in objects for each in self._chosen if name + each in self.components)

    @property
    def _chosen(self) -> tuple[Variant, ...]:
        return tuple(variant for variant in _ORDER if variant in self.chosen)

    def _is_made(self, name: str, variant: Variant) -> bool:
        is_object = name in self.components and not self.classes[name].is_root
        return name + variant not in self.components and (is_object or self._differs(name, variant))

    def _written(self, name: str, variant: Variant) -> str:
        if not self._is_made(name, variant) or not (variant in self.chosen or self._differs(name, variant)):
            return ""
        if variant != "Update" and not self._differs(name, variant):
            return f"{name}{variant} = {name}"
        return ast.unparse(self._class(self.classes[name], variant))

    def _differs(self, name: str, variant: Variant) -> bool:
        """Whether Create or Response is another class than that itself."""
        found = {"Create": self._with_less_to_write, "Response": self._with_less_to_read}
        return name in found.get(variant, ())

    @cached_property
    def _with_less_to_write(self) -> frozenset[str]:
        return self._reached(lambda field: field.is_read_only)

    @cached_property
    def _with_less_to_read(self) -> frozenset[str]:
        return self._reached(lambda field: field.is_write_only)

    def _reached(self, leaves_out: Callable[[ClassField], bool]) -> frozenset[str]:
        """Classes that leave something out, and all that hold such a class or inherit from one."""
        found = {name for name, each in self.classes.items() if any(map(leaves_out, each.fields))}
        size = -1
        while size != len(found):
            size = len(found)
            found |= {name for name, each in self.classes.items() if (each.refers_to | {*each.bases}) & found}
        return frozenset(found)

    def _class(self, each: ClassSource, variant: Variant) -> ast.ClassDef:
        node = copy.copy(each.node)
        node.name = each.name + variant
        names = self._substitutes[variant]
        node.bases = [_base(base, names) for base in node.bases] if each.is_root else [ast.Name("Component")]
        fields = (_statement(field, variant, names) for field in self._fields(each, variant))
        node.body = [*self._head(each), *fields]
        node.body = node.body or [ast.Pass()]
        return node

    @cached_property
    def _substitutes(self) -> Mapping[Variant, Mapping[str, str]]:
        """What fields of a variant hold in place of the classes that they held; Update holds whole new values."""
        found: dict[Variant, Mapping[str, str]] = {}
        for variant, nested in _NESTED.items():
            names = (name for name in self.classes if self._differs(name, nested) and self._is_made(name, nested))
            found[variant] = {name: name + nested for name in names}
        return found

    def _head(self, each: ClassSource) -> Iterator[ast.stmt]:
        """The docstring and the configuration, also an inherited one."""
        first = each.node.body[0] if each.node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            yield first
        for ancestor in self._line(each):
            found = [statement for statement in ancestor.node.body if isinstance(statement, ast.Assign)]
            if found:
                yield from found
                return

    def _fields(self, each: ClassSource, variant: Variant) -> Iterable[ClassField]:
        """Also those that it inherits, first."""
        found: dict[str, ClassField] = {}
        for ancestor in reversed(list(self._line(each))):
            found |= {field.name: field for field in ancestor.fields}
        if variant == "Response":
            return [field for field in found.values() if not field.is_write_only]
        return [field for field in found.values() if not field.is_read_only]

    def _line(self, each: ClassSource) -> Iterator[ClassSource]:
        """The class and those that it inherits from, nearest first."""
        yield each
        for base in each.bases:
            yield from self._line(self.classes[base])


class _Renaming(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """What is said about a field refers to no class."""
        return node


def _base(base: ast.expr, names: Mapping[str, str]) -> ast.expr:
    """A base class, in which classes that are not there yet stand in quotes."""
    text = _WORD.sub(lambda found: names.get(found[0], found[0]), ast.unparse(base))
    return ast.parse(text, mode="eval").body


def _statement(field: ClassField, variant: Variant, names: Mapping[str, str]) -> ast.AnnAssign:
    statement = copy.copy(field.statement)
    if any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(statement.annotation)):
        statement.annotation = _Renaming(names).visit(copy.deepcopy(statement.annotation))
    if variant == "Update":
        statement.annotation = _optional(statement.annotation)
        statement.value = ast.Constant(None)
    return statement


def _optional(annotation: ast.expr) -> ast.expr:
    """The type or None, and what is said about the field but for its default."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        assert isinstance(annotation.slice, ast.Tuple)
        inner, *said = annotation.slice.elts
        elements = [_optional(inner), *map(_without_default, said)]
        return ast.Subscript(annotation.value, ast.Tuple(elements, ast.Load()), ast.Load())
    alternatives = ast.unparse(annotation).split(" | ")
    if "None" in alternatives or alternatives == ["Any"]:
        return annotation
    return ast.BinOp(annotation, ast.BitOr(), ast.Constant(None))


def _without_default(said: ast.expr) -> ast.expr:
    if not isinstance(said, ast.Call):
        return said
    return ast.Call(said.func, said.args, [word for word in said.keywords if word.arg not in _DEFAULTS])
