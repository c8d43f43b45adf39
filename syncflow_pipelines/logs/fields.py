"""What log lines are about: ids that hold for a piece of work, and stand on each of its lines."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

_BOUND: Final[ContextVar[Mapping[str, Any]]] = ContextVar("syncflow_log_fields", default=MappingProxyType({}))


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Puts the fields on every line of this thread, or task, within the block. What is None is left out."""
    added = {name: value for name, value in fields.items() if value is not None}
    before = _BOUND.set({**_BOUND.get(), **added})
    try:
        yield
    finally:
        _BOUND.reset(before)


def bound_fields() -> Mapping[str, Any]:
    """The fields that hold here."""
    return _BOUND.get()
