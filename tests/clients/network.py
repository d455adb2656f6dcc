"""A network between clients and a server that can fail, and what happens while it does."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.conftest import SignUp
from tests.support.api import LOG_IN, PASSWORD


class Network:
    """Relays TCP connections to a server until it is cut; then it drops them and refuses new ones."""

    def __init__(self, server_url: str) -> None:
        target = urlsplit(server_url)
        self._target = (target.hostname, target.port)
        self._is_cut = False
        self._relays: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._relays)

    def cut(self) -> None:
        """Drop every connection without a close, and refuse new ones."""
        self._is_cut = True
        for writers in self._relays.values():
            for writer in writers:
                writer.transport.abort()

    def restore(self) -> None:
        """Allow connections again."""
        self._is_cut = False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._relay(reader, writer))
        self._relays[task] = [writer]
        task.add_done_callback(self._relays.pop)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._relays[asyncio.current_task()].append(far_writer)
        if self._is_cut:
            self.cut()
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def happens_unseen(person: SignUp, trip_id: str) -> str:
    """Change what cut off clients must learn: the driver picks up the rider, and somebody else requests a trip.

    Returns the other trip's id.
    """
    elsewhere = await person()
    await elsewhere.data(LOG_IN, username="driver@example.com", password=PASSWORD)
    await elsewhere.update_trip(trip_id, "IN_PROGRESS")
    return (await (await person("RIDER")).create_trip())["id"]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
