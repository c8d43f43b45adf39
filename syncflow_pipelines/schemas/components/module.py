"""The generator's module, taken apart into its classes, and under the names that it is to have."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from syncflow_pipelines.schemas.components.document import MARK, class_name, free_name
from syncflow_pipelines.schemas.components.inheritance import reconciled
from syncflow_pipelines.schemas.rendering.naming import MEMBER_ATTRIBUTES, TEXT_ATTRIBUTES

_ENUMS: Final = frozenset({"Enum", "IntEnum", "StrEnum"})
_OF_TEXTS: Final = MEMBER_ATTRIBUTES | TEXT_ATTRIBUTES
_CLASS: Final = re.compile(r"^class (\w+)", re.MULTILINE)
_BASE: Final = re.compile(r"^(class \w+\([^)]*?)\bBaseModel\b", re.MULTILINE)
_MARKED: Final = re.compile(rf"\b{MARK}\w+")
_TOKEN: Final = re.compile(
    r"""
    \"{3} (?: [^"\\] | \\. | "(?!"") )*+ \"{3}
    | '{3} (?: [^'\\] | \\. | '(?!'') )*+ '{3}
    | " (?: [^"\\\n] | \\. )*+ "
    | ' (?: [^'\\\n] | \\. )*+ '
    | [#] [^\n]*
    | [^\W\d] \w*
    """,
    re.VERBOSE | re.DOTALL,
)
"""A text, a comment or a name, whichever begins first: what looks like a name within a text is none."""
VARIANTS: Final = ("Create", "Update", "Response")


@dataclass(frozen=True, slots=True)
class ClassField:
    """A field of a class."""

    name: str
    statement: ast.AnnAssign
    is_read_only: bool
    is_write_only: bool


@dataclass(frozen=True, slots=True)
class ClassSource:
    """A class of the module."""

    node: ast.ClassDef
    fields: tuple[ClassField, ...] = ()
    bases: tuple[str, ...] = ()
    """Other classes of the module that it is derived from."""
    refers_to: frozenset[str] = frozenset()
    """Other classes of the module that its fields hold."""
    is_root: bool = False
    """Whether it stands for a value that is no object."""

    @property
    def name(self) -> str:
        return self.node.name


@dataclass(frozen=True, slots=True)
class Module:
    """The module's classes, and the lines around them."""

    imports: str
    body: str
    classes: Mapping[str, ClassSource] = field(default_factory=dict)
    """Those of Pydantic, in their order."""


def taken_apart(text: str, names: Iterable[str]) -> Module:
    """The module with the components' classes under their own names, and every other class under a free one."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = _CLASS.search(text)
    split = len(text) if first is None else first.start()
    head = ast.parse(text[:split])
    imports = "\n".join(ast.unparse(node) for node in head.body if isinstance(node, ast.Import | ast.ImportFrom))
    imported = {
        alias.asname or alias.name for node in head.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    body = reconciled(_with_names(text[split:], _renamed(_CLASS.findall(text), set(names), imported)))
    tree = ast.parse(body)
    return Module(imports, _mended(body, tree), _classes(tree))


def _mended(body: str, tree: ast.Module) -> str:
    """The source, and the tree with it, where nothing hides anything else.

    A field may not have the name of a class that a field beside it holds, and a member of an enumeration not that of
    something that every text has, such as `title`.
    """
    nodes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    lines = [f"{line}\n" for line in body.split("\n")]  # as Python counts them: `splitlines` knows more ends of lines
    names = {node.name for node in nodes}
    members = [member for node in nodes for member in _unhidden_members(node, lines)]
    for node in reversed(nodes):
        for statement in reversed(_unhidden_fields(node, names)):
            assert statement.end_lineno is not None
            lines[statement.lineno - 1 : statement.end_lineno] = [f"    {ast.unparse(statement)}\n"]
    return _with_members("".join(lines), tree, members)


def _unhidden_fields(node: ast.ClassDef, names: set[str]) -> list[ast.AnnAssign]:
    """The fields that have been given another name, in their order."""
    statements = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    taken = {ast.unparse(each.target) for each in statements}
    if taken.isdisjoint(names):
        return []
    held = {found.id for each in statements for found in ast.walk(each.annotation) if isinstance(found, ast.Name)}
    return [_aliased(each, taken) for each in statements if ast.unparse(each.target) in held & names]


def _unhidden_members(node: ast.ClassDef, lines: list[str]) -> Iterator[tuple[str, str]]:
    """The enumeration and the member for each that has been given another name in those lines."""
    if not {base.id for base in node.bases if isinstance(base, ast.Name)} & _ENUMS:
        return
    for each in node.body:
        target = each.targets[0] if isinstance(each, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in _OF_TEXTS:
            line, end = lines[target.lineno - 1], target.end_col_offset or 0
            lines[target.lineno - 1] = f"{line[:end]}_{line[end:]}"
            yield node.name, target.id


def _with_members(body: str, tree: ast.Module, members: Collection[tuple[str, str]]) -> str:
    """The source, and the tree with it, in which those members go by their other names."""
    if not members:
        return body
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (ast.unparse(node.value), node.attr) in members:
            node.attr += "_"
    written = re.compile("|".join(rf"\b{enum}\.{member}\b" for enum, member in members))
    return written.sub(lambda found: f"{found[0]}_", body)


def _aliased(statement: ast.AnnAssign, taken: set[str]) -> ast.AnnAssign:
    """The field under another name, and the one that it had as its alias."""
    assert isinstance(statement.target, ast.Name)
    name = statement.target.id
    statement.target.id = free_name(f"{name}_field", taken)
    annotation = statement.annotation
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        call = next(each for each in ast.walk(annotation.slice) if isinstance(each, ast.Call))
        if all(word.arg != "alias" for word in call.keywords):
            call.keywords.append(ast.keyword("alias", ast.Constant(name)))
        return statement
    call = ast.Call(ast.Name("Field"), [], [ast.keyword("alias", ast.Constant(name))])
    statement.annotation = ast.Subscript(ast.Name("Annotated"), ast.Tuple([annotation, call]), ast.Load())
    return statement


def _renamed(classes: Iterable[str], finals: set[str], imported: set[str]) -> dict[str, str]:
    """New names by those that the generator gave."""
    taken = imported | finals | {name + variant for name in finals for variant in VARIANTS}
    renamed: dict[str, str] = {}
    for name in classes:
        plain = name.removeprefix(MARK)
        if name.startswith(MARK) and plain in finals:
            renamed[name] = plain
            continue
        renamed[name] = _free_with_variants(class_name(name.replace(MARK, "")), taken)
        taken |= {renamed[name] + variant for variant in ("", *VARIANTS)}
    return renamed


def _free_with_variants(wanted: str, taken: set[str]) -> str:
    """A name that is free, as are those of its variants."""
    name, number = free_name(wanted, taken), 1
    while not taken.isdisjoint(name + variant for variant in VARIANTS):
        number += 1
        name = free_name(f"{wanted}{number}", taken)
    return name


def _with_names(text: str, renamed: Mapping[str, str]) -> str:
    """The source with other names, also where a class that is not there yet is named in quotes."""
    others = {old: new for old, new in renamed.items() if old != new and not old.startswith(MARK)}
    if others:
        text = _with_plain_names(text, others)
    text = _MARKED.sub(lambda found: renamed.get(found[0], found[0]), text)
    return _BASE.sub(r"\1Component", text)


def _with_plain_names(text: str, renamed: Mapping[str, str]) -> str:
    """The source with other names for names that may be words of texts, too."""
    return _TOKEN.sub(lambda found: renamed.get(found[0], found[0]), text)


def _classes(tree: ast.Module) -> dict[str, ClassSource]:
    nodes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    known: dict[str, ClassSource] = {}
    names = {node.name for node in nodes}
    for node in nodes:
        bases = {found.id for base in node.bases for found in ast.walk(base) if isinstance(found, ast.Name)}
        is_root = "RootModel" in bases
        parents = tuple(base.id for base in node.bases if isinstance(base, ast.Name) and base.id in known)
        if "Component" in bases or is_root or parents:
            known[node.name] = _class(node, names, parents, is_root)
    return known


def _class(node: ast.ClassDef, names: set[str], parents: tuple[str, ...], is_root: bool) -> ClassSource:
    statements = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    fields = tuple(_field(statement) for statement in statements)
    used = {found.id for each in statements for found in ast.walk(each.annotation) if isinstance(found, ast.Name)}
    return ClassSource(node, fields, parents, frozenset(used & names), is_root)


def _field(statement: ast.AnnAssign) -> ClassField:
    assert isinstance(statement.target, ast.Name)
    extras = {
        key.value
        for call in ast.walk(statement)
        if isinstance(call, ast.keyword) and call.arg == "json_schema_extra" and isinstance(call.value, ast.Dict)
        for key, value in zip(call.value.keys, call.value.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and value.value is True
    }
    return ClassField(statement.target.id, statement, "readOnly" in extras, "writeOnly" in extras)
