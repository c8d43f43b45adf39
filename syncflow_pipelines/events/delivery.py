"""Delivers what the outbox holds to one subscriber, over one connection, and keeps its position."""

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from syncflow_pipelines.database import Connection
from syncflow_pipelines.database.outbox import RecordedEvent, put_in_order, read_events
from syncflow_pipelines.database.subscriptions import (
    DueEvent,
    advance,
    due_events,
    fail,
    held_subjects,
    hold,
    next_due_s,
    settle,
)
from syncflow_pipelines.errors import SyncCancelled
from syncflow_pipelines.events.handling import Retry, log_failure, told
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import event_of

READ_AT_ONCE: Final = 500
TRIED_AT_ONCE: Final = 500
"""Events in trouble: to find those that are due, all of them are looked at."""
SLICE_S: Final = 1.0
"""How long new events are delivered before those in trouble have their turn, and those before new ones have theirs."""


@dataclass(slots=True)
class Delivery:
    """The course of one subscriber's events.

    Of one subject, an event is handed on after all earlier ones were delivered or parked. Events of other subjects do
    not wait. An event that fails or has to wait is noted in `event_troubles` in the transaction that moves the
    position beyond it, so that a process which is killed repeats what it had not acknowledged, and nothing else.
    """

    connection: Connection
    """In autocommit; it holds the subscriber's claim."""
    name: str
    types: Collection[str]
    hand_over: Callable[[Event], None]
    """Raises where the event was not taken."""
    is_stopped: Callable[[], bool]
    """Asked before each event."""
    is_enabled: Callable[[], bool]
    """Asked now and then."""
    position: int
    retry: Retry
    acknowledge_every: int = 1
    held: set[str] = field(default_factory=set)
    """Subjects of which an earlier event waits for another attempt."""
    ahead: deque[RecordedEvent] = field(default_factory=deque)
    """What was read, and not looked at yet."""
    read_up_to: int = 0
    """The place up to which `ahead` holds everything for this subscriber."""
    handed_over: int = 0
    """The last event that was taken, but not acknowledged yet; 0 for none."""
    unacknowledged: int = 0

    def run(self) -> float | None:
        """Delivers all that can be delivered now; returns the seconds until something is to be tried again, if so.

        On the way out, what was taken is acknowledged. Raises `SyncCancelled` where a handler was stopped on its way.
        """
        while self.is_enabled() and not self.is_stopped():
            self.held = held_subjects(self.connection, self.name)
            tried = self._try_again() if self.held else 0
            if not self._new_ones() and not tried:
                break
        return next_due_s(self.connection, self.name)

    def _new_ones(self) -> int:
        """Delivers the next events for a while; returns how many there were to begin with."""
        if not self.ahead:
            self._read_ahead()
        number, until = len(self.ahead), time.monotonic() + SLICE_S
        while self.ahead and not self.is_stopped():
            self._take(self.ahead[0])
            self.ahead.popleft()
            if time.monotonic() >= until:
                break
        if not self.ahead:
            self._acknowledge(self.read_up_to)
        elif self.unacknowledged:
            self._acknowledge(self.handed_over)
        return number

    def _read_ahead(self) -> None:
        # A subscriber that is slow puts nothing in order meanwhile: that is work, and somebody else may do it.
        last = put_in_order(self.connection)
        if last > self.position:
            self.ahead.extend(read_events(self.connection, self.position, self.types, READ_AT_ONCE))
        # where that were all of its types, what was ordered since has its turn next time
        self.read_up_to = self.ahead[-1].seq if len(self.ahead) == READ_AT_ONCE else max(last, self.position)

    def _take(self, event: RecordedEvent) -> None:
        if event.subject in self.held:
            with self.connection.transaction():
                hold(self.connection, self.name, event.seq)
                self._acknowledge(event.seq)
            return
        error = self._attempt(event)
        if error is not None:
            with self.connection.transaction():
                self._failed(event, 1, error)
                self._acknowledge(event.seq)
            return
        self.handed_over = event.seq
        self.unacknowledged += 1
        if self.unacknowledged >= self.acknowledge_every:
            self._acknowledge(event.seq)

    def _try_again(self) -> int:
        """Tries events in trouble that are due, for a while; returns how many there were to begin with."""
        due = due_events(self.connection, self.name, TRIED_AT_ONCE)
        stuck, until = set[str](), time.monotonic() + SLICE_S
        for one in due:
            if self.is_stopped():
                break
            if one.is_early:
                stuck.add(one.event.subject)
            if one.event.subject not in stuck and not self._settled(one):
                stuck.add(one.event.subject)
            if time.monotonic() >= until:
                break
        self.held = held_subjects(self.connection, self.name)
        return len(due)

    def _settled(self, one: DueEvent) -> bool:
        """Tries one event again; whether the next one of its subject may follow."""
        error = self._attempt(one.event)
        if error is None:
            settle(self.connection, self.name, one.event.seq)
            return True
        return not self._failed(one.event, one.attempts + 1, error)

    def _attempt(self, event: RecordedEvent) -> BaseException | None:
        try:
            self.hand_over(event_of(event))
        except BaseException as error:  # a handler that exits, or is cancelled, must not end the thread
            if isinstance(error, SyncCancelled) and self.is_stopped():
                raise
            log_failure(f"subscriber {self.name}", event_of(event), error)
            return error
        return None

    def _failed(self, event: RecordedEvent, attempts: int, error: BaseException) -> bool:
        """Notes the failure; whether the event is to be tried again."""
        wait_s = self.retry.wait_s(attempts, error)
        fail(self.connection, self.name, event.seq, attempts=attempts, error=told(error), wait_s=wait_s)
        if wait_s is not None:
            self.held.add(event.subject)
        return wait_s is not None

    def _acknowledge(self, position: int) -> None:
        if position > self.position:
            advance(self.connection, self.name, position)
        self.position, self.unacknowledged = max(position, self.position), 0
