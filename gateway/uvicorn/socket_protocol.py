"""uvicorn's WebSocket protocol with rate limits, time limits, and direct writes of encoded frames.

Longer than 300 lines because all of it is one class, between uvicorn's protocol and the application.
"""

import asyncio
import functools
import logging
from typing import Any
from urllib.parse import unquote

from uvicorn._types import HTTPScope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import Protocol, State
from websockets.typing import BytesLike

from gateway.uvicorn.handshake import subprotocols_of
from gateway.uvicorn.message_queue import Gate, MessageQueue
from gateway.uvicorn.reset import reset
from gateway.uvicorn.text_frame import payload_of
from services.limits.rates import Rate
from services.runtime.fair_queue import FairQueue

# A process that stood still may fire the timer of a pong before it reads the pong that has arrived.
LAST_LOOK_S = 0.5
# The bytes of a peer that are handled before other peers get their turn: about a hundred of the smallest messages.
PIECE_BYTES = 2048
CLOSE_TIMEOUT_S = 2.0
TOO_MANY = 4429
# Pings that are due within this time go together: with ten thousand sockets an idle process wakes up ten times a
# second.
PINGED_TOGETHER_S = 0.1
# How long a peer that reads nothing may delay the stop.
STOP_PATIENCE_S = 0.5
_SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
)
_NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
# uvicorn logs each socket, which costs a twentieth of opening one. This logger has the level of warnings.
_log = logging.getLogger("uvicorn.error.sockets")


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sockets, in which no peer can delay the others, flood, or stay without a network.

    A peer that does not answer a ping in time is aborted, and sees 1006. uvicorn would close with 1011, which
    graphql-ws clients treat as fatal, and wait until the close frame is read. Without pings the server would not
    notice a failed network while it has nothing to send.

    The bytes of a peer are handled in pieces, one in each turn of the event loop for all peers together: uvicorn
    would handle everything that has arrived, perhaps thousands of messages from each of a thousand peers. A peer
    that sends more than ``message_rate`` frames of any kind is closed with 4429, and aborted if it does not read
    the close frame; a long frame counts once more for each KiB. Sockets end in turns too, because thousands may be
    lost together.
    """

    def __init__(
        self, *args: Any, pieces: FairQueue, ends: FairQueue, message_rate: Rate | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # Without its type: looking that up would take 2 µs for each socket.
        self.queue: Any = MessageQueue()
        self.writable: Any = Gate()
        self.logger = _log
        self._pieces = pieces
        self._ends = ends
        self._message_rate = message_rate
        # Until when the peer has used up its rate.
        self._used_until_s = 0.0
        self._backlog = bytearray()
        self._has_turn = False
        # Whether the socket was closing when its ping was due.
        self._is_ending = False
        self._is_lost = False
        # The answer to a handshake that was valid, until it is sent.
        self._accept: bytes | None = None

    def open(self, transport: asyncio.Transport, url: bytes, scope: HTTPScope, accept: bytes) -> None:
        """Take over a connection with a valid handshake.

        ``scope``: what uvicorn knows of its request; ``accept``: of ``handshake.accept_of``.
        """
        headers = list(scope["headers"])
        raw_path, _, query_string = url.partition(b"?")
        self.connections.add(self)
        self.transport = transport
        self.handshake_initiated = True
        self._accept = accept
        self._parse_frames()
        self.scope: Any = {
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if scope["scheme"] == "https" else "ws",
            "server": scope["server"],
            "client": scope["client"],
            "root_path": self.root_path,
            "path": self.root_path + unquote(raw_path.decode("ascii")),
            "raw_path": self.root_path.encode("ascii") + raw_path,
            "query_string": query_string,
            "headers": headers,
            "subprotocols": subprotocols_of(headers),
            "state": self.app_state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)

    async def send(self, message: Any) -> None:
        """A message of the application."""
        if self._accept is None or message["type"] != "websocket.accept" or self.disconnected:
            await super().send(message)
        elif not self.transport.is_closing():
            self._send_accept(self._accept, message)

    def _send_accept(self, accept: bytes, message: Any) -> None:
        self._accept = None
        head = [_SWITCHING, accept]
        for name, value in (*self.default_headers, *message.get("headers", ())):
            head += b"\r\n", name, b": ", value
        if subprotocol := message.get("subprotocol"):
            head += b"\r\nSec-WebSocket-Protocol: ", subprotocol.encode()
        head.append(b"\r\n\r\n")
        self.conn.state = State.OPEN
        self.handshake_complete = True
        self.transport.write(b"".join(head))
        super().start_keepalive()

    def data_received(self, data: bytes) -> None:
        """Handle the bytes of the peer, in pieces if there are many."""
        if not self.handshake_complete:
            super().data_received(data)
            if not self.handshake_initiated:
                self._refuse_head()
            return
        if len(data) <= PIECE_BYTES and not self._backlog:
            text = payload_of(data) if self._expects_message() else None
            if text is None or len(text) > (self.conn.max_message_size or PIECE_BYTES):
                super().data_received(data)
            elif self._admits(text):
                self._pass_on(text)
            return
        self._backlog += data
        self.transport.pause_reading()
        self._go_on()

    def _expects_message(self) -> bool:
        """Whether the next byte begins a message, so that the parser need not see a whole one."""
        conn = self.conn
        if conn.current_size is not None or conn.state is not State.OPEN:
            return False
        # Between two frames the parser waits for the end of the stream.
        waits_in = getattr(conn.parser, "gi_yieldfrom", None)
        return getattr(waits_in, "__name__", None) == "at_eof"

    def _pass_on(self, text: bytes) -> None:
        """Pass a text message to the application. A message that is not UTF-8 closes the socket with 1007.

        uvicorn logs a traceback for that one, which would let anybody fill the log, and fails when a close frame
        follows. And it reads nothing more until the application has taken the message, with two system calls for
        each. An application that is waiting takes it in this turn of the event loop.
        """
        try:
            message = {"type": "websocket.receive", "text": text.decode()}
        except UnicodeDecodeError:
            self.conn.fail(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
            return
        is_awaited = self.queue.is_awaited
        self.queue.put_nowait(message)
        if not (is_awaited or self.read_paused):
            self.read_paused = True
            self.transport.pause_reading()

    def handle_connect(self, event: Request) -> None:
        """A handshake. The parser that has read it keeps it for as long as the socket lives: use a new one."""
        super().handle_connect(event)
        # The head came alone, so that the parser has begun nothing else.
        if not (self.close_sent or self.conn.reader.buffer):
            self._parse_frames()

    def _parse_frames(self) -> None:
        conn = self.conn
        conn.parser.close()
        conn.parser = Protocol.parse(conn)
        next(conn.parser)

    def start_keepalive(self) -> None:
        """The handshake is complete: forget it."""
        super().start_keepalive()
        del self.request, self.response

    def _refuse_head(self) -> None:
        """Answer a head that is not a handshake: uvicorn, which passes on complete heads, would wait for more."""
        self.transport.write(b"".join(self.conn.data_to_send()) or _NO_HANDSHAKE)
        self.transport.close()

    def _go_on(self) -> None:
        if not self._has_turn and not self.read_paused:
            self._has_turn = True
            self._pieces.put(self._take_piece)

    def _take_piece(self) -> None:
        self._has_turn = False
        if self.transport.is_closing():
            # The connection was lost in the meantime: no answer can be sent.
            self._backlog.clear()
            return
        piece = bytes(self._backlog[:PIECE_BYTES])
        del self._backlog[:PIECE_BYTES]
        super().data_received(piece)
        if self.close_sent or self.transport.is_closing():
            # Now only the peer's answer to the close frame matters, and it comes last.
            del self._backlog[:-PIECE_BYTES]
        if self._backlog:
            self._go_on()
        elif not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the socket when it is its turn. Until then its transport refuses to send."""
        self._is_lost = True
        self._ends.put(functools.partial(self._end, exc))

    def _end(self, exc: Exception | None) -> None:
        """Tell the application, and drop the references back to this object, so that no garbage is left."""
        super().connection_lost(exc)
        self.conn.parser.close()
        self.conn.parser_exc = None

    async def receive(self) -> Any:
        """The next message for the application; after the last one, handles the next piece."""
        queue = self.queue
        # One frame less for each message than to await `get`.
        while queue.empty():
            await queue.arrival()
        message = queue.take()
        if self.initial_response is not None:
            # It was answered with a refusal, which uvicorn does not count as an answer.
            self.handshake_complete = True
        if self.read_paused and self.queue.empty():
            self._resume()
        return message

    def _resume(self) -> None:
        self.read_paused = False
        if self._backlog:
            self._go_on()
        else:
            self.transport.resume_reading()

    def shutdown(self) -> None:
        """The server stops: close the socket with 1012, or refuse its handshake with 503.

        The connection waits a moment for the peer's close frame. If it were closed at once, what the peer is just
        sending would reset it, and the 1012 could be lost.
        """
        if self._is_lost:
            return
        if not self.handshake_complete:
            refusal = self.conn.reject(503, "The server is stopping.\n")
            refusal.headers["Retry-After"] = "1"
            self.conn.send_response(refusal)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        elif self.close_sent or self.initial_response is not None:
            self.transport.close()
        elif self.close_timer is None and not self.transport.is_closing():
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.SERVICE_RESTART})
            self.conn.send_close(CloseCode.SERVICE_RESTART)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_timer = self.loop.call_later(STOP_PATIENCE_S, self.transport.abort)
            if self.read_paused:
                self._resume()
            return
        self.loop.call_later(STOP_PATIENCE_S, self.transport.abort)

    def handle_text(self, event: Frame) -> None:
        """A message, or its beginning."""
        if self._admits(event.data):
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """A message, or its beginning."""
        if self._admits(event.data):
            super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """A further part of a message, perhaps empty."""
        if self._admits(event.data):
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """A ping."""
        if self._admits(b""):
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """A pong, asked for or not."""
        if self._admits(event.data):
            super().handle_pong(event)

    def _admits(self, data: BytesLike) -> bool:
        """Whether one more frame is within the rate; the first that is not closes the socket."""
        rate = self._message_rate
        if rate is None or self.close_sent:
            return True
        now_s = self.loop.time()
        # Long ones count once more for each KiB.
        self._used_until_s = rate.used_until(self._used_until_s, now_s, times=1 + (len(data) >> 10))
        if not rate.is_too_much(self._used_until_s, now_s):
            return True
        self.conn.fail(TOO_MANY, "Too many messages")
        self.handle_parser_exception()
        # The peer may not be reading.
        self.loop.call_later(CLOSE_TIMEOUT_S, reset, self.transport)
        return False

    # Whether the peer does not read; the same as `writable`, but an attribute.
    is_paused = False

    def write_ready(self, data: bytes) -> bool:
        """Write ready bytes to the connection, all of them or none; returns which.

        Writes none while the peer does not read, and while the socket is closing. Through ASGI every message is
        encoded and framed again for every socket: 13 µs more for each delivery.
        """
        # After its close frame a socket has a timer, or its connection is closing.
        if self.is_paused or self.close_timer is not None or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def pause_writing(self) -> None:
        """The peer does not read."""
        self.is_paused = True
        super().pause_writing()

    def schedule_ping(self) -> None:
        """Ping after the interval, together with other pings that are due then."""
        assert self.ping_interval is not None
        now_s = self.loop.time()
        due_s = now_s + max(0.0, self.ping_interval - self.last_ping_rtt)
        if self.ping_interval > PINGED_TOGETHER_S:
            due_s -= due_s % PINGED_TOGETHER_S
        self.ping_timer = self.loop.call_at(due_s, self.send_keepalive_ping)

    def send_keepalive_ping(self) -> None:
        """Check whether the peer is still connected; if the socket is closing, make sure that it ends."""
        if not (self.close_sent or self.transport.is_closing()):
            super().send_keepalive_ping()
        elif self._is_ending:
            # The peer does not read: the connection would wait for it for ever.
            reset(self.transport)
        else:
            self._is_ending = True
            self.schedule_ping()

    def keepalive_timeout(self) -> None:
        """There is no pong yet: look once more, then abort the connection."""
        self.pong_timer = self.loop.call_later(LAST_LOOK_S, self._cut)

    def resume_writing(self) -> None:
        """The peer has read much of the unsent bytes. The ping waits behind the rest, so its time starts again."""
        self.is_paused = False
        super().resume_writing()
        if self.pong_timer is not None:
            self._await_pong()

    def send_receive_event_to_app(self) -> None:
        """Pass a message that came in several pieces or with others to the application."""
        if self.close_timer is not None:
            # An unread message would keep the peer's close frame from being read.
            return
        if self.curr_msg_data_type == "text" and not self.close_sent:
            text, self.frames = b"".join(self.frames), []
            self._pass_on(text)
            return
        super().send_receive_event_to_app()

    def _await_pong(self) -> None:
        assert self.ping_timeout is not None
        if self.pong_timer is not None:
            self.pong_timer.cancel()
        self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)

    def _cut(self) -> None:
        self.pong_timer = None
        if self.read_paused or self._backlog:
            # The application has not read the last message, and the pong may be behind it.
            self._await_pong()
        else:
            reset(self.transport)
