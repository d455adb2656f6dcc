"""Who may do what: one row for every root field of the schema, and for every field of its types.

A new field of the schema fails here by its name until somebody has decided who may see it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from graphql import GraphQLObjectType, GraphQLSchema, get_named_type, is_leaf_type, is_object_type

from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import TripStatus
from models.values import VehicleValue
from models.visibility import Actor
from schema.build import build_schema
from tests.conftest import LiveServer
from tests.support.api import Api, SocketClosed, open_socket
from tests.support.attacks import Attack
from tests.support.database_rows import WITH_DRIVER, add_driver, add_rider, add_trip
from tests.support.parts import PARTS, Parts
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("access")]

EVENTS = {"Accept": "text/event-stream"}
STATUSES = tuple(TripStatus)

# Three viewers without a live session: the second had a session of the trip's rider, the third is a driver.
OUTSIDE = ("nobody", "ended session", "deactivated")
RIDERS = ("rider", "other rider", "staff")
# The last one waits for approval.
DRIVERS = ("driver", "other driver", "gave back", "waiting driver")
VIEWERS = (*OUTSIDE, *RIDERS, *DRIVERS)

PARTIES = ("rider", "driver")

# The view that each has of the trip in each status. For everybody else it does not exist. While it is REQUESTED,
# "driver" has no relation to it.
SIGHT = {
    "REQUESTED": {"rider": "rider", "driver": "pool", "other driver": "pool"},
    "STARTED": {"rider": "rider", "driver": "driver"},
    "IN_PROGRESS": {"rider": "rider", "driver": "driver"},
    "COMPLETED": {"rider": "rider", "driver": "driver"},
    "CANCELLED": {"rider": "rider", "driver": "driver"},
    "EXPIRED": {"rider": "rider"},
}

# Fields that not everybody sees who sees their object: who sees them, and when.
ALL = "whoever sees the object"
PARTY = "the trip's rider and driver"
ON_THE_ROAD = f"{PARTY}, while it is under way"
ON_THE_WAY = f"{PARTY}, while the driver comes"
RIDER_ALONE = "the trip's rider, while the driver comes"
EACH_OWN = f"{PARTY}, each their own, once it is completed"
ONESELF = "a driver, of their own account"
OWN = "the user"
STAFF = "staff"
# As what somebody sees their own account.
SELF = "self"


def rows(fields: str, to: str = ALL) -> dict[str, str]:
    return dict.fromkeys(fields.split(), to)


FIELDS = {
    "Trip": rows(
        "id created updated version status pickUpAddress dropOffAddress pickUp dropOff expiresAt cancelReason "
        "rider driver"
    )
    | rows("history cancelCode arrivedAt vehicle", PARTY)
    | rows("driverLocation", ON_THE_ROAD)
    | rows("pickUpEta noShowAt", ON_THE_WAY)
    | rows("pickUpPin", RIDER_ALONE)
    | rows("dropOffEta route", ON_THE_ROAD)
    | rows("myRating", EACH_OWN),
    "User": rows("id firstName lastName role photo")
    | rows("username rating", PARTY)
    | rows("availability approval approvalReason vehicle", ONESELF)
    | rows("email emailVerifiedAt", OWN),
    "Vehicle": rows("make model color licensePlate seats"),
    "Rating": rows("average count"),
    "Route": rows("encodedPolyline distanceM durationS estimated"),
    "TripEstimate": rows("route distanceM durationS estimated driversNearby pickUpEta"),
    "HistoryEntry": rows("version status at changedBy user arrived cancelCode reason"),
    "DriverLocation": rows("id point heading recordedAt isStale isGone"),
    "GeoPoint": rows("lat lng"),
    "UserError": rows("code message field retryable retryAfter"),
    "TripConnection": rows("nodes edges pageInfo"),
    "TripEdge": rows("cursor node"),
    "PageInfo": rows("hasNextPage hasPreviousPage startCursor endCursor"),
    "AuthPayload": rows("user token errors"),
    "LogOutPayload": rows("errors"),
    "UserPayload": rows("user errors"),
    "DeleteMePayload": rows("errors"),
    "RequestPasswordResetPayload": rows("errors"),
    "RequestEmailVerificationPayload": rows("errors"),
    "VerifyEmailPayload": rows("errors"),
    "RegisterPushSubscriptionPayload": rows("errors"),
    "RemovePushSubscriptionPayload": rows("errors"),
    "TripPayload": rows("trip errors"),
    "LocationPayload": rows("errors"),
    "CitySnapshot": rows("at drivers trips counts truncated outages", STAFF),
    "CityChange": rows(
        "at drivers removedDriverIds trips removedTripIds counts truncated outages",
        STAFF,
    ),
    "CityDriver": rows(
        "id username firstName lastName point heading recordedAt isStale availability tripId", STAFF
    ),
    "CityTrip": rows(
        "id version status created updated pickUpAddress dropOffAddress pickUp dropOff expiresAt arrivedAt rider "
        "driver",
        STAFF,
    ),
    "CityPerson": rows("id username firstName lastName", STAFF),
    "CityCounts": rows("open underWay available silent", STAFF),
    "CityFigures": rows("period asOf total partS parts truncated driversOffDuty", STAFF),
    "CityTripRoute": rows("toPickUp toDropOff", STAFF),
    "CityFigure": rows("start requested accepted completed expired cancelled timeToAccept", STAFF),
    "CancelCount": rows("code count", STAFF),
    "TimeToAccept": rows("p50S p99S", STAFF),
    "MyTripsSnapshot": rows("trips"),
    "TripChanged": rows("trip"),
    "PoolSnapshot": rows("offers truncated paused"),
    "TripOffered": rows("trip"),
    "TripWithdrawn": rows("tripId version reason"),
}

SCHEMA: GraphQLSchema = build_schema()._schema  # pyright: ignore[reportPrivateUsage]
ROOT_TYPES = {
    "Query": SCHEMA.query_type,
    "Mutation": SCHEMA.mutation_type,
    "Subscription": SCHEMA.subscription_type,
}


def selection(type_name: str) -> str:
    """Every field of an object type and of its objects; but not the trips of the users of trips."""
    type_ = SCHEMA.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    parts = ["__typename"]
    for name, each in type_.fields.items():
        inner = get_named_type(each.type)
        parts.append(name if is_leaf_type(inner) else f"{name} {{ {selection(inner.name)} }}")
    return " ".join(parts)


TRIP = selection("Trip")
PLACE = GeoPoint(52.5, 13.4)
PIN = "0042"
VEHICLE = VehicleValue("Skoda", "Octavia", "white", "AB-12", 4).to_json()
SIGN_UP = {
    "username": "new@example.com",
    "password1": "correct-horse-battery-9",
    "password2": "another",
    "firstName": "New",
    "lastName": "One",
    "role": "RIDER",
}
SOMEWHERE = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}

# The possible answers.
DATA, NULL, WITH_IT, WITHOUT_IT = "data", "null", "with it", "without it"
NOTHING_YET, COMPLETE = "nothing yet", "complete"
UNAUTHENTICATED = "UNAUTHENTICATED"
NOT_APPROVED = {"waiting driver": "DRIVER_NOT_APPROVED"}


def all_of(viewers: tuple[str, ...], answer: str) -> dict[str, str]:
    return dict.fromkeys(viewers, answer)


def seen(yes: str, no: str) -> dict[str, dict[str, str]]:
    """In each status, one answer for viewers who see the trip, another for other logged-in users."""
    return {
        status: all_of(OUTSIDE, UNAUTHENTICATED) | all_of(RIDERS + DRIVERS, no) | dict.fromkeys(sight, yes)
        for status, sight in SIGHT.items()
    }


def ever(*answers: dict[str, str]) -> dict[str, dict[str, str]]:
    """The same answer in each status."""
    merged = {viewer: answer for each in answers for viewer, answer in each.items()}
    return {"REQUESTED": merged}


def following_the_driver() -> dict[str, dict[str, str]]:
    found = seen(DATA, "NOT_FOUND")
    for status, answers in found.items():
        answers |= all_of(DRIVERS, "FORBIDDEN")
        if status not in ("STARTED", "IN_PROGRESS"):
            answers["rider"] = NOTHING_YET if status == "REQUESTED" else COMPLETE
    return found


def arriving() -> dict[str, dict[str, str]]:
    """Whoever is its driver has arrived already, and may say so again."""
    found = seen(DATA, "TRIP_NOT_FOUND")
    for answers in found.values():
        answers |= all_of(RIDERS, "NOT_A_DRIVER")
    found["REQUESTED"] |= {"driver": "ILLEGAL_TRANSITION", "other driver": "ILLEGAL_TRANSITION"}
    return found


def known_to_each_other() -> dict[str, dict[str, str]]:
    """The rider's account is visible to the rider, and to a driver who has or had a trip of theirs."""
    found = seen(DATA, NULL)
    found["REQUESTED"] |= {"driver": NULL, "other driver": NULL}
    return found


