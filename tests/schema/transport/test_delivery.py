"""Delivery: the messages that a slow client receives, and that it delays nobody."""

import asyncio
import tracemalloc
from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any, Self, cast

import orjson
import pytest
from graphql import GraphQLError

from gateway.uvicorn.connection import Connection
from models.standing import ON_DUTY_ONLY
from models.trip_life import TripStatus
from models.values import TripValue
from models.visibility import Actor
from schema.api.context import Context
from schema.build import build_schema
from schema.operations.execution import Execution, Following, Request
from schema.transport import delivery as delivery_module
from schema.transport import send_queue as send_queue_module
from schema.transport.delivery import Delivery
from schema.transport.send_queue import Frame
from schema.transport.socket_messages import OperationFraming
from schema.transport.sockets import Socket
from services.events.topics import Topics
from services.live.messages import Message, TripOffered
from services.live.topic import ListeningEnded
from services.positions.freshness import Lifetime
from services.runtime.admission import Admission
from services.runtime.counters import Counters
from tests.schema.transport.test_send_queue import Wire
from tests.support.live import FREELY, FakeBus, ScriptedState, driver, hub_on, rider
from tests.support.positions import DRIVER_LOCATION, location
from tests.support.waiting import PATIENCE_S, until

TOPICS = Topics("test")
POOL = """subscription { driverPool {
    __typename ... on PoolSnapshot { offers { id } } ... on TripOffered { trip { id version } }
    ... on TripWithdrawn { tripId version }
} }"""
TRIP = "subscription ($id: ID!) { tripUpdated(id: $id) { version status } }"


class Framing:
    """Frames that can be read in an assertion."""

    def __init__(self, key: object) -> None:
        self.key = cast("Any", key)

    def next(self, payload: bytes) -> Frame:
        return {"text": (self.key, *orjson.loads(payload)["data"].values())}

    def failure(self, errors: Sequence[GraphQLError]) -> Frame:
        return {"text": (self.key, *(error.message for error in errors))}

    def complete(self) -> Frame:
        return {"text": (self.key, "complete")}


class Live:
    """A hub with a schema."""

    def __init__(self, state: ScriptedState) -> None:
        self.state = state
        self.bus = FakeBus()
        self.hub = hub_on(self.bus, TOPICS)
        self.execution = Execution(build_schema(), introspection=False)
        self.services = cast(
            "Any",
            SimpleNamespace(
                hub=self.hub,
                topics=TOPICS,
                offer_radius_m=3_000,
                driver_rules=ON_DUTY_ONLY,
                subscribing=FREELY,
                positions=SimpleNamespace(lifetime=Lifetime(stale_s=60, ttl_s=600)),
            ),
        )

    async def follow(self, actor: Actor, query: str = POOL, **variables: Any) -> Following:
        request = Request(query, None, variables)
        operation = cast("Any", self.execution.prepare(request))
        following = await self.execution.follow(operation, request, Context(self.services, actor))
        assert isinstance(following, Following), following
        return following

    async def begin(
        self, wire: Wire, actor: Actor | None = None, query: str = POOL, id: str = "1", **variables: Any
    ) -> Delivery:
        following = await self.follow(actor or driver(), query, **variables)
        delivery = Delivery(id, following, Framing(id), wire.send_queue, self.hub, on_end=lambda: None)
        wire.send_queue.on_drained = delivery.catch_up
        await delivery.begin()
        return delivery


@pytest.fixture
async def live(monkeypatch: pytest.MonkeyPatch) -> Live:
    state = ScriptedState()
    state.install(monkeypatch)
    return Live(state)


def kinds(wire: Wire) -> list[str]:
    return [text[1] if isinstance(text[1], str) else text[1].get("__typename", "") for text in wire.sent]


async def test_messages_keep_their_order_at_a_client_that_reads_late(live: Live) -> None:
    wire = Wire()
    await live.begin(wire)
    wire.open.clear()
    trips = [live.state.request() for _ in range(20)]
    await live.bus.publish(TOPICS.pool, *trips)
    wire.open.set()
    await wire.send_queue.drained()
    assert kinds(wire)[0] == "PoolSnapshot"
    assert [text[1]["trip"]["id"] for text in wire.sent[1:]] == [str(trip.id) for trip in trips]


async def test_of_the_waiting_messages_about_one_trip_only_the_latest_is_sent(live: Live) -> None:
    wire = Wire()
    await live.begin(wire)
    wire.open.clear()
    await live.bus.publish(TOPICS.pool, live.state.request())
    trip = live.state.request()
    await live.bus.publish(TOPICS.pool, trip, live.state.accept(trip, driver()))
    assert wire.send_queue.waiting == 1
    wire.open.set()
    await wire.send_queue.drained()
    assert kinds(wire) == ["PoolSnapshot", "TripOffered", "TripWithdrawn"]


