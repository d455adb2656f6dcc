"""First requests of new connections of a busy process: they wait or are refused cheaply; all else is ordinary."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from application.settings import Settings
from gateway.uvicorn import first_request
from gateway.uvicorn.first_request import FirstRequest
from gateway.uvicorn.http_protocol import HttpProtocol
from gateway.uvicorn.overload_answer import RETRY_AFTER_S
from services.runtime import admission as admission_module
from services.runtime.admission import ADMISSION, Admission, Ticket
from services.runtime.counters import Counters
from services.runtime.fair_queue import FairQueue
from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS
from tests.support.tcp import Connection, answer, connected, connections_made
from tests.support.waiting import until

EMBEDDED = pytest.mark.parametrize("backend", ["embedded"], indirect=True)

BODY = b'{"query":"{__typename}"}'
POST = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nOrigin: https://app.example\r\n\r\n" % len(BODY)
)
GET = b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: localhost\r\nGraphQL-Require-Preflight: 1\r\n\r\n"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Few places, and a listed origin."""
    return settings.model_copy(update={"max_requests": 3, "allowed_origins": ("https://app.example",)})


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Hashable]:
    """An overload in which every client has its share; whom the process was asked about."""
    asked: list[Hashable] = []

    def refuses_at_once(_: Admission, client: Hashable) -> bool:
        asked.append(client)
        return True

    monkeypatch.setattr(Admission, "is_full", True)
    monkeypatch.setattr(Admission, "refuses_at_once", refuses_at_once)
    return asked


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> list[HttpProtocol]:
    """The ordinary connections that servers in this process have from now on."""
    return connections_made(HttpProtocol, monkeypatch)


