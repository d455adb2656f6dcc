"""The worker that sends webhooks, with receivers that hang, refuse, redirect, or are somewhere else."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.trip_life import CancelCode, TripStatus
from models.visibility import Actor
from services.events.outbox import Outbox
from services.notifications.outgoing import MAX_LOOK_UPS
from services.webhooks import deliveries, sender
from services.webhooks.deliveries import CLAIM_S, DAY_S
from services.webhooks.endpoints import MAX_ENDPOINTS
from services.webhooks.events import EVENT_TYPES
from tests.support.database_rows import add_driver, add_rider, notes
from tests.support.waiting import PATIENCE_S, until
from tests.support.webhooks import (
    Receiver,
    add_endpoint,
    allowing,
    make_due,
    receiving,
    rows_of,
    sending_to,
)

REASON = "Moved away"


@pytest.fixture
async def embedded(settings: Settings, receiver: Receiver) -> AsyncIterator[Application]:
    """An application on SQLite alone, for what has nothing to do with the database."""
    async with sending_to(settings, receiver) as application:
        await application.periodic_jobs.stop()
        yield application


async def published(application: Application) -> None:
    """Return when no change waits to be published."""

    async def none_is_left() -> bool:
        return not await notes(application.database)

    await until(none_is_left)


async def request(application: Application) -> Any:
    """A new trip of a new rider, whose change was published."""
    rider = await add_rider(application.database)
    trip = await application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
    await published(application)
    return trip


async def ride(application: Application) -> tuple[Actor, Actor]:
    """All that can happen to a trip, but expiry; returns the rider and the driver who was not replaced."""
    rider = await add_rider(application.database)
    former, driver = await add_driver(application.database), await add_driver(application.database)
    trips = application.services.trips
    trip = await trips.request(rider, pick_up_address="Here", drop_off_address="There")
    await trips.update(former, trip_id=trip.id, status=TripStatus.STARTED)
    await application.database.fetch("UPDATE trips SET pick_up_lat = NULL WHERE id = $1", trip.id)
    await application.services.arrivals.report(former, trip_id=trip.id)
    await trips.update(
        former, trip_id=trip.id, status=TripStatus.REQUESTED, reason=REASON, cancel_code=CancelCode.SAFETY
    )
    for status in (TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.COMPLETED):
        await trips.update(driver, trip_id=trip.id, status=status)
    other = await trips.request(rider, pick_up_address="Here", drop_off_address="There")
    await trips.update(
        rider,
        trip_id=other.id,
        status=TripStatus.CANCELLED,
        reason=REASON,
        cancel_code=CancelCode.CHANGED_PLANS,
    )
    await published(application)
    return rider, driver


async def test_a_ride_is_told_change_by_change_and_verified_by_the_library_of_the_specification(
    application: Application, receiver: Receiver
) -> None:
    _, secret = await add_endpoint(application, receiver.url)
    rider, driver = await ride(application)
    await application.webhook_sender.send_due()
    events = {received.id: received.verified(secret) for received in receiver.got}
    assert len(events) == 9
    told = sorted(events.values(), key=lambda event: (event["data"]["created"], event["data"]["version"]))
    assert [event["type"] for event in told] == [
        "trip.requested",
        "trip.accepted",
        "trip.driver_arrived",
        "trip.given_back",
        "trip.accepted",
        "trip.in_progress",
        "trip.completed",
        "trip.requested",
        "trip.cancelled",
    ]
    assert {event["type"] for event in told} == set(EVENT_TYPES) - {"trip.expired"}
    assert [event["data"]["status"] for event in told][:5] == [
        *("REQUESTED", "STARTED", "STARTED", "REQUESTED", "STARTED")
    ]
    assert {event["data"]["riderId"] for event in told} == {str(rider.id)}
    without_driver = [index for index, event in enumerate(told) if event["data"]["driverId"] is None]
    assert without_driver == [0, 3, 7, 8]
    assert told[6]["data"]["driverId"] == str(driver.id)
    assert [bool(event["data"]["arrivedAt"]) for event in told].count(True) == 1
    assert [told[index]["data"]["cancelCode"] for index in (3, 8)] == ["SAFETY", "CHANGED_PLANS"]
    assert all(received.path == "/hook" for received in receiver.got)
    assert all(received.headers["content-type"] == "application/json" for received in receiver.got)
    text = b"".join(received.body for received in receiver.got).decode()
    assert not [word for word in (REASON, "pin", rider.user.username, rider.user.last_name) if word in text]
    assert await application.webhook_deliveries.waiting() == 0
    assert application.counters.webhooks_delivered == 9


async def test_a_webhook_that_fails_comes_again_with_the_same_id_and_payload_and_another_time(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [(500, {}, b"<b>broken</b>\x00\n"), (200, {}, b"")]
    _, secret = await add_endpoint(application, receiver.url)
    await request(application)
    await application.webhook_sender.send_due()
    (row,) = await rows_of(application)
    assert (row["status"], row["attempts"], row["last_status"]) == ("WAITING", 1, 500)
    assert row["last_answer"] == "<b>broken</b>"
    # Not before it is due.
    await application.webhook_sender.send_due()
    assert len(receiver.got) == 1
    later = sender.time.time() + 5
    monkeypatch.setattr(sender.time, "time", lambda: later)
    await make_due(application)
    await application.webhook_sender.send_due()
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert second.verified(secret)["type"] == "trip.requested"
    assert (await rows_of(application))[0]["status"] == "DELIVERED"


async def test_while_a_secret_is_rotated_both_verify_and_a_day_later_only_the_new_one(
    application: Application, receiver: Receiver
) -> None:
    endpoint_id, former = await add_endpoint(application, receiver.url)
    secret = await application.webhooks.rotate(endpoint_id)
    assert secret != former
    await application.webhooks.test(endpoint_id)
    await application.webhook_sender.send_due()
    assert receiver.got[0].verified(secret) == receiver.got[0].verified(former)
    await application.database.fetch(
        f"UPDATE webhook_endpoints SET former_until = {application.database.sql.ago(1)}"
    )
    await application.webhooks.test(endpoint_id)
    await application.webhook_sender.send_due()
    assert receiver.got[1].verified(secret)["type"] == "webhook.test"
    with pytest.raises(Exception, match="No matching signature"):
        receiver.got[1].verified(former)
    assert receiver.got[0].id != receiver.got[1].id


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_the_attempts_follow_the_schedule_for_a_day_and_then_it_is_a_dead_letter(
    embedded: Application, receiver: Receiver
) -> None:
    receiver.answers = [(500, {}, b"no")]
    await add_endpoint(embedded, receiver.url)
    await request(embedded)
    database, waits, age_s = embedded.database, [], 0
    while True:
        await embedded.webhook_sender.send_due()
        (row,) = await rows_of(embedded)
        if row["status"] == "DEAD":
            break
        (wait,) = await database.fetch("SELECT unixepoch(due) - unixepoch(attempted) AS s FROM webhook_deliveries")
        waits.append(wait["s"])
        age_s += wait["s"]
        await database.fetch(f"UPDATE webhook_deliveries SET queued = {database.sql.ago(age_s)}")
        await make_due(embedded)
    for wait, planned in zip(waits[:-1], sender.RETRY_S, strict=False):
        assert abs(wait - planned) <= planned * sender.JITTER + 1
    # The last one is a day after the first.
    assert len(waits) == len(sender.RETRY_S)
    assert abs(age_s - DAY_S) < 60
    assert row["attempts"] == len(waits) + 1
    assert embedded.counters.webhooks_given_up == 1


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    ("after", "wait_s"),
    [("120", 120), ("0", 1), ("999999", 3600), ("-5", sender.QUIET_S), ("soon", sender.QUIET_S), ("9" * 400, 10)],
)
async def test_a_receiver_that_is_overloaded_is_left_alone_as_long_as_it_asks_within_bounds(
    embedded: Application, receiver: Receiver, after: str, wait_s: int
) -> None:
    receiver.answers = [(429, {"Retry-After": after}, b""), (200, {}, b"")]
    await add_endpoint(embedded, receiver.url)
    await request(embedded)
    await embedded.webhook_sender.send_due()
    (row,) = await embedded.database.fetch(
        "SELECT unixepoch(quiet_until) - unixepoch('now') AS s FROM webhook_endpoints"
    )
    assert wait_s - 2 <= row["s"] <= wait_s + 1
    await embedded.database.fetch(f"UPDATE webhook_deliveries SET due = {embedded.database.sql.ago(0)}")
    await request(embedded)
    await embedded.webhook_sender.send_due()
    assert len(receiver.got) == (1 if wait_s > 1 else len(receiver.got))


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_retry_after_may_be_a_date(embedded: Application, receiver: Receiver) -> None:
    at = datetime.now(UTC) + timedelta(seconds=900)
    receiver.answers = [(503, {"Retry-After": format_datetime(at, usegmt=True)}, b"")]
    await add_endpoint(embedded, receiver.url)
    await request(embedded)
    await embedded.webhook_sender.send_due()
    (row,) = await embedded.database.fetch("SELECT unixepoch(due) - unixepoch('now') AS s FROM webhook_deliveries")
    assert 880 < row["s"] <= 900


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    "after", [f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT", f"Mon, 01 Jan 2024 00:00:00 +{'9' * 30}"]
)
async def test_a_date_that_no_calendar_has_counts_as_none_and_the_failure_is_written(
    embedded: Application, receiver: Receiver, after: str
) -> None:
    receiver.answers = [(500, {"Retry-After": after}, b"no")]
    await add_endpoint(embedded, receiver.url)
    await request(embedded)
    await embedded.webhook_sender.send_due()
    (row,) = await rows_of(embedded)
    # Otherwise it stays claimed, is sent for ever and never becomes a dead letter.
    assert (row["status"], row["attempts"], row["last_status"], row["last_answer"]) == ("WAITING", 1, 500, "no")


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_date_in_the_form_of_asctime_is_in_utc_wherever_the_server_is(
    embedded: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        at = datetime.now(UTC) + timedelta(seconds=900)
        receiver.answers = [(503, {"Retry-After": at.strftime("%a %b %d %H:%M:%S %Y")}, b"")]
        await add_endpoint(embedded, receiver.url)
        await request(embedded)
        await embedded.webhook_sender.send_due()
    finally:
        monkeypatch.undo()
        time.tzset()
    (row,) = await embedded.database.fetch("SELECT unixepoch(due) - unixepoch('now') AS s FROM webhook_deliveries")
    assert 880 < row["s"] <= 900


async def test_a_receiver_that_answers_gone_hears_nothing_more(
    application: Application, receiver: Receiver
) -> None:
    receiver.answers = [(410, {}, b"")]
    await add_endpoint(application, receiver.url)
    await request(application)
    await application.webhook_sender.send_due()
    (endpoint,) = await application.webhook_endpoints.all()
    assert endpoint.disabled_by == "GONE"
    assert (await rows_of(application))[0]["status"] == "DEAD"
    await request(application)
    await application.webhook_sender.send_due()
    assert len(receiver.got) == 1
    assert len(await rows_of(application)) == 1


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_redirect_is_a_failure_and_not_followed(embedded: Application, receiver: Receiver) -> None:
    receiver.answers = [(302, {"Location": "http://169.254.169.254/latest/meta-data"}, b"")]
    await add_endpoint(embedded, receiver.url)
    await request(embedded)
    await embedded.webhook_sender.send_due()
    assert [(row["status"], row["last_status"]) for row in await rows_of(embedded)] == [("WAITING", 302)]
    assert len(receiver.got) == 1


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.1/",
        "http://taxi.example/",
        "https://user:pw@taxi.example/",
        "file:///etc/passwd",
    ],
)
async def test_an_address_within_the_own_network_is_neither_added_nor_reached(
    embedded: Application, url: str
) -> None:
    with pytest.raises(Exception, match="Nothing can be sent to this address"):
        await embedded.webhooks.add(url=url)
    # Even if somebody writes it into the table, or the name changes afterwards.
    await embedded.database.fetch(
        "INSERT INTO webhook_endpoints (id, url, description, event_types, secret, created, begins) "
        "VALUES ('6b0b2f0e-0000-4000-8000-000000000000', $1, '', '', 'whsec_AAAA', {now}, {now})",
        url,
    )
    await request(embedded)
    await embedded.webhook_sender.send_due()
    (row,) = await rows_of(embedded)
    assert (row["status"], row["last_status"], row["attempts"]) == ("WAITING", None, 1)


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_receiver_that_hangs_delays_neither_requests_nor_other_endpoints_and_has_four_at_a_time(
    settings: Settings, receiver: Receiver
) -> None:
    async with receiving() as other, sending_to(settings, receiver, other) as application:
        receiver.hangs = True
        await add_endpoint(application, receiver.url)
        _, secret = await add_endpoint(application, other.url)
        for _ in range(8):
            await request(application)
        sending = asyncio.create_task(application.webhook_sender.send_due())
        await until(lambda: len(other.got) == 8 and receiver.under_way == sender.AT_ONCE)
        assert other.got[0].verified(secret)["type"] == "trip.requested"
        # The last one comes while the first ones hang.
        await request(application)
        await application.webhook_sender._look()
        await until(lambda: len(other.got) == 9)
        assert receiver.most_under_way == sender.AT_ONCE
        assert not sending.done()
        # The server stops without waiting for it.
        sending.cancel()


@pytest.fixture
def requests_hang_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits until a request is given up waits longer than the test."""
    monkeypatch.setattr("application.application.TIMEOUT_S", 2 * PATIENCE_S)


