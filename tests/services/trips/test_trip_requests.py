"""Trips that are requested at the same time are written together, and none is a matter of another one."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from typing import Any
from unittest.mock import patch

import pytest

from application.application import Application
from models.values import TripValue
from models.visibility import Actor
from services.database.connections import Database
from services.database.failures import Conflict
from services.errors import DatabaseUnavailable, SessionEnded
from services.trips.checks import Journey
from services.trips.faults import TooManyOpenTrips
from services.trips.requests import TripRequest
from tests.support.database_rows import add_rider, noted_trips
from tests.support.waiting import PATIENCE_S

MANY = 12


@pytest.fixture
def backend() -> str:
    return "production"


@pytest.fixture(autouse=True)
async def nothing_is_published(application: Application) -> None:
    await application.outbox.stop()
    await application.periodic_jobs.stop()


class Statements(list[str]):
    """Statements that have begun."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()


@contextmanager
def statements() -> Iterator[Statements]:
    """The statements that write trips."""
    run, seen = Database._run, Statements()

    async def spy(self: Database, connection: Any, sql: str, args: Sequence[object]) -> Any:
        if "INSERT INTO trips" in sql:
            seen.append(sql)
            seen.began.set()
        return await run(self, connection, sql, args)

    with patch.object(Database, "_run", spy):
        yield seen


def apart(work: Coroutine[Any, Any, TripValue]) -> asyncio.Task[TripValue]:
    """Do it in a context of its own: not in the transaction of this task."""
    return asyncio.get_running_loop().create_task(work, context=Context())


async def request(application: Application, rider: Actor, to: str = "There", key: str | None = None) -> TripValue:
    return await application.services.trips.request(
        rider, pick_up_address="Here", drop_off_address=to, idempotency_key=key
    )


async def riders(application: Application, count: int = MANY) -> list[Actor]:
    return [await add_rider(application.database) for _ in range(count)]


async def test_requests_that_come_together_are_one_statement_and_each_gets_its_own_trip(
    application: Application,
) -> None:
    people = await riders(application)
    with statements() as seen:
        trips = await asyncio.gather(*(request(application, rider, f"To {rider.id}") for rider in people))

    assert len(seen) == 1
    for rider, trip in zip(people, trips, strict=True):
        assert (trip.rider, trip.drop_off_address) == (rider.user, f"To {rider.id}")
        assert await application.services.trips.find(rider, trip_id=trip.id) == trip
        (change,) = await application.services.history.of(trip.id)
        assert (change.version, change.user, change.at) == (1, rider.user, trip.created)
    noted = await noted_trips(application.database)
    assert sorted(noted) == sorted((trip.id, True, None) for trip in trips)


async def test_of_requests_together_a_rider_gets_as_many_as_may_be_open(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.services.trips._writes, "open_trips_per_rider", 3)
    one, other = await riders(application, 2)
    asked = [one] * 8 + [other] * 2
    results = await asyncio.gather(*(request(application, rider) for rider in asked), return_exceptions=True)

    assert sum(isinstance(result, TooManyOpenTrips) for result in results[:8]) == 5
    rows = await application.database.fetch("SELECT rider_id, count(*) AS trips FROM trips GROUP BY rider_id")
    assert {row["rider_id"]: row["trips"] for row in rows} == {one.id: 3, other.id: 2}


async def test_whose_session_has_ended_writes_nothing_and_the_others_do(application: Application) -> None:
    people = await riders(application)
    await application.services.sessions.end(people[3])
    results = await asyncio.gather(*(request(application, rider) for rider in people), return_exceptions=True)

    assert [isinstance(result, SessionEnded) for result in results] == [n == 3 for n in range(MANY)]
    assert len(await application.database.fetch("SELECT id FROM trips")) == MANY - 1


