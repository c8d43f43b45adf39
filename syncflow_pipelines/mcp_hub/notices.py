"""Telling clients that the list of tools has changed."""

import asyncio
from typing import Any

import mcp_types
from fastmcp import FastMCP
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

TELL_WITHIN_S = 5.0

Initialize = mcp_types.InitializeRequest
Initialized = mcp_types.InitializeResult | None


class Notices(Middleware):
    """Knows who wants to hear of changes.

    Clients of the protocol's versions before 2026-07-28 are told on their connections, the others on the stream that
    they opened with `subscriptions/listen`, which FastMCP leaves to its servers to offer.
    """

    def __init__(self) -> None:
        self._sessions: dict[int, Any] = {}
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus)

    def serve(self, hub: FastMCP) -> None:
        """Makes the hub accept subscriptions."""
        hub.add_middleware(self)
        hub._mcp_server.add_request_handler(
            "subscriptions/listen", mcp_types.SubscriptionsListenRequestParams, self._streams
        )

    def end(self) -> None:
        """Ends every subscription."""
        self._streams.close()

    async def on_initialize(
        self, context: MiddlewareContext[Initialize], call_next: CallNext[Initialize, Initialized]
    ) -> Initialized:
        answer = await call_next(context)
        if context.fastmcp_context is not None:
            self._remember(context.fastmcp_context.session)
        return answer

    async def tools_changed(self) -> None:
        """Tells everybody."""
        await self._bus.publish(ToolsListChanged())
        # A client that does not listen, or has gone this moment, keeps nobody from hearing of it.
        await asyncio.gather(*map(_tell, list(self._sessions.values())), return_exceptions=True)

    def _remember(self, session: Any) -> None:
        key = id(session)
        self._sessions[key] = session
        session._connection.exit_stack.callback(self._sessions.pop, key, None)


async def _tell(session: Any) -> None:
    async with asyncio.timeout(TELL_WITHIN_S):
        await session.send_notification(mcp_types.ToolListChangedNotification())
