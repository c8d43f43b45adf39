"""The generator's module, taken apart into its classes, and under the names that it is to have."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from syncflow_pipelines.schemas.components.document import MARK, class_name, free_name

_ENUMS: Final = frozenset({"Enum", "IntEnum", "StrEnum"})
_OF_TEXTS: Final = frozenset({*dir(str), "name", "value", "mro"})
_MARKED: Final = re.compile(rf"\b{MARK}\w+")
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
    finals = set(names)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    tree = ast.parse(text)
    renamed = _renamed(tree, finals)
    body_at = next((node.lineno for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)), None)
    lines = _lines(text)
    split = len(lines) if body_at is None else body_at - 1
    body = _with_names("".join(lines[split:]), {**renamed, "BaseModel": "Component"})
    body = _with_own_members(_without_hiding(body))
    imports = "".join(line for line in lines[:split] if not line.startswith("#"))
    return Module(imports, body, _classes(ast.parse(body)))


def _lines(text: str) -> list[str]:
    """As Python counts them: `splitlines` knows more ends of lines."""
    return [f"{line}\n" for line in text.split("\n")]


def _without_hiding(body: str) -> str:
    """The source where no field has the name of a class that a field beside it holds: it would hide the class."""
    tree = ast.parse(body)
    names = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    lines = _lines(body)
    for node in reversed([node for node in tree.body if isinstance(node, ast.ClassDef)]):
        statements = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        held = {found.id for each in statements for found in ast.walk(each.annotation) if isinstance(found, ast.Name)}
        taken = {ast.unparse(each.target) for each in statements}
        for each in reversed(statements):
            if isinstance(each.target, ast.Name) and each.target.id in held & names:
                assert each.end_lineno is not None
                lines[each.lineno - 1 : each.end_lineno] = [f"    {ast.unparse(_aliased(each, taken))}\n"]
    return "".join(lines)


def _with_own_members(body: str) -> str:
    """The source where no member of an enumeration has the name of something that every text has, such as `title`."""
    lines = _lines(body)
    hiding: list[tuple[str, str]] = []
    for node in ast.parse(body).body:
        if not isinstance(node, ast.ClassDef) or not {ast.unparse(base) for base in node.bases} & _ENUMS:
            continue
        for each in node.body:
            target = each.targets[0] if isinstance(each, ast.Assign) else None
            if isinstance(target, ast.Name) and target.id in _OF_TEXTS:
                line, end = lines[target.lineno - 1], target.end_col_offset or 0
                lines[target.lineno - 1] = f"{line[:end]}_{line[end:]}"
                hiding.append((node.name, target.id))
    return _with_renamed_members("".join(lines), hiding)


def _with_renamed_members(body: str, members: list[tuple[str, str]]) -> str:
    if not members:
        return body
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


def _renamed(tree: ast.Module, finals: set[str]) -> dict[str, str]:
    """New names by those that the generator gave."""
    taken = finals | {name + variant for name in finals for variant in VARIANTS}
    taken |= {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    renamed: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        plain = node.name.removeprefix(MARK)
        if node.name.startswith(MARK) and plain in finals and plain not in renamed.values():
            renamed[node.name] = plain
            continue
        renamed[node.name] = _free_with_variants(class_name(node.name.replace(MARK, "")), taken)
        taken |= {renamed[node.name] + variant for variant in ("", *VARIANTS)}
    return renamed


def _free_with_variants(wanted: str, taken: set[str]) -> str:
    """A name that is free, as are those of its variants."""
    name, number = free_name(wanted, taken), 1
    while not taken.isdisjoint(name + variant for variant in VARIANTS):
        number += 1
        name = free_name(f"{wanted}{number}", taken)
    return name


def _with_names(text: str, renamed: Mapping[str, str]) -> str:
    """The source with other names."""
    lines = _lines(text)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        row, begin = token.start
        new = renamed.get(token.string, "") if token.type == tokenize.NAME else _quoted(token, renamed)
        if new:
            line = lines[row - 1]
            lines[row - 1] = line[:begin] + new + line[token.end[1] :]
    return "".join(lines)


def _quoted(token: tokenize.TokenInfo, renamed: Mapping[str, str]) -> str:
    """A text on one line that names classes before they are there; empty for any other."""
    if token.type != tokenize.STRING or MARK not in token.string or token.start[0] != token.end[0]:
        return ""
    return _MARKED.sub(lambda found: renamed.get(found[0], found[0]), token.string)


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
