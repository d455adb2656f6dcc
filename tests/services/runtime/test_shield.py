"""A disconnect does not interrupt work: every use case that writes is cancelled at every await."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from application.application import Application
from models.trip_life import TripStatus
from models.values import Role
from services.database.connections import Database
from services.database.dialects import uuid
from services.errors import BadInput, ErrorCode, SessionEnded, UserFault, UserFaults
from services.runtime.shield import Shield
from tests.support.api import PASSWORD
from tests.support.database_rows import add_driver, add_rider, add_trip, noted_trips, notes, trip_row
from tests.support.waiting import PATIENCE_S


class Fault(UserFault):
    code = ErrorCode.TRIP_TAKEN


class Counted:
    """Awaits ``work`` and calls ``at_suspension`` whenever it waits for something."""

    def __init__(self, work: Awaitable[Any], at_suspension: Callable[[], None]) -> None:
        self._work = work
        self._at_suspension = at_suspension

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        step, value = steps.send, None
        while True:
            try:
                waits_for = step(value)
            except StopIteration as end:
                return end.value
            self._at_suspension()
            try:
                value, step = (yield waits_for), steps.send
            except BaseException as error:  # goes on where it belongs
                value, step = error, steps.throw


class Interruption:
    """Cancels a client at its own ``at``-th await, or at that of the shielded work."""

    def __init__(self, shield: Shield, at: int, *, within_work: bool) -> None:
        self._shield = shield
        self._at = at
        self._within_work = within_work
        self.suspensions = 0
        self._client: asyncio.Task[Any] | None = None

    def _suspended(self) -> None:
        self.suspensions += 1
        if self.suspensions == self._at and self._client is not None:
            self._client.cancel()

    async def of(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
        """Run the client; returns whether it got far enough to be cancelled."""

        async def client() -> None:
            if self._within_work:
                await call()
            else:
                await Counted(call(), self._suspended)

        run = Shield.run

        async def counted_run(work: Coroutine[Any, Any, Any]) -> Any:
            async def counted() -> Any:
                return await Counted(work, self._suspended)

            return await run(self._shield, counted())

        if self._within_work:
            self._shield.run = counted_run  # pyright: ignore[reportAttributeAccessIssue]
        try:
            self._client = asyncio.create_task(client())
            with suppress(asyncio.CancelledError):
                await self._client
            async with asyncio.timeout(PATIENCE_S):
                await self._shield.drain()
        finally:
            self._shield.__dict__.pop("run", None)
        return self.suspensions >= self._at


async def assert_nothing_is_held(database: Database) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async with database.transaction() as transaction:
            await transaction.fetch("DELETE FROM outbox WHERE id = 0")
        await database.ping()
    client: Any = database._context.db(database._name)
    if database.is_sqlite:
        assert not client._lock.locked()
    else:
        assert client._pool.get_idle_size() == client._pool.get_size()


@dataclass
class Trial:
    """A call, and a check of its result: whether it was done completely. Fails on a half."""

    call: Callable[[], Coroutine[Any, Any, Any]]
    was_done: Callable[[], Coroutine[Any, Any, bool]]


Try = Callable[[Application, int], Coroutine[Any, Any, Trial]]


async def request(application: Application, _: int) -> Trial:
    database, rider = application.database, await add_rider(application.database)

    async def was_done() -> bool:
        rows = await database.fetch("SELECT id FROM trips WHERE rider_id = $1", rider.id)
        noted = [trip_id for trip_id, _, _ in await noted_trips(database)]
        assert [uuid(row["id"]) for row in rows] == noted
        await database.fetch("DELETE FROM outbox")
        return bool(rows)

    return Trial(
        lambda: application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There"),
        was_done,
    )


async def accept(application: Application, _: int) -> Trial:
    database, driver = application.database, await add_driver(application.database)
    trip_id = await add_trip(database, await add_rider(database))

    async def was_done() -> bool:
        row = await trip_row(database, trip_id)
        noted = [noted_id for noted_id, _, _ in await noted_trips(database)]
        done = row["status"] == "STARTED"
        assert (row["version"], row["driver_id"] is not None, noted) == (1 + done, done, [trip_id] * done)
        await database.fetch("DELETE FROM outbox")
        return done

    return Trial(
        lambda: application.services.trips.update(driver, trip_id=trip_id, status=TripStatus.STARTED), was_done
    )


async def sessions_of(database: Database, user_id: UUID) -> list[UUID]:
    rows = await database.fetch("SELECT id FROM sessions WHERE user_id = $1", user_id)
    return [uuid(row["id"]) for row in rows]


async def begin(application: Application, _: int) -> Trial:
    database, rider = application.database, await add_rider(application.database)

    async def was_done() -> bool:
        return len(await sessions_of(database, rider.id)) == 1

    await database.fetch("DELETE FROM sessions WHERE id = $1", rider.session_id)
    return Trial(lambda: application.services.sessions.begin(rider.user), was_done)


async def end(application: Application, _: int) -> Trial:
    database = application.database
    rider = await add_rider(database)

    async def was_done() -> bool:
        left = await sessions_of(database, rider.id)
        noted = [uuid(note["session_id"]) for note in await notes(database)]
        assert noted == ([] if left else [rider.session_id])
        await database.fetch("DELETE FROM outbox")
        return not left

    return Trial(lambda: application.services.sessions.end(rider), was_done)


async def sign_up(application: Application, number: int) -> Trial:
    database = application.database
    username = f"someone{number}@example.com"

    async def was_done() -> bool:
        rows = await database.fetch("SELECT id FROM users WHERE username_key = $1", username)
        if not rows:
            return False
        assert len(await sessions_of(database, uuid(rows[0]["id"]))) == 1
        return True

    return Trial(
        lambda: application.services.accounts.sign_up(
            username=username,
            password1=PASSWORD,
            password2=PASSWORD,
            first_name="Some",
            last_name="One",
            role=Role.RIDER,
        ),
        was_done,
    )


@pytest.fixture
async def quiet(application: Application) -> Application:
    """An application without background writes, so that notes stay."""
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return application


@pytest.mark.parametrize("attempt", [request, accept, begin, end, sign_up])
async def test_a_client_that_disconnects_during_the_work_ends_only_its_own_waiting(
    quiet: Application, attempt: Try
) -> None:
    at = 1
    while True:
        trial = await attempt(quiet, at)
        if not await Interruption(quiet.shield, at, within_work=True).of(trial.call):
            break
        assert await trial.was_done(), f"begun, and then cancelled at await {at}: done all the same"
        await assert_nothing_is_held(quiet.database)
        at += 1
    # On PostgreSQL a change of a trip is one statement.
    assert at > (4 if quiet.database.is_sqlite else 1), "there were several awaits to be cancelled at"


@pytest.mark.parametrize("attempt", [request, accept, begin, end, sign_up])
async def test_a_client_that_disconnects_at_any_await_leaves_all_or_nothing(
    quiet: Application, attempt: Try
) -> None:
    at = 1
    while True:
        trial = await attempt(quiet, 1000 + at)
        was_cancelled = await Interruption(quiet.shield, at, within_work=False).of(trial.call)
        was_done = await trial.was_done()
        await assert_nothing_is_held(quiet.database)
        if not was_cancelled:
            break
        at += 1
    assert was_done
    assert at > 1


async def test_a_change_is_announced_although_its_client_has_disconnected(application: Application) -> None:
    """With the outbox running, the driver's pool receives a request whose rider has disconnected."""
    rider = await add_rider(application.database)
    async with application.bus.listen(application.services.topics.pool) as messages:
        call = asyncio.create_task(
            application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
        )
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(PATIENCE_S):
            message = await anext(aiter(messages))

    assert str(rider.id).encode() in message


