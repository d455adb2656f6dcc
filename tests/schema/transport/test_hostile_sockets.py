"""Sockets that flood, and addresses whose sockets have to be closed repeatedly."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from application.settings import Settings
from benchmarks.hostile_socket import Kind, flood_of, frame
from gateway.uvicorn import socket_protocol
from gateway.uvicorn.socket_protocol import PIECE_BYTES
from schema.transport.offenders import Offenders
from services.limits.rates import Rate
from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS, Api, Socket, SocketClosed, open_socket
from tests.support.attacks import Attack
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("abuse")]

RATE = 50
OFFENCES = 3
PING = b'{"type":"ping"}'


@pytest.fixture(scope="module")
def shared_settings(shared_settings: Settings) -> Settings:
    """Low rates over a long time, which even a slow machine exceeds."""
    return shared_settings.model_copy(
        update={"socket_message_rate": f"{RATE}/minute", "max_message_bytes": 64 * 1024}
    )


@pytest.fixture
def offence_rate(shared_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are blocked here too."""
    monkeypatch.setattr(shared_server.asgi.sockets, "offenders", Offenders(Rate(OFFENCES, 3600)))


async def flooded(socket: Socket, data: bytes) -> SocketClosed:
    """The end of a socket that sends this."""
    with suppress(ConnectionClosed):
        socket.connection.transport.write(data)
    return await socket.closed()


@pytest.mark.parametrize(
    "kind",
    [Kind.PINGS, Kind.CONTROL, Kind.CHURN, Kind.BIG, Kind.FRAGMENTS, Kind.PONGS],
    ids=lambda kind: kind.name,
)
async def test_a_socket_that_floods_is_closed_with_4429_and_the_others_are_served(
    shared_server: LiveServer, someone: SignUp, kind: Kind
) -> None:
    # A long frame counts for many.
    times = 1 if kind is Kind.BIG else RATE + 1
    rider, other = await someone("DRIVER"), await someone("RIDER")
    async with other.socket() as honest, rider.socket() as hostile:
        watched = await honest.start(MY_TRIPS)
        await watched.next()
        closed = await flooded(hostile, flood_of(kind, times))
        assert (closed.code, closed.reason) == (4429, "Too many messages")
        trip = await other.create_trip()
        assert (await watched.next())["trip"]["id"] == trip["id"]
    await until(lambda: not shared_server.application.services.hub.subscribers)


