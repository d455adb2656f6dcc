"""Failures in every layer: the client sees only an incident id, and the id finds the one log line with the
details.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
import structlog
from starlette.staticfiles import StaticFiles

from schema.transport.origins import Origins
from tests.conftest import LiveServer, SignUp
from tests.support.api import (
    CREATE_TRIP,
    MY_TRIPS,
    SIGN_UP,
    TRIP_UPDATED,
    TRIPS,
    Api,
    open_socket,
)
from tests.support.attacks import Attack
from tests.support.parts import PARTS
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("errors")]

EVENTS = {"Accept": "text/event-stream"}
SOMEWHERE = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}
# The messages of the failures below.
INSIDE = "inside-4711"
ID = re.compile(r"\(incident ([0-9a-f]{32})\)")
# Names of languages, libraries, files, statements and classes.
NEVER_SHOWN = re.compile(
    r"Traceback|\bFile \"|\.py\b|/(usr|home|opt|root|tmp|var)/|site-packages|\b(SELECT|INSERT|UPDATE)\b|SQLSTATE|"
    r"\w+(Error|Exception|Unavailable)\b|<\w+ object|0x[0-9a-f]{6}|[Uu]vicorn|[Ss]tarlette|[Ss]trawberry|"
    r"[Gg]raphql-core|[Tt]ortoise|asyncpg|[Pp]ython|websockets/|" + INSIDE
)


@pytest_asyncio.fixture(loop_scope="module")
async def rider(someone: SignUp) -> Api:
    """A rider on the shared server."""
    return await someone("RIDER")


class Kaboom(Exception):
    """An unexpected error."""


def fail(*_: object, **__: object) -> Any:
    raise Kaboom(f"{INSIDE}: SELECT token FROM sessions, /opt/taxirank/server.py")


async def fail_later(*_: object, **__: object) -> Any:
    fail()


def hides_the_inside(shown: str) -> None:
    found = NEVER_SHOWN.search(shown)
    assert found is None, f"{found.group()!r} in {shown}"


@contextmanager
def one_incident(shown: list[str]) -> Iterator[None]:
    """Everything in the block adds to ``shown`` what the client gets: one incident, whose line is in the log."""
    with structlog.testing.capture_logs() as logs:
        yield
    text = "\n".join(shown)
    hides_the_inside(text)
    (incident_id,) = set(ID.findall(text))
    logged = [log for log in logs if log["event"] == "incident"]
    assert [log["incident_id"] for log in logged] == [incident_id]
    assert INSIDE in str(logged[0]["exc_info"]) or isinstance(logged[0]["exc_info"], Kaboom)


# The ways to ask, each returning everything that the client gets, with the headers.


async def by_http(api: Api, query: str, **variables: Any) -> str:
    response = await api.http.post("/graphql", json={"query": query, "variables": variables})
    return f"{response.status_code} {response.headers} {response.text}"


async def by_get(api: Api, path: str, **headers: str) -> str:
    response = await api.http.get(path, headers=headers)
    assert response.status_code == 500
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert len(response.headers["X-Request-ID"]) == 32
    return f"{response.headers} {response.text}"


async def by_event_stream(api: Api, query: str, **variables: Any) -> str:
    return await by_stream(api, query, EVENTS, variables)


async def by_parts(api: Api, query: str, **variables: Any) -> str:
    return await by_stream(api, query, PARTS, variables)


async def by_stream(api: Api, query: str, headers: dict[str, str], variables: dict[str, Any]) -> str:
    body = {"query": query, "variables": variables}
    response = await api.http.post("/graphql", json=body, headers=headers)
    return f"{response.headers} {response.text}"


async def by_operation(api: Api, query: str, **variables: Any) -> str:
    """An operation on a socket, which survives it."""
    async with api.socket() as socket:
        operation = await socket.start(query, **variables)
        message = await operation.message()
        await socket.ping()
    return json.dumps(message)


async def by_closed_socket(api: Api) -> str:
    async with open_socket(api.url, headers=api.cookie_header()) as socket:
        await socket.send(type="connection_init")
        closed = await socket.closed()
    assert closed.code == 1013
    return closed.reason


@dataclass(frozen=True)
class Failure:
    """A broken part, and the requests that notice it."""

    part: Callable[[LiveServer], Any]
    name: str
    ask: Callable[[Api], Awaitable[str]]
    broken: Any = fail_later


FAILURES = {
    "a query's use case": Failure(
        lambda server: server.application.services.trips, "page", lambda api: by_http(api, TRIPS)
    ),
    "a mutation's use case": Failure(
        lambda server: server.application.services.trips,
        "request",
        lambda api: by_http(api, CREATE_TRIP, input=SOMEWHERE),
    ),
    "a query on a socket": Failure(
        lambda server: server.application.services.trips, "page", lambda api: by_operation(api, TRIPS)
    ),
    "a mutation on a socket": Failure(
        lambda server: server.application.services.trips,
        "request",
        lambda api: by_operation(api, CREATE_TRIP, input=SOMEWHERE),
    ),
    "the session of a request": Failure(
        lambda server: server.application.services.sessions, "actor_of", lambda api: by_http(api, TRIPS)
    ),
    "the session of a socket": Failure(
        lambda server: server.application.services.sessions, "actor_of", by_closed_socket
    ),
    "a subscription's start on a socket": Failure(
        lambda server: server.application.services.hub, "subscribe", lambda api: by_operation(api, MY_TRIPS)
    ),
    "a subscription's start as an event stream": Failure(
        lambda server: server.application.services.hub, "subscribe", lambda api: by_event_stream(api, MY_TRIPS)
    ),
    "a subscription's start as a multipart response": Failure(
        lambda server: server.application.services.hub, "subscribe", lambda api: by_parts(api, MY_TRIPS)
    ),
    "a subscription's session as an event stream": Failure(
        lambda server: server.application.services.sessions,
        "ended_among",
        lambda api: by_event_stream(api, MY_TRIPS),
    ),
    "a photo that is read": Failure(
        lambda server: server.application.photo_store, "get", lambda api: by_get(api, f"/media/{'0' * 32}.webp")
    ),
    "the metrics": Failure(
        lambda server: server.asgi.metrics,
        "_stored",
        lambda api: by_get(api, "/metrics"),
        {"broken": ("What cannot be read.", fail_later)},
    ),
    "GraphiQL's page": Failure(
        lambda _: Path, "read_text", lambda api: by_get(api, "/graphql", Accept="text/html"), fail
    ),
    "GraphiQL's files": Failure(
        lambda _: StaticFiles, "get_response", lambda api: by_get(api, "/assets/index.js"), fail_later
    ),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_a_failure_of_any_part_is_an_incident(
    shared_server: LiveServer, someone: SignUp, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    rider = await someone("RIDER")
    shown: list[str] = []
    with monkeypatch.context() as broken, one_incident(shown):
        broken.setattr(failure.part(shared_server), failure.name, failure.broken)
        shown.append(await failure.ask(rider))
    # Only that part was broken.
    assert await rider.data("{ me { id } }") == {"id": rider.user["id"]}


async def test_a_failing_middleware_is_an_incident(
    shared_server: LiveServer, rider: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    with monkeypatch.context() as broken, one_incident(shown):
        broken.setattr("gateway.body_limit._DIGITS", type("", (), {"fullmatch": fail}))
        shown.append(await by_get(rider, "/healthz"))


async def test_a_failing_photo_store_is_an_incident_of_the_sign_up_and_leaves_no_account(
    shared_server: LiveServer, stranger: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {
        "username": "nobody@example.com",
        "password1": "correct-horse-battery-9",
        "password2": "correct-horse-battery-9",
        "firstName": "No",
        "lastName": "Body",
        "role": "RIDER",
        "photo": None,
    }
    operations = {"query": SIGN_UP, "variables": {"input": fields}}
    shown: list[str] = []
    with monkeypatch.context() as broken, one_incident(shown):
        broken.setattr(shared_server.application.account_photos, "store", fail_later)
        response = await stranger.http.post(
            "/graphql",
            data={"operations": json.dumps(operations), "map": '{"0": ["variables.input.photo"]}'},
            files={"0": ("me.png", b"x", "image/png")},
            headers={"GraphQL-Require-Preflight": "1"},
        )
        shown.append(response.text)
    assert not stranger.http.cookies
    assert (await stranger.data(SIGN_UP, input=fields))["errors"] == []


@pytest.mark.parametrize("transport", ["socket", "event stream"])
async def test_a_subscription_survives_an_event_that_cannot_be_executed(
    rider: Api, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    trip = await rider.create_trip()
    shown: list[str] = []
    if transport == "socket":
        async with rider.socket() as socket:
            events = await socket.start(TRIP_UPDATED, id=trip["id"])
            assert (await events.next())["version"] == 1
            with monkeypatch.context() as broken, one_incident(shown):
                broken.setattr("schema.operations.execution.Rendering.of", fail)
                await rider.update_trip(trip["id"], "CANCELLED")
                shown.append(json.dumps(await events.message()))
            await events.completed()
        return
    query = {"query": TRIP_UPDATED, "variables": {"id": trip["id"]}}
    async with rider.http.stream("POST", "/graphql", json=query, headers=EVENTS) as response:
        lines = response.aiter_lines()
        while not (await anext(lines)).startswith("data:"):
            pass
        with monkeypatch.context() as broken, one_incident(shown):
            broken.setattr("schema.operations.execution.Rendering.of", fail)
            await rider.update_trip(trip["id"], "CANCELLED")
            shown.extend([line async for line in lines])
        assert "event: complete" in shown


async def test_a_value_that_its_type_cannot_hold_is_an_incident(
    shared_server: LiveServer, rider: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """graphql-core's message would describe the value and its address in memory."""
    trips = shared_server.application.services.trips
    trip = await rider.create_trip()
    find = trips.find

    async def find_strange(actor: Any, *, trip_id: UUID) -> Any:
        return replace(await find(actor, trip_id=trip_id), version=Kaboom(INSIDE))  # pyright: ignore

    shown: list[str] = []
    with monkeypatch.context() as broken, one_incident(shown):
        broken.setattr(trips, "find", find_strange)
        shown.append(await by_http(rider, "query ($id: ID!) { trip(id: $id) { id version } }", id=trip["id"]))


