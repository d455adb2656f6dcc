"""The end of a session closes everything that belongs to it, in any order and despite failures."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from services.accounts.session_checks import SessionLook
from services.live import live_sessions as live_sessions_module
from services.live.live_sessions import LiveSessions
from services.runtime import tasks
from services.runtime.counters import Counters
from services.runtime.expiring_map import ExpiringMap
from tests.support.live import FakeBus
from tests.support.waiting import PATIENCE_S, until

TOPIC = "test:sessions"


class Checks:
    """The live sessions, as the database would return them."""

    def __init__(self) -> None:
        self.recheck_s = 3600.0
        self.live: set[UUID] = set()
        self.ends_in_s: dict[UUID, float] = {}
        self.unused: set[UUID] = set()
        self.touched: set[UUID] = set()
        # The answer to the next question what has changed.
        self.changes: set[UUID] | None = set()
        self.looked_at: list[set[UUID]] = []
        self.failures = 0

    async def changed(self) -> set[UUID] | None:
        changes, self.changes = self.changes, set()
        return changes

    async def look_at(self, session_ids: Sequence[UUID]) -> list[SessionLook]:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("scripted")
        self.looked_at.append(set(session_ids))
        return [
            SessionLook(
                session_id,
                self.ends_in_s.get(session_id, 7200.0) if session_id in self.live else None,
                session_id in self.unused,
            )
            for session_id in session_ids
            if not {session_id} <= self.live - self.ends_in_s.keys() - self.unused
        ]

    async def touch(self, session_ids: Sequence[UUID]) -> None:
        self.touched |= {*session_ids}


class Live:
    def __init__(self) -> None:
        self.bus, self.checks = FakeBus(), Checks()
        self.counters = Counters()
        self.sessions_here = LiveSessions(
            cast("Any", self.checks), self.counters, topic=TOPIC, listen=self.bus.listen
        )
        self.closed: list[UUID] = []

    async def check(self) -> None:
        await cast("Any", self.sessions_here)._check()

    def register(self) -> UUID:
        session_id = uuid4()
        self.checks.live.add(session_id)
        self.sessions_here.register(session_id, lambda: self.closed.append(session_id))
        return session_id


@pytest.fixture
async def live(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    # The tests check by themselves.
    monkeypatch.setattr(live_sessions_module, "CHECK_INTERVAL_S", 3600.0)
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
    live: Live,
) -> None:
    ended, living = live.register(), live.register()
    await live.check()
    live.checks.live.remove(ended)
    live.checks.changes = {ended, uuid4()}
    await live.check()
    assert live.closed == [ended]
    assert live.checks.looked_at == [{ended, living}, {ended}]


@pytest.mark.attack("access")
async def test_a_check_that_fails_is_made_again_although_the_change_is_told_once(live: Live) -> None:
    ended, _ = live.register(), live.register()
    await live.check()
    live.checks.live.remove(ended)
    live.checks.changes = {ended}
    live.checks.failures = 2
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await live.check()
    await live.check()
    assert live.closed == [ended]


@pytest.mark.attack("access")
async def test_ended_sessions_are_found_by_themselves(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_sessions_module, "CHECK_INTERVAL_S", 0.01)
    running = Live()
    await running.sessions_here.start()
    ended, living = running.register(), running.register()
    running.checks.failures = 2
    running.checks.live.remove(ended)
    await until(lambda: running.closed)
    assert living not in running.closed
    await running.sessions_here.stop()


async def test_a_session_is_looked_at_when_it_comes_when_it_changes_and_not_otherwise(live: Live) -> None:
    first, second = live.register(), live.register()
    for _ in range(3):
        await live.check()
    third = live.register()
    for _ in range(3):
        await live.check()
    live.checks.changes = {second}
    await live.check()
    assert live.checks.looked_at == [{first, second}, {third}, {second}]


async def test_all_are_looked_at_if_nobody_knows_what_has_changed(live: Live) -> None:
    both = {live.register(), live.register()}
    await live.check()
    live.checks.changes = None
    await live.check()
    assert live.checks.looked_at == [both, both]


async def test_every_session_is_looked_at_again_after_a_while(live: Live) -> None:
    live.checks.recheck_s = 0.0
    session_id = live.register()
    for _ in range(3):
        await live.check()
    assert live.checks.looked_at == [{session_id}] * 3


async def test_a_session_is_looked_at_when_it_expires(live: Live) -> None:
    session_id, _ = live.register(), live.register()
    live.checks.ends_in_s[session_id] = 0.0
    await live.check()
    live.checks.live.remove(session_id)
    await live.check()
    assert live.closed == [session_id]
    assert live.checks.looked_at[1] == {session_id}


async def test_the_use_of_a_session_with_a_socket_is_recorded(live: Live) -> None:
    session_id, _ = live.register(), live.register()
    live.checks.unused.add(session_id)
    await live.check()
    assert live.checks.touched == {session_id}


async def test_a_socket_that_has_not_closed_yet_is_told_again(live: Live) -> None:
    session_id = live.register()
    live.checks.live.remove(session_id)
    for _ in range(2):
        await live.check()
    assert live.closed == [session_id] * 2


async def test_many_sessions_are_looked_at_in_parts(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_sessions_module, "CHECKED_AT_ONCE", 3)
    for _ in range(7):
        live.register()
    await live.check()
    assert [len(looked_at) for looked_at in live.checks.looked_at] == [3, 3, 1]


async def test_nothing_is_kept_of_sessions_that_have_left(live: Live) -> None:
    session_id = uuid4()
    unregister = live.sessions_here.register(session_id, lambda: None)
    unregister()
    live.checks.changes = {session_id}
    await live.check()
    assert live.checks.looked_at == []
    assert live.checks.changes == {session_id}, "without sessions there is no question"


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
    async with asyncio.timeout(PATIENCE_S):
        await starting
    await live.sessions_here.stop()
