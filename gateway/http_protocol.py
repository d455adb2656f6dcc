"""Below ASGI: bounds on a request's head, which comes before any application is asked."""

import asyncio

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# As much as uvicorn's other parser allows, and eight times what nginx does.
MAX_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_S = 20.0

_MESSAGES = {
    408: "The request did not come in time.",
    414: f"The address has more than {MAX_HEAD_BYTES} bytes: send the query by POST.",
    431: f"The headers have more than {MAX_HEAD_BYTES} bytes.",
}
_CODES = {408: "REQUEST_TIMEOUT", 414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE"}


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, but an address or headers that have no end are refused (414, 431), and so are those that do
    not come to it (408): after ``HEAD_TIMEOUT_S``, and at most twice that. A connection that asks for nothing is
    closed then. uvicorn gathers what comes until memory ends, and waits for ever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Somebody has connected."""
        super().connection_made(transport)
        # Bytes that came since a head was complete or some of a body arrived.
        self._gathered = self._incoming = 0
        self._has_got_on = self._in_head = False
        self._fault: int | None = None
        self._waits_since = self.loop.time()
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._timer.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """The connection is a socket from now on."""
        self._timer.cancel()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._incoming, self._has_got_on = len(data), False
        super().data_received(data)
        if self._has_got_on:
            self._gathered = 0
            return
        self._gathered += len(data)
        if self._gathered > MAX_HEAD_BYTES:
            # Of a head, or of what may follow a chunked body.
            self._refuse(414 if self._in_head and len(self.url) > MAX_HEAD_BYTES else 431)

    def on_message_begin(self) -> None:
        """A request begins. Called by the parser, like the next three."""
        super().on_message_begin()
        self._in_head = True
        self._waits_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head, self._has_got_on = False, True
        if self._gathered + self._incoming > MAX_HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_HEAD_BYTES:
                self._fault = 414 if len(self.url) > MAX_HEAD_BYTES else 431
                raise ValueError("too large a head")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._has_got_on = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        """The answer is complete."""
        self._waits_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed."""
        if self._fault is not None:
            self._refuse(self._fault)
        else:
            super().send_400_response(msg)

    def _look(self) -> None:
        """Whoever has been waiting for too long is told, or if nothing has come at all, only left."""
        if self._is_idle() and self.loop.time() - self._waits_since >= HEAD_TIMEOUT_S:
            if self._in_head:
                self._refuse(408)
            else:
                self.transport.close()
        else:
            self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._look)

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        # uvicorn declares that there always is one.
        cycle = self.cycle
        return cycle is None or cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _refuse(self, status: int) -> None:
        if self.transport.is_closing():
            return
        if not self._is_idle():
            # It would land in the middle of another answer.
            self.transport.abort()
            return
        error = {"message": _MESSAGES[status], "extensions": {"code": _CODES[status]}}
        body = orjson.dumps({"errors": [error]})
        lines = (b"content-type: application/json", b"content-length: %d" % len(body), b"connection: close")
        self.transport.write(STATUS_LINE[status] + b"\r\n".join([*lines, b"", body]))
        self.transport.close()
