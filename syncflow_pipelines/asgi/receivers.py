"""Who hears of what a sync in an application came to: its event bus, and whoever manages its endpoints."""

import asyncio
import inspect
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from syncflow_pipelines.events.threads import is_cancelled

PATIENCE_S: Final = 30.0
"""How long others may take to hear of one thing; the sync goes on then."""


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


async def emit(bus: EventBus, kind: str, data: Mapping[str, Any], patience_s: float = PATIENCE_S) -> None:
    """Emits the event. Raises whatever the bus raises, and `TimeoutError` where it takes longer than `patience_s`."""
    await _settled(bus.emit(kind, dict(data)), patience_s)


async def register(manager: object, name: str, base_url: str, spec_file: Path) -> None:
    """Registers the service, where the manager can. Raises whatever it raises, and `TimeoutError`."""
    method = getattr(manager, "register_service", None)
    if callable(method):
        await _settled(method(name, base_url, spec_file), PATIENCE_S)


async def _settled(result: object, patience_s: float) -> None:
    if inspect.isawaitable(result):
        try:
            async with asyncio.timeout(patience_s):
                await result
        except asyncio.CancelledError as error:
            if is_cancelled(error):
                raise
            raise RuntimeError("it was cancelled by itself") from error
