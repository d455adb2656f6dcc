"""A text message in one piece is read without the parser, and is what the parser would have read."""

import asyncio
import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from gateway.uvicorn import socket_protocol
from gateway.uvicorn.socket_protocol import PIECE_BYTES, TOO_MANY, SocketProtocol
from gateway.uvicorn.text_frame import payload_of
from services.limits.rates import Rate
from services.runtime.fair_queue import FairQueue
from tests.support.in_process import listening
from tests.support.waiting import until

# Frames of all kinds, also with reserved bits.
FRAMES = st.builds(
    lambda first, payload: bytes([first]) + Frame(Opcode.TEXT, payload).serialize(mask=True)[1:],
    st.integers(0, 255),
    st.binary(max_size=300),
)


def text(payload: bytes, *, fin: bool = True, opcode: Opcode = Opcode.TEXT) -> bytes:
    """The bytes of a client's frame."""
    return Frame(opcode, payload, fin).serialize(mask=True)


def parsed(data: bytes) -> list[Any]:
    """What websockets reads."""
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(data)
    return [*server.events_received(), bytes(server.reader.buffer), server.parser_exc]


@given(st.binary(max_size=400))
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535])
def test_a_whole_text_message_is_read(length: int, rest: bytes) -> None:
    payload = (rest + bytes(range(256)) * 256)[:length]
    assert payload_of(text(payload)) == payload


@given(st.one_of(st.binary(max_size=140), FRAMES), st.binary(max_size=3))
@example(b"\x81\x85\0\0\0\0hell", b"")
@example(b"\x81\x05hello", b"")
@example(b"\x81\xfe\0\x7e\0\0", b"")
@example(b"\x81\xff\0\0\0\0\0\0\0\x01\0\0\0\0x", b"")
@example(b"\x81\xff\0\0\0\0\0\0\0\0\0\0\0\0", b"")
@example(b"\xc1\x81\0\0\0\0x", b"")
@example(b"\x81\x80\0\0\0\0", b"\x81")
def test_whatever_is_read_is_what_the_parser_reads(data: bytes, more: bytes) -> None:
    payload = payload_of(data + more)
    if payload is not None:
        assert parsed(data + more) == [Frame(Opcode.TEXT, payload), b"", None]


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("a part", text(b"hello")[:-1]),
        ("a whole one and a part", text(b"hello") + b"\x81"),
        ("a fragment", text(b"hello", fin=False)),
        ("bytes", text(b"hello", opcode=Opcode.BINARY)),
        ("a close", text(b"hello", opcode=Opcode.CLOSE)),
        ("without a mask", Frame(Opcode.TEXT, b"hello").serialize(mask=False)),
        ("a reserved bit", b"\xc1" + text(b"hello")[1:]),
        ("the longest kind", text(b"x" * 65_536)),
        *((f"{length} bytes of a long one", text(b"x" * 300)[:length]) for length in range(9)),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_everything_else_is_left_to_the_parser(what: str, data: bytes) -> None:
    assert payload_of(data) is None, what


