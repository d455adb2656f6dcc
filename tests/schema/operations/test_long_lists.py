"""A long list is made and encoded in pieces: the same bytes as in one go, and one piece in each turn."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import OperationType

from models.city import CityDriver
from schema.api import long_list
from schema.api.context import Context
from schema.operations import execution
from schema.operations.execution import Execution, Following, Group, Request
from services.live.messages import CityChange, CitySnapshot
from services.runtime.fair_queue import FairQueue
from tests.schema.operations.compiled.test_whole_schema import SCHEMA, TYPES, UseCases, World
from tests.schema.operations.compiled.written import LEFT_BY_GRAPHQL_CORE, Written

PIECE = 4
# None, one, and around the borders of pieces.
SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 5 * PIECE)
DRIVERS = """subscription { city { __typename
    ... on CitySnapshot { at drivers { id heading username point { lat } } trips { id rider { firstName } } }
    ... on CityChange { gone: removedTripIds drivers { id } again: drivers { heading id } } } }"""
City = CitySnapshot | CityChange


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Decides whether lists are made in pieces or in one go."""

    def decide(is_in_pieces: bool) -> None:
        monkeypatch.setattr(long_list, "AT_ONCE", PIECE if is_in_pieces else 10**9)
        monkeypatch.setattr(long_list, "EXECUTED_AT_ONCE", PIECE)

    monkeypatch.setattr("services.runtime.incidents.report", lambda _: "incident")
    return decide


async def group(request: Request, turns: FairQueue, *, compiles: bool) -> Group:
    executing = Execution(SCHEMA, introspection=True)
    if not compiles:
        cast("Any", executing)._plans = SimpleNamespace(find=lambda *_, **__: None)
    world = World(1)
    services = UseCases(world)
    services.city = SimpleNamespace(turns=turns)
    services.subscribing = SimpleNamespace(count=_freely)
    operation = cast("Any", executing.prepare(request))
    following = await executing.follow(operation, request, Context(cast("Any", services), world.actor))
    assert isinstance(following, Following), following
    return following.group


async def _freely(_: object) -> None:
    """No rate limit."""


async def said(group: Group, content: City) -> bytes:
    rendered = group.render(content)
    return rendered if isinstance(rendered, bytes) else await rendered


def city(seed: int, drivers: int, trips: int) -> City:
    """A message with that many drivers, and that many trips."""
    world = World(seed)
    found = world.city(is_snapshot=bool(seed % 2))
    changes: dict[str, Any] = {
        "drivers": tuple(world.city_driver() for _ in range(drivers)),
        "trips": tuple(world.city_trip() for _ in range(trips)),
    }
    if isinstance(found, CityChange):
        changes["gone_trips"] = tuple(world._id() for _ in range(trips))
    return replace(found, **changes)


def broken(content: City, number: int, **fields: object) -> City:
    """The message with values that cannot be sent, in one driver."""
    drivers = list(content.drivers)
    driver: CityDriver = drivers[number]
    person = replace(driver.person, **{name: value for name, value in fields.items() if name != "heading"})
    location = replace(driver.location, **{name: value for name, value in fields.items() if name == "heading"})
    drivers[number] = replace(driver, person=person, location=location)
    return replace(content, drivers=tuple(drivers))


@pytest.mark.parametrize("compiles", [True, False])
@pytest.mark.parametrize("size", SIZES)
async def test_pieces_are_the_same_bytes_as_one_go(
    in_pieces: Callable[[bool], None], size: int, compiles: bool
) -> None:
    followed = await group(Request(DRIVERS), FairQueue(), compiles=compiles)
    for seed in range(4):
        content = city(seed, size, SIZES[-1 - SIZES.index(size)])
        in_pieces(False)
        expected = await said(followed, content)
        assert expected.count(b'"id"') >= size, expected
        in_pieces(True)
        assert await said(followed, content) == expected