async def test_of_the_waiting_positions_only_the_latest_is_sent(live: Live) -> None:
    wire, rider_, driver_ = Wire(), rider(), driver()
    trip = live.state.accept(live.state.request(rider=rider_.user), driver_)
    await live.begin(wire, rider_, DRIVER_LOCATION, tripId=str(trip.id))
    wire.open.clear()
    for lat in range(300):
        position = location(driver_.id, lat / 10, trip_id=trip.id)
        await live.bus.publish(TOPICS.car(trip.id), position.to_json())
    assert wire.send_queue.waiting == 1
    wire.open.set()
    await wire.send_queue.drained()
    assert [text[1]["point"]["lat"] for text in wire.sent] == [0, 29.9]


async def test_two_operations_do_not_replace_one_anothers_messages(live: Live) -> None:
    wire = Wire()
    await live.begin(wire, id="1")
    await live.begin(wire, id="2")
    wire.open.clear()
    await live.bus.publish(TOPICS.pool, live.state.request(), live.state.request())
    wire.open.set()
    await wire.send_queue.drained()
    assert [text[0] for text in wire.sent[2:]] == ["1", "2", "1", "2"]


async def test_a_snapshot_replaces_all_waiting_messages(live: Live) -> None:
    wire = Wire()
    await live.begin(wire)
    wire.open.clear()
    await live.bus.publish(TOPICS.pool, *(live.state.request() for _ in range(5)))
    assert wire.send_queue.waiting == 4
    live.hub.resync()
    await live.state.reads_reach(2)
    await until(lambda: wire.send_queue.waiting == 1)
    wire.open.set()
    await wire.send_queue.drained()
    assert kinds(wire) == ["PoolSnapshot", "TripOffered", "PoolSnapshot"]
    assert len(wire.sent[2][1]["offers"]) == 5


async def test_if_too_many_messages_wait_one_new_snapshot_replaces_them(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "MAX_WAITING", 8)
    wire = Wire()
    await live.begin(wire)
    wire.open.clear()
    await live.bus.publish(TOPICS.pool, *(live.state.request() for _ in range(50)))
    assert wire.send_queue.waiting <= 8
    wire.open.set()
    await until(lambda: len(wire.sent) == 3)
    assert kinds(wire) == ["PoolSnapshot", "TripOffered", "PoolSnapshot"]
    assert len(wire.sent[2][1]["offers"]) == 50
    last = live.state.request()
    await live.bus.publish(TOPICS.pool, last)
    assert wire.sent[3][1]["trip"]["id"] == str(last.id)


async def test_a_client_that_has_not_taken_a_step_gets_the_whole_state_instead_of_the_next(live: Live) -> None:
    wire = Wire()
    delivery = await live.begin(wire)
    wire.open.clear()
    steps = [Message(TripOffered(live.state.request()), None, is_step=True) for _ in range(5)]
    for step in steps[:2]:
        delivery.deliver(step)
    assert wire.send_queue.waiting == 1
    for step in steps[2:]:
        delivery.deliver(step)
        assert wire.send_queue.waiting == 0
    wire.open.set()
    await until(lambda: len(wire.sent) == 3)
    assert kinds(wire) == ["PoolSnapshot", "TripOffered", "PoolSnapshot"]
    assert len(wire.sent[2][1]["offers"]) == 5
    # From there on it takes steps again.
    delivery.deliver(steps[0])
    await until(lambda: len(wire.sent) == 4)


async def test_an_overflow_before_the_subscription_has_begun_leads_to_a_snapshot(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "MAX_WAITING", 2)
    late = live.state.request()
    live.state.change(late, TripStatus.CANCELLED)
    wire, hold = Wire(), live.state.hold
    wire.open.clear()
    hold.clear()
    beginning = asyncio.create_task(live.begin(wire))
    await live.state.reads_reach(1)
    await live.bus.publish(TOPICS.pool, *(live.state.request() for _ in range(5)), late)
    # The snapshot and the five are on their way; the late one is being checked when the client reads again.
    hold.set()
    hold.clear()
    await live.state.reads_reach(2)
    wire.open.set()
    await wire.send_queue.drained()
    hold.set()
    await beginning
    await until(lambda: kinds(wire)[-1] == "PoolSnapshot" and len(wire.sent[-1][1]["offers"]) == 5)


