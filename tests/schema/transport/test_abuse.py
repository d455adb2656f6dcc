"""Clients that try too often: guessing passwords, finding out names, flooding."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

import pytest

from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.support.api import (
    CREATE_TRIP,
    LOG_IN,
    MY_TRIPS,
    PASSWORD,
    POOL,
    SIGN_UP,
    UPDATE_TRIP,
    Api,
)

pytestmark = pytest.mark.attack("abuse")
embedded = pytest.mark.parametrize("backend", ["embedded"], indirect=True)
production = pytest.mark.parametrize("backend", ["production"], indirect=True)

# So slow that nothing becomes free within a test.
RATE = "3/day"
ME = "{ me { username } }"

Guarded = Callable[..., Any]


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[Guarded]:
    """Creates servers on one database with these settings: `await guarded(log_in_rate="3/day")`."""
    async with AsyncExitStack() as stack:

        async def serve(**changes: Any) -> LiveServer:
            return await stack.enter_async_context(serving(settings.model_copy(update=changes)))

        yield serve


@asynccontextmanager
async def at(server: LiveServer, address: str | None = None) -> AsyncIterator[Api]:
    """A client with that address, through a proxy; None: on the server's own machine."""
    async with Api(server.url) as api:
        if address is not None:
            api.http.headers["X-Forwarded-For"] = address
        yield api


async def outcome(api: Api, query: str, /, **variables: Any) -> str:
    """The result in a word; checks that the waiting time is in both places."""
    response = await api.http.post("/graphql", json={"query": query, "variables": variables})
    assert response.status_code == 200
    body = response.json()
    if "errors" in body:
        (error,) = body["errors"]
        if error["extensions"]["code"] == "RATE_LIMITED":
            assert response.headers["Retry-After"] == str(error["extensions"]["retryAfter"])
            assert 0 < error["extensions"]["retryAfter"] <= 86_400
        return error["extensions"]["code"]
    assert "Retry-After" not in response.headers
    (payload,) = body["data"].values()
    return payload["errors"][0]["code"] if payload["errors"] else "OK"


async def guess(api: Api, username: str, password: str = "a wrong one") -> str:
    return await outcome(api, LOG_IN, username=username, password=password)


def account(username: str, **changes: Any) -> dict[str, Any]:
    fields = {"firstName": "Rosa", "lastName": "Alvarez", "role": "RIDER"}
    return {"username": username, "password1": PASSWORD, "password2": PASSWORD, **fields, **changes}


async def sign_up(api: Api, username: str, **changes: Any) -> str:
    return await outcome(api, SIGN_UP, input=account(username, **changes))


# Guessing passwords.


async def test_after_some_guesses_from_one_address_even_the_right_password_is_refused(
    guarded: Guarded,
) -> None:
    server = await guarded(log_in_rate=RATE)
    async with at(server, "203.0.113.1") as owner, at(server, "198.51.100.7") as attacker:
        await owner.sign_up("RIDER", username="rosa")

        guesses = [await guess(attacker, name) for name in ("rosa", "nobody", "rosa", "rosa", "ROSA", "nobody")]

        assert guesses == ["BAD_CREDENTIALS"] * 3 + ["RATE_LIMITED"] * 3
        assert await guess(attacker, "rosa", PASSWORD) == "RATE_LIMITED"
        assert await guess(owner, "rosa", PASSWORD) == "OK"


@embedded
async def test_guesses_in_one_request_count_one_by_one(guarded: Guarded) -> None:
    # Their cost alone would allow one in a request.
    server = await guarded(log_in_rate=RATE, max_cost=1_000_000)
    async with at(server, "198.51.100.7") as attacker:
        guesses = " ".join(
            f'g{n}: logIn(username: "rosa", password: "{n}") {{ errors {{ code }} }}' for n in range(10)
        )
        body = await attacker.post(f"mutation {{ {guesses} }}")
        assert {error["extensions"]["code"] for error in body["errors"]} == {"RATE_LIMITED"}
        assert await guess(attacker, "rosa") == "RATE_LIMITED"
        assert await attacker.data(ME) is None


