"""Subscribers that record their frames byte for byte."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.api import Api
from tests.support.waiting import PATIENCE_S

# The differences between any two runs: ids, incident ids, and times.
_OF_THIS_RUN = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*(?:\+00:00|Z)"
)


@dataclass
class Recording:
    """The frames of one subscription. ``results`` counts all except its end."""

    frames: list[str] = field(default_factory=list)
    results: int = 0

    def add(self, frame: str, *, is_end: bool) -> None:
        """Record a frame."""
        self.frames.append(frame)
        self.results += not is_end

    def settled(self, known: Mapping[str, str]) -> list[str]:
        """The frames, with each value of this run replaced by its name, or by the order of its appearance."""
        names = dict(known)

        def name(match: re.Match[str]) -> str:
            return names.setdefault(match[0], f"({len(names) - len(known) + 1})")

        return [_OF_THIS_RUN.sub(name, frame) for frame in self.frames]


class SocketRecorder:
    """Records the operations of one socket."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._recordings: dict[str, Recording] = {}
        self._reader = asyncio.create_task(self._read())

    async def begin(self, operation_id: str, payload: dict[str, Any]) -> Recording:
        """Begin an operation."""
        recording = self._recordings[operation_id] = Recording()
        await self._connection.send(
            orjson.dumps({"type": "subscribe", "id": operation_id, "payload": payload}).decode()
        )
        return recording

    async def ended(self) -> None:
        """Return when the server has closed the socket. Fails unless the session's end was the reason."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reader
        assert self._connection.close_code == 4401, self._connection.close_code

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                message = orjson.loads(text)
                if "id" in message:
                    self._recordings[message["id"]].add(text, is_end=message["type"] == "complete")
        except ConnectionClosed:
            pass


@asynccontextmanager
async def recording_socket(api: Api) -> AsyncIterator[SocketRecorder]:
    """A recording socket of that person."""
    async with connect(
        api.url.replace("http", "ws", 1) + "/graphql",
        subprotocols=["graphql-transport-ws"],  # pyright: ignore[reportArgumentType]
        additional_headers=api.cookie_header(),
        compression=None,
    ) as connection:
        await connection.send('{"type":"connection_init"}')
        assert orjson.loads(await connection.recv()) == {"type": "connection_ack"}
        yield SocketRecorder(connection)


class StreamRecorder:
    """Records one event stream or multipart response."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.recording = Recording()
        self._reader = reader
        self._has_parts = False
        self._task = asyncio.create_task(self._read())

    async def ended(self) -> None:
        """Return when the response has ended."""
        async with asyncio.timeout(PATIENCE_S):
            await self._task

    async def _read(self) -> None:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200"), head
        self._has_parts = "multipart/mixed" in head
        if "transfer-encoding: chunked" not in head:
            self._take(await self._reader.readexactly(int(head.partition("content-length: ")[2].split()[0])))
            return
        while size := int(await self._reader.readline(), 16):
            self._take((await self._reader.readexactly(size + 2))[:-2])

    def _take(self, data: bytes) -> None:
        # The server writes whole events and parts, each in a separate chunk.
        if self._has_parts:
            for part in data.decode().split("\r\n--graphql"):
                body = part.partition("\r\n\r\n")[2]
                if body not in ("", "{}") or part == "--\r\n":
                    self.recording.add(body or part, is_end=not body)
            return
        for event in data.decode().removesuffix("\n\n").split("\n\n"):
            if not event.startswith(":"):
                self.recording.add(event, is_end=event.startswith("event: complete"))


@asynccontextmanager
async def recording_stream(
    api: Api, payload: dict[str, Any], accept: str = "text/event-stream"
) -> AsyncIterator[StreamRecorder]:
    """A recording event stream of that person, or a multipart response."""
    url, body = urlsplit(api.url), orjson.dumps(payload)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        f"POST /graphql HTTP/1.1\r\nHost: {url.netloc}\r\nCookie: {api.cookie_header()['Cookie']}\r\n"
        f"Accept: {accept}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    try:
        yield StreamRecorder(reader)
    finally:
        writer.close()
