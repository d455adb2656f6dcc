"""The API gives the same bytes compiled and not compiled, whatever the use cases return or raise."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import orjson
import pytest
from graphql import GraphQLSchema, OperationType, StringValueNode
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import mutations, queries

from models.city import CityCounts, CityDriver, CityOutage, CityPerson, CityTrip
from models.geo import GeoPoint
from models.standing import DriverRules, PauseReason, Standing
from models.trip_life import CancelCode, ChangedBy, TripStatus, WithdrawReason
from models.values import Approval, Location, Role, TripChangeValue, TripValue, UserValue, VehicleValue
from models.visibility import Actor, Audience
from schema.api.context import Context
from schema.build import build_schema
from schema.operations.compiled import plan_cache
from schema.operations.execution import Execution, Following, Refusal, Request, encode
from services.errors import BadInput, SessionEnded
from services.events.topics import Topics
from services.limits.rates import RateLimited
from services.live import messages
from services.positions.estimates import Estimate
from services.positions.freshness import Freshness, Lifetime
from services.positions.routing import Drive
from services.runtime.fair_queue import FairQueue
from services.staff.city_figures import CityFigure, CityFigures, TimeToAccept
from services.staff.city_routes import CityRoutes
from services.trips.faults import TripTaken
from services.trips.ratings import RatingValue
from tests.fuzzing import fuzzed
from tests.fuzzing.fuzzed import LONG_FACTOR, fuzz
from tests.schema.operations.compiled.written import LEFT_BY_GRAPHQL_CORE, Written

SCHEMA = build_schema()
TYPES: GraphQLSchema = SCHEMA._schema
# Session mutations set cookies, and have tests of their own.
MUTATIONS = (
    "createTrip",
    "updateTrip",
    "rateTrip",
    "reportLocation",
    "updateMe",
    "deleteMe",
    "setOnDuty",
    "setVehicle",
)
QUERIES = ("me", "node", "trip", "trips", "tripEstimate", "cityFigures", "cityTripRoute")
# Below the root field: graphql-core calls them again when it has to finish a compiled operation.
ASKED_AGAIN = {
    "history.of",
    "pick_up_pins.of",
    "positions.last",
    "trip_drives.route",
    "trip_drives.to_pick_up_s",
    "trip_drives.to_drop_off_s",
    "ratings.received_by",
    "ratings.given_for",
    "standings.of",
}


def pure(act: Callable[["World"], Any]) -> Callable[..., Any]:
    """A use case with equal answers to equal calls: graphql-core may call it again after a compiled operation."""
    return lambda *args: act(World(str(args)))


class World:
    """The return values of use cases, random but equal for equal seeds."""

    def __init__(self, seed: int | str) -> None:
        self._random = Random(seed)
        self.actor = Actor(self.user(), self._id())
        self.staff_approve = self._half()

    def use_cases(self) -> dict[str, Callable[..., Any]]:
        """What each use case returns or raises."""
        return {
            "subscribing.count": self._raising(lambda: None),
            "positions.last": pure(lambda world: world._maybe(world.location)),
            "positions.report": self._raising(lambda: None),
            "trip_drives.route": pure(World.drive),
            "trip_drives.to_pick_up_s": pure(lambda world: world._random.uniform(0, 20_000)),
            "trip_drives.to_drop_off_s": pure(lambda world: world._random.uniform(0, 20_000)),
            "estimates.estimate": self._raising(self.estimate),
            "history.of": pure(World.history),
            "pick_up_pins.of": pure(lambda world: world._maybe(lambda: "0042")),
            "ratings.rate": self._raising(self.trip),
            "ratings.received_by": pure(World.rating),
            "ratings.given_for": pure(lambda world: world._maybe(lambda: 4)),
            "accounts.find": self._raising(lambda: self._maybe(self.user)),
            "duty.set": self._raising(lambda: None),
            "vehicles.set": self._raising(lambda: None),
            "standings.of": pure(World.standing),
            "profiles.update": self._raising(self.user),
            "deletions.delete": self._raising(lambda: None),
            "trips.find": self._raising(lambda: self._maybe(self.trip)),
            "trips.request": self._raising(self.trip),
            "trips.update": self._raising(self.trip),
            "trips.page": self._raising(self.page),
            "staff_rights.check": self._raising(lambda: None),
            "city_statistics.of": self._raising(self.figures),
            "city_routing.of": self._raising(lambda: self._maybe(self.routes)),
        }

    def event(self, name: str) -> Any:
        """An event of that subscription's feed."""
        trips = tuple(self.trip() for _ in range(self._random.randint(0, 3)))
        match name:
            case "tripUpdated":
                return messages.TripState(self.trip(), self._random.choice(list(Audience)))
            case "myTripsUpdated":
                party = self._random.choice([Audience.RIDER, Audience.DRIVER])
                return self._random.choice(
                    [messages.MyTripsSnapshot(trips, party), messages.TripChanged(self.trip(), party)]
                )
            case "driverPool":
                withdrawn = messages.TripWithdrawn(self._id(), 3, self._random.choice(list(WithdrawReason)))
                return self._random.choice(
                    [
                        messages.PoolSnapshot(trips, self._half()),
                        messages.PoolSnapshot((), truncated=False, paused=self._random.choice(list(PauseReason))),
                        messages.TripOffered(self.trip()),
                        withdrawn,
                    ]
                )
            case "city":
                return self.city(is_snapshot=self._half())
            case _:
                return messages.DriverAt(self._id(), self.location(), self._random.choice(list(Freshness)))

    def city(self, *, is_snapshot: bool) -> Any:
        drivers, trips = (self.city_driver(), self.city_driver()), (self.city_trip(),)
        counts, outages = CityCounts(1, 2, 3, 4), frozenset(self._random.sample(list(CityOutage), 1))
        if is_snapshot:
            return messages.CitySnapshot(self._now(), drivers, trips, counts, self._half(), outages)
        return messages.CityChange(
            self._now(), drivers, (self._id(),), trips, (self._id(),), counts, self._half(), outages
        )

    def city_person(self) -> CityPerson:
        return CityPerson(self._id(), self._random.choice(["", "ann"]), "Ann", "Ünï")

    def city_driver(self) -> CityDriver:
        return CityDriver(self.city_person(), self.location(), self._half(), self._maybe(self._id))

    def city_trip(self) -> CityTrip:
        trip = self.trip()
        return CityTrip(
            id=trip.id,
            version=trip.version,
            status=trip.status,
            created=trip.created,
            updated=trip.updated,
            pick_up_address=trip.pick_up_address,
            drop_off_address=trip.drop_off_address,
            pick_up=trip.pick_up,
            drop_off=trip.drop_off,
            expires_at=trip.expires_at,
            arrived_at=self._maybe(self._now),
            rider=self.city_person(),
            driver=self._maybe(self.city_person),
        )

    def figures(self) -> CityFigures:
        return CityFigures(
            as_of=self._now(),
            part_s=900,
            total=self.figure(),
            parts=(self.figure(), self.figure()),
            is_cut=self._half(),
            drivers_off_duty=self._maybe(lambda: 3),
        )

    def figure(self) -> CityFigure:
        cancelled = Counter({self._maybe(lambda: self._random.choice(list(CancelCode))): 2})
        waited = self._maybe(lambda: TimeToAccept(1.5, self._random.uniform(2, 100)))
        return CityFigure(self._now(), 9, 5, 4, 2, cancelled, waited)

    def history(self) -> list[TripChangeValue]:
        if self._random.random() < 0.2:
            raise ValueError("a secret")
        return [self.change() for _ in range(3)]

    def drive(self) -> Drive:
        return Drive(1.5, self._random.uniform(0, 20_000), "_p~iF~ps|U", is_estimated=self._half())

    def routes(self) -> CityRoutes:
        return CityRoutes(self._maybe(self.drive), self._maybe(self.drive))

    def estimate(self) -> Estimate:
        return Estimate(self.drive(), 3, self._maybe(lambda: 60))

    def rating(self) -> RatingValue | None:
        return self._maybe(lambda: RatingValue(4.5, 2))

    def user(self) -> UserValue:
        photo = self._maybe(lambda: "photo.webp")
        return UserValue(self._id(), self._random.choice(["", "ann"]), "Ann", "Ünï", self._role(), photo)

    def standing(self) -> Standing:
        if self._random.random() < 0.1:
            raise LookupError("a secret")
        return Standing(
            on_duty=self._half(),
            approval=self._random.choice(list(Approval)),
            approval_reason=self._maybe(lambda: "why"),
            vehicle=self._maybe(self.vehicle),
            trip_id=self._maybe(self._id),
            begun=self._now(),
            as_of=self._now(),
        )

    def vehicle(self) -> VehicleValue:
        return VehicleValue("Škoda", "Octavia", "white", "AB-12", self._random.randint(1, 8))

    def location(self) -> Location:
        return Location(self._id(), None, self._point(), self._maybe(lambda: 1.5), self._now(), self._now())

    def change(self) -> TripChangeValue:
        user = self._maybe(self.user)
        return TripChangeValue(1, self._status(), self._now(), self._random.choice(list(ChangedBy)), user)

    def trip(self) -> TripValue:
        mine = self.actor.user
        trip = TripValue(
            id=self._id(),
            created=self._now(),
            updated=self._now(),
            version=self._random.choice([1, 2, 2**31]) if self._random.random() < 0.2 else 1,
            status=self._status(),
            pick_up_address="A street",
            drop_off_address="B street",
            pick_up=self._maybe(self._point),
            drop_off=self._maybe(self._point),
            expires_at=self._maybe(self._now),
            cancel_reason=self._maybe(lambda: "why"),
            given_back_by=frozenset(),
            rider=mine,
            driver=self._maybe(self.user),
            vehicle=self._maybe(self.vehicle),
        )
        # A few values do not match their type.
        return replace(trip, drop_off_address=cast("Any", None)) if self._random.random() < 0.1 else trip

    def page(self) -> Any:
        trips = tuple(self.trip() for _ in range(self._random.randint(0, 3)))
        return SimpleNamespace(trips=trips, has_next=self._half())

    def _raising(self, make: Callable[[], Any]) -> Callable[..., Any]:
        faults = (TripTaken("Taken."), BadInput("Bad."), SessionEnded(), RateLimited(3.0), ValueError("a secret"))

        def act(*_: Any, **__: Any) -> Any:
            if self._random.random() < 0.15:
                raise self._random.choice(faults)
            return make()

        return act

    def _half(self) -> bool:
        return self._random.random() < 0.5

    def _maybe(self, make: Callable[[], Any]) -> Any:
        return make() if self._random.random() < 0.7 else None

    def _id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128))

    def _role(self) -> Role:
        return self._random.choice(list(Role))

    def _status(self) -> TripStatus:
        return self._random.choice(list(TripStatus))

    def _point(self) -> GeoPoint:
        return GeoPoint(self._random.uniform(-90, 90), self._random.choice([4.0, cast("Any", 4)]))

    def _now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._random.randint(0, 10**6))


