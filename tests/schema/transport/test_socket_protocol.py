"""graphql-transport-ws, message by message: the answers, and the reasons for closing the socket."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.uvicorn.socket_protocol import SocketProtocol
from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS, POOL, Events, Socket, SocketClosed, open_socket
from tests.support.waiting import until

pytestmark = [pytest.mark.attack("protocol"), pytest.mark.asyncio(loop_scope="module")]

TYPENAME = {"query": "{ __typename }"}


async def receive(socket: Socket) -> Any:
    return await socket.receive("1")


async def close_code(socket: Socket) -> int:
    return (await socket.closed()).code


async def test_a_socket_needs_the_protocol(shared_server: LiveServer) -> None:
    for subprotocols in (("graphql-ws",), ("soap",)):
        async with open_socket(shared_server.url, subprotocols=subprotocols) as socket:
            assert await close_code(socket) == 4406
    async with open_socket(shared_server.url, subprotocols=("graphql-ws", "graphql-transport-ws")) as socket:
        assert socket.connection.subprotocol == "graphql-transport-ws"


async def test_a_socket_without_connection_init_is_closed_with_4408(shared_server: LiveServer) -> None:
    async with open_socket(shared_server.url) as socket:
        assert await close_code(socket) == 4408


async def test_a_second_connection_init_closes_with_4429(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        await socket.send(type="connection_init")
        assert await close_code(socket) == 4429


async def test_an_operation_before_connection_init_closes_with_4401(shared_server: LiveServer) -> None:
    async with open_socket(shared_server.url) as socket:
        await socket.send(type="subscribe", id="1", payload=TYPENAME)
        assert await close_code(socket) == 4401


async def test_an_operation_id_in_use_closes_with_4409(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        await socket.send(type="subscribe", id="1", payload={"query": MY_TRIPS})
        await receive(socket)
        await socket.send(type="subscribe", id="1", payload=TYPENAME)
        assert await close_code(socket) == 4409


async def test_an_operation_id_may_be_used_again_after_its_end(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        for _ in range(2):
            await socket.send(type="subscribe", id="1", payload=TYPENAME)
            assert (await receive(socket))["payload"] == {"data": {"__typename": "Query"}}
            assert await receive(socket) == {"id": "1", "type": "complete"}
        await socket.send(type="subscribe", id="1", payload={"query": "{ nothing }"})
        assert (await receive(socket))["type"] == "error"
        await socket.send(type="subscribe", id="1", payload=TYPENAME)
        assert (await receive(socket))["type"] == "next"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[]",
        '"ping"',
        "{}",
        '{"type": null}',
        '{"type": "start", "id": "1"}',
        '{"type": "connection_ack"}',
        '{"type": "next", "id": "1", "payload": {}}',
        '{"type": "PING"}',
        '{"type": {"a": 1}}',
        '{"type": "' + "x" * 500 + '"}',
        '{"type": "\\ud800"}',
        '{"type": "ping", "payload": {"a": "\\ud800"}}',
        '{"type": "subscribe", "id": "\\ud800", "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "\\ud800"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": {"a": NaN}}}',
        '["\\ud800"]',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": {}}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "operationName": 1}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "extensions": []}}',
        '{"type": "subscribe", "id": "' + "x" * 256 + '", "payload": {"query": "{ __typename }"}}',
        '{"type": "complete", "id": "' + "x" * 256 + '"}',
        '{"type": "ping", "payload": []}',
        '{"type": "pong", "payload": "x"}',
        '{"type": "ping", "payload": ' + '{"a":' * 500 + "1" + "}" * 501,
        '{"type": "complete"}',
        '{"type": "complete", "id": 1}',
        '{"a":' * 800,
        b'{"type": "ping"}',
        b"\xff",
    ],
)
async def test_a_malformed_message_closes_with_4400(
    shared_server: LiveServer, someone: SignUp, message: str | bytes
) -> None:
    headers = await _headers_of_a_member(shared_server, someone)
    async with open_socket(shared_server.url, headers=headers) as socket:
        await socket.init()
        await socket.connection.send(message)
        assert await close_code(socket) == 4400
    async with open_socket(shared_server.url, headers=headers) as socket:
        await socket.init()
        await socket.ping()


_members: dict[str, dict[str, str]] = {}


async def _headers_of_a_member(server: LiveServer, someone: SignUp) -> dict[str, str]:
    """The cookie of a rider who signed up once for all these cases, because that takes long."""
    if server.url not in _members:
        _members[server.url] = (await someone("RIDER")).cookie_header()
    return _members[server.url]


@pytest.mark.parametrize("payload", ["text", 1, [], True])
async def test_a_connection_init_whose_payload_is_no_object_closes_with_4400(
    shared_server: LiveServer, payload: Any
) -> None:
    async with open_socket(shared_server.url) as socket:
        await socket.send(type="connection_init", payload=payload)
        assert await close_code(socket) == 4400


async def test_ping_is_answered_before_and_after_connection_init_and_pong_is_accepted(
    shared_server: LiveServer, someone: SignUp
) -> None:
    rider = await someone("RIDER")
    async with open_socket(shared_server.url, headers=rider.cookie_header()) as socket:
        await socket.ping()
        await socket.init({})
        await socket.send(type="pong", payload={"any": "thing"})
        await socket.ping()


async def test_the_pong_has_the_payload_of_the_ping(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        for payload in ({}, {"sent": 1.5, "ключ": ["🏃", None]}):
            await socket.send(type="ping", payload=payload)
            assert await socket.receive() == {"type": "pong", "payload": payload}
        await socket.send(type="ping", payload=None)
        assert await socket.receive() == {"type": "pong"}


async def test_text_that_is_not_utf_8_closes_with_1007(shared_server: LiveServer, someone: SignUp) -> None:
    headers = await _headers_of_a_member(shared_server, someone)
    async with open_socket(shared_server.url, headers=headers) as socket:
        await socket.init()
        await socket.connection.send(b'{"type": "ping\xff"}', text=True)
        assert await close_code(socket) == 1007


async def test_completing_an_unknown_operation_changes_nothing(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        await socket.send(type="complete", id="unknown")
        assert await (await socket.start("{ __typename }")).next() == "Query"


async def test_a_completed_subscription_sends_nothing_more_and_leaves_nothing(
    shared_server: LiveServer, someone: SignUp
) -> None:
    hub = shared_server.application.services.hub
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        first, second = await socket.start(MY_TRIPS), await socket.start(MY_TRIPS)
        await first.next()
        await second.next()
        await first.stop()
        await socket.ping()
        assert hub.subscribers == 1
        await rider.create_trip()
        # The sentinel: both would have received the same event at the same time.
        await second.next()
        await socket.ping()
        assert socket._queue(first.id).empty()  # pyright: ignore[reportPrivateUsage]
    await until(lambda: hub.subscribers == 0)


async def test_a_socket_that_has_ended_leaves_nothing_behind(shared_server: LiveServer, someone: SignUp) -> None:
    application = shared_server.application
    driver = await someone("DRIVER")
    async with driver.socket() as socket:
        for query in (POOL, MY_TRIPS):
            await (await socket.start(query)).next()
        assert application.services.hub.subscribers == 2
        socket.connection.transport.abort()
    await until(lambda: application.services.hub.subscribers == application.services.live_sessions.count == 0)
    await until(lambda: not shared_server.asgi.sockets.sockets)


async def test_an_open_socket_keeps_nothing_of_its_request(
    shared_server: LiveServer, someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider, scopes = await someone("RIDER"), list[Scope]()
    serve = shared_server.asgi._secured_sockets

    async def note(scope: Scope, receive_: Receive, send: Send) -> None:
        scopes.append(scope)
        await serve(scope, receive_, send)

    monkeypatch.setattr(shared_server.asgi, "_secured_sockets", note)
    async with rider.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()
        assert scopes == [{}]


async def test_operations_above_the_limit_are_refused_and_the_others_go_on(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        under_way = [await socket.start(MY_TRIPS) for _ in range(3)]
        assert await (await socket.start("{ __typename }")).error_code() == "TOO_MANY_OPERATIONS"
        for events in under_way:
            await events.next()
        await under_way[0].stop()
        assert await (await socket.start("{ __typename }")).next() == "Query"


async def test_a_message_above_the_limit_closes_with_1009_and_one_of_exactly_the_limit_is_read(
    shared_server: LiveServer, someone: SignUp
) -> None:
    limit = shared_server.application.settings.max_message_bytes
    rider = await someone("RIDER")
    message = json.dumps({"type": "subscribe", "id": "1", "payload": TYPENAME})
    async with rider.socket() as socket:
        await socket.connection.send(message.ljust(limit))
        assert (await receive(socket))["type"] == "next"
        await socket.connection.send(message.ljust(limit + 1))
        assert await close_code(socket) == 1009
    assert await rider.data("{ __typename }") == "Query"


async def test_a_malformed_operation_is_an_error_of_that_operation_alone(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        mine = await socket.start(MY_TRIPS)
        await mine.next()
        for query, code in (
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("query A { __typename } query B { __typename }", "OPERATION_RESOLUTION_FAILURE"),
            ("", "GRAPHQL_PARSE_FAILED"),
        ):
            assert await (await socket.start(query)).error_code() == code
        await rider.create_trip()
        assert (await mine.next())["__typename"] == "TripChanged"


_UNREADABLE_VALUES = {
    "half of an emoji": ('"\\ud83d"', "lone surrogate"),
    "the other half": ('{"deep": ["x", "\\ude00 y"]}', "lone surrogate"),
    "half of one as a key": ('{"\\ud83d": 1}', "lone surrogate"),
    "a float that is too large": ("1e400", "too large"),
    "an integer that is too large": ("-" + "9" * 400, "too large"),
}


@pytest.mark.parametrize(("value", "reason"), _UNREADABLE_VALUES.values(), ids=_UNREADABLE_VALUES)
async def test_a_value_that_cannot_be_read_is_an_error_of_its_operation_alone_and_the_same_over_http(
    someone: SignUp, value: str, reason: str
) -> None:
    rider = await someone("RIDER")
    variables = f'{{"query": "{{ __typename }}", "variables": {{"a": {value}}}}}'
    async with rider.socket() as socket:
        mine = await socket.start(MY_TRIPS)
        await mine.next()
        for _ in range(30):
            await socket.connection.send(f'{{"id": "cut", "type": "subscribe", "payload": {variables}}}')
            answer = await Events(socket, "cut").message()
            assert answer["type"] == "error", answer
            (error,) = answer["payload"]
            assert error["extensions"]["code"] == "BAD_USER_INPUT"
            assert reason in error["message"]
        await rider.create_trip()
        assert (await mine.next())["__typename"] == "TripChanged"
    response = await rider.http.post("/graphql", content=variables, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["errors"] == [error]
    # It was no offence: the address can still open sockets.
    async with rider.socket() as socket:
        await socket.ping()


async def test_a_result_and_its_end_are_one_write(
    shared_server: LiveServer, someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider = await someone("RIDER")
    written: list[bytes] = []
    write_ready = SocketProtocol.write_ready

    def noted(self: SocketProtocol, data: bytes) -> bool:
        written.append(data)
        return write_ready(self, data)

    monkeypatch.setattr(SocketProtocol, "write_ready", noted)
    async with rider.socket() as socket:
        written.clear()
        asked = await socket.start("{ me { role } }")
        assert (await asked.next()) == {"role": "RIDER"}
        await asked.completed()
    assert len(written) == 1


async def test_a_value_that_cannot_be_read_does_not_bypass_the_checks_of_other_messages(
    shared_server: LiveServer, someone: SignUp
) -> None:
    cut = '{"id": "%s", "type": "subscribe", "payload": {"query": "\\ud83d"}}'
    async with open_socket(shared_server.url) as socket:
        await socket.connection.send(cut % "1")
        assert await close_code(socket) == 4401
    headers = await _headers_of_a_member(shared_server, someone)
    async with open_socket(shared_server.url, headers=headers) as socket:
        await socket.init()
        mine = await socket.start(MY_TRIPS)
        await socket.connection.send(cut % mine.id)
        assert await close_code(socket) == 4409


async def test_of_several_operations_the_named_one_is_executed(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        payload = {"query": "query A { a: __typename } query B { b: __typename }", "operationName": "B"}
        await socket.send(type="subscribe", id="1", payload=payload)
        assert await Events(socket, "1").next() == "Query"


async def test_a_bearer_token_in_connection_init_takes_precedence_over_the_cookie(
    shared_server: LiveServer, someone: SignUp
) -> None:
    rider = await someone("RIDER")
    async with open_socket(shared_server.url, headers=rider.cookie_header()) as socket:
        with pytest.raises(SocketClosed, match="4403"):
            await socket.init({"authorization": "Bearer wrong"})


async def test_twenty_simultaneous_introductions_leave_one_session_and_no_socket(
    shared_server: LiveServer, someone: SignUp
) -> None:
    application = shared_server.application
    rider = await someone("RIDER")

    async def come_and_go() -> None:
        async with rider.socket() as socket:
            await socket.ping()

    await asyncio.gather(*(come_and_go() for _ in range(20)))
    await until(lambda: not shared_server.asgi.sockets.sockets and application.services.live_sessions.count == 0)
