"""Schemas that somebody wrote, read as text: their code that no generator knows of, and, if need be, their fields."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

Json = Any

Logic = Literal["validator", "serializer", "computed field", "property", "method", "configuration"]

_KINDS: Final[dict[str, Logic]] = {
    "field_validator": "validator",
    "model_validator": "validator",
    "validator": "validator",
    "root_validator": "validator",
    "field_serializer": "serializer",
    "model_serializer": "serializer",
    "computed_field": "computed field",
    "property": "property",
    "cached_property": "property",
}
_BOUNDS: Final = frozenset({"min_length", "max_length", "ge", "gt", "le", "lt", "multiple_of", "max_digits",
                            "decimal_places", "pattern"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CustomLogic:
    """Code of a class that no generator knows of: it belongs into a class derived from the generated one."""

    schema: str
    name: str
    kind: Logic
    line: int


def custom_logic(tree: ast.Module) -> tuple[CustomLogic, ...]:
    """All of it, in the order of the lines."""
    found = [logic for schema in schemas_in(tree) for logic in _logic_of(schema)]
    return tuple(sorted(found, key=lambda each: each.line))


def schemas_in(tree: ast.Module) -> list[ast.ClassDef]:
    """The classes that derive from `BaseModel`, or from another class of the file that does."""
    known = {"BaseModel"}
    found = []
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and any(_last_name(base) in known for base in statement.bases):
            known.add(statement.name)
            found.append(statement)
    return found


def described(tree: ast.Module) -> Json:
    """The fields of the classes as far as their text tells, in the form of `module_description`."""
    found: dict[str, Json] = {}
    for schema in schemas_in(tree):
        inherited = [found.get(_last_name(base), {}) for base in reversed(schema.bases)]
        fields = {name: field for fields in inherited for name, field in fields.items()}
        found[schema.name] = fields | dict(_fields_of(schema))
    return found


def _logic_of(schema: ast.ClassDef) -> Iterator[CustomLogic]:
    for statement in schema.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield CustomLogic(schema.name, name, _kind_of(statement.decorator_list), statement.lineno)
            case ast.ClassDef(name="Config"):
                yield CustomLogic(schema.name, "Config", "configuration", statement.lineno)
            case ast.Assign(targets=[ast.Name(id="model_config")]):
                yield CustomLogic(schema.name, "model_config", "configuration", statement.lineno)


def _kind_of(decorators: list[ast.expr]) -> Logic:
    names = [_last_name(each.func if isinstance(each, ast.Call) else each) for each in decorators]
    return next((_KINDS[name] for name in names if name in _KINDS), "method")


def _last_name(expression: ast.expr) -> str:
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return _last_name(value)
    return ""


def _fields_of(schema: ast.ClassDef) -> Iterator[tuple[str, Json]]:
    for statement in schema.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_") and name != "model_config":
                if _last_name(statement.annotation) != "ClassVar":
                    yield name, _field(statement)


def _field(statement: ast.AnnAssign) -> Json:
    members = list(_members(statement.annotation))
    texts = [ast.unparse(member) for member in members]
    kept = [text for text in texts if text != "None"]
    call = statement.value
    is_field = isinstance(call, ast.Call) and _last_name(call.func) == "Field"
    keywords = {each.arg: each.value for each in call.keywords} if isinstance(call, ast.Call) and is_field else {}
    return {
        "type": " | ".join(kept),
        "nullable": len(kept) < len(texts),
        "required": _is_required(call, keywords, is_field),
        "constraints": {name: _constant(keywords[name]) for name in keywords if name in _BOUNDS},
        "alias": None,
    }


def _members(annotation: ast.expr) -> Iterator[ast.expr]:
    """The members of a union, whichever way it is written."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _members(left)
            yield from _members(right)
        case ast.Subscript(value=value, slice=inner) if _last_name(value) == "Optional":
            yield from _members(inner)
            yield ast.Constant(None)
        case ast.Subscript(value=value, slice=ast.Tuple(elts=members)) if _last_name(value) == "Union":
            for member in members:
                yield from _members(member)
        case _:
            yield annotation


def _is_required(value: ast.expr | None, keywords: dict[str | None, ast.expr], is_field: bool) -> bool:
    if value is None or not is_field:
        return value is None or _is_ellipsis(value)
    if "default" in keywords or "default_factory" in keywords:
        return "default" in keywords and _is_ellipsis(keywords["default"])
    assert isinstance(value, ast.Call)
    return not value.args or _is_ellipsis(value.args[0])


def _is_ellipsis(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is ...


def _constant(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else ast.unparse(value)