class UseCases:
    """The use cases of a world, which note how they are called. (A mock of each costs as much as all the rest.)"""

    def __init__(self, world: World) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.offer_radius_m = 3_000.0
        self.driver_rules = DriverRules(needs_approval=world.staff_approve)
        self.topics = Topics("test")
        # The feed would read it.
        self.city = SimpleNamespace(turns=FairQueue())
        for name, act in world.use_cases().items():
            service, _, method = name.partition(".")
            setattr(self, service, getattr(self, service, None) or SimpleNamespace())
            setattr(getattr(self, service), method, self._noting(name, act))
        self.positions.lifetime = Lifetime(stale_s=60, ttl_s=600)

    def _noting(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        async def noting(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            return act(*args, **kwargs)

        return noting


@pytest.fixture(scope="module")
def executions() -> Iterator[tuple[Execution, Execution]]:
    """One execution that passes everything to graphql-core, and one that compiles everything."""
    judge, compiling = Execution(SCHEMA, introspection=True), Execution(SCHEMA, introspection=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("services.runtime.incidents.report", lambda _: "incident")
        patched.setattr(judge, "_plans", SimpleNamespace(find=lambda *_, **__: None))
        patched.setattr(plan_cache, "USES", 1)
        yield judge, compiling


async def answer(
    execution: Execution, kind: str, name: str, request: Request, seed: int
) -> tuple[bytes, list[Any]]:
    """The answer, and the calls of the use cases."""
    world = World(seed)
    services = UseCases(world)
    context = Context(cast("Any", services), world.actor if seed % 7 else None)
    operation = execution.prepare(request)
    if isinstance(operation, Refusal):
        return b"invalid", []
    if kind == "subscription":
        result = await execution.follow(operation, request, context)
    else:
        result = await execution.run(operation, request, context)
    if isinstance(result, Refusal):
        said = orjson.dumps(result.formatted())
    elif isinstance(result, Following):
        rendered = [result.group.render(world.event(name)) for _ in range(5)]
        said = b"".join([each if isinstance(each, bytes) else await each for each in rendered])
    else:
        said = encode(result)
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(cast("Any", others))
    return said, [call for call in services.calls if call[0] not in ASKED_AGAIN]


async def check(executions: tuple[Execution, Execution], kind: str, name: str, request: Request, seed: int) -> str:
    """Assert that nothing differs; returns the outcome of the operation."""
    judge, compiling = executions
    said, calls = await answer(judge, kind, name, request, seed)
    said_compiled, calls_compiled = await answer(compiling, kind, name, request, seed)
    assert said == said_compiled, (seed, request)
    assert calls == calls_compiled, (seed, request)
    operation = compiling.prepare(request)
    if isinstance(operation, Refusal):
        return "invalid"
    compiled = compiling._plans.find(operation, request.variables) is not None
    return ("compiled" if compiled else "not compiled") + (" with errors" if b'"message"' in said else "")


FIELDS = [
    *(("query", name) for name in QUERIES),
    *(("mutation", name) for name in MUTATIONS),
    *(("subscription", name) for name in TYPES.type_map["Subscription"].fields),  # type: ignore[attr-defined]
]


@pytest.mark.filterwarnings(*LEFT_BY_GRAPHQL_CORE)
@pytest.mark.parametrize(("kind", "name"), FIELDS)
async def test_every_field_of_the_api_gives_equal_bytes_with_directives_fragments_and_variables(
    executions: tuple[Execution, Execution], kind: str, name: str
) -> None:
    root = TYPES.get_root_type(OperationType(kind))
    assert root is not None
    became = Counter[str]()
    for seed in range(25 * (LONG_FACTOR if fuzzed.is_long else 1)):
        written = Written(Random(seed), TYPES)
        request = Request(written.text(kind, name, root.fields[name]), variables=written.variables)
        became[await check(executions, kind, name, request, seed)] += 1
    compiled, valid = became["compiled"] + became["compiled with errors"], became.total() - became["invalid"]
    assert compiled > 0.5 * valid > 6, became


def _texts(*texts: str) -> st.SearchStrategy[StringValueNode]:
    return st.sampled_from([StringValueNode(value=text) for text in texts])


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "ID": _texts("00000000-0000-4000-8000-000000000000", "", "1"),
    "DateTime": _texts("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "now"),
    "Upload": _texts(""),
}


@pytest.mark.filterwarnings(*LEFT_BY_GRAPHQL_CORE)
@fuzz(40)
@given(queries(TYPES, fields=QUERIES, custom_scalars=SCALARS), st.integers(0, 10**6))
async def test_queries_by_hypothesis_give_equal_bytes(
    executions: tuple[Execution, Execution], text: str, seed: int
) -> None:
    await check(executions, "query", "", Request(text), seed)


@pytest.mark.filterwarnings(*LEFT_BY_GRAPHQL_CORE)
@fuzz(30)
@given(mutations(TYPES, fields=MUTATIONS, custom_scalars=SCALARS), st.integers(0, 10**6))
async def test_mutations_by_hypothesis_give_equal_bytes(
    executions: tuple[Execution, Execution], text: str, seed: int
) -> None:
    await check(executions, "mutation", "", Request(text), seed)
