"""A shared execution gives the same result as separate ones."""

import asyncio
import gc
import inspect
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import orjson
import pytest
from graphql import ExecutionResult, subscribe

from models.standing import ON_DUTY_ONLY
from models.trip_life import TripStatus
from models.values import TripValue
from models.visibility import Actor
from schema.api.context import Context, SharedContext
from schema.api.feed_stream import FeedStream
from schema.build import build_schema
from schema.operations.compiled.plan import ResolverInfo, Run
from schema.operations.execution import Execution, Following, Group, Refusal, Rendering, Request, encode
from services.events.topics import Topics
from services.live.feeds import Feed
from services.live.messages import Content, PoolSnapshot, TripOffered
from tests.support.live import FREELY, FakeBus, RecordingSink, ScriptedState, driver, hub_on
from tests.support.waiting import PATIENCE_S

TOPICS = Topics("test")

PLAIN = "subscription ($id: ID!) { tripUpdated(id: $id) { id version status rider { username } } }"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": (PLAIN, {}),
    "alias": ("subscription ($id: ID!) { t: tripUpdated(id: $id) { v: version s: status } }", {}),
    "typename": (
        "subscription ($id: ID!) { tripUpdated(id: $id) { __typename rider { __typename } } }",
        {},
    ),
    "fragments": (
        """subscription ($id: ID!) { tripUpdated(id: $id) { ...T ... on Node { id } } }
        fragment T on Trip { version rider { ...U } } fragment U on User { firstName photo }""",
        {},
    ),
    "root fragment": (
        "subscription ($id: ID!) { ...S } fragment S on Subscription { tripUpdated(id: $id) { version } }",
        {},
    ),
    "skipped": (
        """subscription ($id: ID!, $no: Boolean!, $yes: Boolean!) { tripUpdated(id: $id) {
            id version @skip(if: $yes) status @include(if: $no) created @include(if: $yes)
        } }""",
        {"no": False, "yes": True},
    ),
    "default": (
        "subscription ($id: ID!, $no: Boolean = false) { tripUpdated(id: $id) { id version @include(if: $no) } }",
        {},
    ),
    "merged": (
        "subscription ($id: ID!) { tripUpdated(id: $id) { rider { id } rider { lastName } } }",
        {},
    ),
    "two operations": (f"query Q {{ me {{ id }} }} {PLAIN.replace('subscription', 'subscription S')}", {}),
    "my trips": (
        """subscription { myTripsUpdated { __typename ... on MyTripsSnapshot { trips { id } }
        ... on TripChanged { trip { version driver { username } } } } }""",
        {},
    ),
}


class Live:
    def __init__(self, state: ScriptedState) -> None:
        self.state = state
        self.bus = FakeBus()
        self.hub = hub_on(self.bus, TOPICS)
        self.schema = build_schema()
        self.execution = Execution(self.schema, introspection=False)

    def context(self, actor: Actor) -> Context:
        return Context(
            cast(
                "Any",
                SimpleNamespace(
                    hub=self.hub,
                    topics=TOPICS,
                    offer_radius_m=3_000,
                    driver_rules=ON_DUTY_ONLY,
                    subscribing=FREELY,
                ),
            ),
            actor,
        )

    async def follow(self, actor: Actor, query: str, **variables: Any) -> Following | Refusal:
        name = "S" if "subscription S" in query else None
        request = Request(query, name, variables)
        operation = self.execution.prepare(request)
        if isinstance(operation, Refusal):
            return operation
        return await self.execution.follow(operation, request, self.context(actor))

    async def group(self, query: str, **variables: Any) -> Group:
        following = await self.follow(driver(), query, **variables)
        assert isinstance(following, Following), following
        return following.group


@pytest.fixture
async def live(monkeypatch: pytest.MonkeyPatch) -> Live:
    state = ScriptedState()
    state.install(monkeypatch)
    live = Live(state)

    async def events(stream: FeedStream) -> AsyncIterator[object]:
        """The events of each subscriber alone, executed by graphql-core as on any GraphQL server."""
        sink = RecordingSink()
        subscription = await live.hub.subscribe(stream.feed, sink)
        try:
            while True:
                yield stream.to_event(await sink.next())
        finally:
            subscription.end()

    monkeypatch.setattr(FeedStream, "__aiter__", events)
    return live


