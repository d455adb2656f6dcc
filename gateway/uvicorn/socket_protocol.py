"""uvicorn's WebSocket protocol with rate limits, time limits, and direct writes of encoded frames."""

import functools
import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.typing import BytesLike

from gateway.uvicorn.reset import reset
from services.limits.rates import Rate
from services.runtime.fair_queue import FairQueue

# A process that stood still for a while may find a pong late before it reads what came meanwhile.
LAST_LOOK_S = 0.5
# So much of what a peer sends is read before others have their turn: about a hundred of the smallest messages.
PIECE_BYTES = 2048
CLOSE_TIMEOUT_S = 2.0
TOO_MANY = 4429
# Pings that are due within so long go together: ten thousand sockets wake an idle process ten times a second.
PINGED_TOGETHER_S = 0.1
# How long a peer that reads nothing may delay the stop.
STOP_PATIENCE_S = 0.5
_NO_HANDSHAKE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
# uvicorn tells of each socket, which costs a twentieth of what a new one does: this one is asked for warnings.
_log = logging.getLogger("uvicorn.error.sockets")


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sockets, but no peer holds up the others, floods, or stays when its network has gone.

    A peer that does not answer a ping in time is cut: what it would see is 1006. uvicorn closes such a socket
    with 1011, which graphql-ws clients take as fatal, and waits until that is taken. Without pings the server
    does not notice that a peer's network has gone while it has nothing to send.

    What a peer sends at once is taken in pieces, one a turn of the event loop for all peers together: uvicorn
    handles all that has come, perhaps thousands of messages from each of a thousand. One that sends more than
    ``message_rate`` frames, of whatever kind, is closed with 4429, and cut if it does not take that; a long frame
    counts once more for each KiB. The ends of sockets take turns too: thousands may be cut at once.
    """

    def __init__(
        self, *args: Any, pieces: FairQueue, ends: FairQueue, message_rate: Rate | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _log
        self._pieces = pieces
        self._ends = ends
        self._message_rate = message_rate
        # Until when the peer has used up what it may send.
        self._used_until_s = 0.0
        self._backlog = bytearray()
        self._has_turn = False
        # Whether the socket was closing when its ping was due.
        self._is_ending = False
        self._is_lost = False

    def data_received(self, data: bytes) -> None:
        """Take what the peer has sent; much of it piece by piece."""
        if not self.handshake_complete:
            super().data_received(data)
            if not self.handshake_initiated:
                self._refuse_head()
            return
        if len(data) <= PIECE_BYTES and not self._backlog:
            super().data_received(data)
            return
        self._backlog += data
        self.transport.pause_reading()
        self._go_on()

    def _refuse_head(self) -> None:
        """Answer a head that is none of a handshake's: uvicorn, which passes it on whole, would wait for more."""
        self.transport.write(b"".join(self.conn.data_to_send()) or _NO_HANDSHAKE)
        self.transport.close()

    def _go_on(self) -> None:
        if not self._has_turn and not self.read_paused:
            self._has_turn = True
            self._pieces.put(self._take_piece)

    def _take_piece(self) -> None:
        self._has_turn = False
        if self.transport.is_closing():
            # The connection was cut meanwhile: no answer can be sent.
            self._backlog.clear()
            return
        piece = bytes(self._backlog[:PIECE_BYTES])
        del self._backlog[:PIECE_BYTES]
        super().data_received(piece)
        if self.close_sent or self.transport.is_closing():
            # Only the peer's answer to the close is of interest now, and it comes last.
            del self._backlog[:-PIECE_BYTES]
        if self._backlog:
            self._go_on()
        elif not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, when it is this socket's turn. Until then its transport refuses what is sent."""
        self._is_lost = True
        self._ends.put(functools.partial(self._end, exc))

    def _end(self, exc: Exception | None) -> None:
        """Tell the application, and let go of what refers back to this, so that no garbage is left."""
        super().connection_lost(exc)
        self.conn.parser.close()
        self.conn.parser_exc = None

    async def receive(self) -> Any:
        """The next message for the application; after the last one, takes the next piece."""
        message = await self.queue.get()
        if self.initial_response is not None:
            # It was answered with a refusal, which uvicorn would take for no answer at all.
            self.handshake_complete = True
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if self._backlog:
                self._go_on()
            else:
                self.transport.resume_reading()
        return message

    def shutdown(self) -> None:
        """Close the socket with 1012, since the server stops; a peer that does not read is cut."""
        if self._is_lost:
            return
        super().shutdown()
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
        """More of a message, perhaps nothing."""
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
        # The peer may not read.
        self.loop.call_later(CLOSE_TIMEOUT_S, reset, self.transport)
        return False

    # Whether the peer does not take what is sent; as `writable`, but read without a call.
    is_paused = False

    def write_ready(self, data: bytes) -> bool:
        """Write ready bytes to the connection: all of them or none, and says which.

        None while the peer does not read, and once the socket is closing. Through ASGI every message is encoded
        and framed anew for every socket: 13 µs more a delivery.
        """
        if self.is_paused or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def pause_writing(self) -> None:
        """The peer does not take what is sent."""
        self.is_paused = True
        super().pause_writing()

    def schedule_ping(self) -> None:
        """Ping when the interval is over, together with others that are due then."""
        assert self.ping_interval is not None
        now_s = self.loop.time()
        due_s = now_s + max(0.0, self.ping_interval - self.last_ping_rtt)
        if self.ping_interval > PINGED_TOGETHER_S:
            due_s -= due_s % PINGED_TOGETHER_S
        self.ping_timer = self.loop.call_at(due_s, self.send_keepalive_ping)

    def send_keepalive_ping(self) -> None:
        """Ask whether the peer is there; of a socket that is closing, see to it that it comes to an end."""
        if not (self.close_sent or self.transport.is_closing()):
            super().send_keepalive_ping()
        elif self._is_ending:
            # What it was sent, it does not take: the connection would wait for that for ever.
            reset(self.transport)
        else:
            self._is_ending = True
            self.schedule_ping()

    def keepalive_timeout(self) -> None:
        """No pong yet: look once more, then cut the connection."""
        self.pong_timer = self.loop.call_later(LAST_LOOK_S, self._cut)

    def resume_writing(self) -> None:
        """The peer has taken much of what waited. The ping waits behind the rest, so its time begins anew."""
        self.is_paused = False
        super().resume_writing()
        if self.pong_timer is not None:
            self._await_pong()

    def send_receive_event_to_app(self) -> None:
        """Give a message to the application. One that is not UTF-8 closes the socket with 1007, and that is all.

        uvicorn writes a traceback for it, which would let anybody fill the log, and fails when a close follows.
        """
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
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
            # The application has not taken the last message, and behind it may be the pong.
            self._await_pong()
        else:
            reset(self.transport)
