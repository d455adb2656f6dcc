"""Every subscription gives every subscriber the same bytes, with shared executions and without.

One script of events runs on two servers, over sockets, as event streams and as multipart responses. Ids, times and
incident ids differ between runs; everything else is compared byte for byte.
"""

import asyncio
import itertools
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import strawberry
import structlog
from graphql import GraphQLResolveInfo, OperationType

from application import execution as execution_of_settings
from application.settings import Settings
from schema.api.errors import RequestError
from schema.build import build_schema
from schema.operations.execution import Execution
from tests.conftest import LiveServer, serving
from tests.schema.subscription_cases import CASES, HERE, THERE, Case
from tests.support.api import LOG_OUT, REPORT_LOCATION, Api
from tests.support.parts import PARTS
from tests.support.recorder import Recording, recording_socket, recording_stream
from tests.support.waiting import until

CREATE = "mutation ($input: CreateTripInput!) { createTrip(input: $input) { trip { id } errors { code } } }"
UPDATE = "mutation ($input: UpdateTripInput!) { updateTrip(input: $input) { trip { id } errors { code } } }"
# The PIN of every trip.
PIN = "0042"
RIDERS, DRIVERS = ("robin", "rita"), ("dana", "dora")
# The kinds of streams: what they accept, and who has them.
STREAMS = (("events", "text/event-stream", ("robin", *DRIVERS)), ("parts", PARTS["Accept"], ("robin", "dana")))
# Messages that the comparison must include.
KINDS = {
    "tripUpdated": ["COMPLETED", "NOT_FOUND", "BAD_USER_INPUT", "INTERNAL", "FORBIDDEN", "complete"],
    "myTripsUpdated": ["MyTripsSnapshot", "TripChanged", "INTERNAL", "FORBIDDEN", "UNAUTHENTICATED"],
    "driverPool": ["PoolSnapshot", "TripOffered", "OUT_OF_RANGE", "INTERNAL", "FORBIDDEN", "_PARSE_FAILED"],
    "driverLocation": ["heading", "INTERNAL", "FORBIDDEN", "NOT_FOUND", "complete"],
}
# The identity of a subscriber: the case, the person, and the transport.
Key = tuple[str, str, str]


def mischievous_schema(**options: bool) -> strawberry.Schema:
    """The schema, with resolvers that wait and fail when a subscription calls them."""
    schema = build_schema(**options)

    def replace(type_: str, name: str, behave: Callable[[Any, Any], object]) -> None:
        field: Any = schema._schema.type_map[type_].fields[name]  # type: ignore[attr-defined]
        read = field.resolve

        def resolve(source: object, info: GraphQLResolveInfo) -> object:
            value = read(source, info)
            return behave(source, value) if info.operation.operation is OperationType.SUBSCRIPTION else value

        field.resolve = resolve

    def fail(_: object, __: object) -> object:
        raise ValueError("a secret of ours")

    async def wait(_: object, value: object) -> object:
        await asyncio.sleep(0)
        return value

    async def wait_and_fail(_: object, __: object) -> object:
        await asyncio.sleep(0)
        raise ValueError("a secret of ours")

    def refuse(trip: Any, value: object) -> object:
        if trip.value.version == 2:
            raise RequestError("FORBIDDEN", "Not at that version.")
        return value

    def refuse_once(_: object, heading: object) -> object:
        return fail(_, heading) if heading == 4 else heading

    replace("User", "photo", fail)
    replace("User", "lastName", fail)
    replace("Trip", "dropOffAddress", wait)
    replace("Trip", "dropOff", wait_and_fail)
    replace("Trip", "cancelReason", refuse)
    replace("DriverLocation", "heading", refuse_once)
    return schema


