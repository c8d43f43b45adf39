"""Work that costs as much for many things as for one: what threads bring meanwhile is done together."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Gathered(Generic[T]):
    """Does `work` for what several threads bring: one of them for all that came while the work before was going on.

    What is brought is worked on in the order in which it came, and never twice. Where the work raises, that is raised
    in every thread that had brought a part of it.
    """

    def __init__(self, work: Callable[[Sequence[T]], None]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._coming = threading.Lock()
        self._waiting: list[_Brought[T]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Gathered, (self._work,)  # in another process, nothing waits

    @property
    def waiting(self) -> int:
        """How many things wait for the work that goes on to end."""
        return len(self._waiting)

    def do(self, thing: T) -> None:
        """Returns once the work is done for it."""
        brought = _Brought(thing)
        with self._coming:
            self._waiting.append(brought)
        with self._turn:
            if not brought.is_done:
                self._do_all()
        if brought.error is not None:
            raise brought.error

    def _do_all(self) -> None:
        with self._coming:
            batch, self._waiting = self._waiting, []
        try:
            self._work([brought.thing for brought in batch])
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            for brought in batch:
                brought.error = error
        finally:
            for brought in batch:
                brought.is_done = True


class _Brought(Generic[T]):
    def __init__(self, thing: T) -> None:
        self.thing = thing
        self.is_done = False
        self.error: BaseException | None = None
