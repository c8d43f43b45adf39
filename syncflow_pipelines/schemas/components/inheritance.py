"""Classes that inherit one field twice: what all of their bases let in is said in the class itself."""

import ast
from collections.abc import Iterator, Mapping

Statements = Mapping[str, ast.AnnAssign]


def reconciled(body: str) -> str:
    """The source, in which a class that inherits a field from several bases, which differ, has one of its own.

    That is the first that must be there, as an `allOf` means it; type checkers refuse a class without.
    """
    classes = {node.name: node for node in ast.parse(body).body if isinstance(node, ast.ClassDef)}
    lines = body.split("\n")
    for node in reversed(classes.values()):
        assert node.end_lineno is not None
        lines[node.end_lineno : node.end_lineno] = [f"    {ast.unparse(field)}" for field in _disputed(node, classes)]
    return "\n".join(lines)


def _disputed(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Iterator[ast.AnnAssign]:
    bases = [_fields(classes[name], classes) for name in _bases(node) if name in classes]
    own = _own_fields(node)
    for name in dict.fromkeys(name for base in bases for name in base if name not in own):
        found = [base[name] for base in bases if name in base]
        if len({ast.unparse(field) for field in found}) > 1:
            yield min(found, key=lambda field: field.value is not None)


def _fields(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Statements:
    """Its own, and those that it inherits."""
    inherited: dict[str, ast.AnnAssign] = {}
    for name in reversed(_bases(node)):
        if name in classes:
            inherited |= _fields(classes[name], classes)
    return {**inherited, **_own_fields(node)}


def _own_fields(node: ast.ClassDef) -> Statements:
    statements = (each for each in node.body if isinstance(each, ast.AnnAssign))
    return {each.target.id: each for each in statements if isinstance(each.target, ast.Name)}


def _bases(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]