@dataclass(frozen=True)
class Row:
    """A root field: its request, and the answer for each viewer in each status of the trip.

    $TRIP and $RIDER in the variables stand for ids. ``over_socket``: the answer to everybody over a socket
    instead.
    """

    document: str
    answers: dict[str, dict[str, str]]
    variables: dict[str, Any] = field(default_factory=dict)
    over_socket: str | None = None
    # The view in which the answer has its fields, if it is not the view of the trip.
    audience: str | None = None
    # The viewer who asks for the own account.
    own: str | None = None


ROWS = {
    "Query.me": Row(
        f"{{ me {{ {selection('User')} }} }}",
        ever(all_of(OUTSIDE, NULL), all_of(RIDERS + DRIVERS, DATA)),
        audience=SELF,
    ),
    "Query.node": Row(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Trip {{ {TRIP} }} }} }}", seen(DATA, NULL), {"id": "$TRIP"}
    ),
    "Query.node of a user": Row(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on User {{ {selection('User')} }} }} }}",
        known_to_each_other(),
        {"id": "$RIDER"},
        own="rider",
    ),
    "Query.trip": Row(f"query ($id: ID!) {{ trip(id: $id) {{ {TRIP} }} }}", seen(DATA, NULL), {"id": "$TRIP"}),
    "Query.trips": Row(f"{{ trips {{ {selection('TripConnection')} }} }}", seen(WITH_IT, WITHOUT_IT)),
    "Query.tripEstimate": Row(
        "query ($from: GeoPointInput!, $to: GeoPointInput!) "
        f"{{ tripEstimate(pickUp: $from, dropOff: $to) {{ {selection('TripEstimate')} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, DATA)),
        {"from": {"lat": 52.5, "lng": 13.4}, "to": {"lat": 52.6, "lng": 13.4}},
    ),
    "Query.cityFigures": Row(
        f"{{ cityFigures(period: HOUR) {{ {selection('CityFigures')} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, "FORBIDDEN"), {"staff": DATA}),
        audience=STAFF,
    ),
    "Query.cityTripRoute": Row(
        f"query ($id: ID!) {{ cityTripRoute(id: $id) {{ {selection('CityTripRoute')} }} }}",
        {
            status: all_of(OUTSIDE, UNAUTHENTICATED)
            | all_of(RIDERS + DRIVERS, "FORBIDDEN")
            | {"staff": DATA if status in ("REQUESTED", "STARTED", "IN_PROGRESS") else NULL}
            for status in SIGHT
        },
        {"id": "$TRIP"},
        audience=STAFF,
    ),
    # Null for all: this server has no key.
    "Query.pushPublicKey": Row("{ pushPublicKey }", ever(all_of(VIEWERS, NULL))),
    "Mutation.signUp": Row(
        "mutation ($input: SignUpInput!) { signUp(input: $input) { user { id } token errors { code } } }",
        ever(all_of(VIEWERS, "PASSWORD_MISMATCH")),
        {"input": SIGN_UP},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.logIn": Row(
        'mutation { logIn(username: "nobody", password: "x") { user { id } token errors { code } } }',
        ever(all_of(VIEWERS, "BAD_CREDENTIALS")),
        {},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.changePassword": Row(
        "mutation ($input: ChangePasswordInput!) "
        "{ changePassword(input: $input) { user { id } token errors { code } } }",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, "BAD_CREDENTIALS")),
        {"input": {"currentPassword": "x", "password1": "correct-horse-battery-9", "password2": "another"}},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.updateMe": Row(
        "mutation ($input: UpdateMeInput!) "
        f"{{ updateMe(input: $input) {{ user {{ {selection('User')} }} errors {{ code }} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, DATA)),
        {"input": {"firstName": "New"}},
        audience=SELF,
    ),
    "Mutation.requestPasswordReset": Row(
        'mutation { requestPasswordReset(username: "nobody") { errors { code } } }',
        ever(all_of(VIEWERS, DATA)),
        {},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.resetPassword": Row(
        "mutation ($input: ResetPasswordInput!) "
        "{ resetPassword(input: $input) { user { id } token errors { code } } }",
        ever(all_of(VIEWERS, "RESET_TOKEN_INVALID")),
        {"input": {"token": "x", "password1": "correct-horse-battery-9", "password2": "correct-horse-battery-9"}},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.changeEmail": Row(
        "mutation ($input: ChangeEmailInput!) "
        f"{{ changeEmail(input: $input) {{ user {{ {selection('User')} }} errors {{ code }} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, "BAD_CREDENTIALS")),
        {"input": {"email": "new@taxi.example", "currentPassword": "x"}},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.requestEmailVerification": Row(
        "mutation { requestEmailVerification { errors { code } } }",
        # The addresses of all are verified.
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, DATA)),
    ),
    "Mutation.verifyEmail": Row(
        'mutation { verifyEmail(token: "x") { errors { code } } }',
        ever(all_of(VIEWERS, "EMAIL_TOKEN_INVALID")),
        {},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.registerPushSubscription": Row(
        "mutation ($input: PushSubscriptionInput!) "
        "{ registerPushSubscription(input: $input) { errors { code } } }",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, "PUSH_UNAVAILABLE")),
        {"input": {"endpoint": "https://push.example/1", "p256dh": "x", "auth": "x"}},
    ),
    "Mutation.removePushSubscription": Row(
        'mutation { removePushSubscription(endpoint: "https://push.example/1") { errors { code } } }',
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, DATA)),
    ),
    "Mutation.deleteMe": Row(
        'mutation { deleteMe(password: "x") { errors { code } } }',
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, "BAD_CREDENTIALS")),
        {},
        "COOKIE_TRANSPORT_REQUIRED",
    ),
    "Mutation.setOnDuty": Row(
        f"mutation {{ setOnDuty(onDuty: true) {{ user {{ {selection('User')} }} errors {{ code }} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS, "NOT_A_DRIVER"), all_of(DRIVERS, DATA)),
        audience=SELF,
    ),
    "Mutation.setVehicle": Row(
        "mutation ($input: VehicleInput!) "
        f"{{ setVehicle(input: $input) {{ user {{ {selection('User')} }} errors {{ code }} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS, "NOT_A_DRIVER"), all_of(DRIVERS, DATA)),
        {"input": {"make": "Skoda", "model": "Octavia", "color": "white", "licensePlate": "AB-12", "seats": 4}},
        audience=SELF,
    ),
    "Mutation.logOut": Row(
        "mutation { logOut { errors { code } } }",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, DATA)),
    ),
    "Mutation.createTrip": Row(
        "mutation ($input: CreateTripInput!) "
        f"{{ createTrip(input: $input) {{ trip {{ {TRIP} }} errors {{ code }} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS, DATA), all_of(DRIVERS, "NOT_A_RIDER")),
        {"input": SOMEWHERE},
    ),
    "Mutation.updateTrip": Row(
        "mutation ($input: UpdateTripInput!) "
        f"{{ updateTrip(input: $input) {{ trip {{ {TRIP} }} errors {{ code }} }} }}",
        # From each status to each: MOVES, below.
        {},
    ),
    "Mutation.rateTrip": Row(
        f"mutation ($id: ID!) {{ rateTrip(tripId: $id, stars: 3) {{ trip {{ {TRIP} }} errors {{ code }} }} }}",
        {
            status: all_of(OUTSIDE, UNAUTHENTICATED)
            | all_of(RIDERS + DRIVERS, "TRIP_NOT_FOUND")
            | {
                viewer: DATA if status == "COMPLETED" else "ILLEGAL_TRANSITION"
                for viewer, sight in SIGHT[status].items()
                if sight in PARTIES
            }
            for status in SIGHT
        },
        {"id": "$TRIP"},
    ),
    "Mutation.reportArrival": Row(
        f"mutation ($id: ID!) {{ reportArrival(tripId: $id) {{ trip {{ {TRIP} }} errors {{ code }} }} }}",
        arriving(),
        {"id": "$TRIP"},
    ),
    "Mutation.reportLocation": Row(
        "mutation ($input: LocationInput!) { reportLocation(input: $input) { errors { code } } }",
        ever(
            all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS, "NOT_A_DRIVER"), all_of(DRIVERS, DATA), NOT_APPROVED
        ),
        {"input": {"point": {"lat": 52.5, "lng": 13.4}, "recordedAt": "$NOW"}},
    ),
    "Subscription.tripUpdated": Row(
        f"subscription ($id: ID!) {{ tripUpdated(id: $id) {{ {TRIP} }} }}",
        seen(DATA, "NOT_FOUND"),
        {"id": "$TRIP"},
    ),
    "Subscription.myTripsUpdated": Row(
        f"subscription {{ myTripsUpdated {{ ... on MyTripsSnapshot {{ {selection('MyTripsSnapshot')} }} }} }}",
        # A driver's own trips are never open.
        {
            status: answers | ({"driver": WITHOUT_IT, "other driver": WITHOUT_IT} if status == "REQUESTED" else {})
            for status, answers in seen(WITH_IT, WITHOUT_IT).items()
        },
    ),
    "Subscription.driverPool": Row(
        f"subscription {{ driverPool {{ ... on PoolSnapshot {{ {selection('PoolSnapshot')} }} }} }}",
        {
            status: all_of(OUTSIDE, UNAUTHENTICATED)
            | all_of(RIDERS, "FORBIDDEN")
            | all_of(DRIVERS, WITHOUT_IT)
            | ({"driver": WITH_IT, "other driver": WITH_IT} if status == "REQUESTED" else {})
            for status in SIGHT
        },
    ),
    "Subscription.driverLocation": Row(
        f"subscription ($id: ID!) {{ driverLocation(tripId: $id) {{ {selection('DriverLocation')} }} }}",
        following_the_driver(),
        {"id": "$TRIP"},
    ),
    "Subscription.city": Row(
        f"subscription {{ city {{ ... on CitySnapshot {{ {selection('CitySnapshot')} }} }} }}",
        ever(all_of(OUTSIDE, UNAUTHENTICATED), all_of(RIDERS + DRIVERS, "FORBIDDEN"), {"staff": WITH_IT}),
        audience=STAFF,
    ),
}

