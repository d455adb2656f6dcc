"""An HTTP/1.1 client for the load generator: sends prepared bytes, in a few microseconds a request."""

import asyncio
import re
from types import TracebackType
from typing import Any, Self, cast

import orjson

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class HttpFailed(Exception):
    """The answer does not count: its status is not 200, or it has errors."""


def request(token: str, body: bytes) -> bytes:
    """The bytes of a GraphQL request."""
    head = (
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def check(body: bytes) -> dict[str, Any]:
    """The value of the one root field. Raises: HttpFailed if it reports errors."""
    answer = orjson.loads(body)
    if "errors" in answer:
        raise HttpFailed(str(answer["errors"])[:300])
    (value,) = answer["data"].values()
    if value.get("errors"):
        raise HttpFailed(str(value["errors"])[:300])
    return value


class HttpConnection(asyncio.Protocol):
    """One keep-alive connection, for one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._received = b""
        self._wanted_bytes = 0
        self._body_at = 0

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(HttpFailed("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        self._received += data
        if not self._wanted_bytes:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end)
            self._body_at = end + 4
            self._wanted_bytes = self._body_at + (int(length[1]) if length else 0)
        if len(self._received) < self._wanted_bytes or self._answer is None:
            return
        answer, received = self._answer, self._received
        self._answer, self._received, self._wanted_bytes = None, b"", 0
        if answer.cancelled():
            return
        if received.startswith(b"HTTP/1.1 200"):
            answer.set_result(received[self._body_at :])
        else:
            answer.set_exception(HttpFailed(received[:300].decode(errors="replace")))
            if b"\r\nconnection: close\r\n" in received[: self._body_at].lower():
                self.close()

    def send(self, data: bytes) -> asyncio.Future[bytes]:
        """Send a request; the future gets the body of the answer. Both raise: HttpFailed."""
        if self._transport is None:
            raise HttpFailed("the server closed the connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._answer

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()


class HttpClient:
    """A pool with as many connections as there are concurrent requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[HttpConnection] = []
        self._all: list[HttpConnection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for connection in self._all:
            connection.close()

    async def open(self, connections: int) -> None:
        """Open connections in advance."""
        self._idle += [await self._connect() for _ in range(connections)]

    async def post(self, data: bytes) -> bytes:
        """The body of the answer. Raises: HttpFailed."""
        connection = None
        while self._idle and (connection is None or not connection.is_open):
            # The server closes connections that were idle for long.
            connection = self._idle.pop()
        if connection is None or not connection.is_open:
            connection = await self._connect()
        body = await connection.send(data)
        self._idle.append(connection)
        return body

    async def _connect(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(HttpConnection, "127.0.0.1", self._port)
        self._all.append(connection)
        return connection