async def test_many_addresses_together_have_ten_times_as_many_guesses_at_one_name(guarded: Guarded) -> None:
    server = await guarded(log_in_rate="1/day")
    numbers = count(1)

    async def guess_elsewhere(username: str, password: str = "a wrong one") -> str:
        async with at(server, f"198.51.100.{next(numbers)}") as somebody:
            return await guess(somebody, username, password)

    async with at(server, "203.0.113.1") as owner:
        await owner.sign_up("RIDER", username="rosa")
    # Successful log-ins are no guesses.
    assert [await guess_elsewhere("rosa", PASSWORD) for _ in range(3)] == ["OK"] * 3

    guesses = [await guess_elsewhere("rosa") for _ in range(14)]

    assert guesses == ["BAD_CREDENTIALS"] * 10 + ["RATE_LIMITED"] * 4
    assert await guess_elsewhere("ravi") == "BAD_CREDENTIALS"


@production
async def test_an_address_has_no_more_guesses_at_two_servers(guarded: Guarded) -> None:
    servers = [await guarded(log_in_rate="10/day") for _ in range(2)]
    async with at(servers[0], "198.51.100.7") as here, at(servers[1], "198.51.100.7") as there:
        guesses = await asyncio.gather(*(guess(api, f"name{n}") for n in range(15) for api in (here, there)))
        assert sorted(guesses) == ["BAD_CREDENTIALS"] * 10 + ["RATE_LIMITED"] * 20
        assert await here.data(ME) is None


# Finding out which accounts exist.


@embedded
async def test_the_answer_to_a_wrong_log_in_does_not_tell_whether_there_is_an_account(guarded: Guarded) -> None:
    server: LiveServer = await guarded()
    async with at(server) as api:
        await api.sign_up("RIDER", username="rosa")
        await api.sign_up("RIDER", username="retired")
        await server.application.database.fetch("UPDATE users SET is_active = 0 WHERE username = 'retired'")
        api.http.cookies.clear()
        answers: set[tuple[int, bytes, tuple[str, ...]]] = set()
        for username, password in (
            ("rosa", "wrong"),
            ("nobody", "wrong"),
            ("retired", "wrong"),
            ("retired", PASSWORD),
            ("x" * 10_000, "wrong"),
            ("a name\x00", "wrong"),
            ("rosa", "x" * 10_000),
        ):
            variables = {"username": username, "password": password}
            response = await api.http.post("/graphql", json={"query": LOG_IN, "variables": variables})
            named = tuple(sorted(set(response.headers) - {"date", "x-request-id"}))
            answers.add((response.status_code, response.content, named))
        assert len(answers) == 1
        assert "BAD_CREDENTIALS" in str(answers)


@embedded
async def test_the_time_of_a_wrong_log_in_does_not_tell_whether_there_is_an_account(guarded: Guarded) -> None:
    server: LiveServer = await guarded(password_hash_memory_kib=4 * 1024)
    async with at(server) as api:
        await api.sign_up("RIDER", username="rosa")
        await api.sign_up("RIDER", username="retired")
        await server.application.database.fetch("UPDATE users SET is_active = 0 WHERE username = 'retired'")
        attempts = {"unknown": ("nobody", "wrong"), "wrong": ("rosa", "wrong"), "retired": ("retired", PASSWORD)}
        took_s: dict[str, list[float]] = {kind: [] for kind in attempts}
        for _ in range(40):
            for kind, (username, password) in attempts.items():
                began = asyncio.get_running_loop().time()
                assert await guess(api, username, password) == "BAD_CREDENTIALS"
                took_s[kind].append(asyncio.get_running_loop().time() - began)

    # How often one of these took longer than one of those; with equal distributions, half of the time. (Without a
    # hash for unknown names it would be always.)
    for kind in ("wrong", "retired"):
        pairs = [a > b for a in took_s[kind] for b in took_s["unknown"]]
        assert 0.15 < statistics.mean(pairs) < 0.85, {k: statistics.median(v) for k, v in took_s.items()}