@EMBEDDED
@pytest.mark.parametrize("request_", [POST + BODY, GET], ids=["POST", "GET"])
async def test_a_whole_request_is_refused_without_an_ordinary_connection_which_ends(
    live_server: LiveServer, clients: list[Hashable], ordinary: list[HttpProtocol], request_: bytes
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(30):
        writer.write(request_)
        received = await reader.read()
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 503 service unavailable"
    assert {b"connection: close", b"x-content-type-options: nosniff"} <= {*lines}
    assert b"content-length: %d" % len(body) in lines
    assert any(b"retry-after: %d" % wait_s in lines for wait_s in range(RETRY_AFTER_S[0], RETRY_AFTER_S[1] + 1))
    assert (b"access-control-allow-origin: https://app.example" in lines) is (request_ == POST + BODY)
    assert b'"OVERLOADED"' in body
    assert (clients, ordinary) == (["127.0.0.1"], [])


@EMBEDDED
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 "),
        (b"GET /graphqlx HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/1.1 404 "),
        (POST.replace(b"POST", b"HEAD").replace(b"Origin", b"Connection: close\r\nOrigin") + BODY, b"HTTP/1.1 4"),
        # Not whole.
        (POST, b""),
        (POST + BODY[:-1], b""),
        (POST[:-1], b""),
        # More than one request.
        (GET + GET, b"HTTP/1.1 "),
        (POST + BODY + b"x", b"HTTP/1.1 "),
        # In two ways.
        (POST.replace(b"Origin", b"Transfer-Encoding: chunked\r\nOrigin") + BODY, b"HTTP/1.1 400 "),
        (POST.replace(b"Origin", b"Content-Length: 24\r\nOrigin") + BODY, b"HTTP/1.1 400 "),
        (POST.replace(b"Content-Length", b"Content-Length : 1\r\nA") + BODY, b"HTTP/1.1 400 "),
        (POST.replace(b"Origin", b"Expect: 100-continue\r\nOrigin"), b"HTTP/1.1 100 "),
    ],
    ids=[
        *("probe", "other path", "HEAD", "no body", "part of a body", "part of a head", "two", "more"),
        *("chunked", "two lengths", "odd length", "expecting"),
    ],
)
async def test_what_is_no_whole_request_for_the_api_goes_the_ordinary_way(
    live_server: LiveServer, clients: list[Hashable], ordinary: list[HttpProtocol], sent: bytes, expected: bytes
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(30):
        writer.write(sent)
        await until(lambda: ordinary, 30)
        assert (await reader.readexactly(len(expected))) == expected
    assert clients == []


@EMBEDDED
async def test_a_request_in_two_pieces_is_read_to_its_end(
    live_server: LiveServer, clients: list[Hashable], ordinary: list[HttpProtocol]
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(30):
        writer.write(POST.replace(b"Origin", b"Connection: close\r\nOrigin"))
        await until(lambda: ordinary, 30)
        writer.write(BODY)
        assert (await answer(reader))[1]["data"] == {"__typename": "Query"}
    assert clients == []


@pytest.fixture
async def places(live_server: LiveServer) -> list[Ticket]:
    """All places of the server, which are taken."""
    taken = list[Ticket]()
    while (ticket := live_server.application.admission.begin()) is not None:
        taken.append(ticket)
    return taken


@asynccontextmanager
async def waiting(live_server: LiveServer, request: bytes = POST + BODY) -> AsyncGenerator[Connection]:
    """A new connection whose request waits for a place."""
    async with connected(live_server) as (reader, writer):
        writer.write(request)
        await until(lambda: live_server.application.admission.waiting == 1, 30)
        yield reader, writer


@EMBEDDED
async def test_a_request_waits_without_an_ordinary_connection_and_is_served_when_it_has_a_place(
    live_server: LiveServer, places: list[Ticket], ordinary: list[HttpProtocol]
) -> None:
    admission = live_server.application.admission
    async with waiting(live_server) as (reader, writer):
        # Its next request comes before the answer.
        writer.write((POST + BODY).replace(b"Origin", b"Connection: close\r\nOrigin"))
        # A probe passes it.
        async with connected(live_server) as (probe, other):
            other.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert await answer(probe) == (200, {"status": "ok"})
        assert len(ordinary) == 1
        for place in places:
            place.leave()
        async with asyncio.timeout(30):
            received = await reader.read()
    assert received.count(b"HTTP/1.1 200 OK") == received.count(b'{"data":{"__typename":"Query"}}') == 2
    assert admission.running == admission.waiting == 0


@EMBEDDED
async def test_a_request_that_has_waited_for_too_long_is_refused(
    live_server: LiveServer, places: list[Ticket], ordinary: list[HttpProtocol], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission_module, "SHORT", 0)
    monkeypatch.setattr(admission_module, "BURST_S", 0.01)
    async with connected(live_server) as (reader, writer):
        writer.write(POST + BODY)
        async with asyncio.timeout(30):
            received = await reader.read()
    assert received.startswith(b"HTTP/1.1 503 ")
    assert b"access-control-allow-origin: https://app.example" in received
    assert ordinary == []
    assert live_server.application.counters.refused_requests == 1


@EMBEDDED
async def test_a_request_whose_client_leaves_does_not_wait_any_longer(
    live_server: LiveServer, places: list[Ticket], ordinary: list[HttpProtocol]
) -> None:
    admission = live_server.application.admission
    async with waiting(live_server):
        pass
    await until(lambda: admission.waiting == 0, 30)
    for place in places:
        place.leave()
    assert (admission.running, ordinary) == (0, [])


@EMBEDDED
async def test_what_the_parser_refuses_gives_its_place_back(live_server: LiveServer, places: list[Ticket]) -> None:
    admission = live_server.application.admission
    async with waiting(live_server, GET.replace(b"Host: localhost", b"Host: a b")) as (reader, _):
        for place in places:
            place.leave()
        assert (await answer(reader))[0] == 400
    assert admission.running == 0


@EMBEDDED
async def test_a_request_that_waits_while_the_server_stops_is_answered_and_its_connection_ends(
    live_server: LiveServer, places: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connections_made(FirstRequest, monkeypatch)
    async with waiting(live_server) as (reader, _):
        made[0].shutdown()
        for place in places:
            place.leave()
        assert (await answer(reader))[1]["data"] == {"__typename": "Query"}


@EMBEDDED
async def test_a_client_with_less_than_its_share_is_served(
    live_server: LiveServer, clients: list[Hashable], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Admission, "refuses_at_once", lambda _, client: clients.append(client))
    async with connected(live_server) as (reader, writer):
        writer.write((POST + BODY).replace(b"Origin", b"Connection: close\r\nOrigin"))
        assert (await answer(reader))[0] == 200
    assert clients == ["127.0.0.1"]


@EMBEDDED
async def test_behind_a_proxy_the_client_is_the_one_that_it_names(
    live_server: LiveServer, clients: list[Hashable]
) -> None:
    async with connected(live_server) as (reader, writer):
        names = b"X-Forwarded-For: 203.0.113.9\r\nx-forwarded-for: 192.0.2.1, 127.0.0.1\r\nOrigin"
        writer.write((POST + BODY).replace(b"Origin", names))
        assert (await answer(reader))[0] == 503
    assert clients == ["192.0.2.1"]


def test_refusals_reach_the_clients_also_with_the_event_loop_that_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Admission, "is_full", True)
    monkeypatch.setattr(Admission, "refuses_at_once", lambda *_: True)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        scope["state"][ADMISSION] = Admission(1, Counters())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + BODY)
        received = await reader.read()
        writer.close()
        return received

    async def run() -> list[bytes]:
        http = functools.partial(first_request.connection, timeout_s=10.0, handshakes=FairQueue())
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, loop="none", http=http))
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started, 30)
        port = server.servers[0].sockets[0].getsockname()[1]
        received = await asyncio.gather(*(ask(port) for _ in range(50)))
        server.should_exit = True
        await serving
        return received

    received = uvloop.run(run())
    assert all(answer.startswith(b"HTTP/1.1 503 ") and b'"OVERLOADED"' in answer for answer in received)


