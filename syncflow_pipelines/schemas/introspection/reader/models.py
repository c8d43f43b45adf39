"""What holds of the models of any ORM."""

import inspect
from collections.abc import Sequence
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
