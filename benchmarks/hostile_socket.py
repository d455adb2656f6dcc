"""Hostile sockets: they cause as much work for the server as they can, with little work of their own."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import cast

from benchmarks import operations
from schema.transport.socket_messages import SUBPROTOCOL

# Each hostile user has an address of its own, which no honest user has.
ADDRESS = "127.0.1.{}"
FLOOD_BYTES = 64 * 1024
BIG_MESSAGE_BYTES = 60 * 1024
READ_EVERY_S = 0.1
BACK_AFTER_S = 1.0
STAYS_S = 0.2
NO_ANSWER = 1006
_CONTINUED, _BEGUN, _TEXT, _CLOSE, _PING, _PONG = 0x00, 0x01, 0x81, 0x88, 0x89, 0x8A
_SMALL_BUFFER_BYTES = 4096


class Kind(StrEnum):
    """What a hostile socket does."""

    SILENT = "nothing, after the handshake"
    DEAF = "follows the pool, and never reads"
    SLOW = "follows the pool, and reads a byte at a time"
    PINGS = "floods with pings of the protocol"
    CONTROL = "floods with pings of WebSocket"
    INVALID = "floods with messages that nobody knows"
    CHURN = "floods with the beginnings and ends of subscriptions"
    BIG = "floods with messages just below the limit"
    FRAGMENTS = "floods with a message of empty pieces"
    PONGS = "floods with pongs that nobody has asked for"
    RECONNECT = "comes and goes"


FLOODS = (
    Kind.PINGS,
    Kind.CONTROL,
    Kind.INVALID,
    Kind.CHURN,
    Kind.BIG,
    Kind.FRAGMENTS,
    Kind.PONGS,
    Kind.RECONNECT,
)


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame, masked with zeros, which leaves the payload unchanged (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes([opcode, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([opcode, 0x80 | 126]) + size.to_bytes(2)
    else:
        head = bytes([opcode, 0x80 | 127]) + size.to_bytes(8)
    return head + bytes(4) + payload


def _text(payload: bytes) -> bytes:
    return frame(_TEXT, payload)


_INIT = _text(b'{"type":"connection_init"}')
_CHURN = _text(operations.follow_pool()) + _text(b'{"type":"complete","id":"%s"}' % operations.POOL_ID.encode())
_FLOOD = {
    Kind.PINGS: _text(b'{"type":"ping"}'),
    Kind.CONTROL: frame(_PING, b""),
    Kind.INVALID: _text(b'{"type":"obey"}'),
    Kind.CHURN: _CHURN,
    Kind.FRAGMENTS: frame(_CONTINUED, b""),
    Kind.PONGS: frame(_PONG, b""),
    Kind.BIG: _text(b'{"type":"ping","payload":{"x":"%s"}}' % (b"x" * BIG_MESSAGE_BYTES)),
}


def flood_of(kind: Kind, times: int) -> bytes:
    """The input of such a socket, repeated ``times`` times."""
    beginning = frame(_BEGUN, b"") if kind is Kind.FRAGMENTS else b""
    return beginning + _FLOOD[kind] * times


class HostileSocket(asyncio.Protocol):
    """One socket, which reconnects whenever it is cut, until ``leave``.

    ``ended`` counts how the server ended each connection: by close code, HTTP status, or 1006 without either.
    """

    def __init__(self, port: int, address: str, token: str, kind: Kind, ended: Counter[int]) -> None:
        self._port = port
        self._address = address
        self._token = token
        self._kind = kind
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._has_left = False
        self._is_accepted = False
        self._code = NO_ANSWER
        self._flood = b""
        if kind in _FLOOD:
            self._flood = _FLOOD[kind] * max(1, FLOOD_BYTES // len(_FLOOD[kind]))

    @property
    def is_open(self) -> bool:
        """Whether the server has accepted the socket and not closed it yet."""
        return self._transport is not None and self._is_accepted

    async def come(self) -> None:
        """Connect."""
        raw = socket.socket()
        raw.setblocking(False)
        if self._kind in (Kind.DEAF, Kind.SLOW):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
        raw.bind((self._address, 0))
        try:
            await self._loop.sock_connect(raw, ("127.0.0.1", self._port))
            await self._loop.create_connection(lambda: self, sock=raw)
        except OSError:
            raw.close()
            self._back()

    def leave(self) -> None:
        """Cut the connection and do not reconnect."""
        self._has_left = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._is_accepted, self._code = False, NO_ANSWER
        self._transport.write(
            b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            + f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        assert self._transport is not None
        if not self._is_accepted:
            self._code = int(data[9:12])
            if self._code != 101:
                return
            self._is_accepted, self._code = True, NO_ANSWER
            self._begin(self._transport)
        # Of a frame in the middle of others the code is not seen: it counts as a cut.
        at = data.rfind(b"\x88")
        if at >= 0 and len(data) >= at + 4 and len(data) == at + 2 + data[at + 1]:
            self._code = int.from_bytes(data[at + 2 : at + 4])
            self._transport.write(frame(_CLOSE, data[at + 2 : at + 4]))

    def _begin(self, transport: asyncio.Transport) -> None:
        if self._kind is Kind.SILENT:
            return
        transport.write(_INIT)
        if self._kind in (Kind.DEAF, Kind.SLOW):
            transport.write(_text(operations.follow_pool()))
            transport.pause_reading()
            if self._kind is Kind.SLOW:
                self._loop.call_later(READ_EVERY_S, self._read_a_byte, transport)
        elif self._kind is Kind.RECONNECT:
            self._loop.call_later(STAYS_S, transport.abort)
        else:
            if self._kind is Kind.FRAGMENTS:
                transport.write(flood_of(self._kind, 0))
            self._go_on()

    def _read_a_byte(self, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            return
        raw = cast("socket.socket", transport.get_extra_info("socket"))
        try:
            with socket.socket(fileno=raw.fileno()) as same:
                try:
                    gone = not same.recv(1)
                finally:
                    same.detach()
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            transport.abort()
        else:
            self._loop.call_later(READ_EVERY_S, self._read_a_byte, transport)

    def _go_on(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(self._flood)
        if not transport.get_write_buffer_size():
            self._loop.call_soon(self._go_on)

    def resume_writing(self) -> None:
        """Part of asyncio.Protocol: the server has read what was sent."""
        if self._flood:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._transport = None
        if self._has_left:
            return
        if self._kind is not Kind.RECONNECT or self._code != NO_ANSWER:
            self._ended[self._code] += 1
        self._back()

    def _back(self) -> None:
        if not self._has_left:
            self._loop.call_later(BACK_AFTER_S, lambda: self._loop.create_task(self.come()))


def crowd(
    port: int, tokens: Sequence[str], sockets: int, ended: Callable[[Kind], Counter[int]]
) -> list[HostileSocket]:
    """Sockets that are not connected yet: a third silent or not reading, a third slow, a third flooding."""

    def kind_of(number: int) -> Kind:
        match number % 3:
            case 0:
                return (Kind.SILENT, Kind.DEAF)[number // 3 % 2]
            case 1:
                return Kind.SLOW
            case _:
                return FLOODS[number // 3 % len(FLOODS)]

    hostile: list[HostileSocket] = []
    for number in range(sockets):
        user, kind = number % len(tokens), kind_of(number)
        hostile.append(HostileSocket(port, ADDRESS.format(user + 1), tokens[user], kind, ended(kind)))
    return hostile
