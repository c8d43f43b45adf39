"""Who hears of what a sync in an application came to: its event bus, and whoever manages its endpoints."""

import inspect
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, Protocol


class EventBus(Protocol):
    """What is asked of an event bus; `emit` may be a coroutine function, too."""

    def emit(self, type: str, data: Mapping[str, Any], /) -> Awaitable[Any] | Any:  # noqa: A002 - CloudEvents' word
        """Tells the subscribers. It is called in the event loop, and so must not block."""


class EndpointManager(Protocol):
    """What is asked of a gateway that forwards to services; `register_service` may be a coroutine function, too.

    One that has no such method is left alone.
    """

    def register_service(self, name: str, base_url: str, spec_file: Path) -> Awaitable[Any] | Any:
        """Makes the service known, or known as it is now. It is called in the event loop, and so must not block."""


async def emit(bus: EventBus, kind: str, data: Mapping[str, Any]) -> None:
    """Emits the event. Raises whatever the bus raises."""
    await _settled(bus.emit(kind, dict(data)))


async def register(manager: object, name: str, base_url: str, spec_file: Path) -> None:
    """Registers the service, where the manager can. Raises whatever it raises."""
    method = getattr(manager, "register_service", None)
    if callable(method):
        await _settled(method(name, base_url, spec_file))


async def _settled(result: object) -> None:
    if inspect.isawaitable(result):
        await result