async def payload(rendered: bytes | asyncio.Future[bytes]) -> bytes:
    return rendered if isinstance(rendered, bytes) else await rendered


@pytest.mark.parametrize("case", CASES)
async def test_shared_and_unshared_execution_send_the_same_bytes(live: Live, case: str) -> None:
    query, variables = CASES[case]
    trip = live.state.request()
    actor = Actor(trip.rider, driver().session_id)
    if "$id" in query:
        variables = {**variables, "id": str(trip.id)}
    following = await live.follow(actor, query, **variables)
    assert isinstance(following, Following), following
    sink = RecordingSink()
    await live.hub.subscribe(following.feed, sink)
    alone = await subscribe(
        live.schema._schema,
        cast("Any", live.execution.prepare(Request(query, "S" if "Q {" in query else None))).document,
        context_value=live.context(actor),
        variable_values=variables,
        operation_name="S" if "Q {" in query else None,
    )
    assert isinstance(alone, AsyncIterator), alone
    taken = driver()
    for step in range(3):
        async with asyncio.timeout(PATIENCE_S):
            unshared = cast("ExecutionResult", await anext(alone))
            shared = await payload(following.group.render(await sink.next()))
        assert shared == encode(unshared)
        if step < 2:
            trip = live.state.accept(trip, taken) if step == 0 else live.state.change(trip, TripStatus.IN_PROGRESS)
            for topic in (TOPICS.trip(trip.id), TOPICS.user(trip.rider.id)):
                if topic in live.bus.listening:
                    await live.bus.publish(topic, trip)
    await cast("Any", alone).aclose()


async def test_the_pool_is_the_same_shared_and_unshared(live: Live) -> None:
    query = """subscription { driverPool { __typename
        ... on PoolSnapshot { truncated offers { rider { username } } }
        ... on TripOffered { trip { id rider { username } } } ... on TripWithdrawn { tripId version reason } } }"""
    live.state.request()
    actor = driver()
    following = await live.follow(actor, query)
    assert isinstance(following, Following)
    sink = RecordingSink()
    await live.hub.subscribe(following.feed, sink)
    document = cast("Any", live.execution.prepare(Request(query))).document
    alone = cast("Any", await subscribe(live.schema._schema, document, context_value=live.context(actor)))
    first = encode(await anext(alone))
    assert await payload(following.group.render(await sink.next())) == first
    assert orjson.loads(first)["data"]["driverPool"]["offers"][0]["rider"]["username"] is None
    trip = live.state.request()
    await live.bus.publish(TOPICS.pool, trip, live.state.accept(trip, driver()))
    for _ in range(2):
        assert await payload(following.group.render(await sink.next())) == encode(await anext(alone))
    await alone.aclose()


