"""A crowd that asks for the same state shares reads, and waits no longer than it goes on coming."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from services.live import reads
from services.live.events import StateRead
from services.live.reads import StateReader
from services.runtime.counters import Counters
from services.runtime.crowd import CROWD
from services.trips.rows import TripsAt

HOUR_S = 3600.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
async def reader(monkeypatch: pytest.MonkeyPatch, counters: Counters) -> StateReader:
    """Reads that find nothing, after a crowd has shared one of them."""

    async def nothing(*_: object, **__: object) -> TripsAt:
        return TripsAt((), NOW, NOW)

    monkeypatch.setattr(reads.trip_rows, "open_trips", nothing)
    nobody = cast("Any", None)
    reader = StateReader(nobody, nobody, nobody, counters)
    monkeypatch.setattr(reads, "CROWD_INTERVAL_S", HOUR_S)
    shared = await asyncio.gather(*(reader.open_trips() for _ in range(CROWD)))
    assert counters.reads == 1
    assert len(set(map(id, shared))) == 1
    return reader


async def test_after_a_crowd_the_next_caller_waits_for_a_moment_and_not_for_the_whole_pause(
    reader: StateReader, counters: Counters
) -> None:
    await reader.open_trips()
    assert counters.reads == 2


async def test_those_of_a_crowd_who_come_one_after_the_other_share_a_read(
    reader: StateReader, counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "QUIET_S", 0.1)
    asking: list[asyncio.Task[StateRead]] = []
    for _ in range(3):
        asking.append(asyncio.create_task(reader.open_trips()))
        for _ in range(5):
            await asyncio.sleep(0)
    await asyncio.gather(*asking)
    assert counters.reads == 2