ANSWERS = {
    "ok": DATA,
    "R": "NOT_A_RIDER",
    "D": "NOT_A_DRIVER",
    "0": "TRIP_NOT_FOUND",
    "x": "ILLEGAL_TRANSITION",
    "T": "TRIP_TAKEN",
    "C": "TRIP_CANCELLED",
    "E": "TRIP_EXPIRED",
    "e": "TOO_EARLY",
    "N": "DRIVER_NOT_APPROVED",
}
# The allowed changes of each viewer: a line for each status of the trip; the columns are the new status.
MOVES = {
    #                 REQUESTED STARTED IN_PROGRESS COMPLETED CANCELLED EXPIRED
    "rider": {
        "REQUESTED": "    D        D         D          D        ok        x",
        "STARTED": "      D        D         D          D        ok        x",
        "IN_PROGRESS": "  D        D         D          D        e         x",
        "COMPLETED": "    D        D         D          D        x         x",
        "CANCELLED": "    D        D         D          D        ok        x",
        "EXPIRED": "      D        D         D          D        x         x",
    },
    "other rider": dict.fromkeys(SIGHT, "D D D D 0 0"),
    "staff": dict.fromkeys(SIGHT, "D D D D 0 0"),
    "driver": {
        "REQUESTED": "    x        ok        x          x        x         x",
        "STARTED": "      ok       ok        ok         x        e         x",
        "IN_PROGRESS": "  x        x         ok         ok       x         x",
        "COMPLETED": "    x        x         x          ok       x         x",
        "CANCELLED": "    x        x         x          x        x         x",
        "EXPIRED": "      0        E         0          0        0         0",
    },
    "other driver": {
        "REQUESTED": "    x        ok        x          x        x         x",
        "STARTED": "      0        T         0          0        0         0",
        "IN_PROGRESS": "  0        T         0          0        0         0",
        "COMPLETED": "    0        T         0          0        0         0",
        "CANCELLED": "    0        C         0          0        0         0",
        "EXPIRED": "      0        E         0          0        0         0",
    },
    "gave back": {
        # A repeated change.
        "REQUESTED": "    ok       0         0          0        0         0",
        "STARTED": "      0        0         0          0        0         0",
        "IN_PROGRESS": "  0        0         0          0        0         0",
        "COMPLETED": "    0        0         0          0        0         0",
        "CANCELLED": "    0        0         0          0        0         0",
        "EXPIRED": "      0        0         0          0        0         0",
    },
    "waiting driver": dict.fromkeys(SIGHT, "0 N 0 0 0 0"),
}


