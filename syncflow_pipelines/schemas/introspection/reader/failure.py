"""What is wrong with somebody's models, and where."""

import ast
import inspect
import re
import traceback
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

_PYTHON = f"{Path(inspect.__file__).parent}/"
_MESSAGE_CHARS = 500
_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@]+@")


class ModelsFailure(Exception):
    """Models that cannot be read; `place` is `file:line`, or empty where nobody knows."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message, place)
        self.message = message
        self.place = place


def failure_of(error: BaseException, roots: Sequence[str]) -> ModelsFailure:
    """What an exception says, with the last line of the user's own code that it went through."""
    if isinstance(error, SyntaxError):
        return ModelsFailure(f"{type(error).__name__}: {error.msg}", f"{error.filename}:{error.lineno or 1}")
    text = _PASSWORD.sub(r"\1***@", " ".join(str(error).split()))[:_MESSAGE_CHARS]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_below(frame.filename, roots)]
    place = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
    return ModelsFailure(f"{type(error).__name__}: {text}" if text else type(error).__name__, place)


def is_below(file: str, roots: Sequence[str]) -> bool:
    """Whether the file is the user's own: in one of their folders, and not installed there."""
    if "site-packages" in file or file.startswith(_PYTHON):
        return False
    return any(file.startswith(root.rstrip("/") + "/") for root in roots)


def place_of(cls: type[Any], attribute: str | None = None) -> str:
    """`file:line` of the class, or of the attribute in it or in the class that it inherits it from."""
    for owner in cls.__mro__ if attribute else (cls,):
        found = _class_in(owner)
        if found is None:
            continue
        file, node = found
        line = node.lineno if attribute is None else _line_of(node, attribute)
        if line is not None:
            return f"{file}:{line}"
    return place_of(cls) if attribute else f"{cls.__module__}.{cls.__qualname__}"


def _class_in(cls: type[Any]) -> tuple[str, ast.ClassDef] | None:
    try:
        file = inspect.getfile(cls)
    except (TypeError, OSError):
        return None
    named = [node for node in ast.walk(_tree(file)) if isinstance(node, ast.ClassDef) and node.name == cls.__name__]
    return (file, named[-1]) if named else None


@lru_cache(maxsize=64)
def _tree(file: str) -> ast.Module:
    try:
        return ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


def _line_of(node: ast.ClassDef, attribute: str) -> int | None:
    for statement in node.body:
        targets: Sequence[ast.expr] = ()
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = (statement.target,)
        elif isinstance(statement, ast.FunctionDef) and statement.name == attribute:
            return statement.lineno
        if any(isinstance(target, ast.Name) and target.id == attribute for target in targets):
            return statement.lineno
    return None