async def test_a_null_for_a_non_null_argument_is_the_callers_fault(rider: Api) -> None:
    with structlog.testing.capture_logs() as logs:
        body = await rider.post("query ($first: Int = 20) { trips(first: $first) { nodes { id } } }", first=None)
    (error,) = body["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    hides_the_inside(str(body))
    assert not [log for log in logs if log["event"] == "incident"]


async def test_a_handshake_that_fails_is_refused_and_logged(rider: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken, structlog.testing.capture_logs() as logs:
        broken.setattr(Origins, "allows_socket", fail)
        answer = await raw(rider, HANDSHAKE)
    assert answer.startswith("HTTP/1.1 403 ")
    hides_the_inside(answer)
    (logged,) = [log for log in logs if log["event"] == "incident"]
    assert INSIDE in str(logged["exc_info"])


async def test_a_socket_that_fails_after_the_handshake_is_closed_with_an_incident(
    rider: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    with monkeypatch.context() as broken, one_incident(shown):
        broken.setattr("schema.transport.sockets.Socket.serve", fail_later)
        async with open_socket(rider.url, headers=rider.cookie_header()) as socket:
            closed = await socket.closed()
        assert closed.code == 1013
        shown.append(closed.reason)


HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
# Input that cannot be answered normally, from the first byte on.
MALFORMED = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /graphql\r\n\r\n",
    "a header without a colon": b"GET /graphql HTTP/1.1\r\nHost x\r\n\r\n",
    "two lengths": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a length that is none": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a chunk that is none": b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "an unknown path": b"GET /etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a path that leads out": b"GET /assets/../../server.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an encoded one": b"GET /media/..%2f..%2fserver.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a method that nobody knows": b"BREW /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a method that is not served": b"TRACE /media/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a socket elsewhere": HANDSHAKE.replace(b"/graphql", b"/chat"),
    "a socket without a key": HANDSHAKE.replace(b"Sec-WebSocket-Key", b"X-Key"),
    "a socket with half a key": HANDSHAKE.replace(b"AAAAAAAA", b"", 1),
    "a socket of an old version": HANDSHAKE.replace(b"13", b"8"),
    "a socket by POST": HANDSHAKE.replace(b"GET", b"POST", 1),
    "a socket with a strange origin": HANDSHAKE.replace(b"\r\n\r\n", b"\r\nOrigin: http://[::1\r\n\r\n"),
}
# The bytes after a handshake.
FRAMES = {
    "not masked": b"\x81\x01x",
    "of an unknown kind": b"\x83\x80\x00\x00\x00\x00",
    "not UTF-8": b"\x81\x81\x00\x00\x00\x00\xff",
    "too long": b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00",
    "a close code that is none": b"\x88\x82\x00\x00\x00\x00\x00\x01",
    "not a text": b"\x82\x81\x00\x00\x00\x00\xff",
}


async def raw(api: Api, request: bytes, frame: bytes = b"") -> str:
    """Everything that the server answers to these bytes until it closes the connection; the frame is sent after
    its answer.
    """
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            if frame:
                answer = await reader.readuntil(b"\r\n\r\n")
                # A masked close frame: this side acknowledges the close.
                writer.write(frame + b"\x88\x80\x00\x00\x00\x00")
            answer += await reader.read()
    finally:
        writer.close()
    return answer.decode("latin-1")


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED.keys())
async def test_an_input_that_cannot_be_answered_is_refused_without_internal_names(
    rider: Api, request_: bytes
) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await raw(rider, request_)
    hides_the_inside(answer)
    assert "\r\nserver:" not in answer.lower()
    assert re.match(r"HTTP/1.1 (400|403|404|405|426) ", answer), answer
    # It is the client's fault, and causes no incident.
    assert not [log for log in logs if log["log_level"] == "error"]


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
async def test_a_frame_that_cannot_be_read_closes_the_socket_without_internal_names(
    rider: Api, frame: bytes
) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await raw(rider, HANDSHAKE, frame)
    assert answer.startswith("HTTP/1.1 101 ")
    assert "\x88" in answer
    hides_the_inside(answer)
    assert not [log for log in logs if log["log_level"] == "error"]


async def test_a_client_that_disconnects_while_sending_causes_no_incident(
    shared_server: LiveServer, rider: Api, attempts: Attack
) -> None:
    host, port = rider.url.removeprefix("http://").split(":")
    kinds = ("application/json", "multipart/form-data; boundary=x")
    with structlog.testing.capture_logs() as logs:
        for kind in kinds:
            attempts.add()
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 999\r\n"
                f"GraphQL-Require-Preflight: 1\r\nX-Request-ID: gone{attempts.attempts}\r\n\r\n--x".encode()
            )
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            del reader
        await until(lambda: sum(log["event"] == "request" for log in logs) == len(kinds))
    assert not [log for log in logs if log["log_level"] == "error"]


async def test_an_unknown_id_causes_no_incident(rider: Api) -> None:
    with structlog.testing.capture_logs() as logs:
        async with rider.socket() as socket:
            assert await (await socket.start(TRIP_UPDATED, id=str(uuid4()))).error_code() == "NOT_FOUND"
            await socket.send(type="nonsense")
            assert (await socket.closed()).code == 4400
    assert not [log for log in logs if log["event"] == "incident"]