async def test_every_root_field_has_a_row() -> None:
    rooted = {f"{kind}.{name}" for kind, type_ in ROOT_TYPES.items() if type_ is not None for name in type_.fields}
    named = {name.partition(" of ")[0] for name in ROWS}
    assert not rooted - named, f"nobody has decided who may ask for {sorted(rooted - named)}"
    assert not named - rooted, f"the schema has no {sorted(named - rooted)}"


async def test_every_field_of_every_type_has_a_row() -> None:
    roots = {type_.name for type_ in ROOT_TYPES.values() if type_ is not None}
    fields = {
        f"{name}.{each}"
        for name, type_ in SCHEMA.type_map.items()
        if is_object_type(type_) and not name.startswith("__") and name not in roots
        for each in type_.fields
    }
    decided = {f"{name}.{each}" for name, of_type in FIELDS.items() for each in of_type}
    assert not fields - decided, f"nobody has decided who is shown {sorted(fields - decided)}"
    assert not decided - fields, f"the schema has no {sorted(decided - fields)}"


class World:
    """One trip, and people with every relation to it."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.database = server.application.database
        self.people: dict[str, Actor] = {}
        self.tokens: dict[str, str] = {}
        self.apis: dict[str, Api] = {}
        self.trip_id = UUID(int=0)
        self.expects_nothing = False

    async def fill(self, stack: AsyncExitStack) -> None:
        """Create everybody."""
        sessions = self.server.application.services.sessions
        for viewer in RIDERS:
            self.people[viewer] = await add_rider(self.database)
        for viewer in (*DRIVERS, "deactivated"):
            self.people[viewer] = await add_driver(self.database)
        ended = await sessions.begin(self.people["rider"].user)
        await sessions.end(ended.actor)
        self.tokens["ended session"] = ended.token
        for column, viewer, value in (("is_staff", "staff", True), ("is_active", "deactivated", False)):
            person = self.people[viewer].id
            await self.database.fetch(f"UPDATE users SET {column} = $2 WHERE id = $1", person, value)
        await self.database.fetch(
            "UPDATE users SET rating_sum = 9, rating_count = 2, approval_reason = 'why', vehicle = $1, "
            "email = 'a@b.example', email_verified_at = {now}",
            VEHICLE,
        )
        waiting = self.people["waiting driver"].id
        await self.database.fetch("UPDATE users SET approval = 'WAITING' WHERE id = $1", waiting)
        for viewer in VIEWERS:
            self.apis[viewer] = await stack.enter_async_context(Api(self.server.url))
        for viewer in self.people:
            await self.begin_session(viewer)
        self.apis["ended session"].http.headers["Authorization"] = f"Bearer {ended.token}"
        for viewer in DRIVERS[:-1]:
            # The driver who accepts the trip has a position.
            await self.server.application.services.positions.report(
                self.people[viewer], point=PLACE, recorded_at=datetime.now(UTC)
            )

    async def begin_session(self, viewer: str) -> None:
        """Log in, without the cost of a password."""
        session = await self.server.application.services.sessions.begin(self.people[viewer].user)
        self.tokens[viewer] = session.token
        self.apis[viewer].http.headers["Authorization"] = f"Bearer {session.token}"

    async def stand(self, status: str) -> None:
        """Create one trip in this status; its driver, if it has had one, has reported a position."""
        await self.database.fetch("DELETE FROM ratings")
        await self.database.fetch("DELETE FROM trip_changes")
        await self.database.fetch("DELETE FROM outbox")
        await self.database.fetch("DELETE FROM trips")
        state = TripStatus(status)
        with_driver = state in (*WITH_DRIVER, TripStatus.CANCELLED)
        self.trip_id = await add_trip(
            self.database,
            self.people["rider"],
            status=state,
            driver=self.people["driver"] if with_driver else None,
            given_back_by=self.people["gave back"],
        )
        await self.database.fetch(
            "UPDATE trips SET version = 2, pick_up_lat = 52.5, pick_up_lng = 13.4, drop_off_lat = 52.6, "
            "drop_off_lng = 13.4, cancel_reason = $1",
            "late" if state is TripStatus.CANCELLED else None,
        )
        if with_driver:
            await self.database.fetch("UPDATE trips SET arrived_at = {now}")
        # Also while it is open, to see that only parties are shown it.
        await self.database.fetch("UPDATE trips SET vehicle = $1", VEHICLE)
        if state is TripStatus.STARTED:
            await self.database.fetch("UPDATE trips SET pick_up_pin = $1", PIN)
        for version, changed_by, viewer in ((1, "RIDER", "rider"), (2, "DRIVER", "gave back")):
            await self.database.fetch(
                "INSERT INTO trip_changes (trip_id, version, status, at, changed_by, user_id) "
                "VALUES ($1, $2, 'REQUESTED', {now}, $3, $4)",
                self.trip_id,
                version,
                changed_by,
                self.people[viewer].id,
            )
        if with_driver:
            await self.server.application.services.positions.report(
                self.people["driver"], point=PLACE, recorded_at=datetime.now(UTC)
            )

    def variables(self, row: Row) -> dict[str, Any]:
        """The row's variables, with the current ids."""
        ids = {"$TRIP": self.trip_id, "$RIDER": self.people["rider"].id, "$NOW": datetime.now(UTC).isoformat()}
        text = json.dumps(row.variables)
        for name, value in ids.items():
            text = text.replace(f'"{name}"', f'"{value}"')
        return json.loads(text)


