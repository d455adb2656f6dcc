"""Nothing is written in a session that has ended.

Every mutation that ends a session is combined with every mutation that writes, in one operation and in two
simultaneous ones; and with staff who lost their access. A new mutation of the schema, and a new use case of staff,
fails here by its name until it has a row.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextvars import Context as EmptyContext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from graphql import GraphQLSchema
from starlette.datastructures import Headers

from application.application import Application
from application.execution import build_execution
from application.settings import Settings
from models.email_token import TokenPurpose
from models.trip_life import TripStatus
from models.values import Role
from schema.api.context import Context
from schema.build import build_schema
from schema.operations.execution import Execution, Refusal, Request, encode
from schema.transport.client_info import HttpClientInfo
from schema.transport.credentials import COOKIE, Cookies
from schema.transport.origins import Origins
from services.accounts.passwords import Passwords
from services.accounts.sessions import NewSession, token_hash
from services.staff.staff import NoSuchUser, Staff, StaffMember
from services.staff.trail import NotStaff
from tests.support.api import PASSWORD
from tests.support.attacks import Attack
from tests.support.database_rows import add_driver, add_person, add_rider, add_trip, set_staff
from tests.support.processes import HASH_MEMORY_KIB
from tests.support.waiting import until

pytestmark = pytest.mark.attack("abuse")

SCHEMA: GraphQLSchema = build_schema()._schema  # pyright: ignore[reportPrivateUsage]
COOKIES = Cookies(is_secure=False, samesite="lax", max_age_s=3600)
OWN_PAGES = Origins(public_url=None, allowed=())
ADDRESS = "old@taxi.example"
NEW = "another-staple-battery-8"
HASH = Passwords(concurrency=1, memory_kib=HASH_MEMORY_KIB)._hasher.hash(PASSWORD)  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True)
class Row:
    """A mutation: its request, and its role here.

    $TRIP, $NAME, $NEW_NAME and $NOW stand for values. ``ends``: it ends its own session; ``writes``: it writes in
    that session, for a user with that role.
    """

    field: str
    ends: bool = False
    writes: Role | None = None


ROWS = {
    "signUp": Row(
        f'signUp(input: {{username: "$NEW_NAME", password1: "{PASSWORD}", password2: "{PASSWORD}", '
        'firstName: "New", lastName: "One", role: RIDER}) { errors { code } }',
        ends=True,
    ),
    "logIn": Row(f'logIn(username: "$NAME", password: "{PASSWORD}") {{ errors {{ code }} }}', ends=True),
    "logOut": Row("logOut { errors { code } }", ends=True, writes=Role.RIDER),
    "logOut everywhere": Row("logOut(everywhere: true) { errors { code } }", ends=True, writes=Role.RIDER),
    "changePassword": Row(
        f'changePassword(input: {{currentPassword: "{PASSWORD}", password1: "{NEW}", password2: "{NEW}"}}) '
        "{ errors { code } }",
        ends=True,
        writes=Role.RIDER,
    ),
    "requestPasswordReset": Row('requestPasswordReset(username: "$NAME") { errors { code } }'),
    "resetPassword": Row(
        f'resetPassword(input: {{token: "$TOKEN", password1: "{NEW}", password2: "{NEW}"}}) '
        "{ errors { code } }",
        ends=True,
    ),
    "changeEmail": Row(
        f'changeEmail(input: {{email: "new@taxi.example", currentPassword: "{PASSWORD}"}}) '
        "{ errors { code } }",
        writes=Role.RIDER,
    ),
    "requestEmailVerification": Row("requestEmailVerification { errors { code } }", writes=Role.RIDER),
    "verifyEmail": Row('verifyEmail(token: "x") { errors { code } }'),
    "deleteMe": Row(f'deleteMe(password: "{PASSWORD}") {{ errors {{ code }} }}', ends=True, writes=Role.RIDER),
    "registerPushSubscription": Row(
        'registerPushSubscription(input: {endpoint: "https://push.example/1", p256dh: "x", auth: "x"}) '
        "{ errors { code } }"
    ),
    "removePushSubscription": Row(
        'removePushSubscription(endpoint: "https://push.example/1") { errors { code } }'
    ),
    "setOnDuty": Row("setOnDuty(onDuty: false) { errors { code } }", writes=Role.DRIVER),
    "setVehicle": Row(
        'setVehicle(input: {make: "Skoda", model: "Fabia", color: "red", licensePlate: "AB-1", seats: 4}) '
        "{ errors { code } }",
        writes=Role.DRIVER,
    ),
    "updateMe": Row('updateMe(input: {firstName: "Changed"}) { errors { code } }', writes=Role.RIDER),
    "createTrip": Row(
        'createTrip(input: {pickUpAddress: "Here", dropOffAddress: "There"}) { errors { code } }',
        writes=Role.RIDER,
    ),
    "createTrip with a key": Row(
        'createTrip(input: {pickUpAddress: "Here", dropOffAddress: "There", idempotencyKey: "k"}) '
        "{ errors { code } }",
        writes=Role.RIDER,
    ),
    "updateTrip cancels": Row(
        'updateTrip(input: {id: "$TRIP", status: CANCELLED}) { errors { code } }', writes=Role.RIDER
    ),
    "updateTrip accepts": Row(
        'updateTrip(input: {id: "$TRIP", status: STARTED}) { errors { code } }', writes=Role.DRIVER
    ),
    "reportArrival": Row('reportArrival(tripId: "$TRIP") { errors { code } }'),
    "rateTrip": Row('rateTrip(tripId: "$DONE", stars: 5) { errors { code } }', writes=Role.RIDER),
    "rateTrip by the driver": Row('rateTrip(tripId: "$DONE", stars: 5) { errors { code } }', writes=Role.DRIVER),
    "reportLocation": Row(
        'reportLocation(input: {point: {lat: 52.5, lng: 13.4}, recordedAt: "$NOW"}) { errors { code } }',
        writes=Role.DRIVER,
    ),
}
ENDS_FAIL = (None, "UNAUTHENTICATED", "BAD_CREDENTIALS", "TRIP_UNDER_WAY", "RESET_TOKEN_INVALID")
ENDERS = [name for name, row in ROWS.items() if row.ends]
# A driver on the way cannot delete the account, which every writer here must: test_arrivals.py has these. A server
# without a key registers nothing, and there is nothing to remove: test_push_subscriptions.py has these. The others
# need no session: tests/services/accounts has them.
TESTED_ELSEWHERE = {
    "reportArrival",
    "requestPasswordReset",
    "verifyEmail",
    "registerPushSubscription",
    "removePushSubscription",
}
WRITERS = [name for name, row in ROWS.items() if row.writes is not None]


def test_every_mutation_has_a_row() -> None:
    assert SCHEMA.mutation_type is not None
    lacking = set(SCHEMA.mutation_type.fields) - {name.partition(" ")[0] for name in ROWS}
    assert not lacking, f"nobody has decided what these do in a session that has ended: {sorted(lacking)}"
    idle = {name for name, row in ROWS.items() if not row.ends and row.writes is None}
    assert idle == TESTED_ELSEWHERE, "every mutation ends a session or writes in one"


@dataclass
class Stage:
    """An application without a server, whose operations are executed like those of HTTP requests."""

    application: Application
    execution: Execution

    async def only_person(self, role: Role) -> "Person":
        """A person without the rows of earlier ones, which each look at all traces would read again."""
        for table in ("staff_actions", "trips", "sessions", "users", "letters"):
            await self.application.database.fetch(f"DELETE FROM {table}")
        return await self.person(role)

    async def person(self, role: Role) -> "Person":
        database = self.application.database
        actor = await add_person(database, role, has_session=False)
        await database.fetch("UPDATE users SET password_hash = $2 WHERE id = $1", actor.id, HASH)
        session = await self.application.services.sessions.begin(actor.user)
        await database.fetch("UPDATE users SET email = $2 WHERE id = $1", actor.id, ADDRESS)
        token = uuid4().hex
        await database.fetch(
            "INSERT INTO email_tokens (token_hash, user_id, purpose, address, expires) "
            f"VALUES ($1, $2, $3, $4, {database.sql.ago(-60)})",
            token_hash(token),
            actor.id,
            TokenPurpose.RESET_PASSWORD,
            ADDRESS,
        )
        rider = actor if role is Role.RIDER else await add_rider(database)
        driver = actor if role is Role.DRIVER else await add_driver(database)
        done_id = await add_trip(database, rider, status=TripStatus.COMPLETED, driver=driver)
        others = await add_rider(database), await add_driver(database)
        driven_id = await add_trip(database, others[0], status=TripStatus.STARTED, driver=others[1])
        return Person(self, session, await add_trip(database, rider), done_id, driven_id, token)


@dataclass
class Person:
    """A user with a session cookie; a rider has an open trip, a driver one that they can accept. Both have a
    completed one, ``done_id``."""

    stage: Stage
    session: NewSession
    trip_id: UUID
    done_id: UUID
    # Other people's, under way.
    driven_id: UUID
    # That of a letter, to reset the password.
    token: str

    def context(self) -> Context:
        """The context of a request whose session was just read, and is live."""
        headers = Headers({"cookie": f"{COOKIE}={self.session.token}"})
        sender = HttpClientInfo(
            {"client": ("127.0.0.1", 1)}, headers, COOKIES, trusts_loopback=True, own_pages=OWN_PAGES
        )
        return Context(self.stage.application.services, self.session.actor, sender)

    async def ask(self, context: Context, **fields: Row) -> dict[str, str]:
        """Execute one mutation with these fields; the code of each that failed."""
        text = " ".join(f"{alias}: {row.field}" for alias, row in fields.items())
        for name, value in {
            "$TRIP": str(self.trip_id),
            "$DONE": str(self.done_id),
            "$TOKEN": self.token,
            "$NAME": self.session.actor.user.username,
            "$NEW_NAME": f"new{uuid4().hex}",
            "$NOW": datetime.now(UTC).isoformat(),
        }.items():
            text = text.replace(name, value)
        request = Request(f"mutation {{ {text} }}")
        operation = self.stage.execution.prepare(request)
        assert not isinstance(operation, Refusal), operation
        result = await self.stage.execution.run(operation, request, context)
        assert not isinstance(result, Refusal), result
        body = orjson.loads(encode(result))
        codes = {error["path"][0]: error["extensions"]["code"] for error in body.get("errors", ())}
        for alias, payload in (body["data"] or {}).items():
            for error in payload["errors"]:
                codes[alias] = error["code"]
        return codes

    async def traces(self) -> Any:
        """Everything that a mutation of this person could have left behind."""
        services, database = self.stage.application.services, self.stage.application.database
        tables = [
            [dict(row) for row in await database.fetch(f"SELECT * FROM {table} ORDER BY {order}")]
            for table, order in (
                ("users", "id"),
                ("sessions", "id"),
                ("trips", "id"),
                ("trip_changes", "trip_id, version"),
                ("staff_actions", "id"),
                ("ratings", "id"),
                ("letters", "id"),
            )
        ]
        return tables, await services.positions.last(self.session.actor.id)


@pytest.fixture
async def stage(application: Application, settings: Settings) -> Stage:
    await application.periodic_jobs.stop()
    await application.mailer.stop()
    # Two log-ins in one operation would cost too much.
    return Stage(application, build_execution(settings.model_copy(update={"max_cost": 1_000_000})))


async def test_each_mutation_works_by_itself(stage: Stage) -> None:
    for name in {*ENDERS, *WRITERS}:
        person = await stage.only_person(ROWS[name].writes or Role.RIDER)
        before = await person.traces()
        assert await person.ask(person.context(), first=ROWS[name]) == {}, name
        assert await person.traces() != before, name


async def test_after_a_field_that_ends_the_session_the_operation_has_no_caller(
    stage: Stage, attempts: Attack
) -> None:
    attempts.add(len(ENDERS) * len(WRITERS))
    for ender in ENDERS:
        for writer in WRITERS:
            person = await stage.only_person(ROWS[writer].writes or Role.RIDER)
            codes = await person.ask(person.context(), first=ROWS[ender], then=ROWS[writer])
            assert codes == {"then": "UNAUTHENTICATED"}, (ender, writer)
            written = await stage.application.database.fetch(
                "SELECT status FROM trips WHERE ((rider_id = $1 AND id <> $2) OR driver_id = $1) AND id <> $3",
                person.session.actor.id,
                person.trip_id,
                person.done_id,
            )
            assert not written, (ender, writer)
            assert await stage.application.services.positions.last(person.session.actor.id) is None


async def test_a_write_whose_session_ended_after_it_was_read_writes_nothing(
    stage: Stage, attempts: Attack
) -> None:
    attempts.add(len(ENDERS) * len(WRITERS))
    for ender in ENDERS:
        for writer in WRITERS:
            person = await stage.only_person(ROWS[writer].writes or Role.RIDER)
            late = person.context()
            assert await person.ask(person.context(), first=ROWS[ender]) == {}
            before = await person.traces()
            assert await person.ask(late, then=ROWS[writer]) == {"then": "UNAUTHENTICATED"}, (ender, writer)
            assert await person.traces() == before, (ender, writer)


async def both_under_way(stage: Stage, person: Person, *rows: Row) -> list[dict[str, str]]:
    """Execute mutations simultaneously, each in a separate operation; the codes of each.

    None is committed before the last has begun and the others wait for locks: one after the other on PostgreSQL,
    which grants locks in the order of the requests. SQLite has one lock, which is held here.
    """
    database, loop = stage.application.database, asyncio.get_running_loop()
    asking: list[asyncio.Task[dict[str, str]]] = []
    has_locks = stage.application.settings.sqlite_path is None
    sql = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def wait_or_are_done() -> bool:
        waiting = await loop.create_task(database.fetch(sql), context=EmptyContext())
        return len(waiting) >= sum(not task.done() for task in asking)

    async with database.transaction() as transaction:
        for table, of in (("users", person.session.actor.id), ("sessions", person.session.actor.session_id)):
            for_update = " FOR UPDATE" if has_locks else ""
            await transaction.fetch(f"SELECT id FROM {table} WHERE id = $1{for_update}", of)
        for row in rows:
            # Not in the transaction of this task.
            asking.append(loop.create_task(person.ask(person.context(), only=row), context=EmptyContext()))
            if has_locks:
                await until(wait_or_are_done)
    return list(await asyncio.gather(*asking))


@pytest.mark.parametrize("order", ["the end first", "the write first"])
async def test_a_write_beside_an_end_of_its_session_is_complete_before_the_end_or_does_not_happen(
    stage: Stage, order: str, attempts: Attack
) -> None:
    attempts.add(len(ENDERS) * len(WRITERS))
    database = stage.application.database
    wrote: list[bool] = []
    for ender in ENDERS:
        for writer in WRITERS:
            person = await stage.only_person(ROWS[writer].writes or Role.RIDER)
            actor = person.session.actor
            if order == "the end first":
                end, write = await both_under_way(stage, person, ROWS[ender], ROWS[writer])
            else:
                write, end = await both_under_way(stage, person, ROWS[writer], ROWS[ender])
            case = (order, ender, writer, end, write)
            assert write in ({}, {"only": "UNAUTHENTICATED"}), case
            # Of two ends one finds no session, another password or no token; a driver with a trip is not deleted.
            assert end.get("only") in ENDS_FAIL, case
            assert not (end and write), case
            trips = await database.fetch(
                "SELECT status FROM trips WHERE ((rider_id = $1 AND id <> $2) OR driver_id = $1) AND id <> $3",
                actor.id,
                person.trip_id,
                person.done_id,
            )
            if write:
                assert not trips, case
            if not end:
                assert not await database.fetch("SELECT 1 FROM sessions WHERE id = $1", actor.session_id), case
                if ender == "deleteMe":
                    assert not [row for row in trips if row["status"] not in ("CANCELLED", "COMPLETED")], case
            wrote.append(not write)
    # Both got the lock.
    assert set(wrote) == {True, False}


async def test_a_user_whom_staff_has_just_deactivated_writes_nothing(stage: Stage) -> None:
    member = await a_member(stage)
    for writer in WRITERS:
        person = await stage.person(ROWS[writer].writes or Role.RIDER)
        late = person.context()
        await stage.application.staff.deactivate(member, user_id=person.session.actor.id)
        before = await person.traces()
        assert await person.ask(late, then=ROWS[writer]) == {"then": "UNAUTHENTICATED"}, writer
        assert await person.traces() == before, writer


async def test_a_repeated_change_in_an_ended_session_gets_no_answer(stage: Stage) -> None:
    person = await stage.person(Role.DRIVER)
    accept = ROWS["updateTrip accepts"]
    late = person.context()
    assert await person.ask(person.context(), first=accept) == {}
    assert await person.ask(person.context(), first=ROWS["logOut"]) == {}
    assert await person.ask(late, then=accept) == {"then": "UNAUTHENTICATED"}


@pytest.mark.parametrize("role", Role)
async def test_in_an_ended_session_no_change_of_a_trip_tells_its_status(stage: Stage, role: Role) -> None:
    person = await stage.person(role)
    late = person.context()
    assert await person.ask(person.context(), first=ROWS["logOut"]) == {}
    for status in TripStatus:
        update = Row(f'updateTrip(input: {{id: "$TRIP", status: {status.value}}}) {{ errors {{ code }} }}')
        # The role never changes, and is known without the trip.
        codes = ("UNAUTHENTICATED", "NOT_A_DRIVER", "NOT_A_RIDER")
        assert (await person.ask(late, then=update))["then"] in codes, status


# Staff who lost their access.

Act = Callable[[Staff, StaffMember, Person], Awaitable[Any]]
STAFF_ROWS: dict[str, Act] = {
    "add_user": lambda staff, member, _: staff.add_user(
        member, username=f"n{uuid4().hex}", password=PASSWORD, first_name="N", last_name="N", role=Role.RIDER
    ),
    "deactivate": lambda staff, member, person: staff.deactivate(member, user_id=person.session.actor.id),
    "reactivate": lambda staff, member, person: staff.reactivate(member, user_id=person.session.actor.id),
    "end_sessions": lambda staff, member, person: staff.end_sessions(member, user_id=person.session.actor.id),
    "send_password_reset": lambda staff, member, person: staff.send_password_reset(
        member, user_id=person.session.actor.id
    ),
    "add_trip": lambda staff, member, person: staff.add_trip(
        member, rider_id=person.session.actor.id, pick_up_address="Here", drop_off_address="There"
    ),
    "cancel_trip": lambda staff, member, person: staff.cancel_trip(member, trip_id=person.trip_id, reason="Why"),
    "complete_trip": lambda staff, member, person: staff.complete_trip(
        member, trip_id=person.driven_id, reason="Why"
    ),
    "note_export": lambda staff, member, _: staff.note_export(member, what="users"),
    "export_user": lambda staff, member, person: staff.export_user(member, user_id=person.session.actor.id),
}


async def a_member(stage: Stage) -> StaffMember:
    person = await stage.person(Role.RIDER)
    await set_staff(stage.application.database, person.session.actor.id)
    return StaffMember(person.session.actor)


def test_every_use_case_of_staff_has_a_row() -> None:
    acting = {
        name
        for name, method in inspect.getmembers(Staff, inspect.iscoroutinefunction)
        if not name.startswith("_") and "member" in inspect.signature(method).parameters
    }
    assert acting - {"log_out"} == set(STAFF_ROWS)


@pytest.mark.parametrize("how", ["logged out", "deactivated", "deleted", "no staff any more"])
async def test_a_member_of_staff_who_lost_access_after_the_request_was_read_does_nothing(
    stage: Stage, how: str, attempts: Attack
) -> None:
    attempts.add(len(STAFF_ROWS))
    application, staff = stage.application, stage.application.staff
    member, other = await a_member(stage), await a_member(stage)
    person, is_away = await stage.person(Role.RIDER), await stage.person(Role.RIDER)
    await staff.deactivate(other, user_id=is_away.session.actor.id)
    match how:
        case "logged out":
            await staff.log_out(member)
        case "deactivated":
            await staff.deactivate(other, user_id=member.actor.id)
        case "deleted":
            await application.services.deletions.delete(member.actor, password=PASSWORD)
        case _:
            await set_staff(application.database, member.actor.id, is_staff=False)
    before = await person.traces()
    for name, act in STAFF_ROWS.items():
        with pytest.raises(NotStaff):
            await act(staff, member, is_away if name == "reactivate" else person)
        assert await person.traces() == before, name


async def test_staff_cannot_request_a_trip_for_a_deleted_rider(stage: Stage) -> None:
    member, person = await a_member(stage), await stage.person(Role.RIDER)
    await stage.application.services.deletions.delete(person.session.actor, password=PASSWORD)
    before = await person.traces()
    with pytest.raises(NoSuchUser):
        await STAFF_ROWS["add_trip"](stage.application.staff, member, person)
    assert await person.traces() == before