class Run:
    """One server, its people, and the messages of each of their subscriptions."""

    def __init__(self, live: LiveServer, cases: dict[str, Case], stack: AsyncExitStack) -> None:
        self.recordings: dict[Key, Recording] = {}
        self.names: dict[str, str] = {}
        self._live = live
        self._cases = cases
        self._stack = stack
        self._people: dict[str, Api] = {}
        self._trips: dict[str, str] = {}
        # Results after the first, by topic and person. Nobody receives a driver's position before there is one.
        self._heard = Counter({("driver of A", "robin"): -1})
        self._ends: list[Callable[[], Awaitable[object]]] = []

    async def play(self) -> None:
        """Run the whole script."""
        for name in (*RIDERS, *DRIVERS):
            await self._arrive(name)
        await self._request("robin", "TRIP_A", pickUp=HERE)
        await self._request("rita", "TRIP_B")
        await self._subscribe()
        await self._request("robin", "TRIP_C", pickUp=THERE)
        await self._hear({"pool": DRIVERS, "elsewhere": DRIVERS, "my trips": ["robin"]})
        # After a gap of the bus, viewers with different rights start from one read.
        self._live.application.services.hub.resync()
        everywhere = {"pool": DRIVERS, "near": DRIVERS, "elsewhere": DRIVERS, "my trips": self._people}
        await self._hear({**everywhere, "trip A": ["robin", *DRIVERS], "trip B": ["rita", *DRIVERS]})
        # The driver's position decides which offers they receive.
        await self._report("dana", HERE, 1)
        await self._hear({"pool": ["dana"]})
        await self._report("dora", HERE, 2)
        await self._hear({"pool": ["dora"]})
        await self._report("dora", THERE, 3)
        await self._hear({"pool": ["dora", "dora"]})
        # A viewer who may no longer see the trip learns that, and nothing more.
        await self._update("dana", "TRIP_A", "STARTED")
        await self._hear(
            {
                "pool": ["dana"],
                "near": DRIVERS,
                "elsewhere": ["dana"],
                "my trips": ["robin", "dana"],
                "trip A": ["robin", *DRIVERS],
                "driver of A": ["robin"],
            }
        )
        await self._report("dana", HERE, 4)
        await self._hear({"driver of A": ["robin"]})
        await self._update("dana", "TRIP_A", "REQUESTED")
        # Without a trip she gets offers again, everywhere.
        again = {"pool": ["dana"], "near": DRIVERS, "elsewhere": ["dana"]}
        await self._hear({**again, "my trips": ["robin", "dana"], "trip A": ["robin", "dana"]})
        await self._update("dora", "TRIP_A", "STARTED")
        doras = {"pool": ["dora"], "near": ["dora"], "elsewhere": ["dora"], "my trips": ["robin", "dora"]}
        await self._hear({**doras, "trip A": ["robin"], "driver of A": ["robin"]})
        await self._update("dora", "TRIP_A", "IN_PROGRESS")
        await self._hear({"my trips": ["robin", "dora"], "trip A": ["robin"]})
        await self._report("dora", THERE, 5)
        await self._hear({"driver of A": ["robin"]})
        await self._update("dora", "TRIP_A", "COMPLETED")
        await self._hear({**doras, "trip A": ["robin"]})
        await self._update("rita", "TRIP_B", "CANCELLED")
        everywhere = {"pool": DRIVERS, "near": DRIVERS, "elsewhere": DRIVERS}
        await self._hear({**everywhere, "my trips": ["rita"], "trip B": ["rita", *DRIVERS]})
        # The end of the session comes after all messages.
        for api in self._people.values():
            await api.data(LOG_OUT)
        for end in self._ends:
            await end()

    async def _arrive(self, name: str) -> None:
        api = self._people[name] = await self._stack.enter_async_context(Api(self._live.url))
        role = "RIDER" if name in RIDERS else "DRIVER"
        await api.sign_up(role, username=f"{name}@example.com", firstName=name.title(), lastName="Test")
        self.names[api.user["id"]] = name

    async def _request(self, rider: str, trip: str, **fields: object) -> None:
        fields |= {"pickUpAddress": f"{trip} Street", "dropOffAddress": "Airport"}
        payload = await self._people[rider].data(CREATE, input=fields)
        assert payload["errors"] == []
        self._trips[trip] = payload["trip"]["id"]
        self.names[self._trips[trip]] = trip

    async def _report(self, driver: str, point: dict[str, float], heading: float) -> None:
        fields = {"point": point, "heading": heading, "recordedAt": datetime.now(UTC).isoformat()}
        assert (await self._people[driver].data(REPORT_LOCATION, input=fields))["errors"] == []

    async def _update(self, actor: str, trip: str, status: str) -> None:
        fields = {"id": self._trips[trip], "status": status}
        if status == "IN_PROGRESS":
            fields["pin"] = PIN
        payload = await self._people[actor].data(UPDATE, input=fields)
        assert payload["errors"] == []

    async def _subscribe(self) -> None:
        """Everybody begins each case on two sockets, under different ids; some as streams of both kinds too."""
        for name, api in self._people.items():
            sockets = [await self._stack.enter_async_context(recording_socket(api)) for _ in range(2)]
            self._ends += [socket.ended for socket in sockets]
            for what, case in self._cases.items():
                payload = case.payload(self._trips)
                for number, socket in enumerate(sockets, 1):
                    recording = await socket.begin(f"{what} {number}", payload)
                    self.recordings[what, name, f"socket {number}"] = recording
                # Each is a separate connection: not for everybody.
                for kind, accept, people in STREAMS:
                    if name in people:
                        stream = await self._stack.enter_async_context(recording_stream(api, payload, accept))
                        self.recordings[what, name, kind] = stream.recording
                        self._ends.append(stream.ended)
        await self._until_heard()

    async def _hear(self, listeners: Mapping[str, Iterable[str]]) -> None:
        """Wait until the receivers of the last event have one result more, by topic."""
        self._heard.update((topic, name) for topic, people in listeners.items() for name in people)
        await self._until_heard()

    async def _until_heard(self) -> None:
        def missing() -> Iterator[Key]:
            return (
                (what, name, by)
                for (what, name, by), recording in self.recordings.items()
                if recording.results < 1 + self._heard[self._cases[what].topic, name]
            )

        try:
            await until(lambda: next(missing(), None) is None)
        except TimeoutError:
            raise AssertionError(f"not told: {list(missing())[:10]}") from None


