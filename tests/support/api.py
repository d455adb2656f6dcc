"""Clients of a running server: one person with a cookie, and their sockets."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.waiting import PATIENCE_S

PASSWORD = "correct-horse-battery-9"
# Numbers all users without a given name, so that no two have the same name.
NUMBERS = itertools.count(1)

USER = "id username firstName lastName role photo"
TRIP = f"""
    id created updated version status pickUpAddress dropOffAddress pickUp {{ lat lng }} dropOff {{ lat lng }}
    expiresAt cancelReason rider {{ {USER} }} driver {{ {USER} }}
"""
ERRORS = "errors { code message field retryable }"

SIGN_UP = f"mutation ($input: SignUpInput!) {{ signUp(input: $input) {{ user {{ {USER} }} token {ERRORS} }} }}"
LOG_IN = f"""
    mutation ($username: String!, $password: String!, $issueToken: Boolean! = false) {{
        logIn(username: $username, password: $password, issueToken: $issueToken) {{
            user {{ {USER} }} token {ERRORS}
        }}
    }}
"""
LOG_OUT = f"mutation {{ logOut {{ {ERRORS} }} }}"
CREATE_TRIP = (
    f"mutation ($input: CreateTripInput!) {{ createTrip(input: $input) {{ trip {{ {TRIP} }} {ERRORS} }} }}"
)
UPDATE_TRIP = (
    f"mutation ($input: UpdateTripInput!) {{ updateTrip(input: $input) {{ trip {{ {TRIP} }} {ERRORS} }} }}"
)
TRIPS = f"""
    query ($status: [TripStatus!], $first: Int! = 20, $after: String) {{
        trips(status: $status, first: $first, after: $after) {{
            edges {{ cursor node {{ id }} }}
            nodes {{ {TRIP} }}
            pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
        }}
    }}
"""
TRIP_UPDATED = f"subscription ($id: ID!) {{ tripUpdated(id: $id) {{ {TRIP} }} }}"
MY_TRIPS = f"""
    subscription {{ myTripsUpdated {{
        __typename
        ... on MyTripsSnapshot {{ trips {{ {TRIP} }} }}
        ... on TripChanged {{ trip {{ {TRIP} }} }}
    }} }}
"""
REPORT_LOCATION = f"mutation ($input: LocationInput!) {{ reportLocation(input: $input) {{ {ERRORS} }} }}"
POOL = f"""
    subscription {{ driverPool {{
        __typename
        ... on PoolSnapshot {{ offers {{ {TRIP} }} truncated paused }}
        ... on TripOffered {{ trip {{ {TRIP} }} }}
        ... on TripWithdrawn {{ tripId version reason }}
    }} }}
"""


class Api:
    """One person's HTTP client: keeps the session cookie as a browser does."""

    def __init__(self, url: str) -> None:
        self.url = url
        # Loading certificates takes 30 ms, and searching the environment for proxies 1 ms.
        self.http = httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, verify=False, trust_env=False)
        self.user: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def post(self, query: str, /, headers: dict[str, str] | None = None, **variables: Any) -> dict[str, Any]:
        """The whole GraphQL response."""
        response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        return response.json()

    async def data(self, query: str, /, **variables: Any) -> Any:
        """The one root field's value; fails on errors."""
        body = await self.post(query, **variables)
        assert "errors" not in body, body["errors"]
        (value,) = body["data"].values()
        return value

    async def code(self, query: str, /, **variables: Any) -> str:
        """The code of the one GraphQL error."""
        body = await self.post(query, **variables)
        (error,) = body["errors"]
        return error["extensions"]["code"]

    async def sign_up(self, role: str, **changes: Any) -> Self:
        """Create a user with that role and log in."""
        number = next(NUMBERS)
        fields = {
            "username": f"{role.lower()}{number}@example.com",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "firstName": role.title(),
            "lastName": f"No{number}",
            "role": role,
            **changes,
        }
        payload = await self.data(SIGN_UP, input=fields)
        assert payload["errors"] == [], payload["errors"]
        self.user = payload["user"]
        return self

    async def create_trip(self, **changes: Any) -> dict[str, Any]:
        """Request a trip; the trip."""
        payload = await self.try_create_trip(**changes)
        assert payload["errors"] == [], payload["errors"]
        return payload["trip"]

    async def try_create_trip(self, **changes: Any) -> dict[str, Any]:
        """Request a trip; the payload."""
        fields = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street", **changes}
        return await self.data(CREATE_TRIP, input=fields)

    async def update_trip(self, trip_id: str, status: str, **changes: Any) -> dict[str, Any]:
        """Change a trip's status; the trip."""
        payload = await self.try_update_trip(trip_id, status, **changes)
        assert payload["errors"] == [], payload["errors"]
        return payload["trip"]

    async def try_update_trip(self, trip_id: str, status: str, **changes: Any) -> dict[str, Any]:
        """Change a trip's status; the payload."""
        return await self.data(UPDATE_TRIP, input={"id": trip_id, "status": status, **changes})

    def cookie_header(self) -> dict[str, str]:
        """The header with the session."""
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())}

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator["Socket"]:
        """A socket of this person, after `connection_ack`."""
        async with open_socket(self.url, headers=self.cookie_header(), **options) as socket:
            await socket.init()
            yield socket


