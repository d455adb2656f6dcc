"""The outbox: every committed change is announced, and none before its commit."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from uuid import uuid4

import pytest

from application.application import Application
from models.trip_life import TripStatus
from models.values import Role
from models.visibility import Actor
from services.accounts.users import user_of
from services.events import outbox as outbox_module
from services.events import sweep as sweep_module
from services.events.outbox import Outbox, OutboxTransaction
from services.live.messages import PoolSnapshot, TripOffered, TripWithdrawn
from services.live.pool_feed import PoolFeed
from services.trips import rows as trip_rows
from tests.support.live import RecordingSink
from tests.support.waiting import until


@pytest.fixture
async def rider(application: Application) -> Actor:
    return await _signed_up(application, Role.RIDER)


@pytest.fixture
async def driver(application: Application) -> Actor:
    return await _signed_up(application, Role.DRIVER)


async def _signed_up(application: Application, role: Role) -> Actor:
    user_id = uuid4()
    await application.database.fetch(
        "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_active, "
        "is_staff, created) VALUES ($1, $2, $2, 'x', 'Some', 'Body', $3, $4, $5, {now})",
        user_id,
        f"{user_id}@example.com",
        role,
        True,
        False,
    )
    rows = await application.database.fetch("SELECT * FROM users WHERE id = $1", user_id)
    return (await application.services.sessions.begin(user_of(rows[0]))).actor


@pytest.fixture
async def pool(application: Application, driver: Actor) -> AsyncIterator[RecordingSink]:
    """The events of the pool that a driver receives, after an empty snapshot."""
    sink = RecordingSink()
    services = application.services
    subscription = await services.hub.subscribe(PoolFeed(driver, services.topics, radius_m=3_000), sink)
    assert await sink.next() == PoolSnapshot((), truncated=False)
    yield sink
    subscription.end()


@pytest.fixture
def quick_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first fixture of a test: a running application would wait a second for its first sweep."""
    monkeypatch.setattr(sweep_module, "SWEEP_INTERVAL_S", 0.02)
    monkeypatch.setattr(sweep_module, "SWEEP_AGE_S", 0)


async def request(application: Application, rider: Actor) -> Any:
    return await application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")


async def notes(application: Application) -> int:
    return (await application.database.fetch("SELECT count(*) AS notes FROM outbox"))[0]["notes"]


async def none_is_left(application: Application) -> bool:
    return await notes(application) == 0


