"""Sockets for the load generator: thousands of them, with one or two microseconds a message."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

SUBPROTOCOL = "graphql-transport-ws"
CONNECT_TIMEOUT_S = 180.0
_INIT = b'{"type":"connection_init"}'
_ACK = b'"connection_ack"'

OnMessage = Callable[[bytes], None]


class SocketFailed(Exception):
    """The server did not follow the protocol."""


class LiveSocket(WSListener):
    """A socket with subscriptions. It is live when each of them has had its first message."""

    def __init__(
        self, subscriptions: Sequence[bytes], on_message: OnMessage, on_snapshot: OnMessage | None = None
    ) -> None:
        self._subscriptions = subscriptions
        self._on_message = on_message
        self._on_snapshot = on_snapshot
        self._silent = len(subscriptions)
        self._handle: OnMessage = self._greeted
        self._transport: WSTransport | None = None
        self.live: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()
        self.snapshot_bytes = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Part of WSListener: send connection_init."""
        self._transport = transport
        transport.send(WSMsgType.TEXT, _INIT)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Part of WSListener: a message. The hot path of the load generator."""
        # After a close frame the connection ends, which `on_ws_disconnected` tells.
        if frame.msg_type is not WSMsgType.CLOSE:
            self._handle(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Part of WSListener: the connection is gone."""
        self.lost.set()
        if not self.live.done():
            self.live.set_exception(SocketFailed("the server closed the socket"))

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self.lost.is_set()

    def _greeted(self, message: bytes) -> None:
        if _ACK not in message:
            raise SocketFailed(f"not an acknowledgement: {message[:200]!r}")
        assert self._transport is not None
        self._handle = self._begun
        for subscription in self._subscriptions:
            self._transport.send(WSMsgType.TEXT, subscription)

    def _begun(self, message: bytes) -> None:
        if b'"type":"next"' not in message[:80]:
            raise SocketFailed(f"not a snapshot: {message[:200]!r}")
        self.snapshot_bytes = len(message)
        if self._on_snapshot is not None:
            self._on_snapshot(message)
        self._silent -= 1
        if self._silent == 0:
            self._handle = self._on_message
            if not self.live.done():
                self.live.set_result(None)

    def send(self, message: bytes) -> None:
        """Send a message; does nothing once the socket is lost."""
        if self._transport is not None and not self.is_lost:
            self._transport.send(WSMsgType.TEXT, message)

    def cut(self) -> None:
        """Cut the connection as a lost network does, without a close frame."""
        if self._transport is not None:
            self._transport.underlying_transport.abort()

    def close(self) -> None:
        """Close the socket properly."""
        if self._transport is not None and not self.is_lost:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()


async def open_socket(
    port: int,
    token: str,
    subscriptions: Sequence[bytes],
    on_message: OnMessage,
    on_snapshot: OnMessage | None = None,
    *,
    query_string: str = "",
) -> LiveSocket:
    """A live socket. ``query_string`` begins with a question mark. Raises: SocketFailed, OSError, WSError."""
    socket = LiveSocket(subscriptions, on_message, on_snapshot)
    await ws_connect(
        lambda: socket,
        f"ws://127.0.0.1:{port}/graphql{query_string}",
        extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL, "Authorization": f"Bearer {token}"},
        websocket_handshake_timeout=CONNECT_TIMEOUT_S,
    )
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        await socket.live
    return socket


async def open_sockets(
    port: int,
    tokens: Sequence[str],
    subscriptions: Callable[[int], Sequence[bytes]],
    on_message: Callable[[int, bytes], None],
    *,
    at_once: int | None = None,
) -> list[LiveSocket]:
    """Open a live socket for each token, ``at_once`` (None: all) at a time. Callbacks get the socket's number."""
    places = asyncio.Semaphore(at_once if at_once is not None else len(tokens))

    async def open_one(number: int) -> LiveSocket:
        async with places:
            return await open_socket(port, tokens[number], subscriptions(number), partial(on_message, number))

    return await asyncio.gather(*(open_one(number) for number in range(len(tokens))))