class SocketClosed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Socket:
    """The client side of graphql-transport-ws. A reader sorts the messages by operation id."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)
        self._queues: dict[str | None, asyncio.Queue[dict[str, Any] | SocketClosed]] = {}
        self._closed: SocketClosed | None = None
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for text in self.connection:
                message = json.loads(text)
                self._queue(message.get("id")).put_nowait(message)
        except ConnectionClosed:
            pass
        self._closed = SocketClosed(self.connection.close_code or 1006, self.connection.close_reason or "")
        for queue in self._queues.values():
            queue.put_nowait(self._closed)

    def _queue(self, operation_id: str | None) -> asyncio.Queue[dict[str, Any] | SocketClosed]:
        queue = self._queues.get(operation_id)
        if queue is None:
            queue = self._queues[operation_id] = asyncio.Queue()
            if self._closed is not None:
                queue.put_nowait(self._closed)
        return queue

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self.connection.send(json.dumps(message))

    async def receive(self, operation_id: str | None = None) -> dict[str, Any]:
        """The next message of an operation, or (None) of the connection. Raises: SocketClosed."""
        async with asyncio.timeout(PATIENCE_S):
            message = await self._queue(operation_id).get()
        if isinstance(message, SocketClosed):
            self._queue(operation_id).put_nowait(message)
            raise message
        return message

    def is_silent(self, operation_id: str) -> bool:
        """Whether no message of that operation waits."""
        return self._queue(operation_id).empty()

    async def closed(self) -> SocketClosed:
        """How the server closed the socket."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reader
        assert self._closed is not None
        return self._closed

    async def init(self, payload: dict[str, Any] | None = None) -> None:
        """Send `connection_init` and await `connection_ack`."""
        await self.send(type="connection_init", **({"payload": payload} if payload is not None else {}))
        assert (await self.receive())["type"] == "connection_ack"

    async def start(self, query: str, /, **variables: Any) -> "Events":
        """Begin an operation."""
        operation_id = str(next(self._ids))
        await self.send(type="subscribe", id=operation_id, payload={"query": query, "variables": variables})
        return Events(self, operation_id)

    async def ping(self) -> None:
        """Return when the server has handled everything that was sent before."""
        await self.send(type="ping")
        assert (await self.receive())["type"] == "pong"


class Events:
    """What one operation on a socket receives."""

    def __init__(self, socket: Socket, operation_id: str) -> None:
        self.socket = socket
        self.id = operation_id

    async def message(self) -> dict[str, Any]:
        """The next message of any type."""
        return await self.socket.receive(self.id)

    @property
    def is_silent(self) -> bool:
        """Whether no message waits."""
        return self.socket.is_silent(self.id)

    async def next(self) -> Any:
        """The value of the next result's one root field; fails on errors."""
        message = await self.message()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value

    async def error_code(self) -> str:
        """The code of the next message, which must be an `error`."""
        message = await self.message()
        assert message["type"] == "error", message
        return message["payload"][0]["extensions"]["code"]

    async def completed(self) -> None:
        """Fail unless the next message is `complete`."""
        message = await self.message()
        assert message["type"] == "complete", message

    async def stop(self) -> None:
        """End the operation."""
        await self.socket.send(type="complete", id=self.id)


@asynccontextmanager
async def open_socket(
    url: str,
    *,
    headers: dict[str, str] | None = None,
    subprotocols: tuple[str, ...] = ("graphql-transport-ws",),
    query_string: str = "",
    **options: Any,
) -> AsyncIterator[Socket]:
    """An open socket, before `connection_init`. ``query_string`` begins with a question mark."""
    async with connect(
        url.replace("http", "ws", 1) + "/graphql" + query_string,
        subprotocols=[*subprotocols],  # pyright: ignore[reportArgumentType]
        additional_headers=headers,
        compression=None,
        **{"open_timeout": PATIENCE_S, **options},
    ) as connection:
        yield Socket(connection)