@EMBEDDED
async def test_sockets_open_in_an_overload(
    live_server: LiveServer, person: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider = await person("RIDER")
    monkeypatch.setattr(Admission, "is_full", True)
    monkeypatch.setattr(Admission, "refuses_at_once", lambda *_: True)
    async with rider.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()


@EMBEDDED
async def test_a_connection_that_sends_nothing_becomes_an_ordinary_one(
    live_server: LiveServer,
    clients: list[Hashable],
    ordinary: list[HttpProtocol],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(first_request, "FIRST_BYTES_S", 0.05)
    async with connected(live_server) as (reader, writer):
        await until(lambda: ordinary, 30)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await answer(reader))[0] == 200


@EMBEDDED
async def test_a_connection_that_leaves_is_forgotten_and_one_that_stays_hears_of_the_stop(
    live_server: LiveServer,
    clients: list[Hashable],
    ordinary: list[HttpProtocol],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[FirstRequest] = []
    original = FirstRequest.connection_made

    def connection_made(protocol: FirstRequest, transport: asyncio.BaseTransport) -> None:
        made.append(protocol)
        original(protocol, transport)

    monkeypatch.setattr(first_request, "FIRST_BYTES_S", 60.0)
    monkeypatch.setattr(FirstRequest, "connection_made", connection_made)
    async with connected(live_server) as (reader, _):
        async with connected(live_server):
            await until(lambda: len(made) == 2, 30)
            connections = made[0]._connections  # pyright: ignore[reportPrivateUsage]
            assert {*made} <= connections
        await until(lambda: len({*made} & connections) == 1, 30)
        (staying,) = {*made} & connections
        staying.shutdown()
        async with asyncio.timeout(30):
            assert await reader.read() == b""
    assert len(ordinary) == 1
    await until(lambda: not {*made, *ordinary} & connections, 30)
