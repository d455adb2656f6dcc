"""Resetting a TCP connection."""

import asyncio
import socket
import struct
from contextlib import suppress

_AT_ONCE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Reset a connection whose peer does not read.

    After an abort, the system continues to offer its unsent bytes, up to 4 MB, to the peer for minutes. Source:
    socket(7), SO_LINGER.
    """
    connected = transport.get_extra_info("socket")
    # Without unsent bytes it may already be closed, and its file number may belong to another connection.
    if connected is not None and transport.get_write_buffer_size():
        with suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
