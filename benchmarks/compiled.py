"""Compares the execution of compiled operations with graphql-core's, without a server and a database."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from models.trip_life import TripStatus
from models.values import Role, TripValue, UserValue
from models.visibility import Actor
from schema.api.context import Context
from schema.build import build_schema
from schema.operations.compiled import plan_cache
from schema.operations.execution import Execution, Refusal, Request, encode

TRIPS = 20
PEOPLE = "{ id username firstName lastName photo }"
REQUEST = Request(
    "{ trips(first: 20) { nodes { id status pickUpAddress dropOffAddress created updated "
    f"rider {PEOPLE} driver {PEOPLE} }} }} }}"
)


async def microseconds(act: Callable[[], Awaitable[object]], times: int) -> float:
    """The best mean time of five tries, in microseconds."""
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(times):
            await act()
        best = min(best, time.process_time() - begun)
    return best / times * 1e6


async def main() -> None:
    """Print both times."""
    user, now = UserValue(uuid4(), "ann", "Ann", "Lee", Role.RIDER, None), datetime.now(UTC)

    def trip() -> TripValue:
        addresses = ("1 First Street", "2 Second Street")
        return TripValue(
            *(
                uuid4(),
                now,
                now,
                1,
                TripStatus.STARTED,
                *addresses,
                None,
                None,
                None,
                None,
                frozenset(),
                user,
                user,
            )
        )

    page = SimpleNamespace(trips=tuple(trip() for _ in range(TRIPS)), has_next=True)

    async def read_page(*_: object, **__: object) -> object:
        return page

    context = Context(cast("Any", SimpleNamespace(trips=SimpleNamespace(page=read_page))), Actor(user, uuid4()))

    async def answer(execution: Execution) -> bytes:
        operation = execution.prepare(REQUEST)
        assert not isinstance(operation, Refusal), operation
        result = await execution.run(operation, REQUEST, context)
        assert not isinstance(result, Refusal), result
        return encode(result)

    compiled, field_by_field = (Execution(build_schema(), introspection=False) for _ in range(2))
    plan_cache.USES = 1
    first = await answer(compiled)
    plan_cache.USES = 10**9
    assert first == await answer(field_by_field)
    slow = await microseconds(lambda: answer(field_by_field), 100)
    fast = await microseconds(lambda: answer(compiled), 500)
    print(
        f"a page of {TRIPS} trips: {slow:,.0f} µs field by field, {fast:,.0f} µs compiled: {slow / fast:.1f} times"
    )


asyncio.run(main())
