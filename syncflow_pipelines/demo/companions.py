"""What runs beside Dagster in `syncflow dev`: commands of our own, each started where the configuration needs it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syncflow_pipelines.config import (
    EVENTS_FILE,
    SCHEMA_SYNC_FILE,
    Settings,
    load_events,
    load_schema_sync,
    load_services,
    service_files,
)
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.files.watching import Target, Watcher

Tell = Callable[[str], None]

START: Final = (sys.executable, "-P", "-m", "syncflow_pipelines.cli", "--companion")
"""The command line of a process that ends with the one which started it."""
LONGEST_PAUSE_S: Final = 60.0
"""Between two starts of one that ends again and again; the first pause is one second."""

_TURNS: Final = {True: "starts, as the configuration needs it now", False: "ends, as nothing needs it any more"}
_STEADY_S: Final = 60.0
_STOP_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Companion:
    """A command that runs until it is stopped."""

    name: str
    """As a person would type it, without `syncflow`."""
    is_needed: Callable[[Settings], bool]
    start: tuple[str, ...] = START

    @property
    def command(self) -> tuple[str, ...]:
        return (*self.start, *self.name.split())


def follows_specs(settings: Settings) -> bool:
    """Whether specs are to be followed more closely than Dagster's sensor does: by setting, or as they are files."""
    services = load_services(settings)
    enabled = [service for service in services.services if service.enabled]
    return bool(enabled) and (services.settings.watch_mode or any(service.spec_files for service in enabled))


def follows_models(settings: Settings) -> bool:
    """Whether models are to be followed as they are saved; entities and components are, by Dagster's own assets."""
    schemas = load_schema_sync(settings)
    has_models = any(source.enabled and source.models_path is not None for source in schemas.sources)
    return has_models and schemas.settings.should_watch_files()


def posts_events(settings: Settings) -> bool:
    """Whether there is a webhook to post events to."""
    return any(webhook.enabled for webhook in load_events(settings).webhooks)


COMPANIONS: Final = (
    Companion("specs watch", follows_specs),
    Companion("schemas watch", follows_models),
    Companion("events deliver", posts_events),
)


@contextmanager
def running_companions(settings: Settings, tell: Tell, companions: Sequence[Companion] = COMPANIONS) -> Iterator[None]:
    """Runs those that are needed beside the block. One that ends by itself is told, and started again.

    They also end when this process dies, however it does. When a file changes that decides which are needed, others are
    started and ended. Raises `ConfigurationError`.
    """
    staff = _Staff(settings, tell, companions)
    with Watcher({str(path): Target(path) for path in files_that_decide(settings)}) as watcher:
        caretaker = threading.Thread(target=staff.follow, args=(watcher,), name="syncflow companions", daemon=True)
        try:
            staff.take(staff.needed())
            caretaker.start()
            yield
        finally:
            watcher.stop()
            if caretaker.ident is not None:
                caretaker.join()
            staff.take(())


def files_that_decide(settings: Settings) -> tuple[Path, ...]:
    """The files that say which companions are needed, whether they are there or not."""
    return (*service_files(settings), *(settings.config_dir / name for name in (SCHEMA_SYNC_FILE, EVENTS_FILE)))


class _Staff:
    """Those that run now."""

    def __init__(self, settings: Settings, tell: Tell, companions: Sequence[Companion]) -> None:
        self._settings = settings
        self._tell = tell
        self._companions = companions
        self._keepers: dict[Companion, _Keeper] = {}

    def needed(self) -> list[Companion]:
        """Those that the configuration needs now. Raises `ConfigurationError`."""
        return [companion for companion in self._companions if companion.is_needed(self._settings)]

    def take(self, companions: Sequence[Companion]) -> None:
        """Starts those of them that do not run, and ends the others."""
        leaving = [keeper for companion, keeper in self._keepers.items() if companion not in companions]
        for keeper in leaving:
            keeper.ask_to_end()
        for keeper in leaving:
            keeper.end()
        self._keepers = {
            companion: self._keepers.get(companion) or _Keeper(companion, self._tell) for companion in companions
        }
        for keeper in self._keepers.values():
            keeper.start()

    def follow(self, watcher: Watcher) -> None:
        """Does so whenever a file of the watcher changed, until that is stopped."""
        while not watcher.is_over:
            if watcher.wait():
                self._review()

    def _review(self) -> None:
        """One that the configuration of now does not need is ended; one that cannot be used changes nothing."""
        try:
            needed = self.needed()
        except ConfigurationError as error:
            self._tell(f"What runs beside Dagster stays as it is: {error}")
            return
        for companion in self._companions:
            if (companion in needed) != (companion in self._keepers):
                self._tell(f"`syncflow {companion.name}` {_TURNS[companion in needed]}")
        self.take(needed)


class _Keeper:
    """Keeps one companion running, in a thread of its own."""

    def __init__(self, companion: Companion, tell: Tell) -> None:
        self._companion = companion
        self._tell = tell
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=f"syncflow {companion.name}", daemon=True)

    def start(self) -> None:
        """Starts it, unless it was started before."""
        if self._thread.ident is None:
            self._thread.start()

    def ask_to_end(self) -> None:
        """The end of its standard input is what a companion ends with."""
        with self._lock:
            self._is_over.set()
            if self._child is not None and self._child.stdin is not None:
                self._child.stdin.close()

    def end(self) -> None:
        """Returns when it has ended; it is killed if it does not."""
        self._thread.join(_STOP_S)
        if self._child is not None:
            self._child.kill()
        self._thread.join()

    def _run(self) -> None:
        pause_s = 1.0
        while (child := self._started()) is not None:
            began = time.monotonic()
            code = child.wait()
            if self._is_over.is_set():
                return
            pause_s = 1.0 if time.monotonic() - began > _STEADY_S else pause_s
            self._tell(f"`syncflow {self._companion.name}` ended ({_ending(code)}); it starts again in {pause_s:g} s")
            self._is_over.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _started(self) -> subprocess.Popen[bytes] | None:
        """A new child in a session of its own, which no Ctrl-C of the terminal reaches; what it says goes to stderr."""
        with self._lock:
            if self._is_over.is_set():
                return None
            self._child = subprocess.Popen(
                self._companion.command, stdin=subprocess.PIPE, stdout=sys.stderr, start_new_session=True
            )
            return self._child


def _ending(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"exit code {code}"
