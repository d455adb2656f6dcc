"""Nobody but staff gets anything of the city, over any transport."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.conftest import LiveServer, SignUp
from tests.schema.api.test_city_for_staff import CITY, LOG_IN, LOG_OUT, REPORT
from tests.schema.transport.test_event_stream import Stream
from tests.support.api import PASSWORD, Api, SocketClosed, open_socket
from tests.support.attacks import Attack
from tests.support.parts import PARTS
from tests.support.positions import report_input
from tests.support.staff import make_staff
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.attack("access")]

EVENTS = {"Accept": "text/event-stream"}
ROUTE = "query ($id: ID!) { cityTripRoute(id: $id) { toDropOff { encodedPolyline } } }"
FIGURES = "{ cityFigures(period: HOUR) { total { requested } } }"


@dataclass
class Scene:
    """A city with a driver and a request, and what of it nobody else may read."""

    server: LiveServer
    callers: dict[str, Api]
    secrets: tuple[str, ...]
    trip_id: str


@pytest_asyncio.fixture
async def scene(live_server: LiveServer, person: SignUp) -> AsyncIterator[Scene]:
    """Everybody who might look: a caller's cookies are those of a browser."""
    waiting, working = await person("RIDER"), await person("DRIVER")
    await working.data(REPORT, input=report_input())
    places = {"pickUp": {"lat": 52.5, "lng": 13.4}, "dropOff": {"lat": 52.6, "lng": 13.4}}
    trip = await waiting.create_trip(pickUpAddress="A secret place", **places)
    application = live_server.application
    callers = {"anonymous": await person(), "rider": await person("RIDER"), "driver": await person("DRIVER")}
    for caller in ("ended staff", "former staff", "deactivated staff"):
        api = callers[caller] = await person()
        name = await make_staff(application, f"{caller.split()[0]}@taxi.example")
        assert await api.data(LOG_IN, name=name, password=PASSWORD) == {"errors": []}
    cookies = dict(callers["ended staff"].http.cookies)
    await callers["ended staff"].data(LOG_OUT)
    callers["ended staff"].http.cookies.update(cookies)
    for caller, column in (("former", "is_staff"), ("deactivated", "is_active")):
        await application.database.fetch(
            f"UPDATE users SET {column} = $1 WHERE username = $2", False, f"{caller}@taxi.example"
        )
    # Somebody watches: there is something to hear.
    chief = await person()
    await chief.data(LOG_IN, name=await make_staff(application, "chief@taxi.example"), password=PASSWORD)
    async with chief.socket() as socket:
        assert (await (await socket.start(CITY)).next())["trips"]
        secrets = (trip["id"], working.user["username"], working.user["id"], "A secret place", "encodedPolyline")
        yield Scene(live_server, callers, secrets, trip["id"])


async def by_post(api: Api, document: str, variables: dict[str, Any]) -> str:
    return (await api.http.post("/graphql", json={"query": document, "variables": variables})).text


async def by_get(api: Api, document: str, variables: dict[str, Any]) -> str:
    query = {"query": document, "variables": json.dumps(variables)}
    return (await api.http.get("/graphql", params=query)).text


async def by_form(api: Api, document: str, variables: dict[str, Any]) -> str:
    """As an upload does."""
    fields = {"operations": json.dumps({"query": document, "variables": variables}), "map": "{}"}
    headers = {"GraphQL-Require-Preflight": "1"}
    files = {name: (None, value) for name, value in fields.items()}
    return (await api.http.post("/graphql", files=files, headers=headers)).text


async def by_event_stream(api: Api, document: str, variables: dict[str, Any]) -> str:
    body = {"query": document, "variables": variables}
    return (await api.http.post("/graphql", json=body, headers=EVENTS)).text


async def by_parts(api: Api, document: str, variables: dict[str, Any]) -> str:
    body = {"query": document, "variables": variables}
    return (await api.http.post("/graphql", json=body, headers=PARTS)).text