@dataclass
class Sent:
    """The messages of a run, in terms that all runs share."""

    frames: dict[Key, list[str]]
    executions: int
    deliveries: int


async def record(settings: Settings, cases: dict[str, Case]) -> Sent:
    """Run the script with everybody's subscriptions to those cases."""
    changes = {
        "max_sockets_per_user": 2 * len(cases) + 2,
        "max_operations_per_socket": len(cases),
        # Over two sockets and two streams.
        "max_pools_per_user": 4 * len(cases),
        "location_rate": "off",
        "pick_up_pin": True,
    }
    async with serving(settings.model_copy(update=changes)) as live, AsyncExitStack() as stack:
        run = Run(live, cases, stack)
        await run.play()
        counts = live.application.services.hub.counters
        frames = {key: recording.settled(run.names) for key, recording in run.recordings.items()}
        return Sent(frames, counts.executions, counts.deliveries)


def test_every_subscription_is_compared() -> None:
    followed = build_schema()._schema.subscription_type.fields.keys()  # type: ignore[union-attr]
    # The city comes once a second, whatever happens: two runs differ. test_city_for_staff.py compares watchers.
    assert CASES.keys() == KINDS.keys() == followed - {"city"}


@pytest.mark.parametrize("backend", ["embedded"])
@pytest.mark.parametrize("root", CASES)
async def test_sharing_changes_no_byte_that_a_subscriber_receives(
    root: str, settings: Settings, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_of_settings, "build_schema", mischievous_schema)
    monkeypatch.setattr("secrets.randbelow", lambda _: int(PIN))
    shutil.copy(sqlite_template, tmp_path / "other.sqlite3")
    other = settings.model_copy(update={"database_url": f"sqlite://{tmp_path / 'other.sqlite3'}"})
    # Keeps some hundred incidents out of the log.
    with structlog.testing.capture_logs():
        with monkeypatch.context() as unshared:
            unshared.setattr(execution_of_settings, "Execution", partial(Execution, shares=False))
            alone = await record(settings, CASES[root])
        shared = await record(other, CASES[root])
    assert alone.frames.keys() == shared.frames.keys()
    differing = [key for key, sent in alone.frames.items() if sent != shared.frames[key]]
    shown = [(key, alone.frames[key], shared.frames[key]) for key in differing[:3]]
    assert not differing, f"{len(differing)} subscribers: {shown}"
    assert alone.executions == alone.deliveries
    assert shared.executions < shared.deliveries == alone.deliveries

    everything = "\n".join(itertools.chain.from_iterable(alone.frames.values()))
    assert [kind for kind in KINDS[root] if kind not in everything] == []
    assert "secret" not in everything
    told_the_pin = {key[1] for key, sent in alone.frames.items() if f'"pickUpPin":"{PIN}"' in "".join(sent)}
    assert told_the_pin == ({"robin"} if root in ("tripUpdated", "myTripsUpdated") else set())
    # No driver is ever a party of Rita's trip.
    assert not [key for key, sent in alone.frames.items() if key[1] in DRIVERS and "rita@" in "".join(sent)]
