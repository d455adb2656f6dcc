"""One person's socket: a graphql-transport-ws client that reconnects."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from simulation.counts import Counts

SUBPROTOCOL = Subprotocol("graphql-transport-ws")
_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

OnEvent = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Operation:
    document: str
    variables: dict[str, Any]
    on_event: OnEvent

    def subscribe(self, operation_id: str) -> str:
        payload = {"query": self.document, "variables": self.variables}
        return orjson.dumps({"id": operation_id, "type": "subscribe", "payload": payload}).decode()


class LiveSocket:
    """Follows operations and reconnects whenever the connection is lost.

    A new connection begins every operation again. Each starts with a snapshot, so nothing that was missed matters.
    ``gate`` limits how many sockets connect at once.
    """

    def __init__(self, url: str, token: str, counts: Counts, rng: Random, *, gate: asyncio.Semaphore) -> None:
        self._url = url.replace("http", "ws", 1) + "/graphql"
        self._token = token
        self._counts = counts
        self._rng = rng
        self._gate = gate
        self._ids = itertools.count(1)
        self._operations: dict[str, _Operation] = {}
        self._connection: ClientConnection | None = None
        self.live = asyncio.Event()
        self._on = asyncio.Event()
        self._on.set()
        self._was_live = False

    async def follow(self, document: str, on_event: OnEvent, /, **variables: Any) -> None:
        """Begin an operation now or when connected. ``on_event`` gets each value of its root field."""
        operation_id = str(next(self._ids))
        operation = self._operations[operation_id] = _Operation(document, variables, on_event)
        if self._connection is not None:
            await self._send(self._connection, operation.subscribe(operation_id))

    async def switch_off(self) -> None:
        """Close the socket, and stay away until ``switch_on``."""
        self._on.clear()
        if self._connection is not None:
            await self._connection.close()
        # Coming back is then no reconnect.
        self._was_live = False

    def switch_on(self) -> None:
        """Connect again."""
        self._on.set()

    async def run(self) -> None:
        """Stay connected until cancelled, which closes the socket."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await self._on.wait()
            try:
                async with self._gate:
                    connection = await self._connect()
                if not self._on.is_set():
                    await connection.close()
                    continue
                self._counts.reconnects += self._was_live
                self._was_live, pause_s = True, _FIRST_PAUSE_S
                try:
                    await self._serve(connection)
                finally:
                    self._connection = None
                    self.live.clear()
                    await connection.close()
            except (OSError, WebSocketException) as error:
                if not isinstance(error, ConnectionClosed):
                    self._counts.errors[f"socket: {type(error).__name__}"] += 1
            # Jitter: sockets that were cut together must not all reconnect together.
            await asyncio.sleep(pause_s * self._rng.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _connect(self) -> ClientConnection:
        """A connection that has been acknowledged. Raises: OSError, WebSocketException."""
        connection = await connect(
            self._url,
            subprotocols=[SUBPROTOCOL],
            compression=None,
            open_timeout=_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                init = {"type": "connection_init", "payload": {"authorization": f"Bearer {self._token}"}}
                await connection.send(orjson.dumps(init).decode())
                while orjson.loads(await connection.recv())["type"] != "connection_ack":
                    pass
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _serve(self, connection: ClientConnection) -> None:
        # No await in between: operations that begin from now on are sent by `follow`, earlier ones here.
        self._connection, begun = connection, dict(self._operations)
        self.live.set()
        for operation_id, operation in begun.items():
            await self._send(connection, operation.subscribe(operation_id))
        async for text in connection:
            await self._handle(connection, orjson.loads(text))

    async def _handle(self, connection: ClientConnection, message: dict[str, Any]) -> None:
        match message["type"]:
            case "next":
                await self._next(message["id"], message["payload"])
            case "error":
                self._operations.pop(message["id"], None)
                code = message["payload"][0].get("extensions", {}).get("code", "error")
                self._counts.errors[f"subscription: {code}"] += 1
            case "complete":
                self._operations.pop(message["id"], None)
            case "ping":
                await self._send(connection, '{"type":"pong"}')
            case _:
                pass

    async def _next(self, operation_id: str, payload: dict[str, Any]) -> None:
        operation = self._operations.get(operation_id)
        if operation is None:
            return
        if payload.get("errors"):
            code = payload["errors"][0].get("extensions", {}).get("code", "error")
            self._counts.errors[f"subscription: {code}"] += 1
            return
        (value,) = payload["data"].values()
        await operation.on_event(value)

    async def _send(self, connection: ClientConnection, text: str) -> None:
        try:
            await connection.send(text)
        except ConnectionClosed:
            # The next connection begins every operation again.
            return
