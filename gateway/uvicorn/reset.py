"""Resetting a TCP connection."""

import asyncio
import socket
import struct
from contextlib import suppress

_AT_ONCE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Cut a connection whose peer does not take what is sent to it.

    An aborted connection is closed, and the system goes on offering the peer what it has of it, up to 4 MB, for
    minutes. Source: socket(7), SO_LINGER.
    """
    connected = transport.get_extra_info("socket")
    # Where nothing waits it may have been closed, and its number be another connection's.
    if connected is not None and transport.get_write_buffer_size():
        with suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
