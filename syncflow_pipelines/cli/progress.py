"""How far a sync is, on a terminal."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from syncflow_pipelines.cli.output import stderr_console, visible
from syncflow_pipelines.sync.engine import Progress as EntityProgress

Report = Callable[[EntityProgress], None]

_NAME_WIDTH = 40


@contextmanager
def sync_progress(entities: int, *, shown: bool) -> Iterator[Report]:
    """Where the engine tells how far an entity is; one line for each that is being worked on, and one for all.

    Nothing is shown unless stderr is a terminal. Safe for many threads.
    """
    console = stderr_console()
    if not (shown and console.is_terminal):
        yield lambda _told: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[phase]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars, entities).report


class _Bars:
    def __init__(self, bars: Progress, entities: int) -> None:
        self._bars = bars
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._overall = bars.add_task("entities".ljust(_NAME_WIDTH), total=entities, phase="")

    def report(self, told: EntityProgress) -> None:
        with self._lock:
            if told.phase == "done":
                self._finish(told.entity)
            else:
                # A read that meets rows again counts past the source's total, which then says nothing.
                total = told.total if told.total is not None and told.rows <= told.total else None
                self._bars.update(self._task(told.entity), completed=told.rows, total=total, phase=told.phase)

    def _task(self, entity: str) -> TaskID:
        if entity not in self._tasks:
            name = visible(entity)[:_NAME_WIDTH].ljust(_NAME_WIDTH)
            self._tasks[entity] = self._bars.add_task(name, total=None, phase="")
        return self._tasks[entity]

    def _finish(self, entity: str) -> None:
        task = self._tasks.pop(entity, None)
        if task is not None:
            self._bars.remove_task(task)
        self._bars.advance(self._overall)