async def test_as_many_frames_as_the_rate_allows_are_answered(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        # One was `connection_init`.
        for _ in range(RATE - 1):
            await socket.send(type="ping")
        for _ in range(RATE - 1):
            assert (await socket.receive())["type"] == "pong"


async def test_a_socket_that_floods_and_does_not_read_the_close_is_aborted(
    shared_server: LiveServer, someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_protocol, "CLOSE_TIMEOUT_S", 0.0)
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        (served,) = shared_server.asgi.sockets.sockets
        protocol = served._send.__self__  # pyright: ignore
        was_cut = asyncio.Event()
        monkeypatch.setattr(protocol, "transport", Mock(wraps=protocol.transport, abort=was_cut.set))
        await flooded(socket, flood_of(Kind.PINGS, RATE + 1))
        await asyncio.wait_for(was_cut.wait(), PATIENCE_S)


async def test_other_clients_are_served_between_the_pieces_of_a_flood(
    shared_server: LiveServer, someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    take = socket_protocol.SocketProtocol._take_piece  # pyright: ignore[reportPrivateUsage]

    def noted(protocol: socket_protocol.SocketProtocol) -> None:
        taken.append("piece")
        asyncio.get_running_loop().call_soon(taken.append, "another")
        take(protocol)

    monkeypatch.setattr(socket_protocol.SocketProtocol, "_take_piece", noted)
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        text = b'{"type":"ping","payload":{"x":"%s"}}' % (b"x" * PIECE_BYTES * 5)
        socket.connection.transport.write(frame(0x81, text))
        assert (await socket.receive())["type"] == "pong"
        # No fragment is lost, and the socket continues.
        await socket.ping()
    assert taken.count("piece") >= 5
    assert "piece piece" not in " ".join(taken)


async def test_nothing_more_is_read_from_an_aborted_socket(
    shared_server: LiveServer, someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Answering on a lost connection fails, and many aborted floods could fill the log.
    taken: list[socket_protocol.SocketProtocol] = []
    read: list[str] = []
    take = socket_protocol.SocketProtocol._take_piece  # pyright: ignore[reportPrivateUsage]

    def cut(protocol: socket_protocol.SocketProtocol) -> None:
        protocol.transport.abort()
        take(protocol)
        taken.append(protocol)

    monkeypatch.setattr(socket_protocol.SocketProtocol, "_take_piece", cut)
    monkeypatch.setattr(socket_protocol.SocketProtocol, "handle_ping", lambda _: read.append("ping"))
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        socket.connection.transport.write(frame(0x89, b"") * PIECE_BYTES)
        with pytest.raises(SocketClosed):
            await socket.receive()
    assert len(taken) == 1
    assert not read


@pytest.mark.parametrize(
    "offence",
    [
        pytest.param(lambda: frame(0x81, b'{"type":"obey"}'), id="an unknown message"),
        pytest.param(lambda: frame(0x81, PING) * (RATE + 1), id="a flood"),
        pytest.param(lambda: frame(0x83, b""), id="an unknown frame"),
        pytest.param(lambda: frame(0x81, b"\xff"), id="no UTF-8"),
    ],
)
@pytest.mark.usefixtures("offence_rate")
async def test_an_address_whose_sockets_break_the_protocol_repeatedly_is_blocked(
    someone: SignUp, offence: Callable[[], bytes], attempts: Attack
) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as before:
        for _ in range(OFFENCES + 1):
            async with open_socket(rider.url, headers=rider.cookie_header()) as socket:
                assert (await flooded(socket, offence())).code in (4400, 4429, 1002, 1007)
            attempts.add()
        await until_barred(rider)
        # Open sockets stay, and HTTP works.
        await before.ping()
    assert await rider.data("{ me { id } }") == {"id": rider.user["id"]}


@pytest.mark.parametrize(
    ("offender", "same", "another"),
    [
        pytest.param("203.0.113.7", "203.0.113.7", "203.0.113.8", id="IPv4"),
        pytest.param("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", id="IPv6"),
    ],
)
@pytest.mark.usefixtures("offence_rate")
async def test_behind_a_trusted_proxy_only_the_clients_that_it_names_are_blocked(
    someone: SignUp, offender: str, same: str, another: str, attempts: Attack
) -> None:
    rider = await someone("RIDER")
    for _ in range(OFFENCES + 1):
        headers = rider.cookie_header() | {"X-Forwarded-For": offender}
        async with open_socket(rider.url, headers=headers) as socket:
            assert (await flooded(socket, frame(0x81, b'{"type":"obey"}'))).code == 4400
        attempts.add()
    await until_barred(rider, {"X-Forwarded-For": same})
    for headers in ({"X-Forwarded-For": another}, {}):
        async with open_socket(rider.url, headers=rider.cookie_header() | headers) as socket:
            await socket.init()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
@pytest.mark.usefixtures("offence_rate")
async def test_a_blocked_client_without_a_proxy_is_refused_before_a_socket_protocol_is_created(
    someone: SignUp, attempts: Attack
) -> None:
    rider = await someone("RIDER")
    for _ in range(OFFENCES + 1):
        async with open_socket(rider.url, headers=rider.cookie_header(), local_addr=("127.0.1.7", 0)) as socket:
            assert (await flooded(socket, frame(0x81, b'{"type":"obey"}'))).code == 4400
        attempts.add()
    refused = await until_barred(rider, local_addr=("127.0.1.7", 0))
    assert orjson.loads(refused.response.body or b"")["errors"][0]["extensions"] == {"code": "FORBIDDEN"}
    # The header of a client that is no trusted proxy has no effect.
    await until_barred(rider, {"X-Forwarded-For": "203.0.113.9"}, local_addr=("127.0.1.7", 0))
    async with open_socket(rider.url, headers=rider.cookie_header(), local_addr=("127.0.1.8", 0)) as socket:
        await socket.init()


async def until_barred(api: Api, headers: dict[str, str] | None = None, **options: Any) -> InvalidStatus:
    """Return after a refused handshake; the server may not have seen the end of the last offence yet."""

    refusals: list[InvalidStatus] = []

    async def is_barred() -> bool:
        try:
            async with open_socket(api.url, headers=api.cookie_header() | (headers or {}), **options):
                return False
        except InvalidStatus as refused:
            refusals.append(refused)
            return refused.response.status_code == 403

    await until(is_barred)
    return refusals[-1]


@pytest.mark.usefixtures("offence_rate")
async def test_a_client_that_behaves_is_never_blocked(someone: SignUp) -> None:
    rider = await someone("RIDER")
    for _ in range(OFFENCES * 3):
        async with rider.socket() as socket:
            await socket.ping()
