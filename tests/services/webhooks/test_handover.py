"""From the outbox to webhooks: each published change, once, whatever dies in between."""

import asyncio
from typing import Any

import pytest

from application.application import Application
from models.trip_life import TripStatus
from services.events import handover
from services.events import sweep as sweep_module
from services.events.handover import Handover
from services.events.outbox import OutboxTransaction
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_driver, add_rider, notes
from tests.support.waiting import until
from tests.support.webhooks import Receiver, add_endpoint, rows_of


async def request(application: Application) -> Any:
    """A new trip of a new rider."""
    rider = await add_rider(application.database)
    return await application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")


async def published(application: Application) -> None:
    """Return when no change waits to be published."""

    async def none_is_left() -> bool:
        return not await notes(application.database)

    await until(none_is_left)


async def lose_a_ride(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trip is requested, accepted, and given back, by a process that dies after each commit."""
    driver = await add_driver(application.database)
    with monkeypatch.context() as dying:
        dying.setattr(application.outbox, "_enqueue", lambda _: None)
        trip = await request(application)
        for status in (TripStatus.STARTED, TripStatus.REQUESTED):
            await application.services.trips.update(driver, trip_id=trip.id, status=status)


async def sweep(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process finds what was not published."""
    monkeypatch.setattr(sweep_module, "SWEEP_AGE_S", -1)
    await application.outbox.sweep.run_once()
    await published(application)


async def written(application: Application) -> list[tuple[str, int]]:
    return [(row["event_type"], row["version"]) for row in await rows_of(application)]


async def test_each_published_change_is_written_once_for_each_endpoint(
    application: Application, receiver: Receiver
) -> None:
    for _ in range(2):
        await add_endpoint(application, receiver.url)
    await request(application)
    await published(application)
    assert await written(application) == [("trip.requested", 1)] * 2
    assert len({row["endpoint_id"] for row in await rows_of(application)}) == 2


async def test_a_sweep_that_sends_the_state_of_three_changes_once_writes_each_of_them(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_endpoint(application, receiver.url)
    await lose_a_ride(application, monkeypatch)
    assert await rows_of(application) == []
    await sweep(application, monkeypatch)
    await sweep(application, monkeypatch)
    assert await written(application) == [("trip.requested", 1), ("trip.accepted", 2), ("trip.given_back", 3)]


async def test_a_change_that_two_processes_publish_is_written_once(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_endpoint(application, receiver.url)
    await lose_a_ride(application, monkeypatch)
    ids = [note["id"] for note in await notes(application.database)]
    recipient = application.webhook_deliveries.recipient(lambda: None)
    for _ in range(2):
        await Handover(application.database, [recipient]).published(ids)
    assert len(await rows_of(application)) == 3


async def test_a_process_that_dies_between_publishing_and_the_handover_loses_nothing(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_endpoint(application, receiver.url)

    published = asyncio.Event()

    async def die(*_: object) -> None:
        published.set()
        raise ConnectionError

    with monkeypatch.context() as dying:
        dying.setattr(application.outbox._handover, "published", die)
        await request(application)
        await published.wait()
        await application.outbox.stop()
    assert len(await notes(application.database)) == 1
    await application.outbox.start()
    await sweep(application, monkeypatch)
    assert await written(application) == [("trip.requested", 1)]


async def test_a_note_without_a_version_stands_for_all_changes_of_its_trip(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server of the version before wrote it.
    await add_endpoint(application, receiver.url)
    await lose_a_ride(application, monkeypatch)
    await application.database.fetch("UPDATE outbox SET version = NULL")
    await sweep(application, monkeypatch)
    assert [version for _, version in await written(application)] == [1, 2, 3]


async def test_an_endpoint_hears_neither_of_what_was_before_nor_of_other_types_nor_while_it_is_disabled(
    application: Application, receiver: Receiver
) -> None:
    later, _ = await add_endpoint(application, receiver.url)
    await application.database.fetch(
        f"UPDATE webhook_endpoints SET begins = {application.database.sql.ago(-60)} WHERE id = $1", later
    )
    await add_endpoint(application, receiver.url, event_types=["trip.cancelled", "trip.expired"])
    disabled, _ = await add_endpoint(application, receiver.url)
    await application.webhooks.disable(disabled)
    await request(application)
    await published(application)
    assert await rows_of(application) == []


async def test_without_endpoints_a_change_costs_no_statement_more(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await request(application)
    await published(application)
    await application.outbox.stop()
    await application.outbox.start()
    with statements() as seen:
        await request(application)
        await published(application)
    deletions = [sql for sql in seen if "DELETE FROM outbox" in sql]
    assert len(deletions) == 1
    assert deletions[0].startswith("DELETE")
    assert not [sql for sql in seen if "webhook" in sql]
    # Not for ever: others may have added an endpoint.
    monkeypatch.setattr(application.outbox._handover, "_known_until", 0.0)
    with statements() as seen:
        for _ in range(3):
            await request(application)
            await published(application)
    assert len([sql for sql in seen if "webhook" in sql]) == 1


async def test_every_process_knows_of_an_endpoint_before_it_begins_to_hear(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert handover.LOOK_INTERVAL_S < handover.HEARD_AFTER_S
    now = 1000.0
    monkeypatch.setattr(handover.time, "monotonic", lambda: now)
    other = Handover(application.database, [application.webhook_deliveries.recipient(lambda: None)])
    await other.published([0])
    endpoint, _ = await application.webhooks.add(url=receiver.url)
    assert (endpoint.begins - endpoint.created).total_seconds() == pytest.approx(handover.HEARD_AFTER_S, abs=0.5)
    now += handover.LOOK_INTERVAL_S
    await application.database.fetch("UPDATE webhook_endpoints SET begins = created")
    await application.outbox.stop()
    await request(application)
    await other.published([note["id"] for note in await notes(application.database)])
    assert await written(application) == [("trip.requested", 1)]


# On PostgreSQL a change and its note are one statement.
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_change_that_is_rolled_back_sends_nothing(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_endpoint(application, receiver.url)
    note_trip = OutboxTransaction.note_trip

    async def note_and_fail(*args: Any, **options: Any) -> Any:
        await note_trip(*args, **options)
        raise ValueError("after the note")

    with monkeypatch.context() as failing:
        failing.setattr(OutboxTransaction, "note_trip", note_and_fail)
        with pytest.raises(ValueError, match="after the note"):
            await request(application)
    await request(application)
    await published(application)
    assert len(await rows_of(application)) == 1
