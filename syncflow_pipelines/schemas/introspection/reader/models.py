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
            message = f"two models are called {cls.__name__}: the other one is at {place_of(other)}"
            raise ModelsFailure(message, place_of(cls))


def description_of(cls: type[Any], otherwise: str | None) -> str:
    """The class's own docstring, if a person wrote it; what dataclasses write is left out."""
    written = vars(cls).get("__doc__") or ""
    return text(
        inspect.cleandoc(written) if written and not written.startswith(f"{cls.__name__}(") else otherwise or ""
    )
