"""Sockets: messages in any order and form, and invalid frames."""

import asyncio
import json
import struct
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.fuzzing.fuzzed import Fuzzed, assert_no_growth, check_errors, fuzz
from tests.support.api import MY_TRIPS, POOL, TRIP_UPDATED, Socket, SocketClosed, open_socket

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("fuzzing")]

# A client's fault, or its own request; never 1011, an internal error, nor 1006, a lost connection.
CLOSE_CODES = {1000, 1001, 1002, 1003, 1007, 1009, 4400, 4401, 4403, 4406, 4408, 4409, 4429}

TYPES = ["connection_init", "connection_ack", "ping", "pong", "subscribe", "next", "error", "complete"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = [
    *(
        MY_TRIPS,
        POOL,
        TRIP_UPDATED,
        "{ __typename }",
        "{ me { id } }",
        "query A { me { id } } query B { me { id } }",
    ),
    *("mutation { logIn(username: 1) { token } }", "subscription { nothing }", "{", "", "{ a " * 200, "\u2028"),
]
TO_TRIP = {"id": "TRIP"}
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(DOCUMENTS) | JSON,
        "variables": st.sampled_from([TO_TRIP, {"id": "OFFER"}, {"id": None}, None]) | JSON,
        "operationName": st.sampled_from([None, "A", "C"]) | JSON,
        "extensions": JSON,
        "authorization": st.sampled_from(["Bearer", "Bearer x", "Basic x"]) | JSON,
    },
)
IDS = st.sampled_from(["1", "2", "3", "", "\x00", "x" * 500, "\u2028"])
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | JSON}, optional={"id": IDS | JSON, "payload": PAYLOADS | JSON}
)
# Valid messages, so that an example gets further than its first message.
RIGHT = st.one_of(
    st.just({"type": "ping"}),
    st.just({"type": "pong", "payload": {}}),
    st.builds(lambda id: {"type": "complete", "id": id}, st.sampled_from("123")),
    st.builds(
        lambda id, query: {
            "type": "subscribe",
            "id": id,
            "payload": {"query": query, "variables": {"id": "TRIP"}},
        },
        *(st.sampled_from("123"), st.sampled_from(DOCUMENTS)),
    ),
)


def _without_end(message: Any) -> str:
    text = json.dumps(message)
    return text[: len(text) * 3 // 4]


TEXTS = st.one_of(
    *([RIGHT.map(json.dumps)] * 4),
    MESSAGES.map(json.dumps),
    MESSAGES.map(_without_end),
    st.text(max_size=30),
    st.sampled_from(
        ['{"type":"ping","type":"pong"}', '{"type":"ping"} ', "[" * 5_000, "NaN", r'{"type":"\ud800"}']
    ),
)
SAYINGS = TEXTS | st.binary(max_size=30)


async def converse(target: Fuzzed, who: str, introduces: bool, sayings: list[str | bytes]) -> None:
    """Send all messages, and check that the server still answers, or has closed the socket with a reason."""
    async with open_socket(target.server.url, headers=target.headers(who)) as socket:
        with suppress(SocketClosed, ConnectionClosed):
            if introduces:
                await socket.init()
            for saying in sayings:
                text = target.real(saying) if isinstance(saying, str) else saying
                await socket.connection.send(text)
            await socket.send(type="ping")
            # Earlier pongs may have come before: the last one is for this ping.
            pings = 1 + sum(isinstance(saying, str) and _is_ping(saying) for saying in sayings)
            while pings:
                pings -= (await socket.receive())["type"] == "pong"
    check_all(socket)


def _is_ping(text: str) -> bool:
    try:
        message = orjson.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "ping"


def check_all(socket: Socket) -> None:
    """Check everything that a socket has received."""
    assert socket._reader.done()  # pyright: ignore[reportPrivateUsage]
    socket._reader.result()  # pyright: ignore[reportPrivateUsage]
    assert socket.connection.close_code in CLOSE_CODES
    for queue in socket._queues.values():  # pyright: ignore[reportPrivateUsage]
        while not queue.empty():
            message = queue.get_nowait()
            if isinstance(message, SocketClosed):
                continue
            if message["type"] == "next":
                check_errors(message["payload"].get("errors", []))
            elif message["type"] == "error":
                check_errors(message["payload"])


WHO = st.sampled_from(["NOBODY", "RIDER", "RIDER", "DRIVER", "DRIVER"])


@fuzz(50)
@given(WHO, st.sampled_from([True, True, True, False]), st.lists(SAYINGS, max_size=12))
async def test_no_message_makes_the_server_fail(
    target: Fuzzed, who: str, introduces: bool, sayings: list[str | bytes]
) -> None:
    with target.unharmed():
        await converse(target, who, introduces, sayings)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A frame, or bytes like one: any opcode and reserved bits, masked or not, of any declared length."""
    first = draw(st.integers(0, 255) | st.sampled_from([0x81, 0x01, 0x80, 0x82, 0x88, 0x89, 0x8A]))
    data = draw(st.binary(max_size=150) | TEXTS.map(lambda text: text.encode(errors="replace")[:3_000]))
    length = draw(st.just(len(data)) | st.sampled_from([0, 125, 126, 65_535, 65_537, 2**31, 2**63 - 1, 2**64 - 1]))
    mask = draw(st.sampled_from([0x80, 0x80, 0x80, 0]))
    if length < 126:
        head = struct.pack("!BB", first, mask | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask | 127, length)
    # A mask of zeros leaves the data as they are.
    return head + (bytes(4) if mask else b"") + data


@fuzz(50)
@given(WHO, st.lists(frames() | st.binary(max_size=60), min_size=1, max_size=8))
async def test_no_frame_makes_the_server_fail(target: Fuzzed, who: str, pieces: list[bytes]) -> None:
    with target.unharmed():
        async with open_socket(target.server.url, headers=target.headers(who)) as socket:
            # A closed connection accepts no more bytes.
            with suppress(SocketClosed, ConnectionClosed, RuntimeError):
                if who != "NOBODY":
                    await socket.init()
                for piece in pieces:
                    socket.connection.transport.write(piece)
                    await asyncio.sleep(0)
            # The server may wait for the rest of a frame, and must cope with a peer that disconnects.
            socket.connection.transport.abort()
        assert socket.connection.close_code != 1011


async def test_conversations_leave_nothing_in_memory(target: Fuzzed) -> None:
    conversations: list[list[str | bytes]] = []

    @fuzz(8)
    @given(st.lists(SAYINGS, max_size=12))
    def collect(sayings: list[str | bytes]) -> None:
        conversations.append(sayings)

    collect()
    await assert_no_growth(
        *(partial(converse, target, "DRIVER", True, sayings) for sayings in conversations[:200])
    )