async def test_who_is_locked_holds_up_nobody_else(application: Application) -> None:
    locked, *others = await riders(application, 5)
    async with application.database.transaction() as transaction:
        await transaction.fetch("SELECT id FROM users WHERE id = $1 FOR UPDATE", locked.id)
        # Alone, as often as statements may be under way at once; then beside others.
        waiting = list[asyncio.Task[TripValue]]()
        async with asyncio.timeout(PATIENCE_S):
            for other in others[:2]:
                with statements() as seen:
                    waiting.append(apart(request(application, locked)))
                    await seen.began.wait()
                assert (await apart(request(application, other))).rider == other.user
            waiting.append(apart(request(application, locked)))
            trips = await asyncio.gather(*(apart(request(application, other)) for other in others[2:]))
            assert [trip.rider for trip in trips] == [other.user for other in others[2:]]
        assert not any(task.done() for task in waiting)
    assert len({trip.id for trip in await asyncio.gather(*waiting)}) == 3


async def test_what_the_database_refuses_is_refused_alone(application: Application) -> None:
    people = await riders(application)
    # No use case would ask for it.
    wrong = Journey("", "There", None, None)
    results = await asyncio.gather(
        application.services.trips._request(TripRequest(people[0], wrong, None)),
        *(request(application, rider) for rider in people[1:]),
        return_exceptions=True,
    )

    assert isinstance(results[0], Conflict)
    assert [isinstance(result, TripValue) for result in results] == [False] + [True] * (MANY - 1)
    assert len(await noted_trips(application.database)) == MANY - 1


async def test_what_may_have_been_committed_is_not_written_again(application: Application) -> None:
    run = Database._run

    async def lose_the_answer(self: Database, connection: Any, sql: str, args: Sequence[object]) -> Any:
        rows = await run(self, connection, sql, args)
        if "INSERT INTO trips" in sql:
            raise DatabaseUnavailable("connection lost")
        return rows

    people = await riders(application)
    with patch.object(Database, "_run", lose_the_answer):
        results = await asyncio.gather(*(request(application, rider) for rider in people), return_exceptions=True)

    assert {type(result) for result in results} == {DatabaseUnavailable}
    assert len(await noted_trips(application.database)) == MANY


async def test_trips_whose_clients_have_left_are_written_and_noted_before_the_server_stops(
    application: Application,
) -> None:
    with statements() as seen:
        asked = [apart(request(application, rider)) for rider in await riders(application)]
        await seen.began.wait()
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)
    await application.shield.drain()

    assert all(task.cancelled() for task in asked)
    trips = await application.database.fetch("SELECT id FROM trips")
    assert sorted(noted[0] for noted in await noted_trips(application.database)) == sorted(
        trip["id"] for trip in trips
    )
    assert len(trips) == MANY


async def test_equal_keys_together_are_one_trip_for_each_rider(application: Application) -> None:
    people = await riders(application, 3)
    asked = [(rider, key) for rider in people for key in ("one", "two") for _ in range(3)]
    trips = await asyncio.gather(*(request(application, rider, key=key) for rider, key in asked))

    of_keys: dict[tuple[Any, str], set[Any]] = {}
    for (rider, key), trip in zip(asked, trips, strict=True):
        of_keys.setdefault((rider.id, key), set()).add(trip.id)
    assert [len(ids) for ids in of_keys.values()] == [1] * 6
    assert len(await noted_trips(application.database)) == 6


@pytest.mark.parametrize("bound", [None, 1000])
async def test_two_servers_that_write_for_the_same_riders_wait_in_one_order(
    application: Application, monkeypatch: pytest.MonkeyPatch, bound: int | None
) -> None:
    people = await riders(application, 8)
    requests = application.services.trips._requests
    monkeypatch.setattr(requests._writes, "open_trips_per_rider", bound)
    journey = Journey("Here", "There", None, None)

    async def together(people: Sequence[Actor], key: str) -> None:
        # A deadlock raises.
        await requests._write_batch([TripRequest(rider, journey, key) for rider in people])

    for round_ in range(20):
        await asyncio.gather(together(people, f"key {round_}"), together(people[::-1], f"key {round_}"))
    assert len(await noted_trips(application.database)) == 20 * len(people)
