"""The end of a session closes everything that belongs to it, in any order and despite failures."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from services.live import live_sessions as live_sessions_module
from services.live.live_sessions import LiveSessions
from services.runtime import tasks
from services.runtime.counters import Counters
from services.runtime.expiring_map import ExpiringMap
from tests.support.live import FakeBus
from tests.support.waiting import until

TOPIC = "test:sessions"
TIMEOUT_S = 5.0


class Sessions:
    """The live sessions, as the database would return them."""

    def __init__(self) -> None:
        self.live: set[UUID] = set()
        self.asked = 0
        self.failures = 0

    async def ended_among(self, session_ids: list[UUID]) -> set[UUID]:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError("scripted")
        return set(session_ids) - self.live

    async def touch(self, session_ids: list[UUID]) -> None: ...


class Live:
    def __init__(self) -> None:
        self.bus, self.sessions = FakeBus(), Sessions()
        self.counters = Counters()
        self.sessions_here = LiveSessions(
            cast("Any", self.sessions), self.counters, topic=TOPIC, listen=self.bus.listen
        )
        self.closed: list[UUID] = []

    def register(self) -> UUID:
        session_id = uuid4()
        self.sessions.live.add(session_id)
        self.sessions_here.register(session_id, lambda: self.closed.append(session_id))
        return session_id


@pytest.fixture
async def live() -> AsyncIterator[Live]:
    live = Live()
    await live.sessions_here.start()
    yield live
    await live.sessions_here.stop()


@pytest.mark.attack("access")
async def test_all_that_belongs_to_a_session_is_closed_and_nothing_else(live: Live) -> None:
    ending, staying = live.register(), live.register()
    live.sessions_here.register(ending, lambda: live.closed.append(ending))
    await live.bus.publish(TOPIC, str(ending).encode())
    assert live.closed == [ending, ending]
    assert staying not in live.closed


@pytest.mark.attack("access")
async def test_a_socket_that_comes_while_its_session_ends_is_closed(live: Live) -> None:
    # Its session was read before the log-out, and the end arrived before it registered.
    session_id = uuid4()
    await live.bus.publish(TOPIC, str(session_id).encode())
    live.sessions_here.register(session_id, lambda: live.closed.append(session_id))
    assert live.closed == [session_id]


async def test_ended_sessions_are_remembered_only_so_long_and_so_many(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: Any = live.sessions_here
    monkeypatch.setattr(sessions, "_ended", ExpiringMap[UUID, bool](3))
    await live.bus.publish(TOPIC, *(str(uuid4()).encode() for _ in range(10)))
    assert len(sessions._ended) == 3


async def test_a_close_that_fails_does_not_prevent_the_others(live: Live) -> None:
    def fail() -> None:
        raise ValueError("a failure of ours")

    ending = live.register()
    live.sessions_here.register(ending, fail)
    live.sessions_here.register(ending, lambda: live.closed.append(ending))
    other = live.register()
    await live.bus.publish(TOPIC, b"not an id", str(ending).encode(), str(other).encode())
    assert live.closed == [ending, ending, other]


async def test_an_unregistered_connection_is_not_closed(live: Live) -> None:
    session_id = uuid4()
    unregister = live.sessions_here.register(session_id, lambda: live.closed.append(session_id))
    assert live.sessions_here.count == 1
    unregister()
    unregister()
    await live.bus.publish(TOPIC, str(session_id).encode())
    assert live.closed == []
    assert live.sessions_here.count == 0


@pytest.mark.attack("access")
async def test_an_end_that_the_bus_lost_is_found_in_the_database(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_sessions_module, "CHECK_INTERVAL_S", 0.01)
    ended, living = live.register(), live.register()
    live.sessions.failures = 2
    live.sessions.live.remove(ended)
    await until(lambda: live.closed)
    assert live.closed == [ended]
    assert living not in live.closed


@pytest.mark.attack("access")
async def test_log_outs_are_received_again_after_their_topic_has_failed(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.0)
    ending = live.register()
    with capture_logs() as logs:
        await live.bus.end(TOPIC)
        await until(lambda: live.counters.restarted_tasks and TOPIC in live.bus.listening)
        await live.bus.publish(TOPIC, str(ending).encode())
    assert live.closed == [ending]
    assert [(entry["task"], entry["log_level"]) for entry in logs] == [("session ends", "error")]


async def test_a_server_starts_when_log_outs_can_be_received(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.0)
    live = Live()
    live.bus.failure = ConnectionError("scripted")
    starting = asyncio.create_task(live.sessions_here.start())
    await until(lambda: live.counters.restarted_tasks >= 2)
    live.bus.failure = None
    async with asyncio.timeout(TIMEOUT_S):
        await starting
    await live.sessions_here.stop()