class Listing:
    """An ASGI application that lists what it reads of its one socket."""

    def __init__(self) -> None:
        self.read: list[Any] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.protocol: SocketProtocol | None = None

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket."""
        await receive()
        await send({"type": "websocket.accept"})
        self.protocol = getattr(send, "__self__", None)
        while (message := await receive())["type"] == "websocket.receive":
            self.read.append(message.get("text", message.get("bytes")))
            await self.takes.wait()


@asynccontextmanager
async def listed(
    *, message_rate: Rate | None = None, ws_max_size: int | None = None
) -> AsyncIterator[tuple[Listing, ClientConnection, Any]]:
    """The application, a client, and what writes bytes as they are to its connection."""
    application = Listing()
    ws = functools.partial(SocketProtocol, pieces=FairQueue(), ends=FairQueue(), message_rate=message_rate)
    options: dict[str, Any] = {"ws": ws, "ws_max_size": ws_max_size or 1 << 20, "ws_per_message_deflate": False}
    config = uvicorn.Config(application, port=0, loop="none", lifespan="off", log_config=None, **options)
    async with listening(config) as port, connect(f"ws://127.0.0.1:{port}", compression=None) as client:
        await until(lambda: application.protocol is not None)
        try:
            yield application, client, client.transport.write
        finally:
            application.takes.set()


@pytest.fixture
def read_at_once(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """What was asked for, and read or not, without the parser."""
    asked: list[bytes | None] = []

    def noting(data: bytes) -> bytes | None:
        asked.append(payload_of(data))
        return asked[-1]

    monkeypatch.setattr(socket_protocol, "payload_of", noting)
    return asked


async def test_messages_in_one_piece_do_without_the_parser(
    read_at_once: list[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listed() as (application, client, _):
        assert application.protocol is not None
        monkeypatch.setattr(application.protocol.conn, "receive_data", None)
        for number in range(5):
            await client.send(f"ü{number}" * 50)
            await until(lambda number=number: len(application.read) == number + 1)
        assert application.read == [f"ü{number}" * 50 for number in range(5)]
        # An application that waits for a message takes it in the same turn, so that reading goes on.
        assert not application.protocol.read_paused
        assert None not in read_at_once
        monkeypatch.undo()


async def test_what_an_application_has_not_taken_keeps_the_server_from_reading(
    read_at_once: list[bytes | None],
) -> None:
    async with listed() as (application, client, _):
        application.takes.clear()
        protocol = application.protocol
        assert protocol is not None
        for number in range(2):
            await client.send(str(number))
            await until(lambda number=number: len(read_at_once) == number + 1)
        assert protocol.read_paused
        for number in range(2, 5):
            await client.send(str(number))
        application.takes.set()
        await until(lambda: len(application.read) == 5)
        assert application.read == ["0", "1", "2", "3", "4"]
        await until(lambda: not protocol.read_paused)


WHOLE = text(b"whole")
# A mask of zeros leaves the bytes as they are.
LOOKS_WHOLE = b"\x81\x85\0\0\0\0whole"


@pytest.mark.parametrize(
    ("pieces", "read", "code"),
    [
        # The second piece is the rest of a message, and looks like a whole one.
        ((b"\x82\x8d\0\0\0\0in", LOOKS_WHOLE), [b"in" + LOOKS_WHOLE], None),
        ((b"\x82\x8b\0\0\0\0", LOOKS_WHOLE, WHOLE), [LOOKS_WHOLE, "whole"], None),
        ((text(b"a", fin=False), text(b"b", opcode=Opcode.CONT), WHOLE), ["ab", "whole"], None),
        ((text(b"a", fin=False), WHOLE), [], 1002),
        ((WHOLE[:1], WHOLE[1:], WHOLE), ["whole", "whole"], None),
        ((WHOLE * 3, WHOLE), ["whole"] * 4, None),
        ((text("ü".encode()[:1]), WHOLE), [], 1007),
        ((text("ü".encode()[:1], fin=False), text("ü".encode()[1:], opcode=Opcode.CONT)), ["ü"], None),
        ((text(b"x" * 1001), WHOLE), [], 1009),
        ((text(b"x" * 1000), WHOLE), ["x" * 1000, "whole"], None),
        ((text(b"\x03\xe8", opcode=Opcode.CLOSE), WHOLE), [], 1000),
    ],
)
async def test_messages_are_read_however_they_come_in_pieces(
    pieces: Sequence[bytes], read: list[str | bytes], code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listed(ws_max_size=1000) as (application, client, write):
        protocol = application.protocol
        assert protocol is not None
        seen = 0
        original = SocketProtocol.data_received

        def data_received(self: SocketProtocol, data: bytes) -> None:
            nonlocal seen
            original(self, data)
            seen += self is protocol

        monkeypatch.setattr(SocketProtocol, "data_received", data_received)
        for number, piece in enumerate(pieces):
            if not protocol.transport.is_closing():
                write(piece)
                await until(lambda number=number: seen > number)
        if code is not None:
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == code
        await until(lambda: len(application.read) >= len(read))
        assert application.read == read


async def test_messages_in_one_piece_count_for_the_rate() -> None:
    async with listed(message_rate=Rate(3, 60.0)) as (application, client, _):
        for number in range(4):
            await client.send(str(number))
            await until(lambda number=number: len(application.read) > number or number == 3)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == TOO_MANY
        assert application.read == ["0", "1", "2"]


def test_a_piece_is_shorter_than_what_is_read_at_once() -> None:
    assert PIECE_BYTES < 1 << 16
