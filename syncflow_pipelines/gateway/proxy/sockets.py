"""What is asked of the sockets under a connection."""

import asyncio
import socket
import struct
from typing import Final

_RESET: Final = struct.pack("ii", 1, 0)


def send_at_once(transport: asyncio.BaseTransport) -> None:
    """Pieces are sent as they are written, rather than held back until the last was acknowledged.

    asyncio does so by itself for sockets that name their protocol, and those that a server accepted do not.
    """
    peer = transport.get_extra_info("socket")
    if peer is not None and peer.family in (socket.AF_INET, socket.AF_INET6):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def reset(transport: asyncio.WriteTransport) -> None:
    """Ends the connection with a RST, which nobody takes for the end of an answer."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