async def by_socket(
    api: Api, document: str, variables: dict[str, Any], payload: dict[str, Any] | None = None
) -> str:
    """All messages until the operation ends or the socket is closed; the cookie comes with the handshake."""
    headers = api.cookie_header() if payload is None else {}
    heard: list[str] = []
    async with open_socket(api.url, headers=headers) as socket:
        try:
            await socket.init(payload)
            operation = await socket.start(document, **variables)
            while not heard or json.loads(heard[-1])["type"] == "next":
                heard.append(json.dumps(await operation.message()))
        except SocketClosed as closed:
            heard.append(f"closed with {closed.code}")
    return "\n".join(heard)


async def by_socket_with_token(api: Api, document: str, variables: dict[str, Any]) -> str:
    token = api.http.cookies.get("taxirank_session")
    payload = {"authorization": f"Bearer {token}"} if token is not None else {}
    return await by_socket(api, document, variables, payload)


TRANSPORTS: dict[str, Callable[[Api, str, dict[str, Any]], Awaitable[str]]] = {
    "post": by_post,
    "get": by_get,
    "form": by_form,
    "event stream": by_event_stream,
    "parts": by_parts,
    "socket": by_socket,
    "socket with a token": by_socket_with_token,
}
# How each says no; a transport that takes no subscriptions says that instead.
REFUSALS = ("FORBIDDEN", "UNAUTHENTICATED", "closed with 4403", "closed with 4401")
NO_SUBSCRIPTIONS = ("post", "get", "form")


async def test_nobody_else_gets_anything_of_the_city_over_any_transport(scene: Scene, attempts: Attack) -> None:
    questions: tuple[tuple[str, dict[str, Any]], ...] = (
        (CITY, {}),
        (FIGURES, {}),
        (ROUTE, {"id": scene.trip_id}),
    )
    for transport, ask in TRANSPORTS.items():
        for caller, api in scene.callers.items():
            for document, variables in questions:
                got = await ask(api, document, variables)
                where = f"{caller} by {transport}: {got[:300]}"
                assert not any(secret in got for secret in scene.secrets), where
                if document is CITY and transport in NO_SUBSCRIPTIONS:
                    assert '"errors"' in got, where
                else:
                    assert any(refusal in got for refusal in REFUSALS), where
                attempts.add()


async def test_an_event_stream_of_the_city_ends_with_the_right(
    scene: Scene, person: SignUp, attempts: Attack
) -> None:
    application = scene.server.application
    api = await person()
    await api.data(LOG_IN, name=await make_staff(application, "stream@taxi.example"), password=PASSWORD)
    async with api.http.stream("POST", "/graphql", json={"query": CITY}, headers=EVENTS) as response:
        stream = Stream(response)
        assert (await stream.next())["__typename"] == "CitySnapshot"
        await application.database.fetch(
            "UPDATE users SET is_staff = $1 WHERE username = $2", False, "stream@taxi.example"
        )
        code = ""
        while not code:
            _, result = await stream.event()
            (error,) = result.get("errors", [{"extensions": {"code": ""}}])
            code = error["extensions"]["code"]
        assert code == "FORBIDDEN"
        await stream.ended()
    attempts.add()


async def test_an_event_stream_of_the_city_ends_with_the_session(
    scene: Scene, person: SignUp, attempts: Attack
) -> None:
    api = await person()
    name = await make_staff(scene.server.application, "stream@taxi.example")
    await api.data(LOG_IN, name=name, password=PASSWORD)
    async with api.http.stream("POST", "/graphql", json={"query": CITY}, headers=EVENTS) as response:
        stream = Stream(response)
        assert (await stream.next())["__typename"] == "CitySnapshot"
        async with httpx.AsyncClient(base_url=api.url, cookies=api.http.cookies, timeout=PATIENCE_S) as elsewhere:
            await elsewhere.post("/graphql", json={"query": LOG_OUT})
        code = ""
        while not code:
            _, result = await stream.event()
            (error,) = result.get("errors", [{"extensions": {"code": ""}}])
            code = error["extensions"]["code"]
        assert code == "UNAUTHENTICATED"
        await stream.ended()
    attempts.add()