async def test_a_snapshot_after_a_gap_reaches_a_client_whose_queue_overflowed(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "MAX_WAITING", 2)
    wire = Wire()
    await live.begin(wire)
    wire.open.clear()
    await live.bus.publish(TOPICS.pool, *(live.state.request() for _ in range(5)))
    live.hub.resync()
    await until(lambda: wire.send_queue.waiting == 1)
    last = live.state.request()
    await live.bus.publish(TOPICS.pool, last)
    wire.open.set()
    await wire.send_queue.drained()
    assert kinds(wire) == ["PoolSnapshot", "TripOffered", "PoolSnapshot", "TripOffered"]
    assert len(live.state.reads) == 2


async def test_complete_comes_after_the_last_state_however_many_messages_wait(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "MAX_WAITING", 2)
    wire = Wire()
    trip = live.state.request()
    await live.begin(wire, id="pool")
    following = await live.follow(Actor(trip.rider, driver().session_id), TRIP, id=str(trip.id))
    watched = Delivery("trip", following, Framing("trip"), wire.send_queue, live.hub, on_end=lambda: None)
    await watched.begin()
    wire.open.clear()
    await live.bus.publish(TOPICS.pool, *(live.state.request() for _ in range(3)))
    assert wire.send_queue.waiting == 2
    cancelled = live.state.change(trip, TripStatus.CANCELLED)
    await live.bus.publish(TOPICS.trip(trip.id), cancelled)
    wire.open.set()
    await wire.send_queue.drained()
    assert [text[1] for text in wire.sent if text[0] == "trip"] == [
        {"version": 1, "status": "REQUESTED"},
        {"version": 2, "status": "CANCELLED"},
        "complete",
    ]


async def test_waiting_messages_of_an_operation_that_the_client_ended_are_not_sent(live: Live) -> None:
    wire = Wire()
    ended = await live.begin(wire)
    wire.open.clear()
    await live.bus.publish(TOPICS.pool, *(live.state.request() for _ in range(5)))
    ended.cancel()
    # The id may be used again: its first message is a snapshot.
    await live.begin(wire)
    wire.open.set()
    await wire.send_queue.drained()
    assert kinds(wire) == ["PoolSnapshot", "TripOffered", "PoolSnapshot"]


async def test_a_client_that_never_reads_delays_nobody_and_is_aborted(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_queue_module, "SEND_TIMEOUT_S", 0.05)
    silent, readers = Wire(), [Wire() for _ in range(20)]
    for wire in (silent, *readers):
        await live.begin(wire)
    silent.open.clear()
    trips = [live.state.request() for _ in range(400)]
    await live.bus.publish(TOPICS.pool, *trips)
    # All have it before the silent client is aborted, whose queue stays within its limit.
    await until(lambda: [len(wire.sent) for wire in readers] == [401] * 20)
    assert silent.send_queue.waiting <= send_queue_module.MAX_WAITING
    await silent.send_queue.drained()
    assert silent.aborted == 1


async def test_one_event_is_executed_and_framed_once_for_equal_subscriptions(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    wires = [Wire() for _ in range(200)]
    for wire in wires:
        await live.begin(wire)
    following = await live.follow(driver())
    rendered = 0
    render = type(following.group).render

    def count(group: Any, content: Any) -> Any:
        nonlocal rendered
        rendered += 1
        return render(group, content)

    monkeypatch.setattr(type(following.group), "render", count)
    await live.bus.publish(TOPICS.pool, live.state.request())
    assert rendered == 1
    assert {id(wire.sent[-1]) for wire in wires} == {id(wires[0].sent[-1])}


class Conversation:
    """The client of one socket, from `connection_init` on."""

    def __init__(self, live: Live, actor: Actor) -> None:
        self.wire = Wire()
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        # Called when all messages have been handled, before anything else continues.
        self.when_heard: Callable[[], None] = lambda: None

        async def actor_of(_: str) -> Actor:
            return actor

        live.services.sessions = SimpleNamespace(actor_of=actor_of)
        live.services.live_sessions = SimpleNamespace(register=lambda *_: lambda: None)
        endpoint = SimpleNamespace(
            execution=live.execution,
            services=live.services,
            limit=SimpleNamespace(take=lambda _: lambda: None),
            init_timeout_s=60.0,
            max_operations=10,
            admission=Admission(1000, Counters()),
        )
        self.socket = Socket(
            cast("Any", endpoint),
            self.wire.send,
            Connection(self.wire.send),
            "token",
            is_own_page=True,
            network="192.0.2.1",
        )

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self.socket.serve(self._receive))
        self.say(type="connection_init")
        await until(lambda: self.said == ["connection_ack"])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._serving.cancel()
        await asyncio.wait([self._serving])

    async def _receive(self) -> dict[str, Any]:
        if self._messages.empty():
            self.when_heard()
        return {"type": "websocket.receive", "text": await self._messages.get()}

    def say(self, **message: Any) -> None:
        self.say_text(orjson.dumps(message).decode())

    def say_text(self, text: str) -> None:
        self._messages.put_nowait(text)

    def follow(self, trip: TripValue, id: str = "1") -> None:
        payload = {"query": TRIP, "variables": {"id": str(trip.id)}}
        self.say(id=id, type="subscribe", payload=payload)

    @property
    def said(self) -> list[str]:
        """The types of the server's messages."""
        return [orjson.loads(text)["type"] for text in self.wire.sent]


