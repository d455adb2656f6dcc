"""uvicorn's HTTP protocol whose connections end so that a client which is still sending can read the answer."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# How much of a refused body is read and dropped, and for how long.
LINGER_BYTES = 8 * 1024 * 1024
LINGER_S = 10.0


class LingeringProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 that can answer a request before its body has arrived.

    If a connection is closed while bytes arrive that nobody reads, the system resets it. Then the client, or the
    proxy before it, fails to send, and may lose the answer: nginx makes a 502 of it. So only the server's half is
    closed after such an answer. What still arrives is dropped until the client closes its half too, at most
    ``LINGER_BYTES`` and ``LINGER_S``. Source: RFC 9112, 9.6.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # How much more is dropped; None: the connection is in use.
        self._lingering_bytes: int | None = None
        self._lingering: asyncio.TimerHandle | None = None

    @property
    def is_lingering(self) -> bool:
        """Whether the answer was the last, and the connection is only read to its end."""
        return self._lingering_bytes is not None

    def linger(self) -> None:
        """After what is written, end the connection as the class says."""
        self._lingering_bytes = LINGER_BYTES
        self._lingering = self.loop.call_later(LINGER_S, self.transport.close)
        # TLS that uvicorn itself speaks has no halves. The client knows the length of the answer.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

    def drops(self, data: bytes) -> bool:
        """Whether the connection is only read to its end; then these bytes count as dropped."""
        if self._lingering_bytes is None:
            return False
        self._lingering_bytes -= len(data)
        if self._lingering_bytes < 0:
            self.transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The whole answer is written: there is no next request if the connection ends."""
        super().on_response_complete()
        if self.cycle.lingers:  # pyright: ignore[reportAttributeAccessIssue]
            self._unset_keepalive_if_required()
            self.linger()