async def test_two_root_fields_are_refused(live: Live) -> None:
    refusal = await live.follow(
        driver(), "subscription { a: driverPool { __typename } b: driverPool { __typename } }"
    )
    assert isinstance(refusal, Refusal)
    assert refusal.formatted()[0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.parametrize(
    ("one", "other", "is_shared"),
    [
        ({"id": "a", "no": True}, {"id": "b", "no": True}, True),
        ({"id": "a", "no": True}, {"id": "a", "no": False}, False),
        ({"id": "a"}, {"id": "a", "no": None}, False),
        ({"id": "a", "unused": 1}, {"id": "a", "unused": 2}, True),
    ],
)
async def test_only_variables_used_below_the_root_split_a_group(
    live: Live, one: dict[str, Any], other: dict[str, Any], is_shared: bool
) -> None:
    query = """subscription ($id: ID!, $no: Boolean = true) {
        tripUpdated(id: $id) { id ... on Trip @include(if: $no) { version } } }"""
    ids = {"a": str(live.state.request().id), "b": str(live.state.request().id)}
    groups = []
    for variables in (one, other):
        followed = await live.follow(driver(), query, **{**variables, "id": ids[variables["id"]]})
        if isinstance(followed, Refusal):
            # A null in a non-null condition: refused, so certainly not shared.
            assert followed.formatted()[0]["extensions"]["code"] == "BAD_USER_INPUT"
            groups.append(object())
        else:
            groups.append(followed.group)
    assert (groups[0] is groups[1]) is is_shared


async def test_variables_of_other_operations_do_not_matter(live: Live) -> None:
    text = """subscription S { driverPool { __typename } } query Q($id: ID!) { ...F }
        fragment F on Query { trip(id: $id) { id } }"""
    nested: Any = None
    for _ in range(300):
        nested = [nested]
    groups = [await live.group(text, id=value) for value in ("1", nested, object())]
    assert len(set(groups)) == 1


async def test_an_event_that_fails_while_it_waits_leaves_nothing_begun() -> None:
    async def value() -> int:
        return 1

    begun = value()

    def begin_another(_: object, run: Run) -> None:
        run.later({}, "b", begun, lambda value, _: value)
        raise ValueError

    run = Run(ResolverInfo(None), ())
    run.later({}, "a", value(), begin_another)
    plan = SimpleNamespace(read_variables=lambda _: (), event=lambda *_: ({}, run))
    result = Rendering(cast("Any", plan), {}, cast("Any", None), Mock(side_effect=RuntimeError)).of(None)
    assert not isinstance(result, ExecutionResult)
    with pytest.raises(RuntimeError):
        await result
    assert inspect.getcoroutinestate(begun) == inspect.CORO_CLOSED


async def test_different_documents_are_different_groups(live: Live) -> None:
    one = await live.group("subscription { driverPool { __typename } }")
    assert one is await live.group("subscription { driverPool { __typename } }")
    assert one is not await live.group("subscription { p: driverPool { __typename } }")


async def test_one_event_is_executed_once_for_two_hundred_and_once_for_each_other_document(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed = 0
    execute = Rendering.of

    def count(rendering: Rendering, event: object) -> Any:
        nonlocal executed
        executed += 1
        return execute(rendering, event)

    monkeypatch.setattr(Rendering, "of", count)
    followers: list[tuple[RecordingSink, Group]] = []
    queries = [
        f"subscription {{ driverPool {{ __typename {extra} }} }}"
        for extra in ("", "... on TripOffered { __typename }")
    ]
    for number in range(400):
        following = await live.follow(driver(), queries[number % 2])
        assert isinstance(following, Following)
        sink = RecordingSink()
        await live.hub.subscribe(following.feed, sink)
        await sink.next()
        followers.append((sink, following.group))
    await live.bus.publish(TOPICS.pool, live.state.request())
    for sink, group in followers:
        message = await sink.message()
        # In the same way as Delivery.
        if group not in message.renditions:
            message.renditions[group] = group.render(message.content)
    assert executed == 2


async def test_a_group_is_dropped_with_its_last_subscriber(live: Live) -> None:
    group = await live.group("subscription { driverPool { __typename } }")
    assert len(cast("Any", live.execution)._groups) == 1
    del group
    assert len(cast("Any", live.execution)._groups) == 0


async def test_a_group_keeps_nothing_of_the_events_that_it_has_rendered(live: Live) -> None:
    group = await live.group(
        "subscription { driverPool { ... on TripOffered { trip { id version rider { id photo } } } } }"
    )
    content = await _offer(live)
    group.render(content)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(100):
        group.render(content)
    gc.collect()
    assert len(gc.get_objects()) < before + 100


@pytest.mark.attack("errors")
@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param("{ me { id } }", {}, id="well"),
        pytest.param("{ me { id } trip(id: 1) { id } }", {}, id="a field fails"),
        pytest.param("mutation { deleteMe(password: 1) { errors { code } } }", {}, id="a mutation fails"),
        pytest.param(
            "query ($id: ID!) { trip(id: $id) { id } }", {"id": ["x" * 100]}, id="a variable does not fit"
        ),
        pytest.param("query ($id: ID!) { trip(id: $id) { id } }", {}, id="a variable is missing"),
        pytest.param("{ me { nothing } }", {}, id="invalid"),
    ],
)
async def test_a_failed_request_leaves_nothing_to_the_garbage_collector(
    live: Live, text: str, variables: dict[str, Any]
) -> None:
    async def ask() -> weakref.ref[object]:
        request = Request(text, variables=dict(variables))
        operation = live.execution.prepare(request)
        services = type("Witness", (), {})()
        context = Context(cast("Any", services), None)
        if not isinstance(operation, Refusal):
            operation = await live.execution.run(operation, request, context)
        _ = operation.formatted() if isinstance(operation, Refusal) else encode(operation)
        return weakref.ref(services)

    # The libraries fill their own caches once.
    await ask()
    gc.collect()
    gc.disable()
    try:
        gone = await ask()
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()


