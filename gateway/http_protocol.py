"""How a request reaches uvicorn: not for ever, and not without end.

ASGI shows a request once its head is whole. What comes before that, and between the bytes of a body, only the
protocol sees, and uvicorn's own has no bounds there.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import orjson
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from services.turns import Turns

# What h11 allows for a head, and more than any browser sends.
MAX_FRAMING_BYTES = 64 * 1024

# Where the lifespan's state holds whose sockets are refused: a function of the peer's host.
REFUSES_SOCKETS_OF = "refuses_sockets_of"

_MESSAGES = {
    403: "No socket is opened for this address now.",
    408: "The request did not come in time.",
    414: f"The address has more than {MAX_FRAMING_BYTES} bytes: send the query by POST.",
    431: f"The headers have more than {MAX_FRAMING_BYTES} bytes.",
}
_CODES = {403: "FORBIDDEN", 408: "REQUEST_TIMEOUT", 414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE"}


class _Stage(Enum):
    HEAD = auto()
    BODY = auto()
    WHOLE = auto()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with bounds on what it takes before the application is asked.

    A head that is not whole within ``timeout_s`` is answered with 408, whether it trickles or never begins. What
    is not body (the head, trailers, the sizes and extensions of chunks) may exceed the body by 64 KiB; more is
    answered with 431, or 414 if it is the address. Either way the connection is closed.

    Of those who ask for a socket, whom the application refuses anyway is refused before a protocol is made for
    it; the others are taken one a turn of the event loop.
    """

    def __init__(self, *args: Any, timeout_s: float, handshakes: Turns, **options: Any) -> None:
        super().__init__(*args, **options)
        self._timeout_s = timeout_s
        self._handshakes = handshakes
        self._timer: asyncio.TimerHandle | None = None
        self._stage = _Stage.HEAD
        self._framing_bytes = 0
        self._fault: int | None = None
        self.is_shutting_down = False
        # Set by an answer that has no end of its own.
        self.on_shutdown: Callable[[], None] | None = None

    def shutdown(self) -> None:
        """The server stops: close the connection, or have the answer under way come to its end."""
        self.is_shutting_down = True
        super().shutdown()
        if self.on_shutdown is not None:
            self.on_shutdown()

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._timeout_s, self._refuse, 408)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass on what came, and see whether it leads anywhere."""
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._framing_bytes > MAX_FRAMING_BYTES:
            self._refuse(self._excess())
        elif self._stage is _Stage.HEAD or (
            # Empty lines before the next head: they have ended uvicorn's wait for it.
            self._stage is _Stage.WHOLE and self.cycle.response_complete
        ):
            # Nearly all heads come whole, and never get here.
            if self._timer is None and not self.transport.is_closing():
                self._timer = self.loop.call_later(self._timeout_s, self._refuse, 408)
        elif self._timer is not None:
            self._stop_timer()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the protocol of sockets, soon."""
        # No further head will come.
        self._stage = _Stage.BODY
        if self._is_refused():
            self._refuse(403)
            return
        self.transport.pause_reading()
        self._handshakes.put(self._upgrade)

    def _is_refused(self) -> bool:
        refuses: Callable[[str], bool] | None = self.app_state.get(REFUSES_SOCKETS_OF)
        if refuses is None or self.client is None:
            return False
        host = self.client[0]
        # Behind a proxy the peer is not the client; the application knows whom the proxy asks for.
        is_proxy = isinstance(self.app, ProxyHeadersMiddleware) and host in self.app.trusted_hosts
        return not is_proxy and refuses(host)

    def _upgrade(self) -> None:
        if not self.transport.is_closing():
            super().handle_websocket_upgrade()
            # It refers back to this: both would wait for the garbage collector. uvicorn lets go of it only where
            # the connection stays HTTP to its end.
            self.parser = None  # pyright: ignore[reportAttributeAccessIssue]
            self.transport.resume_reading()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._stage = _Stage.HEAD
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head. Trailers are dropped: uvicorn would add them to the head."""
        if self._stage is _Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._framing_bytes > MAX_FRAMING_BYTES:
            # The beginning of the body may be among these.
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_FRAMING_BYTES:
                self._fault = self._excess()
                raise ValueError("too large a head")
        self._stage = _Stage.BODY
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        # Once since it is no framing, and once to allow for as much of it.
        self._framing_bytes -= 2 * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._stage = _Stage.WHOLE
        self._framing_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, or was refused while it was."""
        if self._fault is not None:
            self._refuse(self._fault)
        else:
            super().send_400_response(msg)

    def _excess(self) -> int:
        return 414 if self._stage is _Stage.HEAD and len(self.url) > MAX_FRAMING_BYTES else 431

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        is_free = self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]
        # Another request's answer may be under way, which must not be mistaken for this one's.
        if is_free or (self._stage is _Stage.BODY and not self.cycle.response_started):
            error = {"message": _MESSAGES[status], "extensions": {"code": _CODES[status]}}
            body = orjson.dumps({"errors": [error]})
            lines = (b"content-type: application/json", b"content-length: %d" % len(body), b"connection: close")
            self.transport.write(STATUS_LINE[status] + b"\r\n".join([*lines, b"", body]))
        self.transport.close()
