"""Waiting changes are published by one process, whatever happens to it, and deleted notes cost nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.trip_life import TripStatus
from services.events import sweep as sweep_module
from services.trips.announcements import read_message
from tests.services.database.test_query_plans import recorded
from tests.support.database_rows import add_rider, add_trip, notes
from tests.support.waiting import until

pytestmark = pytest.mark.parametrize("backend", ["production"], indirect=True)


@asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[Application]:
    """A server process whose sweeps are run by the test."""
    application = Application(settings)
    async with running(application):
        await application.periodic_jobs.stop()
        await application.outbox.stop()
        yield application


@pytest.fixture
async def one(settings: Settings) -> AsyncIterator[Application]:
    async with process(settings) as application:
        yield application


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Application]:
    async with process(settings) as application:
        yield application


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, one: Application, other: Application) -> list[bytes]:
    """Every message that one of the two processes has published."""
    messages: list[bytes] = []

    def watch(application: Application) -> None:
        publish = application.bus.publish

        async def and_note(events: Sequence[tuple[Sequence[str], bytes]]) -> bool:
            messages.extend(message for _, message in events)
            return await publish(events)

        monkeypatch.setattr(application.bus, "publish", and_note)

    watch(one)
    watch(other)
    return messages


async def leave_notes(application: Application, number: int) -> list[UUID]:
    """Trips whose processes have died before they announced them, a minute ago."""
    database = application.database
    rider = await add_rider(database)
    trips = [await add_trip(database, rider) for _ in range(number)]
    await database.fetch(
        "INSERT INTO outbox (trip_id, version, for_pool, created) "
        f"SELECT id, 1, TRUE, {database.sql.ago(60)} FROM {database.sql.ids(1)} ids",
        trips,
    )
    return trips


async def end_claims(application: Application) -> None:
    await application.database.fetch("UPDATE outbox SET claimed_until = {now}")


async def test_processes_that_sweep_together_publish_each_waiting_change_once(
    one: Application, other: Application, published: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "SWEEP_LIMIT", 5)
    trips = await leave_notes(one, 60)
    await asyncio.gather(one.outbox.sweep.run_once(), other.outbox.sweep.run_once())
    assert sorted(read_message(message)[0].id for message in published) == sorted(trips)
    assert not await notes(one.database)


async def test_what_a_process_has_claimed_waits_for_it_until_the_claim_is_over(
    one: Application, other: Application, published: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_notes(one, 3)
    has_claimed = asyncio.Event()

    async def never(_: object) -> bool:
        has_claimed.set()
        return await asyncio.Event().wait()

    with monkeypatch.context() as dying:
        dying.setattr(one.bus, "publish", never)
        dies = asyncio.create_task(one.outbox.sweep.run_once())
        await has_claimed.wait()
        dies.cancel()
        await asyncio.wait([dies])
    await other.outbox.sweep.run_once()
    assert published == []
    assert len(await notes(one.database)) == 3

    await end_claims(one)
    await other.outbox.sweep.run_once()
    assert len(published) == 3
    assert not await notes(one.database)


async def test_a_claim_ends_by_the_clock_of_the_database(
    one: Application, other: Application, published: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_notes(one, 1)
    await one.outbox.sweep._claim(0)
    (note,) = await one.database.fetch("SELECT claimed_until - now() AS lasts FROM outbox")
    assert 0 < note["lasts"].total_seconds() <= sweep_module.CLAIM_S


async def test_what_the_broker_refuses_is_free_for_all_at_once(
    one: Application, other: Application, published: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_notes(one, 3)

    async def refuse(_: object) -> bool:
        return False

    async def fail(_: object) -> bool:
        raise ConnectionError("scripted")

    with monkeypatch.context() as away:
        away.setattr(one.bus, "publish", refuse)
        await one.outbox.sweep.run_once()
        away.setattr(one.bus, "publish", fail)
        with pytest.raises(ConnectionError):
            await one.outbox.sweep.run_once()
    await other.outbox.sweep.run_once()
    assert len(published) == 3
    assert not await notes(one.database)


async def test_what_was_published_and_could_not_be_deleted_is_published_again(
    one: Application, other: Application, published: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_notes(one, 3)

    async def fail(_: object) -> None:
        raise ConnectionError("scripted")

    with monkeypatch.context() as failing:
        failing.setattr(one.outbox._handover, "published", fail)
        with pytest.raises(ConnectionError):
            await one.outbox.sweep.run_once()
    await end_claims(one)
    await other.outbox.sweep.run_once()
    assert len(published) == 6
    assert not await notes(one.database)


async def test_the_changes_of_a_trip_that_two_processes_sweep_are_its_newest_state(
    one: Application, other: Application, published: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "SWEEP_LIMIT", 1)
    (trip_id,) = await leave_notes(one, 1)
    await one.database.fetch(
        "UPDATE trips SET version = 2, status = $2, expires_at = NULL WHERE id = $1",
        trip_id,
        TripStatus.CANCELLED,
    )
    await one.database.fetch(
        "INSERT INTO outbox (trip_id, version, for_pool, created) SELECT trip_id, 2, TRUE, created FROM outbox"
    )
    await asyncio.gather(one.outbox.sweep.run_once(), other.outbox.sweep.run_once())
    assert {read_message(message)[0].version for message in published} == {2}


# Notes that are deleted, and notes that come late.


async def settles(application: Application) -> None:
    """Sweep until the process knows that everything up to now is settled."""
    (row,) = await application.database.fetch("SELECT pg_sequence_last_value('outbox_id_seq') AS last_id")

    async def is_settled() -> bool:
        await application.outbox.sweep.run_once()
        return application.outbox.sweep._settled.up_to >= row["last_id"]

    await until(is_settled)


async def blocks_of_a_sweep(application: Application) -> int:
    """How many blocks of the database one sweep of no notes reads."""
    with recorded() as seen:
        await application.outbox.sweep.run_once()
    read = 0
    for sql, args in seen:
        (row,) = await application.database.fetch("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql, *args)
        (plan,) = row.values()
        (explained,) = json.loads(plan)
        read += explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]
    return read


async def test_deleted_notes_cost_a_sweep_nothing_while_a_dump_could_still_see_them(
    one: Application, settings: Settings
) -> None:
    dump = await asyncpg.connect(settings.database_url)
    async with dump.transaction(isolation="repeatable_read", readonly=True):
        await dump.fetch("SELECT count(*) FROM outbox")
        await one.database.fetch(
            "INSERT INTO outbox (session_id, for_pool, created) "
            "SELECT gen_random_uuid(), FALSE, now() FROM generate_series(1, 20000)"
        )
        await one.database.fetch("DELETE FROM outbox")
        await one.database.fetch("VACUUM outbox")
        assert await blocks_of_a_sweep(one) > 200, "this process knows nothing yet"
        await settles(one)
        assert await blocks_of_a_sweep(one) < 20
        with recorded() as seen:
            await one.outbox.sweep.oldest_age_s()
        assert "id > $1" in seen[0][0]
        assert seen[0][1] == (one.outbox.sweep._settled.up_to,)
    await dump.close()


async def test_a_note_whose_transaction_commits_late_is_found_although_later_notes_are_settled(
    one: Application, published: list[bytes], settings: Settings
) -> None:
    rider = await add_rider(one.database)
    trip_id = await add_trip(one.database, rider)
    late = await asyncpg.connect(settings.database_url)
    transaction = late.transaction()
    await transaction.start()
    await late.execute("UPDATE trips SET version = 2 WHERE id = $1", trip_id)
    await late.execute(
        "INSERT INTO outbox (trip_id, version, for_pool, created) "
        "VALUES ($1, 2, TRUE, now() - interval '1 minute')",
        trip_id,
    )
    for _ in range(5):
        await leave_notes(one, 2)
        await one.outbox.sweep.run_once()
    assert not await notes(one.database)
    published.clear()
    await transaction.commit()
    await late.close()

    await one.outbox.sweep.run_once()

    assert [read_message(message)[0].version for message in published] == [2]
    assert not await notes(one.database)


async def test_the_first_note_of_a_new_database_is_found(one: Application, published: list[bytes]) -> None:
    for _ in range(5):
        await one.outbox.sweep.run_once()
    await leave_notes(one, 1)
    await one.outbox.sweep.run_once()
    assert len(published) == 1


async def test_a_note_that_nobody_can_publish_yet_stays_in_sight(
    one: Application, published: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_notes(one, 1)

    async def refuse(_: object) -> bool:
        return False

    with monkeypatch.context() as away:
        away.setattr(one.bus, "publish", refuse)
        for _ in range(5):
            await one.outbox.sweep.run_once()
    assert await one.outbox.sweep.oldest_age_s() == pytest.approx(60, abs=30)
    await one.outbox.sweep.run_once()
    assert not await notes(one.database)