@pytest.mark.attack("abuse")
@pytest.mark.usefixtures("requests_hang_for_long")
async def test_while_requests_hang_the_free_places_of_the_same_endpoint_go_on_at_once(
    application: Application, receiver: Receiver
) -> None:
    receiver.hangs = True
    await add_endpoint(application, receiver.url)
    # By itself, as in a server: each change wakes it.
    await application.webhook_sender.start()
    for number in range(1, sender.AT_ONCE):
        await request(application)
        await until(lambda number=number: receiver.under_way == number)
    receiver.hangs = False
    for number in range(1, 6):
        trip = await request(application)
        await until(lambda number=number: application.counters.webhooks_delivered == number)
        assert receiver.got[-1].id == f"trip_{trip.id.hex}_1"
    assert application.counters.webhooks_failed == 0
    assert receiver.under_way == sender.AT_ONCE - 1


async def test_a_process_that_is_killed_while_it_sends_leaves_the_webhook_to_another(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.hangs = True
    async with sending_to(settings, receiver) as application:
        _, secret = await add_endpoint(application, receiver.url)
        await request(application)
        sending = asyncio.create_task(application.webhook_sender.send_due())
        await receiver.asked.wait()
        # Nobody else gets it meanwhile.
        (endpoint,) = await application.webhook_endpoints.all()
        assert await application.webhook_deliveries.claim(endpoint.id, 10) == []
        sending.cancel()
    receiver.hangs = False
    if settings.redis_url is None:
        settings = settings.model_copy()
    async with sending_to(settings, receiver) as other:
        await other.webhook_sender.send_due()
        assert len(receiver.got) == 1
        sql = other.database.sql
        await other.database.fetch(
            f"UPDATE webhook_deliveries SET due = {sql.ago(0)} WHERE due <= {sql.ago(-CLAIM_S)}"
        )
        await other.webhook_sender.send_due()
        assert [received.id for received in receiver.got] == [receiver.got[0].id] * 2
        assert receiver.got[1].verified(secret)["type"] == "trip.requested"
        assert [row["status"] for row in await rows_of(other)] == ["DELIVERED"]


async def test_a_process_killed_between_the_commit_and_publishing_still_sends(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sending_to(settings, receiver) as application:
        await add_endpoint(application, receiver.url)
        with monkeypatch.context() as dying:
            dying.setattr(Outbox, "_enqueue", lambda *_: None)
            rider = await add_rider(application.database)
            await application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
    monkeypatch.setattr("services.events.sweep.SWEEP_AGE_S", -1)
    monkeypatch.setattr("services.events.sweep.SWEEP_INTERVAL_S", 0.02)
    # By itself: the sweep publishes, the handover wakes the sender.
    async with running(Application(allowing(settings, receiver))):
        await receiver.asked.wait()
    assert receiver.types == ["trip.requested"]


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_an_endpoint_that_only_fails_is_failing_and_after_days_disabled_and_a_success_ends_it(
    embedded: Application, receiver: Receiver
) -> None:
    receiver.answers = [(500, {}, b""), (500, {}, b""), (200, {}, b"")]
    endpoint_id, _ = await add_endpoint(embedded, receiver.url)
    database = embedded.database

    async def since(age_s: int) -> None:
        await database.fetch(f"UPDATE webhook_endpoints SET failing_since = {database.sql.ago(age_s)}")

    async def state() -> tuple[bool, str | None]:
        (endpoint,) = await embedded.webhook_endpoints.all()
        return endpoint.is_failing, endpoint.disabled_by

    await request(embedded)
    await embedded.webhook_sender.send_due()
    assert await state() == (False, None)
    await since(16 * 60)
    assert await state() == (True, None)
    assert await embedded.webhook_endpoints.failing() == 1
    await make_due(embedded)
    await embedded.webhook_sender.send_due()
    await since(5 * DAY_S + 1)
    await embedded.webhook_sender.tend()
    assert await state() == (False, "FAILURES")
    await embedded.webhooks.enable(endpoint_id)
    assert await state() == (False, None)
    await since(16 * 60)
    await make_due(embedded)
    await embedded.webhook_sender.send_due()
    assert await state() == (False, None)
    assert (await rows_of(embedded))[0]["status"] == "DELIVERED"


async def test_old_rows_are_removed_in_batches_and_what_waits_for_a_disabled_endpoint_ends_after_a_day(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 2)
    monkeypatch.setattr(deliveries, "MAX_KEPT", 4)
    endpoint_id, _ = await add_endpoint(application, receiver.url)
    database, sql = application.database, application.database.sql

    async def add(number: int, status: str, ended: str) -> None:
        for _ in range(number):
            await database.fetch(
                "INSERT INTO webhook_deliveries (endpoint_id, event_type, status, created, queued, due, attempts, "
                f"ended, last_answer) VALUES ($1, 'webhook.test', $2, {{now}}, {{now}}, {{now}}, 0, {ended}, '')",
                endpoint_id,
                status,
            )

    await add(3, "DELIVERED", sql.ago(3 * DAY_S + 60))
    await add(1, "DELIVERED", sql.ago(2 * DAY_S))
    await add(2, "DEAD", sql.ago(29 * DAY_S))
    await add(3, "DEAD", sql.ago(31 * DAY_S))
    await add(3, "WAITING", "NULL")
    await application.webhook_sender.tend()
    # The newest four, of which those that wait are never removed.
    assert [row["status"] for row in await rows_of(application)] == ["DEAD", *["WAITING"] * 3]
    await application.webhooks.disable(endpoint_id)
    await application.webhook_sender.tend()
    assert await application.webhook_deliveries.waiting() == 0
    assert [row["status"] for row in await rows_of(application)][1:] == ["WAITING"] * 3
    await database.fetch(f"UPDATE webhook_endpoints SET disabled = {sql.ago(DAY_S + 60)}")
    await application.webhook_sender.tend()
    assert {row["status"] for row in await rows_of(application)} == {"DEAD"}


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_an_unexpected_failure_counts_as_an_attempt_and_stops_no_other_webhook(
    embedded: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = await add_endpoint(embedded, receiver.url)
    first = await request(embedded)
    await request(embedded)
    post = embedded.outgoing.post

    async def fail_for_the_first(url: str, *, headers: Any, body: bytes) -> Any:
        if str(first.id) in body.decode():
            raise ZeroDivisionError
        return await post(url, headers=headers, body=body)

    monkeypatch.setattr(embedded.outgoing, "post", fail_for_the_first)
    await embedded.webhook_sender.send_due()
    failed, delivered = await rows_of(embedded)
    assert (failed["status"], failed["attempts"], failed["last_status"]) == ("WAITING", 1, None)
    assert failed["due"] > failed["attempted"]
    assert delivered["status"] == "DELIVERED"
    assert receiver.got[0].verified(secret)["type"] == "trip.requested"


def test_names_that_hang_cannot_keep_an_endpoint_from_its_look_up() -> None:
    assert MAX_ENDPOINTS < MAX_LOOK_UPS


async def test_a_trip_that_was_removed_takes_its_webhooks_with_it(
    application: Application, receiver: Receiver
) -> None:
    await add_endpoint(application, receiver.url)
    trip = await request(application)
    await application.database.fetch("DELETE FROM trips WHERE id = $1", trip.id)
    await application.webhook_sender.send_due()
    assert receiver.got == []
    assert await rows_of(application) == []