async def test_a_failing_resolver_fails_its_own_group_with_an_incident_and_no_other(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise ValueError("a secret of ours")

    monkeypatch.setattr(live.schema._schema.type_map["Trip"].fields["pickUpAddress"], "resolve", fail)  # type: ignore[attr-defined]
    failing = await live.group("subscription { driverPool { ... on TripOffered { trip { pickUpAddress } } } }")
    sound = await live.group("subscription { driverPool { ... on TripOffered { trip { version } } } }")
    content = await _offer(live)
    result = orjson.loads(await payload(failing.render(content)))
    assert result["data"] is None
    assert result["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert result["errors"][0]["path"] == ["driverPool", "trip", "pickUpAddress"]
    assert b"secret" not in orjson.dumps(result)
    assert orjson.loads(await payload(sound.render(content))) == {"data": {"driverPool": {"trip": {"version": 1}}}}


@pytest.mark.parametrize("version", [None, "one"])
async def test_a_value_that_its_type_refuses_fails_at_its_path(live: Live, version: object) -> None:
    group = await live.group("subscription { driverPool { ... on TripOffered { trip { v: version } } } }")
    trip = replace(live.state.request(), version=cast("Any", version))
    result = orjson.loads(await payload(group.render(TripOffered(trip))))
    assert result["data"] is None
    (error,) = result["errors"]
    assert error["path"] == ["driverPool", "trip", "v"]


async def test_an_asynchronous_resolver_gives_a_future_of_the_same_bytes(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await live.group("subscription { driverPool { ... on TripOffered { trip { version } } } }")
    at_once = group.render(offer := await _offer(live))
    assert isinstance(at_once, bytes)
    gate = asyncio.Event()

    async def wait(*_: object) -> int:
        await gate.wait()
        return 1

    monkeypatch.setattr(live.schema._schema.type_map["Trip"].fields["version"], "resolve", wait)  # type: ignore[attr-defined]
    waiting = await live.group("subscription { driverPool { ... on TripOffered { trip { version } }} }")
    later = waiting.render(offer)
    assert isinstance(later, asyncio.Future)
    gate.set()
    assert await later == at_once


async def test_an_error_has_its_path_in_each_event(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise ValueError("a secret of ours")

    monkeypatch.setattr(live.schema._schema.type_map["Trip"].fields["cancelReason"], "resolve", fail)  # type: ignore[attr-defined]
    group = await live.group("subscription { driverPool { ... on PoolSnapshot { offers { id cancelReason } } } }")
    first, second = live.state.request(), live.state.request()
    for trips in ([first], [second, first]):
        result = orjson.loads(await payload(group.render(_pool(*trips))))
        assert [offer["id"] for offer in result["data"]["driverPool"]["offers"]] == [
            str(trip.id) for trip in trips
        ]
        paths = [error["path"] for error in result["errors"]]
        assert paths == [["driverPool", "offers", at, "cancelReason"] for at in range(len(trips))]


def _pool(*trips: TripValue) -> Content:
    return PoolSnapshot(trips, truncated=False)


@pytest.mark.attack("access")
async def test_a_shared_execution_knows_no_caller(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError):
        _ = SharedContext(cast("Any", None)).actor

    async def ask_for_the_caller(info: Any, *_: object) -> object:
        return info.context.actor.user.username

    monkeypatch.setattr("schema.api.trip.shown_history", ask_for_the_caller)
    group = await live.group("subscription { driverPool { ... on TripOffered { trip { history { version } } } } }")
    result = orjson.loads(await payload(group.render(await _offer(live))))
    assert result["errors"][0]["extensions"]["code"] == "INTERNAL"


async def _offer(live: Live) -> Any:
    sink = RecordingSink()
    following = await live.follow(driver(), "subscription { driverPool { __typename } }")
    assert isinstance(following, Following)
    feed: Feed = following.feed
    await live.hub.subscribe(feed, sink)
    await sink.next()
    await live.bus.publish(TOPICS.pool, live.state.request())
    return await sink.next()
