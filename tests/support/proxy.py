"""A link that can be cut: a server's Unix socket or TCP port, behind a socket of ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit


class Link:
    """Connections through a Unix socket in ``folder`` to PostgreSQL."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._target = urlsplit(database_url)
        self._path = folder / f".s.PGSQL.{self._target.port or 5432}"
        self.url = self._target._replace(
            netloc=self._target.netloc.rpartition("@")[0] + "@" if "@" in self._target.netloc else "",
            query=urlencode({"host": str(folder)}),
        ).geturl()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def restore(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))

    async def cut(self) -> None:
        """Break every connection and let none through."""
        assert self._server is not None
        self._server.close()
        self._path.unlink(missing_ok=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = dict(parse_qsl(self._target.query)).get("host")
        if host is not None:
            far = await asyncio.open_unix_connection(f"{host}/{self._path.name}")
        else:
            far = await asyncio.open_connection(self._target.hostname, self._target.port or 5432)
        both = {writer, far[1]}
        self._writers |= both
        with suppress(ConnectionError):
            await asyncio.wait(
                [asyncio.create_task(_copy(reader, far[1])), asyncio.create_task(_copy(far[0], writer))],
            )
        self._writers -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def link(database_url: str, folder: Path) -> AsyncIterator[Link]:
    """A link that lets everything through at first."""
    proxy = Link(database_url, folder)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.cut()