@embedded
async def test_a_hash_of_other_settings_is_replaced_at_the_next_log_in(settings: Settings) -> None:
    # Until then, a wrong password of that account takes another time than an unknown name.
    hashes: list[str] = []
    for memory_kib in (1024, 2048, 2048):
        changed = settings.model_copy(update={"password_hash_memory_kib": memory_kib})
        async with serving(changed) as server, at(server) as api:
            if not hashes:
                await api.sign_up("RIDER", username="rosa")
            assert await guess(api, "rosa", "wrong") == "BAD_CREDENTIALS"
            assert await guess(api, "rosa", PASSWORD) == "OK"
            (row,) = await server.application.database.fetch("SELECT password_hash FROM users")
            hashes.append(row["password_hash"])
    assert ["m=1024," in hashes[0], "m=2048," in hashes[1]] == [True, True]
    assert hashes[2] == hashes[1]


# Signing up.


async def test_one_address_creates_few_accounts_and_finds_out_few_names(guarded: Guarded) -> None:
    server = await guarded(sign_up_rate=RATE)
    async with at(server, "203.0.113.1") as honest, at(server, "198.51.100.7") as attacker:
        await honest.sign_up("RIDER", username="rosa")

        probes = [await sign_up(attacker, name) for name in ("rosa", "ravi", "r", "rosa", "rita")]

        assert probes == ["USERNAME_TAKEN", "OK", "USERNAME_INVALID", "RATE_LIMITED", "RATE_LIMITED"]
        assert await sign_up(honest, "rita") == "OK"


@embedded
async def test_many_addresses_together_have_ten_times_as_many_sign_ups_under_one_name(guarded: Guarded) -> None:
    server = await guarded(sign_up_rate="1/day")
    probes: list[str] = []
    for number in range(12):
        async with at(server, f"198.51.100.{number}") as somebody:
            probes.append(await sign_up(somebody, "rosa", password2="another"))
    assert probes == ["PASSWORD_MISMATCH"] * 10 + ["RATE_LIMITED"] * 2


# Forging the address.


@embedded
@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(("10.1.1.1, 198.51.100.7", "10.1.1.2, 198.51.100.7"), id="invented before the proxy's"),
        pytest.param(("198.51.100.7", "198.51.100.7:4711"), id="another port"),
        pytest.param(("127.0.0.1, 198.51.100.7", "198.51.100.7"), id="loopback before the proxy's"),
        pytest.param(("198.51.100.7, 127.0.0.1", "198.51.100.7"), id="through two proxies"),
        pytest.param(("2001:db8::1", "2001:db8::ffff:2"), id="one /64"),
        pytest.param(("::ffff:198.51.100.7", "198.51.100.7"), id="IPv4 within IPv6"),
        pytest.param(("unknown", "_hidden"), id="proxies that do not tell"),
        pytest.param(("127.0.0.1", "127.0.0.1"), id="loopback alone"),
    ],
)
async def test_two_spellings_of_one_address_count_as_one(addresses: tuple[str, str], guarded: Guarded) -> None:
    server = await guarded(log_in_rate="1/day")
    async with at(server, addresses[0]) as first, at(server, addresses[1]) as second:
        assert await guess(first, "rosa") == "BAD_CREDENTIALS"
        assert await guess(second, "ravi") == "RATE_LIMITED"
    async with at(server, "2001:db8:0:1::1") as elsewhere:
        assert await guess(elsewhere, "rosa") == "BAD_CREDENTIALS"


@embedded
async def test_only_trusted_proxies_name_the_clients_address(guarded: Guarded) -> None:
    server = await guarded(log_in_rate="1/day", trusted_proxies="10.0.0.1")
    async with at(server, "198.51.100.1") as first, at(server, "198.51.100.2") as second:
        assert await guess(first, "rosa") == "BAD_CREDENTIALS"
        assert await guess(second, "ravi") == "RATE_LIMITED"


@embedded
async def test_requests_from_this_machine_are_limited_by_name(guarded: Guarded) -> None:
    server = await guarded(log_in_rate="1/day", sign_up_rate="1/day")
    async with at(server) as here:
        assert [await sign_up(here, f"name{n}") for n in range(5)] == ["OK"] * 5
        assert [await guess(here, f"name{n}") for n in range(5)] == ["BAD_CREDENTIALS"] * 5
        assert await sign_up(here, "name1") == "RATE_LIMITED"
        assert await guess(here, "name1") == "RATE_LIMITED"


