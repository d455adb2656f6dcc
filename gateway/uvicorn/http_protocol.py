"""uvicorn's HTTP protocol with limits on the size and the duration of a request.

ASGI shows a request only when its head is complete. Only the protocol sees the bytes before that, the gaps between
the bytes of a body, and the time after the answer; uvicorn's own protocol has no limits there.

Longer than 300 lines because all limits follow one connection through its stages.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import httptools
import structlog

from gateway.draining import DRAINING, Draining
from gateway.uvicorn.admitting_protocol import AdmittingProtocol
from gateway.uvicorn.clients import is_proxy
from gateway.uvicorn.handshake import accept_of
from gateway.uvicorn.request_head import Refusal, Refused, check, check_handshake, malformed, origin_form
from gateway.uvicorn.reset import reset
from gateway.uvicorn.response_cycle import ResponseCycle
from gateway.uvicorn.socket_protocol import SocketProtocol
from services.runtime.fair_queue import FairQueue

# h11's limit for a head, and more than any browser sends.
MAX_FRAMING_BYTES = 64 * 1024

# While the server stops: how long after its start a connection may bring its first request, and how long any idle
# connection may bring one, so that bytes which have arrived are read.
FIRST_REQUEST_S = 1.0
NEXT_REQUEST_S = 0.1

# The key of the lifespan's state for a function that says whether a peer's sockets are refused.
REFUSES_SOCKETS_OF = "refuses_sockets_of"

_MALFORMED = malformed("This is not HTTP/1.1.")
_BARRED = Refusal(403, "FORBIDDEN", "This address may not open sockets at the moment.")
_TOO_SLOW = Refusal(408, "REQUEST_TIMEOUT", "The request did not arrive in time.")
_LONG_ADDRESS = Refusal(
    414, "URI_TOO_LONG", f"The URL has more than {MAX_FRAMING_BYTES} bytes: send the query by POST."
)
_LONG_HEADERS = Refusal(431, "HEADERS_TOO_LARGE", f"The headers have more than {MAX_FRAMING_BYTES} bytes.")

_log = structlog.stdlib.get_logger("taxirank.access")


class _Stage(Enum):
    HEAD = auto()
    BODY = auto()
    WHOLE = auto()


class HttpProtocol(AdmittingProtocol):
    """uvicorn's HTTP/1.1, with limits on what a peer sends and on how long it may take.

    - A head that is incomplete after ``timeout_s`` gets 408, whether it arrives slowly or never begins. So does a
      WebSocket handshake. ASGI sees neither.
    - All bytes outside the body (the head, trailers, the sizes and extensions of chunks) may exceed the body by 64
      KiB; more gets 431, or 414 if it is the URL.
    - A head that can be read in two ways gets 400 (``gateway/uvicorn/request_head.py``).
    - After the answer, the rest of a body is read within the same limits of bytes and time.
    - A peer that reads nothing of an answer for ``timeout_s`` is aborted.

    After each of these the connection is closed.

    A handshake that the application would refuse is refused before a socket protocol is created. The event loop
    accepts one of the other handshakes in each iteration.
    """

    # None after the connection was handed over to a socket.
    parser: Any

    def __init__(self, *args: Any, timeout_s: float, handshakes: FairQueue, **options: Any) -> None:
        super().__init__(*args, **options)
        self._timeout_s = timeout_s
        self._handshakes = handshakes
        self._draining: Draining = self.app_state.get(DRAINING) or Draining()
        # The deadline for the request that the peer has begun to send.
        self._timer: asyncio.TimerHandle | None = None
        # When to check whether the peer reads the answer, and how many bytes were unsent at the last check.
        self._sending: asyncio.TimerHandle | None = None
        self._unsent_bytes = math.inf
        # When to close a connection without a request, after the server began to stop.
        self._stopping: asyncio.TimerHandle | None = None
        self._stage = _Stage.HEAD
        self._framing_bytes = 0
        self._accepted_s = 0.0
        self.is_shutting_down = False
        # Whether a handshake waits for its turn.
        self._has_handshake = False
        # Set by an answer that has no end of its own.
        self.on_shutdown: Callable[[], None] | None = None

    def shutdown(self) -> None:
        """The server stops: close the connection, or ask the running answer to end.

        An idle connection ends a moment later: it may be a new one, or have a request that is not read yet. A
        handshake that waits for its turn gets 503 then.
        """
        self.is_shutting_down = True
        if self.on_shutdown is not None:
            self.on_shutdown()
        if self._has_handshake:
            return
        if self._is_idle():
            first = self._accepted_s + FIRST_REQUEST_S if self.cycle is None else 0.0  # pyright: ignore[reportUnnecessaryComparison]
            self._stopping = self.loop.call_at(max(first, self.loop.time() + NEXT_REQUEST_S), self._end_idle)
        else:
            super().shutdown()

    def _end_idle(self) -> None:
        if self._is_idle() and not self._has_handshake:
            super().shutdown()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._accepted_s = self.loop.time()
        self._timer = self.loop.call_later(self._timeout_s, self._refuse, _TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, and apply the limits."""
        if self.drops(data):
            return
        self._unset_keepalive_if_required()
        self._framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The client can work without any other protocol.
            if self._should_upgrade():
                self.handle_websocket_upgrade()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, Refused) else _MALFORMED)
            return
        if self._framing_bytes > MAX_FRAMING_BYTES:
            self._refuse(self._excess())
        elif self._stage is _Stage.HEAD or self.cycle.response_complete:
            # Nearly all heads arrive in one piece and never get here. Bytes after all answers (empty lines, the
            # rest of a body) have ended uvicorn's wait for the next head.
            if self._timer is None and not self.transport.is_closing():
                self._timer = self.loop.call_later(self._timeout_s, self._refuse, _TOO_SLOW)
        else:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._stage is _Stage.BODY and self._ticket is not None and self._ticket.is_waiting:
                # The rest of the body waits in the system's buffer.
                self.flow.pause_reading()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the socket protocol, when it is its turn."""
        if self.cycle is not None and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            # The answer to an earlier request would be written into the socket.
            self._end_after_answers()
            return
        if self._is_barred():
            self._refuse(_BARRED)
            return
        self._has_handshake = True
        self.queue_upgrade(self._handshakes, self._upgrade)

    def _is_barred(self) -> bool:
        refuses: Callable[[str], bool] | None = self.app_state.get(REFUSES_SOCKETS_OF)
        if refuses is None or self.client is None:
            return False
        host = self.client[0]
        # Behind a proxy the peer is not the client.
        return not is_proxy(self.app, host) and refuses(host)

    def _upgrade(self) -> None:
        if not self.transport.is_closing():
            self._stop_timers()
            accept = accept_of(self.url, self.headers)
            if accept is None:
                super().handle_websocket_upgrade()
            else:
                self._open_socket(accept)
            if self.is_shutting_down:
                # The server has told all sockets to go, and would wait for this one in vain.
                protocol: Any = self.transport.get_protocol()
                protocol.shutdown()
            # It refers back to this object: both would wait for the garbage collector. uvicorn drops it only if
            # the connection stays HTTP until its end.
            self.parser = None
            self.transport.resume_reading()

    def _open_socket(self, accept: bytes) -> None:
        """Hand over the head as it is read. uvicorn would write it anew, for websockets to parse."""
        self.connections.discard(self)
        create: Any = self.ws_protocol_class
        protocol: SocketProtocol = create(
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        protocol.open(self.transport, self.url, self.scope, accept)
        self.transport.set_protocol(protocol)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._stage = _Stage.HEAD
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header to the head. Trailers are dropped: uvicorn would add them to the head."""
        if self._stage is _Stage.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete. Raises: Refused, which ends the parsing."""
        if self._framing_bytes > MAX_FRAMING_BYTES:
            # These bytes may contain the beginning of the body.
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_FRAMING_BYTES:
                raise Refused(self._excess())
        self.url = origin_form(self.url, self.headers)
        version = self.parser.get_http_version()
        check(self.headers, version=version)
        is_handshake = self.parser.should_upgrade() and self._should_upgrade()
        if is_handshake:
            check_handshake(self.headers, version=version, method=self.parser.get_method())
        super().on_headers_complete()
        if not is_handshake:
            self._stage = _Stage.BODY
            # uvicorn has no option for the class. The task of the request does not run before this method ends.
            self.cycle.__class__ = ResponseCycle
            if self._draining.has_begun or self.is_shutting_down:
                # The client's next request goes to another server.
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Count a piece of the body."""
        if not self.cycle.response_complete:
            # Twice: once because it is body, and once because as many bytes of framing are allowed.
            self._framing_bytes -= 2 * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is complete."""
        if self._stage is _Stage.BODY:
            self._stage = _Stage.WHOLE
        self._framing_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The whole answer is written, but perhaps not sent."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_sending()

    def pause_writing(self) -> None:
        """The peer does not read."""
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        """The peer has read much of the unsent bytes."""
        self._unsent_bytes = math.inf
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """No request came within the keep-alive time."""
        super().timeout_keep_alive_handler()
        self._watch_sending()

    def _watch_sending(self) -> None:
        """Abort the connection if the peer reads nothing for ``timeout_s`` from now on."""
        if self._sending is None:
            self._unsent_bytes = self.transport.get_write_buffer_size()
            self._sending = self.loop.call_later(self._timeout_s, self._look_at_sending)

    def _look_at_sending(self) -> None:
        self._sending = None
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes >= self._unsent_bytes > 0:
            # A closed connection would wait for ever for its unsent bytes.
            reset(self.transport)
        elif unsent_bytes:
            self._watch_sending()

    def _end_after_answers(self) -> None:
        """Stop reading, and close the connection when all earlier requests are answered."""
        self.cycle.keep_alive = False
        self.transport.pause_reading()
        # Otherwise a handler that waits for more of a body would resume reading.
        self.flow.read_paused = False

    def _excess(self) -> Refusal:
        return _LONG_ADDRESS if self._stage is _Stage.HEAD and len(self.url) > MAX_FRAMING_BYTES else _LONG_HEADERS

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._sending, self._stopping):
            if timer is not None:
                timer.cancel()
        self._timer = self._sending = self._stopping = None

    def _refuse(self, refusal: Refusal) -> None:
        self._stop_timers()
        if self.transport.is_closing() or self.is_lingering:
            return
        is_free = self._is_idle()
        if self._stage is _Stage.BODY:
            is_free = not (self.cycle.response_started or self.pipeline)
        if is_free:
            self.transport.write(refusal.answer())
            self.give_up_request()
            if refusal is _TOO_SLOW:
                # Hardly anything arrives that could make a reset of the end.
                self.transport.close()
            else:
                self.linger()
        elif self._stage is _Stage.BODY:
            # Part of an answer is already sent, or another request is still running.
            self.transport.close()
        else:
            self._end_after_answers()
        self._watch_sending()
        _log.log(
            # Browsers open connections before they have a request.
            logging.DEBUG if refusal is _TOO_SLOW else logging.INFO,
            "request refused",
            status=refusal.status,
            code=refusal.code,
            reason=refusal.message,
        )