@pytest.fixture(scope="module")
def shared_settings(shared_settings: Settings) -> Settings:
    """Staff approve drivers. The tests may send as many requests as they like, and ask for every field of
    everything at once.
    """
    return shared_settings.model_copy(
        update={
            "location_rate": "off",
            # However long the tests take, the position of a driver is known.
            "location_stale_s": 3_600.0,
            "location_ttl_s": 3_600,
            "max_message_bytes": 64 * 1024,
            "max_cost": 1_000_000,
            "pick_up_pin": True,
            "driver_approval": True,
            "vehicle_required": True,
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared_server: LiveServer) -> AsyncIterator[World]:
    """Everybody, and one trip."""
    world = World(shared_server)
    async with AsyncExitStack() as stack:
        await world.fill(stack)
        yield world


@dataclass
class Told:
    """The answer that a viewer got."""

    answer: str
    value: Any = None


def told(body: dict[str, Any], trip_id: UUID) -> Told:
    """Parse the answer of a query, a mutation or an event."""
    if body.get("errors"):
        assert not any((body.get("data") or {}).values()), body
        return Told(body["errors"][0]["extensions"]["code"])
    (value,) = body["data"].values()
    if value is None:
        return Told(NULL)
    if value.get("errors"):
        assert not any(each for name, each in value.items() if name not in ("errors", "__typename")), value
        return Told(value["errors"][0]["code"])
    lists = [value[name] for name in ("nodes", "trips", "offers") if name in value]
    if lists:
        return Told(WITH_IT if str(trip_id) in {trip["id"] for trip in lists[0]} else WITHOUT_IT, value)
    return Told(DATA, value)


async def by_http(world: World, viewer: str, row: Row, **headers: str) -> Told:
    """Ask over HTTP; with the right header for the first event."""
    api, body = world.apis[viewer], {"query": row.document, "variables": world.variables(row)}
    async with api.http.stream("POST", "/graphql", json=body, headers=headers) as response:
        if response.headers["Content-Type"].startswith("multipart/mixed"):
            kind, event = await Parts(response).event()
            return Told(COMPLETE) if kind == "complete" else told(event, world.trip_id)
        if response.headers["Content-Type"].partition(";")[0] != "text/event-stream":
            return told(json.loads(await response.aread()), world.trip_id)
        kind = ""
        async for line in response.aiter_lines():
            if line.startswith("event:"):
                kind = line.removeprefix("event:").strip()
            elif line.startswith("data:"):
                return told(json.loads(line[5:]), world.trip_id) if kind == "next" else Told(COMPLETE)
    raise AssertionError("the stream ended without an event")


async def by_event_stream(world: World, viewer: str, row: Row) -> Told:
    return await by_http(world, viewer, row, **EVENTS)


async def by_parts(world: World, viewer: str, row: Row) -> Told:
    return await by_http(world, viewer, row, **PARTS)


async def by_socket(world: World, viewer: str, row: Row) -> Told:
    """Ask on a new socket."""
    token, hub = world.tokens.get(viewer), world.server.application.services.hub
    headers = {"Authorization": f"Bearer {token}"} if token is not None else None
    async with open_socket(world.server.url, headers=headers) as socket:
        try:
            await socket.init()
        except SocketClosed as closed:
            return Told({4403: UNAUTHENTICATED}[closed.code])
        subscribers = hub.subscribers
        operation = await socket.start(row.document, **world.variables(row))
        if world.expects_nothing:
            # It has begun, and its first event would have come before the pong.
            await until(lambda: hub.subscribers > subscribers)
            await socket.ping()
            assert operation.is_silent
            return Told(NOTHING_YET)
        message = await operation.message()
    match message["type"]:
        case "next":
            return told(message["payload"], world.trip_id)
        case "error":
            return Told(message["payload"][0]["extensions"]["code"])
        case _:
            return Told(COMPLETE)


def is_shown(to: str, audience: str, status: str) -> bool:
    """Whether such a field of a trip in that status is visible in that view."""
    match to:
        case _ if to == ALL:
            return True
        case _ if to == STAFF:
            return audience == STAFF
        case _ if to in (ONESELF, OWN):
            return audience == SELF
        case _ if audience not in (*PARTIES, SELF):
            return False
        case _ if to == RIDER_ALONE:
            return audience == "rider" and status == "STARTED"
        case _ if to == ON_THE_ROAD:
            return status in ("STARTED", "IN_PROGRESS")
        case _ if to == ON_THE_WAY:
            return status == "STARTED"
        case _ if to == EACH_OWN:
            return status == "COMPLETED"
        case _:
            return True


# Null for other reasons than the viewer: nobody has driven the trip, or it has no such value.
MAY_BE_NULL = {
    "CityDriver.heading",
    "CityDriver.tripId",
    "CityTrip.driver",
    "CityTrip.dropOff",
    "CityTrip.expiresAt",
    "CityTrip.arrivedAt",
    "CityFigure.timeToAccept",
    "CityTripRoute.toPickUp",
    "CancelCount.code",
    "PoolSnapshot.paused",
    "Trip.driver",
    "Trip.dropOff",
    "Trip.expiresAt",
    "Trip.cancelReason",
    "Trip.myRating",
    "Trip.cancelCode",
    "Trip.arrivedAt",
    "Trip.noShowAt",
    "Trip.vehicle",
    "HistoryEntry.cancelCode",
    "HistoryEntry.reason",
    "User.photo",
    "DriverLocation.heading",
    "PageInfo.startCursor",
    "PageInfo.endCursor",
    "AuthPayload.token",
}


def check_fields(value: Any, audience: str, status: str) -> None:
    """Every visible field has a value, and every other is null, in all objects of an answer."""
    if isinstance(value, list):
        for each in value:
            check_fields(each, audience, status)
    if not isinstance(value, dict) or "__typename" not in value:
        return
    type_name = value["__typename"]
    for name, to in FIELDS[type_name].items():
        shown = is_shown(to, audience, status) and (to != ONESELF or value["role"] == "DRIVER")
        if not shown:
            assert value[name] is None, f"{type_name}.{name} is {value[name]} to the {audience} while {status}"
        elif f"{type_name}.{name}" not in MAY_BE_NULL:
            assert value[name] is not None, f"{type_name}.{name} is hidden from the {audience} while {status}"
        if type_name == "HistoryEntry" and name == "user":
            # A driver who has given the trip back is named, without a user name.
            assert (value["user"]["username"] is None) == (value["version"] == 2)
            assert value["user"]["firstName"] is not None
        else:
            check_fields(value[name], audience, status)


def cases(*kinds: str) -> list[Any]:
    return [
        pytest.param(row, status, id=f"{name}-{status}")
        for name, row in ROWS.items()
        if name.startswith(kinds)
        for status in row.answers
    ]


async def check(world: World, row: Row, status: str, attempts: Attack, *, transport: str) -> None:
    ask = {"http": by_http, "event stream": by_event_stream, "parts": by_parts, "socket": by_socket}[transport]
    assert set(row.answers[status]) == set(VIEWERS)
    await world.stand(status)
    if row is ROWS["Subscription.city"]:
        # Its state is up to a second old while somebody has followed it lately.
        await until(lambda: world.server.application.services.hub.topics == 0)
    for viewer, answer in row.answers[status].items():
        if transport == "socket" and answer != UNAUTHENTICATED and viewer not in OUTSIDE and row.over_socket:
            answer = row.over_socket
        if transport == "socket" and viewer in OUTSIDE:
            answer = UNAUTHENTICATED
        if transport != "socket" and answer == NOTHING_YET:
            continue
        world.expects_nothing = answer == NOTHING_YET
        got = await ask(world, viewer, row)
        assert got.answer == answer, f"{viewer} gets {got.answer!r} instead of {answer!r}"
        if got.value is not None:
            own = SELF if viewer == row.own else None
            check_fields(got.value, own or row.audience or SIGHT[status].get(viewer, "rider"), status)
        attempts.add(answer not in (DATA, WITH_IT))
        if row is ROWS["Mutation.logOut"] and got.answer == DATA:
            await world.begin_session(viewer)


@pytest.mark.parametrize(("row", "status"), cases("Query", "Mutation"))
@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_every_caller_gets_the_documented_answer_to_every_query_and_mutation(
    world: World, row: Row, status: str, transport: str, attempts: Attack
) -> None:
    await check(world, row, status, attempts, transport=transport)


@pytest.mark.parametrize(("row", "status"), cases("Subscription"))
@pytest.mark.parametrize("transport", ["event stream", "parts", "socket"])
async def test_every_caller_gets_the_documented_first_message_of_every_subscription(
    world: World, row: Row, status: str, transport: str, attempts: Attack
) -> None:
    await check(world, row, status, attempts, transport=transport)


@pytest.mark.parametrize("viewer", MOVES)
async def test_every_caller_makes_exactly_the_allowed_changes_of_a_trip(
    world: World, viewer: str, attempts: Attack
) -> None:
    row = ROWS["Mutation.updateTrip"]
    for status, line in MOVES[viewer].items():
        for target, short in zip(STATUSES, line.split(), strict=True):
            await world.stand(status)
            given = {"pin": PIN} if target is TripStatus.IN_PROGRESS else {}
            row = replace(row, variables={"input": {"id": "$TRIP", "status": target.value, **given}})
            got = await by_http(world, viewer, row)
            assert got.answer == ANSWERS[short], f"{status} to {target}: {got.answer} instead of {ANSWERS[short]}"
            attempts.add(got.answer != DATA)
            if got.value is not None:
                trip = got.value["trip"]
                parties = {trip[party]["id"]: party for party in PARTIES if trip[party] is not None}
                audience = parties.get(str(world.people[viewer].id), "pool")
                check_fields(trip, audience, trip["status"])


@pytest.mark.parametrize("viewer", OUTSIDE)
async def test_nobody_without_a_session_moves_a_trip(world: World, viewer: str, attempts: Attack) -> None:
    for status in STATUSES:
        await world.stand(status)
        for target in STATUSES:
            row = replace(
                ROWS["Mutation.updateTrip"], variables={"input": {"id": "$TRIP", "status": target.value}}
            )
            assert (await by_http(world, viewer, row)).answer == UNAUTHENTICATED
            attempts.add()
