"""What holds of the models of any ORM."""

import inspect
import types
import typing
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from .description import text
from .failure import ModelsFailure, place_of


def refuse_namesakes(classes: Sequence[type[Any]]) -> None:
    """Raises `ModelsFailure` where two models have one name, since their schemas would have one, too."""
    places: dict[str, type[Any]] = {}
    for cls in classes:
        other = places.setdefault(cls.__name__, cls)
        if other is not cls:
            raise ModelsFailure(_namesakes(other, cls), place_of(cls))


def _namesakes(one: type[Any], other: type[Any]) -> str:
    if place_of(one) != place_of(other):
        return f"two models are called {one.__name__}: the other one is at {place_of(one)}"
    names = f"{one.__module__} and {other.__module__}"
    return f"{one.__name__} is imported twice, as {names}; say in python_path from which folder all import"


def description_of(cls: type[Any], otherwise: str | None) -> str:
    """The class's own docstring, if a person wrote it; what dataclasses write is left out."""
    written = vars(cls).get("__doc__") or ""
    return text(
        inspect.cleandoc(written) if written and not written.startswith(f"{cls.__name__}(") else otherwise or ""
    )


def readable_hints(cls: type[Any]) -> Iterable[tuple[str, Any]]:
    """What the annotations of its attributes say, one by one: one that holds a name which is imported for type checkers
    only is left out, and not the rest."""
    for owner in reversed(cls.__mro__):
        nested = {name: value for name, value in vars(owner).items() if isinstance(value, type)}
        for name, written in vars(owner).get("__annotations__", {}).items():
            alone = type(owner.__name__, (), {"__annotations__": {name: written}, "__module__": owner.__module__})
            with suppress(Exception):
                yield name, typing.get_type_hints(alone, localns=nested)[name]


def without_none(hint: Any) -> tuple[Any, bool]:
    """The type, and whether None was one of its alternatives."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    others = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    return (others[0] if len(others) == 1 else None), len(others) < len(typing.get_args(hint))