async def test_work_returns_its_result_or_raises_to_the_waiting_caller() -> None:
    shield = Shield()

    async def good() -> int:
        return 7

    async def bad() -> int:
        raise Fault("no")

    assert await shield.run(good()) == 7
    with pytest.raises(Fault):
        await shield.run(bad())
    async with asyncio.timeout(PATIENCE_S):
        await shield.drain()


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [
        (RuntimeError("broken"), True),
        (Fault("late"), False),
        (UserFaults([]), False),
        (BadInput("bad"), False),
        (SessionEnded(), False),
    ],
)
async def test_a_failure_that_no_caller_awaits_is_logged_unless_it_is_the_clients_fault(
    error: Exception, is_logged: bool
) -> None:
    shield, go = Shield(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        raise error

    waiting = asyncio.create_task(shield.run(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with capture_logs() as logs:
        go.set()
        await shield.drain()
        await asyncio.sleep(0)

    assert [entry["log_level"] for entry in logs] == ["error"] * is_logged


async def test_draining_waits_for_work_whose_client_has_disconnected() -> None:
    shield, go, done = Shield(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    waiting = asyncio.create_task(shield.run(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    draining = asyncio.create_task(shield.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    go.set()
    async with asyncio.timeout(PATIENCE_S):
        await draining
    assert done.is_set()