@pytest.mark.filterwarnings(*LEFT_BY_GRAPHQL_CORE)
async def test_whatever_is_selected_pieces_are_the_same_bytes(in_pieces: Callable[[bool], None]) -> None:
    field, differing = TYPES.get_root_type(OperationType.SUBSCRIPTION).fields["city"], 0  # type: ignore[union-attr]
    for seed in range(60):
        random = Random(seed)
        written = Written(random, TYPES)
        request = Request(written.text("subscription", "city", field), variables=written.variables)
        try:
            groups = [await group(request, FairQueue(), compiles=compiles) for compiles in (False, True)]
        except (AssertionError, AttributeError):
            # The operation was refused.
            continue
        for is_snapshot in (0, 1):
            content = city(2 * seed + is_snapshot, random.choice(SIZES), random.choice(SIZES))
            in_pieces(False)
            expected = await said(groups[0], content)
            in_pieces(True)
            assert [await said(each, content) for each in groups] == [expected, expected], request
            differing += 1
    assert differing > 30


@pytest.mark.parametrize("compiles", [True, False])
@pytest.mark.parametrize("number", [0, PIECE - 1, PIECE, 3 * PIECE - 1])
@pytest.mark.parametrize("fields", [{"heading": float("nan")}, {"username": None}, {"heading": "north"}])
async def test_an_item_that_cannot_be_sent_gives_the_same_error_as_in_one_go(
    in_pieces: Callable[[bool], None], number: int, fields: dict[str, object], compiles: bool
) -> None:
    followed = await group(Request(DRIVERS), FairQueue(), compiles=compiles)
    content = broken(city(1, 3 * PIECE, 2 * PIECE), number, **fields)
    in_pieces(False)
    expected = await said(followed, content)
    assert f'"drivers",{number},'.encode() in expected
    in_pieces(True)
    assert await said(followed, content) == expected


async def test_several_messages_are_made_one_piece_in_each_turn(
    in_pieces: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces(True)
    turns = FairQueue()
    followed = [
        await group(Request(DRIVERS.replace("gone:", f"gone{number}:")), turns, compiles=True)
        for number in range(5)
    ]
    at_once, most = 0, 0
    make = long_list.LongList.__init__

    def counting(self: Any, values: Collection[Any], convert: Callable[[Any], Any], turns: FairQueue) -> None:
        def counted(value: Any) -> Any:
            nonlocal at_once
            at_once += 1
            return convert(value)

        make(self, values, counted, turns)

    def look() -> None:
        nonlocal at_once, most, looking
        most, at_once = max(most, at_once), 0
        looking = asyncio.get_running_loop().call_soon(look)

    monkeypatch.setattr(long_list.LongList, "__init__", counting)
    looking = asyncio.get_running_loop().call_soon(look)
    content = city(1, 10 * PIECE, 10 * PIECE)
    results = await asyncio.gather(*(said(each, content) for each in followed))
    looking.cancel()
    assert all(each.count(b'"id"') == 20 * PIECE for each in results)
    assert most == PIECE


async def test_work_that_nobody_awaits_any_more_gives_its_turns_to_others(
    in_pieces: Callable[[bool], None],
) -> None:
    in_pieces(True)
    followed = await group(Request(DRIVERS), FairQueue(), compiles=True)
    content = city(1, 10 * PIECE, 1)
    left = cast("asyncio.Future[bytes]", followed.render(content))
    await asyncio.sleep(0)
    left.cancel()
    assert (await said(followed, content)).count(b'"id"') == 10 * PIECE + 1
    assert left.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_compiled_operation_needs_no_graphql_core_for_a_long_list(
    in_pieces: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pieces(True)
    executed: list[object] = []
    monkeypatch.setattr(execution, "execute_subscription_event", executed.append)
    followed = await group(Request(DRIVERS), FairQueue(), compiles=True)
    for seed in range(2):
        assert (await said(followed, city(seed, 3 * PIECE, 3 * PIECE))).startswith(b'{"data":{"city":{')
    assert executed == []
