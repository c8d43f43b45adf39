"""What holds of the models of any ORM."""

from collections.abc import Sequence
from typing import Any

from .failure import ModelsFailure, place_of


def refuse_namesakes(classes: Sequence[type[Any]]) -> None:
    """Raises `ModelsFailure` where two models have one name, since their schemas would have one, too."""
    places: dict[str, type[Any]] = {}
    for cls in classes:
        other = places.setdefault(cls.__name__, cls)
        if other is not cls:
            raise ModelsFailure(
                f"two models are called {cls.__name__}: one is at {place_of(other)}; rename one of them", place_of(cls)
            )
