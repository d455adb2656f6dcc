"""Requests that never end, never begin, or declare a wrong length: raw bytes to a real server."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import orjson
import psutil
import pytest
import pytest_asyncio
import structlog
from starlette.types import Message, Scope

from application.settings import Settings
from gateway.body_limit import BodyLimit
from tests.conftest import LiveServer, serving
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("uploads")]

TIMEOUT_S = 0.25
LIMIT = 256 * 1024
POST = b"POST /graphql HTTP/1.1\r\nHost: taxirank\r\nContent-Type: application/json\r\n"
FORM = (
    b"POST /graphql HTTP/1.1\r\nHost: taxirank\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"GraphQL-Require-Preflight: 1\r\n"
)
TYPENAME = b'{"query":"{ __typename }"}'
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
FILE_PART = b'--b\r\nContent-Disposition: form-data; name="0"; filename="a"\r\n\r\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """A server with short time-outs."""
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copy(sqlite_template, folder / "taxirank.sqlite3")
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=f"sqlite://{folder / 'taxirank.sqlite3'}",
        media_url=str(folder / "media"),
        port=0,
        receive_timeout_s=TIMEOUT_S,
        max_body_bytes=LIMIT,
        max_body_bytes_together=LIMIT,
    )
    async with serving(settings) as running:
        yield running


class Raw:
    """A TCP connection for arbitrary bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send, unless the server has closed the connection."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> bytes:
        """All bytes until the server closes the connection."""
        received = b""
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                while piece := await self._reader.read(65536):
                    received += piece
        return received

    async def flood(self, data: bytes) -> None:
        """Send the same bytes repeatedly until the server closes the connection."""
        async with asyncio.timeout(PATIENCE_S):
            while not (self._writer.is_closing() or self._reader.at_eof()):
                await self.send(data)

    async def trickle(self, data: bytes) -> bytes:
        """Send the same bytes every few moments until the server answers; returns all bytes until it closes the
        connection.

        Sends nothing after the answer has begun: a connection that is written to after its end is reset, and an
        answer in two pieces would lose the second.
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self.send(data)
                with suppress(TimeoutError):
                    return await asyncio.wait_for(self._reader.read(65536), TIMEOUT_S / 10) + await self.answer()

    async def head_of_answer(self) -> bytes:
        """The next head of an answer."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def raw(server: LiveServer) -> AsyncIterator[Raw]:
    """A connection; afterwards the server is alive and answers correctly, and has had no failure."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with structlog.testing.capture_logs() as logs:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            yield Raw(reader, writer)
        finally:
            writer.close()
        async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=PATIENCE_S) as http:
            response = await http.post("/graphql", content=TYPENAME, headers={"Content-Type": "application/json"})
        assert response.json() == {"data": {"__typename": "Query"}}
    assert not [log for log in logs if log["event"] == "incident"]


def status(answer: bytes) -> int:
    """The status of the one answer in these bytes."""
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    return int(answer.split(b" ", 2)[1])


def code(answer: bytes) -> str:
    """The code of the GraphQL error in an answer."""
    return orjson.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    "beginning",
    [b"", b"P", b"POST /graphql", POST, POST + b"X-Long: "],
    ids=["none", "P", "line", "fields", "value"],
)
async def test_a_head_that_is_never_complete_is_answered_with_408(server: LiveServer, beginning: bytes) -> None:
    async with raw(server) as connection:
        await connection.send(beginning)
        assert status(await connection.answer()) == 408


@pytest.mark.parametrize("drop", [b"a", b"\r\n"], ids=["letters", "empty lines"])
async def test_a_head_that_arrives_slowly_is_answered_with_408(server: LiveServer, drop: bytes) -> None:
    async with raw(server) as connection:
        if drop == b"a":
            await connection.send(POST + b"X-Slow: ")
        assert status(await connection.trickle(drop)) == 408


async def test_empty_lines_do_not_keep_a_used_connection_open(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(b"GET /healthz HTTP/1.1\r\nHost: taxirank\r\n\r\n")
        assert status(await connection.head_of_answer()) == 200
        assert b"HTTP/1.1 408" in await connection.trickle(b"\r\n")


async def test_a_second_head_that_arrives_slowly_is_answered_with_408(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(POST + b"Content-Length: %d\r\n\r\n" % len(TYPENAME) + TYPENAME)
        assert status(await connection.head_of_answer()) == 200
        answer = await connection.trickle(b"G")
        assert b"HTTP/1.1 408" in answer or b"HTTP/1.1 400" in answer


async def test_a_head_in_two_pieces_is_no_slow_head(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(POST)
        await connection.send(b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(TYPENAME))
        await connection.send(TYPENAME)
        assert status(await connection.answer()) == 200


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        (b"GET /", b"x" * 4096),
        (POST + b"X-Long: ", b"x" * 4096),
        (POST, b"X-Field: value\r\n" * 256),
        (CHUNKED + b"1;", b"extension" * 512),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"X-Trailer: value\r\n" * 256),
        (CHUNKED + b"1\r\n{\r\n0\r\nX-Trailer: ", b"x" * 4096),
        (CHUNKED, b"1;" + b"x" * 100 + b"\r\n \r\n"),
    ],
    ids=["path", "value", "fields", "chunk extension", "trailers", "trailer", "small chunks"],
)
async def test_bytes_outside_the_body_cannot_be_endless(server: LiveServer, beginning: bytes, more: bytes) -> None:
    process = psutil.Process()
    async with raw(server) as connection:
        await connection.send(beginning)
        before = process.memory_info().rss
        await connection.flood(more)
        # The answer itself is lost if the client continues to send (TCP resets the unread bytes).
        answer = await connection.answer()
        assert answer == b"" or status(answer) in (414, 431)
        assert process.memory_info().rss - before < 8 * 1024 * 1024


async def test_a_head_of_64_kib_and_more_is_answered_with_431(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(POST + b"X-Long: " + b"x" * 70_000)
        assert status(await connection.answer()) == 431


async def test_trailers_do_not_become_headers(server: LiveServer) -> None:
    form = FORM.replace(b"GraphQL-Require-Preflight: 1\r\n", b"") + b"Transfer-Encoding: chunked\r\n\r\n"
    async with raw(server) as connection:
        await connection.send(form + b"0\r\nGraphQL-Require-Preflight: 1\r\nConnection: close\r\n\r\n")
        assert status(await connection.head_of_answer()) == 403


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 100\r\n\r\n",
        POST + b"Content-Length: 100\r\n\r\n" + TYPENAME,
        CHUNKED,
        CHUNKED + b"1a\r\n" + TYPENAME + b"\r\n",
        CHUNKED + b"ff\r\n{",
        FORM + b"Content-Length: 100000\r\n\r\n" + FILE_PART + b"x" * 50_000,
        FORM + b"Transfer-Encoding: chunked\r\n\r\n",
        FORM + b"Content-Length: 100\r\n\r\n--b\r\nContent-Dis",
    ],
    ids=[
        "none",
        "too short",
        "no chunk",
        "no last chunk",
        "half a chunk",
        "half a file",
        "no form",
        "half a field",
    ],
)
async def test_a_body_without_an_end_is_answered_with_408(server: LiveServer, request_: bytes) -> None:
    open_files = psutil.Process().num_fds()
    async with raw(server) as connection:
        await connection.send(request_)
        answer = await connection.answer()
        assert status(answer) == 408
        assert code(answer) == "REQUEST_TIMEOUT"
        assert b"connection: close" in answer.lower()
    await until(lambda: psutil.Process().num_fds() <= open_files)


async def test_a_body_that_arrives_slowly_is_answered_with_408(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(POST + b"Content-Length: 10000\r\n\r\n")
        assert code(await connection.trickle(b" ")) == "REQUEST_TIMEOUT"


async def test_chunks_that_arrive_slowly_are_answered_with_408(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(CHUNKED)
        assert code(await connection.trickle(b"1\r\n \r\n")) == "REQUEST_TIMEOUT"


async def test_a_body_that_nobody_reads_does_not_keep_the_connection(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(b"POST /nothing HTTP/1.1\r\nHost: taxirank\r\nContent-Length: 100000\r\n\r\nx")
        assert status(await connection.trickle(b"x")) == 404


async def test_chunks_without_end_are_413_at_the_limit(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(CHUNKED)
        await connection.flood(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        answer = await connection.answer()
        assert answer == b"" or code(answer) == "PAYLOAD_TOO_LARGE"


async def test_bytes_beyond_the_declared_length_are_not_part_of_the_body(server: LiveServer) -> None:
    async with raw(server) as connection:
        await connection.send(POST + b"Content-Length: %d\r\n\r\n" % len(TYPENAME) + TYPENAME + b"garbage\r\n\r\n")
        answer = await connection.answer()
    assert status(answer) == 200
    assert b"garbage" not in answer


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 26\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 26\r\nContent-Length: 27\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x1a\r\n",
        b"Content-Length: 26, 26\r\n",
        b"Content-Length: 99999999999999999999999999\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: gzip\r\n",
    ],
)
async def test_two_lengths_or_an_invalid_one_are_refused(server: LiveServer, fields: bytes) -> None:
    async with raw(server) as connection:
        await connection.send(POST + fields + b"\r\n" + TYPENAME)
        assert status(await connection.answer()) == 400


async def test_a_client_that_expects_100_continue_is_answered_before_it_sends_the_body(server: LiveServer) -> None:
    asking = POST + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: "
    async with raw(server) as connection:
        await connection.send(asking + b"%d\r\n\r\n" % (LIMIT + 1))
        assert status(await connection.answer()) == 413
    async with raw(server) as connection:
        await connection.send(asking + b"%d\r\n\r\n" % len(TYPENAME))
        assert (await connection.head_of_answer()).startswith(b"HTTP/1.1 100 ")
        await connection.send(TYPENAME)
        assert status(await connection.answer()) == 200
    async with raw(server) as connection:
        await connection.send(asking + b"%d\r\n\r\n" % len(TYPENAME))
        assert b"HTTP/1.1 408" in await connection.answer()


@pytest.mark.parametrize("beginning", [POST, FORM])
async def test_a_client_that_disconnects_in_the_middle_causes_no_incident(
    server: LiveServer, beginning: bytes
) -> None:
    open_files = psutil.Process().num_fds()
    async with raw(server) as connection:
        with structlog.testing.capture_logs() as logs:
            await connection.send(beginning + b"Content-Length: 90000\r\n\r\n" + FILE_PART + b"x" * 60_000)
            connection._writer.close()  # pyright: ignore[reportPrivateUsage]
            await until(lambda: [log for log in logs if log["event"] == "request"])
    assert logs[-1]["status"] == 400
    await until(lambda: psutil.Process().num_fds() <= open_files)


async def test_large_bodies_under_way_are_bounded_together_and_small_ones_pass(server: LiveServer) -> None:
    large = POST + b"Content-Length: 200000\r\n\r\n" + b" " * 150_000
    async with raw(server) as first, raw(server) as second, raw(server) as small:
        await first.send(large)
        await second.send(large)
        answers = [first.answer(), second.answer()]
        await small.send(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(TYPENAME) + TYPENAME)
        assert status(await small.answer()) == 200
        refusals = {code(answer): answer for answer in await asyncio.gather(*answers)}
    assert refusals.keys() == {"OVERLOADED", "REQUEST_TIMEOUT"}
    assert status(refusals["OVERLOADED"]) == 503
    assert b"retry-after: 1" in refusals["OVERLOADED"].lower()
    # Their memory is free again.
    async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=PATIENCE_S) as http:
        body = TYPENAME.ljust(LIMIT)
        response = await http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200


def _scope() -> Scope:
    return {"type": "http", "method": "POST", "path": "/", "headers": [(b"transfer-encoding", b"chunked")]}


async def _statuses(app: Callable[..., object], pieces: list[bytes]) -> list[int]:
    """The answers to a body that arrives immediately."""
    limit = BodyLimit(app, max_bytes=LIMIT, max_bytes_together=LIMIT, timeout_s=0.05)  # pyright: ignore[reportArgumentType]
    sent: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    await limit(_scope(), receive, send)
    return sent


async def test_a_slow_server_does_not_blame_its_clients() -> None:
    async def busy(_: Scope, receive: Callable[..., object], send: Callable[..., object]) -> None:
        more = True
        while more:
            # Longer than the client's time limit.
            await asyncio.sleep(0.06)
            more = (await receive())["more_body"]  # pyright: ignore
        await send({"type": "http.response.start", "status": 200, "headers": []})  # pyright: ignore

    assert await _statuses(busy, [b"a", b"b"]) == [200]
