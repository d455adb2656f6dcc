"""Connections that can be cut: a server's Unix socket or TCP port, behind a socket of the test."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
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

    def move(self, database_url: str) -> None:
        """Lead new connections to another server, as an address that moves. Open ones stay where they are."""
        self._target = urlsplit(database_url)

    async def restore(self) -> None:
        """Allow connections."""
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        assert self._server is not None
        self._server.close()
        self._path.unlink(missing_ok=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # From the first moment on, so that no cut misses it.
        both = {writer}
        self._writers.add(writer)
        try:
            far_reader, far_writer = await self._open()
            both.add(far_writer)
            if not writer.transport.is_closing():
                self._writers.add(far_writer)
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        except OSError:
            # The server is not there, or the link was cut.
            pass
        finally:
            for each in both:
                each.transport.abort()
            self._writers -= both

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = dict(parse_qsl(self._target.query)).get("host")
        if host is not None:
            return await asyncio.open_unix_connection(f"{host}/{self._path.name}")
        return await asyncio.open_connection(self._target.hostname, self._target.port or 5432)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def link(database_url: str, folder: Path) -> AsyncIterator[Link]:
    """A link that allows connections at first."""
    proxy = Link(database_url, folder)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.cut()


class WebLink:
    """Connections to a web server, through a fixed port."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """The server's address through this link."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_cut(self) -> bool:
        """Whether connections are refused."""
        return self._listener is None or not self._listener.is_serving()

    async def restore(self) -> None:
        """Allow connections."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection and refuse new ones."""
        assert self._listener is not None
        self._listener.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        # Also if it is cancelled before it begins.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            await asyncio.gather(self._pass_on(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        await _copy(reader, far)


class DevelopmentProxy(WebLink):
    """The development server of a front end (Vite, Next.js), which passes API requests on.

    ``changes_origin``: it replaces the Host by that of the target (http-proxy's ``changeOrigin``), and keeps the
    Origin. It serves one request on a connection.
    """

    def __init__(self, url: str, *, changes_origin: bool) -> None:
        super().__init__(url)
        self._changes_origin = changes_origin

    async def _pass_on(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if self._changes_origin:
            head = re.sub(rb"(?i)\r\nhost:[^\r]*", b"\r\nHost: " + self._target.netloc.encode(), head)
        far.write(head)
        await _copy(reader, far)


@asynccontextmanager
async def development_proxy(url: str, *, changes_origin: bool) -> AsyncGenerator[DevelopmentProxy]:
    """The development server of a front end."""
    proxy = DevelopmentProxy(url, changes_origin=changes_origin)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.cut()


@asynccontextmanager
async def web_link(url: str) -> AsyncIterator[WebLink]:
    """A link to a web server that allows connections at first."""
    proxy = WebLink(url)
    await proxy.restore()
    try:
        yield proxy
    finally:
        await proxy.cut()