def die_before_publishing(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the process loses what it has just committed."""
    monkeypatch.setattr(outbox, "_enqueue", lambda _: None)


async def test_a_change_is_announced_and_its_note_deleted(
    application: Application, rider: Actor, pool: RecordingSink
) -> None:
    trip = await request(application, rider)
    assert await pool.next() == TripOffered(trip)
    await until(lambda: none_is_left(application))


async def test_a_change_whose_process_died_before_publishing_is_swept_and_reaches_subscribers(
    quick_sweep: None, application: Application, rider: Actor, pool: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        die_before_publishing(application.outbox, dying)
        trip = await request(application, rider)
        assert await notes(application) == 1
    assert await pool.next() == TripOffered(trip)
    await until(lambda: none_is_left(application))


async def test_a_sweep_announces_the_current_state(
    quick_sweep: None,
    application: Application,
    rider: Actor,
    pool: RecordingSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taker = await _signed_up(application, Role.DRIVER)
    with monkeypatch.context() as dying:
        die_before_publishing(application.outbox, dying)
        # The sweep waits until both are committed.
        dying.setattr(sweep_module, "SWEEP_AGE_S", 60)
        trip = await request(application, rider)
        taken = await application.services.trips.update(taker, trip_id=trip.id, status=TripStatus.STARTED)
    withdrawn = await pool.next()
    assert isinstance(withdrawn, TripWithdrawn)
    assert (withdrawn.trip_id, withdrawn.version) == (trip.id, taken.version)
    await until(lambda: none_is_left(application))
    assert await a_request_comes_next(application, rider, pool)


async def a_request_comes_next(application: Application, rider: Actor, pool: RecordingSink) -> bool:
    trip = await request(application, rider)
    return await pool.next() == TripOffered(trip)


async def fail(*_: object) -> None:
    raise ConnectionError("scripted")


async def test_a_change_that_is_swept_twice_is_seen_once(
    application: Application, rider: Actor, pool: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "SWEEP_AGE_S", -1)
    with monkeypatch.context() as dying:
        die_before_publishing(application.outbox, dying)
        trip = await request(application, rider)
    sweep = application.outbox.sweep
    with monkeypatch.context() as failing:
        failing.setattr(application.outbox._handover, "published", fail)
        with pytest.raises(ConnectionError):
            await sweep.run_once()
    # Its claim is over.
    await application.database.fetch("UPDATE outbox SET claimed_until = {now}")
    await sweep.run_once()
    assert await pool.next() == TripOffered(trip)
    await until(lambda: none_is_left(application))
    assert await a_request_comes_next(application, rider, pool)


async def test_many_notes_of_one_trip_are_one_announcement_and_a_page_of_trips_one_read(
    application: Application, rider: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also changes of this millisecond.
    monkeypatch.setattr(sweep_module, "SWEEP_AGE_S", -1)
    monkeypatch.setattr(sweep_module, "SWEEP_LIMIT", 6)
    trips = application.services.trips
    with monkeypatch.context() as dying:
        die_before_publishing(application.outbox, dying)
        for _ in range(7):
            trip = await request(application, rider)
            await trips.update(rider, trip_id=trip.id, status=TripStatus.CANCELLED)
    announced: list[int] = []
    reads: list[int] = []
    find_all = trip_rows.find_all

    async def count(database: Any, trip_ids: Any) -> Any:
        reads.append(len(trip_ids))
        return await find_all(database, trip_ids)

    async def publish(events: Sequence[Any]) -> bool:
        announced.append(len(events))
        return True

    monkeypatch.setattr(trip_rows, "find_all", count)
    monkeypatch.setattr(application.bus, "publish", publish)

    await application.outbox.sweep.run_once()

    assert reads == [3, 3, 1], "pages of six notes, until none is left"
    assert announced == [3, 3, 1]
    assert await none_is_left(application)


async def test_a_note_stays_until_the_bus_has_accepted_the_message(
    quick_sweep: None, application: Application, rider: Actor, pool: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0

    async def refuse(_: Sequence[Any]) -> bool:
        nonlocal refused
        refused += 1
        return False

    with monkeypatch.context() as away:
        away.setattr(application.bus, "publish", refuse)
        trip = await request(application, rider)
        await until(lambda: refused > 2)
        assert await notes(application) == 1
    assert await pool.next() == TripOffered(trip)
    await until(lambda: none_is_left(application))


async def test_a_bus_that_raises_does_not_end_the_publishing(
    quick_sweep: None, application: Application, rider: Actor, pool: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, failures = application.bus.publish, 1

    async def fail_once(events: Sequence[Any]) -> bool:
        nonlocal failures
        if failures:
            failures -= 1
            raise ValueError("a failure of ours")
        return await publish(events)

    monkeypatch.setattr(application.bus, "publish", fail_once)
    assert await a_request_comes_next(application, rider, pool)


async def test_nothing_is_published_inside_a_transaction(
    application: Application, rider: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed: list[int] = []
    enqueue = cast("Any", application.outbox)._enqueue

    def check(publication: Any) -> None:
        assert not open_transactions
        committed.extend(publication.note_ids)
        enqueue(publication)

    open_transactions: list[object] = []
    transaction = application.database.transaction

    class Watched:
        def __init__(self) -> None:
            self._inner = transaction()

        async def __aenter__(self) -> Any:
            open_transactions.append(self)
            return await self._inner.__aenter__()

        async def __aexit__(self, *error: Any) -> Any:
            result = await self._inner.__aexit__(*error)
            open_transactions.remove(self)
            return result

    monkeypatch.setattr(application.database, "transaction", Watched)
    monkeypatch.setattr(application.outbox, "_enqueue", check)
    trip = await request(application, rider)
    await application.services.trips.update(rider, trip_id=trip.id, status=TripStatus.CANCELLED)
    session = await application.services.sessions.begin(rider.user)
    await application.services.sessions.end(session.actor)
    assert len(committed) == 3


# On PostgreSQL a change and its note are one statement.
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_change_that_is_rolled_back_leaves_no_note(
    application: Application, rider: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_trip = OutboxTransaction.note_trip

    async def note_and_fail(*args: Any, **options: Any) -> Any:
        await note_trip(*args, **options)
        raise ValueError("after the note")

    monkeypatch.setattr(OutboxTransaction, "note_trip", note_and_fail)
    with pytest.raises(ValueError, match="after the note"):
        await request(application, rider)
    assert await notes(application) == 0
    assert (await application.database.fetch("SELECT count(*) AS trips FROM trips"))[0]["trips"] == 0


async def test_the_memory_for_messages_that_wait_for_the_broker_is_bounded(
    application: Application, rider: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "MAX_WAITING", 2)
    outbox = cast("Any", application.outbox)
    with monkeypatch.context() as held:
        held.setattr(outbox._work, "set", lambda: None)
        for _ in range(5):
            await request(application, rider)
        assert len(outbox._waiting) == 2
    # Messages that did not fit into the memory are swept.
    monkeypatch.setattr(sweep_module, "SWEEP_AGE_S", -1)
    await application.outbox.sweep.run_once()
    await until(lambda: none_is_left(application))


async def test_the_end_of_a_session_is_swept_too(
    quick_sweep: None, application: Application, rider: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    session = await application.services.sessions.begin(rider.user)
    application.live_sessions.register(session.actor.session_id, lambda: closed.append("closed"))
    with monkeypatch.context() as dying:
        die_before_publishing(application.outbox, dying)
        await application.services.sessions.end(session.actor)
    await until(lambda: closed)
    await until(lambda: none_is_left(application))