async def test_waiting_messages_of_an_ended_operation_do_not_end_the_next_one_with_its_id(live: Live) -> None:
    trip = live.state.request()
    async with Conversation(live, Actor(trip.rider, driver().session_id)) as client:
        client.follow(trip)
        await until(lambda: len(client.said) == 2)
        client.wire.open.clear()
        taken = live.state.accept(trip, driver())
        ended = live.state.change(taken, TripStatus.CANCELLED)
        # The first is on its way; the last state and `complete` wait after it.
        await live.bus.publish(TOPICS.trip(trip.id), taken, ended)
        live.state.hold.clear()
        reads = len(live.state.reads)
        client.say(id="1", type="complete")
        client.follow(trip)
        await live.state.reads_reach(reads + 1)
        client.wire.open.set()
        await cast("Any", client.socket)._send_queue.drained()
        assert client.said == ["connection_ack", "next", "next"]
        live.state.hold.set()
        await until(lambda: len(client.said) == 5)
        assert client.said[3:] == ["next", "complete"]


async def test_an_operation_that_fails_when_its_id_is_used_again_does_not_end_the_next_one(live: Live) -> None:
    trip = live.state.request()
    async with Conversation(live, Actor(trip.rider, driver().session_id)) as client:
        live.state.hold.clear()
        client.follow(trip)
        await live.state.reads_reach(1)
        (first,) = topic_followers(live, trip)
        # The topic fails in the same turn in which the client ends the first and begins the second.
        client.when_heard = lambda: cast("Any", first).fail(ListeningEnded("scripted"))
        client.say(id="1", type="complete")
        client.follow(trip)
        await until(lambda: set(topic_followers(live, trip)) - {first})
        live.state.hold.set()
        await until(lambda: len(client.said) == 2)
        await live.bus.publish(TOPICS.trip(trip.id), live.state.change(trip, TripStatus.CANCELLED))
        await until(lambda: len(client.said) == 4)
        assert client.said == ["connection_ack", "next", "next", "complete"]


async def test_messages_of_the_next_operation_with_an_id_are_not_dropped_with_the_previous_one(live: Live) -> None:
    trip = live.state.request()
    async with Conversation(live, Actor(trip.rider, driver().session_id)) as client:
        live.state.hold.clear()
        client.follow(trip)
        await live.state.reads_reach(1)
        client.wire.open.clear()
        client.say(type="ping")
        await until(lambda: cast("Any", client.socket)._send_queue.is_busy)
        client.say(id="1", type="complete")
        # Refused immediately, because a lone surrogate cannot be read; its error waits after the pong.
        client.say_text(r'{"id":"1","type":"subscribe","payload":{"query":"\ud800"}}')
        await until(lambda: len(topic_followers(live, trip)) == 0)
        client.wire.open.set()
        await cast("Any", client.socket)._send_queue.drained()
        assert client.said == ["connection_ack", "pong", "error"]


def topic_followers(live: Live, trip: TripValue) -> Collection[object]:
    topic = cast("Any", live.hub)._topics._topics.get(TOPICS.trip(trip.id))
    return topic.followers if topic is not None else ()


def test_the_memory_for_framing_the_results_of_an_operation_is_small() -> None:
    tracemalloc.start()
    try:
        framings = [OperationFraming(str(number)) for number in range(1_000)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / len(framings) < 600


async def test_the_server_stops_reading_from_a_client_that_does_not_read() -> None:
    wire = Wire()
    wire.open.clear()
    asked, blocked = 0, asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked > 5000:
            blocked.set()
            await asyncio.Event().wait()
        return {"type": "websocket.receive", "text": '{"type": "ping"}'}

    endpoint = cast("Any", SimpleNamespace(services=None, init_timeout_s=60.0))
    socket = Socket(endpoint, wire.send, Connection(wire.send), None, is_own_page=True, network="")
    serving = asyncio.create_task(socket.serve(receive))
    await asyncio.sleep(0)
    # The server has stopped reading at its limit, and continues when the client reads.
    assert asked <= send_queue_module.MAX_WAITING + 2
    wire.open.set()
    async with asyncio.timeout(PATIENCE_S):
        await blocked.wait()
    serving.cancel()
    await asyncio.wait([serving])
    assert len(wire.sent) == 5000