@embedded
async def test_with_a_public_address_no_client_counts_as_this_machine(guarded: Guarded) -> None:
    # A local proxy that does not name its clients: all of them would count as this machine.
    server = await guarded(log_in_rate="1/day", public_url="http://127.0.0.1")
    async with at(server) as here:
        assert await guess(here, "rosa") == "BAD_CREDENTIALS"
        assert await guess(here, "ravi") == "RATE_LIMITED"


# Flooding with trips and subscriptions.


async def test_a_user_requests_and_changes_trips_at_a_rate(guarded: Guarded) -> None:
    server = await guarded(trip_rate=RATE)
    async with at(server) as flood, at(server) as other:
        await flood.sign_up("RIDER")
        await other.sign_up("RIDER")
        trip = await flood.create_trip()

        change = {"id": trip["id"], "status": "CANCELLED"}
        assert await outcome(flood, UPDATE_TRIP, input=change) == "OK"
        assert await outcome(flood, UPDATE_TRIP, input=change) == "OK"
        assert await outcome(flood, UPDATE_TRIP, input=change) == "RATE_LIMITED"
        request = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}
        assert await outcome(flood, CREATE_TRIP, input=request) == "RATE_LIMITED"
        async with flood.socket() as socket:
            message = await (await socket.start(CREATE_TRIP, input=request)).message()
            assert message["payload"]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert await outcome(other, CREATE_TRIP, input=request) == "OK"


@production
async def test_a_user_has_no_higher_rate_at_two_servers(guarded: Guarded) -> None:
    here, there = [await guarded(trip_rate="10/day") for _ in range(2)]
    async with at(here) as rider, at(there) as same:
        await rider.sign_up("RIDER")
        same.http.cookies.update(rider.http.cookies)
        request = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}
        outcomes = await asyncio.gather(
            *(outcome(api, CREATE_TRIP, input=request) for _ in range(12) for api in (rider, same))
        )
    assert sorted(outcomes) == ["OK"] * 10 + ["RATE_LIMITED"] * 14


async def test_a_user_subscribes_at_a_rate(guarded: Guarded) -> None:
    server = await guarded(subscribe_rate=RATE)
    async with at(server) as api:
        await api.sign_up("RIDER")
        async with api.socket() as socket:
            for _ in range(3):
                assert (await (await socket.start(MY_TRIPS)).next())["__typename"] == "MyTripsSnapshot"
            message = await (await socket.start(MY_TRIPS)).message()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
            assert 0 < message["payload"][0]["extensions"]["retryAfter"] <= 86_400

            for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
                response = await api.http.post("/graphql", json={"query": MY_TRIPS}, headers={"Accept": accept})
                assert "RATE_LIMITED" in response.text
                assert 0 < int(response.headers["Retry-After"]) <= 86_400
            # It is still served.
            await socket.ping()
            assert (await (await socket.start(ME)).next())["username"] == api.user["username"]


@embedded
async def test_a_driver_has_a_limited_number_of_pool_subscriptions(guarded: Guarded) -> None:
    server = await guarded(max_pools_per_user=3)
    near = "subscription { driverPool(near: { point: { lat: 52, lng: 5 } }) { __typename } }"
    async with at(server) as driver, at(server) as other:
        await driver.sign_up("DRIVER")
        await other.sign_up("DRIVER")
        async with driver.socket() as first, driver.socket() as second, other.socket() as elsewhere:
            begun = [await socket.start(POOL) for _ in range(10) for socket in (first, second)]
            messages = [await events.message() for events in begun]
            refused = [message for message in messages if message["type"] == "error"]
            assert len(refused) == 17
            assert {m["payload"][0]["extensions"]["code"] for m in refused} == {"TOO_MANY_POOLS"}
            async with driver.http.stream(
                "POST", "/graphql", json={"query": POOL}, headers={"Accept": "text/event-stream"}
            ) as stream:
                assert "TOO_MANY_POOLS" in (await stream.aread()).decode()
            # An area that does not move causes no work for positions.
            assert (await (await first.start(near)).next())["__typename"] == "PoolSnapshot"
            assert (await (await elsewhere.start(POOL)).next())["__typename"] == "PoolSnapshot"

            running = [events for events, message in zip(begun, messages, strict=True) if message not in refused]
            await running[0].stop()
            await running[0].socket.ping()
            assert (await (await second.start(POOL)).next())["__typename"] == "PoolSnapshot"


