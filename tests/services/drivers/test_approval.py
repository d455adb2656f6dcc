"""Approval of drivers: who waits, what they see and take, what they are told, and simultaneous decisions."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.standing import PauseReason
from models.trip_life import TripStatus
from models.values import Approval, Role
from models.visibility import Actor, Audience, audience_of
from services.drivers.faults import DriverNotApproved
from services.errors import BadInput
from services.live.feeds import NotFound, TripFeed
from services.live.messages import PoolSnapshot, TripState
from services.staff.staff import NoSuchUser, StaffMember
from services.staff.trail import CommandLine, NotStaff
from services.trips.faults import TripNotFound
from tests.services.drivers.test_duty import NO_OFFERS, follow_pool, paused
from tests.services.positions.test_reporting import Town
from tests.services.trips.test_trips_pages import statements
from tests.support.api import PASSWORD
from tests.support.database_rows import add_trip, notes, set_staff
from tests.support.live import RecordingSink

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
COMPLETED, CANCELLED = TripStatus.COMPLETED, TripStatus.CANCELLED
NOT_APPROVED = paused(PauseReason.NOT_APPROVED)


class Office(Town):
    """A town where staff approve drivers, and one member of staff."""

    member: StaffMember

    async def hire(self) -> None:
        """Let the member of staff in."""
        person = await self.rider()
        await set_staff(self.database, person.id)
        self.member = StaffMember(person)

    async def waiting_driver(self) -> Actor:
        driver = await self.driver()
        await self.database.fetch("UPDATE users SET approval = 'WAITING' WHERE id = $1", driver.id)
        return driver

    async def approve(self, driver: Actor) -> None:
        await self.application.approvals.approve(self.member, driver_id=driver.id)

    async def refuse(self, driver: Actor, reason: str = "No licence.") -> None:
        await self.application.approvals.refuse(self.member, driver_id=driver.id, reason=reason)

    async def approval(self, driver: Actor) -> tuple[Approval, str | None]:
        standing = await self.services.standings.of(driver.id)
        return standing.approval, standing.approval_reason

    async def actor(self, driver: Actor) -> Actor:
        """The driver in a new session, as a request reads it."""
        session = await self.services.sessions.begin(driver.user)
        actor = await self.services.sessions.actor_of(session.token)
        assert actor is not None
        return actor


async def office_of(settings: Settings, *, staff_approve: bool = True) -> AsyncIterator[Office]:
    updates = {"location_rate": "off", "trip_rate": "off", "driver_approval": staff_approve}
    application = Application(settings.model_copy(update=updates))
    async with running(application):
        await application.periodic_jobs.stop()
        yield Office(application)


@pytest.fixture
async def town(settings: Settings) -> AsyncIterator[Office]:
    async for office in office_of(settings):
        await office.hire()
        yield office


@pytest.fixture
async def other(settings: Settings, town: Office, backend: str) -> AsyncIterator[Office]:
    """Another process on the same database, where there can be one."""
    if backend == "embedded":
        yield town
        return
    async for office in office_of(settings):
        office.member = town.member
        yield office


async def sign_up(town: Office, role: Role) -> Actor:
    session = await town.services.accounts.sign_up(
        username=f"{role.lower()}-1",
        password1=PASSWORD,
        password2=PASSWORD,
        first_name="Dana",
        last_name="Example",
        role=role,
    )
    return session.actor


async def offers(town: Office, driver: Actor) -> list[UUID]:
    sink = await follow_pool(town, driver)
    content = await sink.next()
    assert isinstance(content, PoolSnapshot)
    return [offer.id for offer in content.offers]


# Who waits.


async def test_a_driver_who_signs_up_waits_and_a_rider_does_not(town: Office) -> None:
    assert await town.approval(await sign_up(town, Role.DRIVER)) == (Approval.WAITING, None)
    assert await town.approval(await sign_up(town, Role.RIDER)) == (Approval.APPROVED, None)


async def test_drivers_from_before_and_those_whom_staff_add_are_approved(town: Office) -> None:
    added = await town.application.staff.add_user(
        town.member, username="dirk", password=PASSWORD, first_name="D", last_name="J", role=Role.DRIVER
    )
    for driver_id in (added.id, (await town.driver()).id):
        assert (await town.services.standings.of(driver_id)).approval is Approval.APPROVED


async def test_without_the_setting_nobody_waits_and_no_decision_counts(settings: Settings) -> None:
    async for town in office_of(settings, staff_approve=False):
        assert await town.approval(await sign_up(town, Role.DRIVER)) == (Approval.APPROVED, None)
        driver, trip_id = await town.waiting_driver(), await town.request(await town.rider())
        assert await offers(town, driver) == [trip_id]
        with statements() as asked:
            actor = await town.actor(driver)
            assert [trip.id for trip in (await town.services.trips.page(actor)).trips] == [trip_id]
        assert not [sql for sql in asked if "approval" in sql]
        await town.moves(driver, trip_id, STARTED)


# Decisions.


async def test_staff_approve_refuse_with_a_reason_and_revoke_and_the_trail_says_so(town: Office) -> None:
    await town.application.outbox.stop()
    driver = await town.waiting_driver()
    await town.refuse(driver, "  Photo is not readable. ")
    assert await town.approval(driver) == (Approval.REFUSED, "Photo is not readable.")
    await town.approve(driver)
    assert await town.approval(driver) == (Approval.APPROVED, None)
    # Saying it again does nothing.
    await town.approve(driver)
    await town.refuse(driver, "Complaints.")
    await town.refuse(driver, "Complaints.")
    assert await town.approval(driver) == (Approval.REFUSED, "Complaints.")
    trail = await town.database.fetch("SELECT action, detail, user_id FROM staff_actions ORDER BY id")
    assert [(row["action"], row["detail"]) for row in trail] == [
        ("REFUSE_DRIVER", "Photo is not readable."),
        ("APPROVE_DRIVER", ""),
        ("REVOKE_APPROVAL", "Complaints."),
    ]
    assert len(await notes(town.database)) == 3


async def test_nobody_decides_about_riders_and_strangers_or_without_a_reason_or_without_being_staff(
    town: Office,
) -> None:
    driver, rider = await town.waiting_driver(), await town.rider()
    for nobody in (rider.id, uuid4()):
        with pytest.raises(NoSuchUser):
            await town.application.approvals.approve(town.member, driver_id=nobody)
    for reason in ("", " \u200b", "x" * 501):
        with pytest.raises(BadInput) as refusal:
            await town.refuse(driver, reason)
        assert refusal.value.field == ("reason",)
    for person in (rider, driver):
        with pytest.raises(NotStaff):
            await town.application.approvals.approve(StaffMember(person), driver_id=driver.id)
    assert await town.approval(driver) == (Approval.WAITING, None)


async def test_two_members_of_staff_who_decide_at_once_leave_what_the_trail_says_last(
    town: Office, other: Office
) -> None:
    for _ in range(5):
        driver = await town.waiting_driver()
        await asyncio.gather(town.approve(driver), other.refuse(driver))
        (last,) = await town.database.fetch(
            "SELECT action FROM staff_actions WHERE user_id = $1 ORDER BY id DESC LIMIT 1", driver.id
        )
        approval, _ = await town.approval(driver)
        assert (approval is Approval.APPROVED) == (last["action"] == "APPROVE_DRIVER")


# What a driver sees and takes without approval.


@pytest.mark.parametrize("approval", ["WAITING", "REFUSED"])
async def test_a_driver_without_approval_sees_no_open_trip_and_takes_none(town: Office, approval: str) -> None:
    driver, rider = await town.driver(), await town.rider()
    await town.database.fetch("UPDATE users SET approval = $1 WHERE id = $2", approval, driver.id)
    trip_id = await town.request(rider)
    actor = await town.actor(driver)
    assert await offers(town, actor) == []
    assert (await town.services.trips.page(actor)).trips == ()
    assert await town.services.trips.find(actor, trip_id=trip_id) is None
    with pytest.raises(DriverNotApproved):
        await town.moves(actor, trip_id, STARTED)
    with pytest.raises(TripNotFound):
        await town.services.arrivals.report(actor, trip_id=trip_id)
    await town.approve(driver)
    # A page is as staff have decided by now, not as it was when the session was read.
    page = await town.services.trips.page(actor)
    assert [(trip.id, audience_of(page.actor, trip)) for trip in page.trips] == [(trip_id, Audience.POOL)]
    actor = await town.actor(driver)
    await town.refuse(driver)
    assert (await town.services.trips.page(actor)).trips == ()
    await town.approve(driver)
    await town.moves(actor, trip_id, STARTED)


@pytest.mark.attack("access")
@pytest.mark.parametrize("is_stale", [False, True])
async def test_accepting_without_approval_says_nothing_of_the_trip(town: Office, is_stale: bool) -> None:
    """Also if the caller was approved when the request began."""
    driver, rider, second = await town.driver(), await town.rider(), await town.driver()
    stale = await town.actor(driver)
    await town.refuse(driver)
    actor = stale if is_stale else await town.actor(driver)
    ids = [uuid4(), await town.request(rider), await add_trip(town.database, rider, expires_in_s=-1)]
    ids += [await add_trip(town.database, rider, status=CANCELLED)]
    ids += [await add_trip(town.database, rider, status=STARTED, driver=second)]
    ids += [await add_trip(town.database, rider, given_back_by=driver)]
    said = set()
    for trip_id in ids:
        for version in (None, 1, 7):
            with pytest.raises(DriverNotApproved) as refusal:
                await town.services.trips.update(actor, trip_id=trip_id, status=STARTED, if_version=version)
            said.add((refusal.value.message, refusal.value.field))
        for status in (REQUESTED, IN_PROGRESS, COMPLETED, CANCELLED):
            if (status, trip_id) == (REQUESTED, ids[-1]):
                # A repeated give-back succeeds.
                continue
            with pytest.raises(TripNotFound):
                await town.services.trips.update(actor, trip_id=trip_id, status=status)
    assert len(said) == 1


async def test_a_driver_whose_approval_is_revoked_on_a_trip_finishes_it_and_gets_no_other(
    town: Office, other: Office
) -> None:
    driver, rider = await town.driver(), await town.rider()
    trip_id, next_id = await town.request(rider), await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await other.refuse(driver)
    actor = await town.actor(driver)
    await town.reports(actor)
    assert [trip.id for trip in (await town.services.trips.page(actor)).trips] == [trip_id]
    # The same acceptance again succeeds.
    await town.moves(actor, trip_id, STARTED, IN_PROGRESS, COMPLETED)
    assert await other.last(driver) is None
    with pytest.raises(DriverNotApproved):
        await town.moves(actor, next_id, STARTED)
    assert [trip.id for trip in (await town.services.trips.page(actor)).trips] == [trip_id]


async def test_staff_end_the_trip_of_a_driver_whose_approval_is_revoked(town: Office) -> None:
    driver, rider = await town.driver(), await town.rider()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await town.refuse(driver)
    await town.application.staff.cancel_trip(town.member, trip_id=trip_id, reason="Approval revoked")
    found = await town.services.trips.find(rider, trip_id=trip_id)
    assert found is not None
    assert found.status is CANCELLED


async def test_no_position_of_a_driver_without_approval_is_stored_or_counted(town: Office, other: Office) -> None:
    driver = await town.driver()
    await town.reports(driver, age_s=2)
    await town.application.active_trips.check()
    await town.reports(driver, age_s=1)
    await other.refuse(driver)
    assert (await town.last(driver), await other.last(driver)) == (None, None)
    for process in (town, other):
        with pytest.raises(DriverNotApproved):
            await process.reports(driver)
    # Also when only the database knows of it.
    await other.approve(driver)
    await town.reports(driver)
    await town.application.active_trips.check()
    await town.database.fetch("UPDATE users SET approval = 'REFUSED' WHERE id = $1", driver.id)
    await town.application.active_trips.check()
    with pytest.raises(DriverNotApproved):
        await town.reports(driver)


async def test_a_running_server_tells_the_driver_what_a_command_has_decided(
    town: Office, settings: Settings
) -> None:
    driver = await town.waiting_driver()
    trip_id = await town.request(await town.rider())
    sink = await follow_pool(town, await town.actor(driver))
    assert await sink.next() == NOT_APPROVED
    # As a process of its own: it publishes nothing.
    command = Application(settings)
    await command.database.connect()
    await command.approvals.approve(CommandLine("root"), driver_id=driver.id)
    content = await sink.next()
    assert isinstance(content, PoolSnapshot)
    assert [offer.id for offer in content.offers] == [trip_id]
    await command.approvals.refuse(CommandLine("root"), driver_id=driver.id, reason="No licence.")
    await command.database.disconnect()
    assert await sink.next() == NOT_APPROVED
    trail = await town.database.fetch("SELECT action, staff_username, user_id FROM staff_actions ORDER BY id")
    assert [(row["action"], row["staff_username"], str(row["user_id"])) for row in trail] == [
        (action, "root (command line)", str(driver.id)) for action in ("APPROVE_DRIVER", "REVOKE_APPROVAL")
    ]


# At the same time.


async def test_of_accepting_and_revoking_at_once_one_is_first_and_the_other_sees_it(
    town: Office, other: Office
) -> None:
    """Never: the approval is revoked, and then the driver accepts."""
    for _ in range(10):
        driver, trip_id = await town.driver(), await town.request(await town.rider())
        actor = await town.actor(driver)
        accepted, _ = await asyncio.gather(
            town.moves(actor, trip_id, STARTED), other.refuse(driver), return_exceptions=True
        )
        standing = await town.services.standings.of(driver.id)
        assert standing.approval is Approval.REFUSED
        if accepted is None:
            assert standing.trip_id == trip_id
        else:
            assert isinstance(accepted, DriverNotApproved)
            assert standing.trip_id is None


async def test_of_accepting_and_approving_at_once_the_driver_gets_the_trip_or_is_told_that_they_wait(
    town: Office, other: Office
) -> None:
    for _ in range(10):
        driver, trip_id = await town.waiting_driver(), await town.request(await town.rider())
        actor = await town.actor(driver)
        accepted, _ = await asyncio.gather(
            town.moves(actor, trip_id, STARTED), other.approve(driver), return_exceptions=True
        )
        assert accepted is None or isinstance(accepted, DriverNotApproved)
        assert await town.approval(driver) == (Approval.APPROVED, None)
        if accepted is not None:
            await town.moves(await town.actor(driver), trip_id, STARTED)


@pytest.mark.parametrize("backend", ["production"], indirect=True)
@pytest.mark.parametrize(("before", "after"), [("APPROVED", "REFUSED"), ("WAITING", "APPROVED")])
async def test_an_acceptance_that_waits_for_a_decision_follows_it(
    town: Office, other: Office, before: str, after: str
) -> None:
    driver, trip_id = await town.driver(), await town.request(await town.rider())
    await town.database.fetch("UPDATE users SET approval = $1 WHERE id = $2", before, driver.id)
    actor = await town.actor(driver)
    async with other.database.transaction() as transaction:
        await transaction.fetch("UPDATE users SET approval = $1 WHERE id = $2", after, driver.id)
        accepting = asyncio.create_task(town.moves(actor, trip_id, STARTED))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not await town.database.fetch(waiting):
            assert not accepting.done()
    if after == "APPROVED":
        await accepting
    else:
        with pytest.raises(DriverNotApproved):
            await accepting


# The pool.


async def test_the_pool_is_paused_without_approval_and_resumes_at_once_with_it(
    town: Office, other: Office
) -> None:
    driver = await town.waiting_driver()
    # The socket's session was read while they waited.
    actor = await town.actor(driver)
    trip_id = await town.request(await town.rider())
    sink = await follow_pool(town, actor)
    assert await sink.next() == NOT_APPROVED
    await other.approve(driver)
    content = await sink.next()
    assert isinstance(content, PoolSnapshot)
    assert [offer.id for offer in content.offers] == [trip_id]
    await other.refuse(driver)
    assert await sink.next() == NOT_APPROVED


async def test_a_refusal_while_the_driver_waits_makes_a_snapshot_too(town: Office, other: Office) -> None:
    driver = await town.waiting_driver()
    sink = await follow_pool(town, driver)
    assert await sink.next() == NOT_APPROVED
    await other.refuse(driver)
    assert await sink.next() == NOT_APPROVED
    # The same decision again, and a change that is none.
    await other.refuse(driver)
    await other.services.duty.set(driver, on_duty=False)
    await other.services.duty.set(driver, on_duty=True)
    await other.approve(driver)
    assert await sink.next() == NO_OFFERS


# Following a trip.


async def follow_trip(town: Office, driver: Actor, trip_id: UUID) -> RecordingSink:
    sink = RecordingSink()
    feed = TripFeed(driver, town.services.topics, trip_id, rules=town.services.driver_rules)
    await town.services.hub.subscribe(feed, sink)
    return sink


@pytest.mark.attack("access")
async def test_an_open_trip_that_a_driver_follows_ends_for_them_with_the_approval(
    town: Office, other: Office
) -> None:
    driver, trip_id = await town.driver(), await town.request(await town.rider())
    # The session of the socket stays as it was read.
    actor = await town.actor(driver)
    sink = await follow_trip(town, actor, trip_id)
    assert isinstance(await sink.next(), TripState)
    await other.refuse(driver)
    assert isinstance(await sink.ended(), NotFound)
    with pytest.raises(NotFound):
        await follow_trip(town, actor, trip_id)


async def test_a_driver_who_was_approved_after_their_socket_opened_follows_open_trips(town: Office) -> None:
    driver, trip_id = await town.waiting_driver(), await town.request(await town.rider())
    actor = await town.actor(driver)
    with pytest.raises(NotFound):
        await follow_trip(town, actor, trip_id)
    await town.approve(driver)
    sink = await follow_trip(town, actor, trip_id)
    assert isinstance(await sink.next(), TripState)


async def test_a_driver_follows_their_own_trip_to_its_end_without_approval_and_hears_each_version_once(
    town: Office, other: Office
) -> None:
    driver, trip_id = await town.driver(), await town.request(await town.rider())
    sink = await follow_trip(town, driver, trip_id)
    await town.moves(driver, trip_id, STARTED)
    await other.refuse(driver)
    await town.reports(driver)
    await other.moves(driver, trip_id, IN_PROGRESS, COMPLETED)
    versions = []
    for _ in range(4):
        content = await sink.next()
        assert isinstance(content, TripState)
        versions.append(content.trip.version)
    assert versions == [1, 2, 3, 4]
