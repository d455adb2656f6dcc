"""What a process learns of sessions that have ended: all of it, once, and nothing of the others."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.values import Role
from services.accounts.session_checks import SessionChecks
from services.database.connections import Database
from services.database.horizon import Horizon
from tests.services.database.test_query_plans import recorded
from tests.support.database_rows import add_person
from tests.support.waiting import until

ON_POSTGRES = pytest.mark.parametrize("backend", ["production"], indirect=True)


@pytest.fixture
async def checks(application: Application) -> SessionChecks:
    """The questions of a process that has asked once."""
    checks = SessionChecks(application.database, application.services.sessions)
    assert await checks.changed() is None, "what was before, nobody knows"
    return checks


async def begin(application: Application) -> UUID:
    return (await add_person(application.database, Role.RIDER)).session_id


async def log_out(database: Database, session_id: UUID) -> None:
    await database.fetch("DELETE FROM sessions WHERE id = $1", session_id)


async def deactivate(database: Database, session_id: UUID) -> None:
    await database.fetch(
        "UPDATE users SET is_active = $2 WHERE id = (SELECT user_id FROM sessions WHERE id = $1)",
        session_id,
        False,
    )


async def remove_user(database: Database, session_id: UUID) -> None:
    await database.fetch("DELETE FROM users WHERE id = (SELECT user_id FROM sessions WHERE id = $1)", session_id)


async def expire(database: Database, session_id: UUID) -> None:
    await database.fetch("UPDATE sessions SET created = created - interval '91 days' WHERE id = $1", session_id)


async def look_unused(database: Database, session_id: UUID) -> None:
    await database.fetch("UPDATE sessions SET used = used - interval '15 days' WHERE id = $1", session_id)


@ON_POSTGRES
@pytest.mark.attack("access")
@pytest.mark.parametrize("end", [log_out, deactivate, remove_user, expire, look_unused])
async def test_every_end_is_noticed_whoever_makes_it(
    application: Application, checks: SessionChecks, end: Callable[[Database, UUID], Awaitable[None]]
) -> None:
    ended, _ = await begin(application), await begin(application)
    other = SessionChecks(application.database, application.services.sessions)
    await other.changed()
    assert await checks.changed() == set()
    await end(application.database, ended)
    # Each process asks for itself.
    assert await checks.changed() == {ended}
    assert await other.changed() == {ended}
    (look,) = await checks.look_at([ended])
    assert look.ends_in_s is None or look.ends_in_s < 0


@ON_POSTGRES
async def test_the_use_of_a_session_is_no_change(application: Application, checks: SessionChecks) -> None:
    session_id = await begin(application)
    await application.database.fetch(
        "UPDATE sessions SET used = {now} + interval '1 hour' WHERE id = $1", session_id
    )
    await application.database.fetch("UPDATE users SET first_name = 'Another', is_active = TRUE")
    assert await checks.changed() == set()


@ON_POSTGRES
@pytest.mark.attack("access")
async def test_an_end_that_becomes_visible_late_is_noticed(
    application: Application, checks: SessionChecks, settings: Settings
) -> None:
    ended = await begin(application)
    late = await asyncpg.connect(settings.database_url)
    transaction = late.transaction()
    await transaction.start()
    await late.execute("DELETE FROM sessions WHERE id = $1", ended)
    # Others end later and are seen before.
    for _ in range(3):
        other = await begin(application)
        await log_out(application.database, other)
        changed = await checks.changed()
        assert changed is not None
        assert other in changed
        assert ended not in changed
        await checks.remove_old()
    await transaction.commit()
    await late.close()
    changed = await checks.changed()
    assert changed is not None
    assert ended in changed


@ON_POSTGRES
async def test_an_end_that_is_rolled_back_is_none(application: Application, checks: SessionChecks) -> None:
    session_id = await begin(application)

    async def end_and_fail() -> None:
        async with application.database.transaction() as transaction:
            await transaction.fetch("DELETE FROM sessions WHERE id = $1", session_id)
            raise ValueError("scripted")

    with pytest.raises(ValueError, match="scripted"):
        await end_and_fail()
    assert await checks.changed() == set()


@ON_POSTGRES
async def test_old_notes_are_removed_when_every_process_has_seen_them(
    application: Application, checks: SessionChecks
) -> None:
    async def left() -> int:
        return (await application.database.fetch("SELECT count(*) AS n FROM session_changes"))[0]["n"]

    await log_out(application.database, await begin(application))
    await checks.remove_old()
    assert await left() == 1, "others may not have asked since"

    async def is_removed() -> bool:
        # Another test's transaction may be running in the same PostgreSQL.
        await checks.remove_old()
        return await left() == 0

    await until(is_removed)


@ON_POSTGRES
async def test_after_a_failover_nothing_is_known(
    application: Application, checks: SessionChecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = checks._next
    assert now is not None
    monkeypatch.setattr(checks, "_next", Horizon(now.oldest_running, now.next_xact, now.server - 1))
    assert await checks.changed() is None
    # The same server, restored to an earlier time while nobody looked.
    monkeypatch.setattr(checks, "_next", Horizon(2**60, 2**60, now.server))
    assert await checks.changed() is None
    assert await checks.changed() is not None


async def test_a_look_returns_what_has_ended_ends_soon_or_is_in_use_and_nothing_else(
    application: Application, checks: SessionChecks
) -> None:
    sql = application.database.sql
    lives, ends_soon, unused, ended = [await begin(application) for _ in range(4)]
    soon, hour = 90 * 24 * 3600 - 30, 3601
    await application.database.fetch(f"UPDATE sessions SET created = {sql.ago(soon)} WHERE id = $1", ends_soon)
    await application.database.fetch(f"UPDATE sessions SET used = {sql.ago(hour)} WHERE id = $1", unused)
    await log_out(application.database, ended)
    gone = uuid4()
    looks = {look.id: look for look in await checks.look_at([lives, ends_soon, unused, ended, gone])}
    assert looks.keys() == {ends_soon, unused, ended, gone}
    assert looks[ends_soon].ends_in_s == pytest.approx(30, abs=10)
    assert looks[ended].ends_in_s is looks[gone].ends_in_s is None
    assert [session_id for session_id, look in looks.items() if look.is_touch_due] == [unused]
    await checks.touch([unused])
    assert unused not in {look.id for look in await checks.look_at([unused])}


# Whole servers that hear nothing of each other.


@asynccontextmanager
async def deaf(settings: Settings) -> AsyncIterator[Application]:
    """A server whose bus loses every announcement."""
    application = Application(settings)
    async with running(application):
        await application.outbox.stop()
        yield application


@pytest.mark.attack("access")
@pytest.mark.parametrize("end", [log_out, deactivate])
async def test_a_server_closes_sockets_of_an_ended_session_although_the_bus_loses_everything(
    settings: Settings, end: Callable[[Database, UUID], Awaitable[None]]
) -> None:
    async with deaf(settings) as application:
        ended, lives = await begin(application), await begin(application)
        closed: list[UUID] = []
        for session_id in (ended, lives):
            application.live_sessions.register(session_id, lambda session_id=session_id: closed.append(session_id))

        async def is_looked_at() -> bool:
            return all(at > 0 for at in application.live_sessions._look_at.values())

        await until(is_looked_at)
        with recorded(everywhere=True) as seen:
            await end(application.database, ended)
            await until(lambda: closed)
        assert set(closed) == {ended}
        if not application.database.is_sqlite:
            looks = [args for sql, args in seen if "asked" in sql]
            assert [ended] in [list(args[0]) for args in looks], "only what has changed was looked at"
            assert lives not in [session_id for args in looks for session_id in args[0]]


@pytest.mark.attack("access")
async def test_a_session_expires_by_the_clock_of_the_database(settings: Settings) -> None:
    async with deaf(settings) as application:
        session_id = await begin(application)
        sql = application.database.sql
        await application.database.fetch(
            f"UPDATE sessions SET created = {sql.ago(settings.session_max_age_s - 2)}"
        )
        closed: list[UUID] = []
        application.live_sessions.register(session_id, lambda: closed.append(session_id))
        await until(lambda: closed)
        (row,) = await application.database.fetch(
            f"SELECT created < {sql.ago(settings.session_max_age_s)} AS is_over FROM sessions"
        )
        assert row["is_over"]