# Open trips.


@asynccontextmanager
async def two_of(guarded: Guarded, backend: str, **changes: Any) -> AsyncIterator[tuple[Api, Api]]:
    """A rider at two servers on one database, if the backend allows it; otherwise twice at one."""
    first = await guarded(**changes)
    second = await guarded(**changes) if backend == "production" else first
    async with at(first) as here, at(second) as there:
        await here.sign_up("RIDER")
        there.http.cookies.update(here.http.cookies)
        yield here, there


async def test_of_twenty_simultaneous_requests_of_a_rider_five_succeed(guarded: Guarded, backend: str) -> None:
    async with two_of(guarded, backend, open_trips_per_rider=5) as apis:
        payloads = await asyncio.gather(*(api.try_create_trip() for _ in range(10) for api in apis))

        made = [payload["trip"]["id"] for payload in payloads if payload["trip"] is not None]
        refused = [payload["errors"][0] for payload in payloads if payload["trip"] is None]
        assert len(made) == 5
        assert [(error["code"], error["retryable"]) for error in refused] == [("TOO_MANY_OPEN_TRIPS", True)] * 15
        trips = await apis[0].data("{ trips { nodes { id status } } }")
        assert sorted(trip["id"] for trip in trips["nodes"]) == sorted(made)

        await apis[0].update_trip(made[0], "CANCELLED")
        payloads = await asyncio.gather(*(api.try_create_trip() for _ in range(3) for api in apis))
        assert len([payload for payload in payloads if payload["trip"] is not None]) == 1


async def test_only_trips_that_wait_for_a_driver_are_open(guarded: Guarded) -> None:
    server = await guarded(open_trips_per_rider=1)
    async with at(server) as rider, at(server) as other, at(server) as driver:
        await rider.sign_up("RIDER")
        await other.sign_up("RIDER")
        await driver.sign_up("DRIVER")
        trip = await rider.create_trip()
        assert (await rider.try_create_trip())["errors"][0]["code"] == "TOO_MANY_OPEN_TRIPS"
        await other.create_trip()
        await driver.update_trip(trip["id"], "STARTED")
        await rider.create_trip()
        # A trip that the driver gives back is not the rider's doing.
        await driver.update_trip(trip["id"], "REQUESTED")
        assert (await rider.try_create_trip())["errors"][0]["code"] == "TOO_MANY_OPEN_TRIPS"


async def test_a_repeated_request_does_not_count_twice(guarded: Guarded, backend: str) -> None:
    async with two_of(guarded, backend, open_trips_per_rider=2) as apis:
        repeats = await asyncio.gather(
            *(api.create_trip(idempotencyKey=key) for key in ("a", "b") for _ in range(5) for api in apis)
        )
        assert len({trip["id"] for trip in repeats}) == 2
        refused = await apis[0].try_create_trip(idempotencyKey="c")
        assert refused["errors"][0]["code"] == "TOO_MANY_OPEN_TRIPS"
        conflict = await apis[0].try_create_trip(idempotencyKey="a", pickUpAddress="Elsewhere")
        assert conflict["errors"][0]["code"] == "IDEMPOTENCY_CONFLICT"


@embedded
async def test_a_limit_can_be_turned_off(guarded: Guarded) -> None:
    server = await guarded()
    async with at(server, "198.51.100.7") as api:
        assert {await guess(api, "rosa") for _ in range(30)} == {"BAD_CREDENTIALS"}
        await api.sign_up("RIDER")
        for _ in range(10):
            await api.create_trip()
