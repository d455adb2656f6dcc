"""Sessions: how they begin, are used, and end."""

import asyncio
import hashlib
from typing import Any

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.values import Role
from services.accounts.sessions import NewSession
from services.errors import SessionEnded
from tests.support.database_rows import add_person

DAY_S = 24 * 3600


@pytest.fixture
async def session(application: Application) -> NewSession:
    """A session of a rider."""
    actor = await add_person(application.database, Role.RIDER, has_session=False)
    return await application.services.sessions.begin(actor.user)


async def grow_old(application: Application, **columns: int) -> None:
    """Advance the clock: set the times of the rows back by this many seconds."""
    for column, seconds in columns.items():
        await application.database.fetch(f"UPDATE sessions SET {column} = {application.database.sql.ago(seconds)}")


async def used(application: Application) -> Any:
    (row,) = await application.database.fetch("SELECT used FROM sessions")
    return row["used"]


async def test_a_token_identifies_its_user(application: Application, session: NewSession) -> None:
    assert await application.services.sessions.actor_of(session.token) == session.actor


async def test_an_unknown_token_belongs_to_nobody(application: Application, session: NewSession) -> None:
    token = session.token
    for other in (token[:-1], token + "x", token.swapcase(), "", "\x00"):
        assert await application.services.sessions.actor_of(other) is None


async def test_the_token_has_256_bits_and_is_kept_only_as_its_hash(
    application: Application, session: NewSession
) -> None:
    assert len(session.token) == 43
    (row,) = await application.database.fetch("SELECT * FROM sessions")
    assert session.token not in str(dict(row))
    assert row["token_hash"] == hashlib.sha256(session.token.encode()).hexdigest()


async def test_a_session_ends_14_days_after_its_last_use(application: Application, session: NewSession) -> None:
    sessions = application.services.sessions
    await grow_old(application, used=14 * DAY_S - 60, created=20 * DAY_S)
    assert await sessions.actor_of(session.token) == session.actor
    await grow_old(application, used=14 * DAY_S + 1)
    assert await sessions.actor_of(session.token) is None
    assert await sessions.ended_among([session.actor.session_id]) == {session.actor.session_id}


async def test_use_is_recorded_at_most_hourly(application: Application, session: NewSession) -> None:
    await grow_old(application, used=3500)
    noted = await used(application)
    await application.services.sessions.actor_of(session.token)
    assert await used(application) == noted
    await grow_old(application, used=3700)
    noted = await used(application)
    await application.services.sessions.actor_of(session.token)
    assert await used(application) > noted


async def test_a_session_ends_90_days_after_its_beginning_even_if_it_is_used(
    application: Application, session: NewSession
) -> None:
    sessions = application.services.sessions
    await grow_old(application, created=90 * DAY_S - 60)
    assert await sessions.actor_of(session.token) == session.actor
    await grow_old(application, created=90 * DAY_S + 1)
    assert await sessions.actor_of(session.token) is None


async def test_a_short_session_in_use_does_not_end(settings: Settings) -> None:
    application = Application(settings.model_copy(update={"session_ttl_s": 600}))
    async with running(application):
        actor = await add_person(application.database, Role.RIDER, has_session=False)
        session = await application.services.sessions.begin(actor.user)
        await grow_old(application, used=599)
        for _ in range(3):
            assert await application.services.sessions.actor_of(session.token) is not None
            (row,) = await application.database.fetch(
                f"SELECT used > {application.database.sql.ago(60)} AS lately FROM sessions"
            )
            assert row["lately"]
            await grow_old(application, used=400)


async def test_a_log_out_ends_that_session_and_no_other(application: Application, session: NewSession) -> None:
    sessions = application.services.sessions
    other = await sessions.begin(session.actor.user)
    await sessions.end(session.actor)
    assert await sessions.actor_of(session.token) is None
    assert await sessions.actor_of(other.token) == other.actor
    assert await sessions.ended_among([session.actor.session_id, other.actor.session_id]) == {
        session.actor.session_id
    }
    for everywhere in (False, True):
        with pytest.raises(SessionEnded):
            await sessions.end(session.actor, everywhere=everywhere)
    assert await sessions.actor_of(other.token) == other.actor


async def test_a_deactivated_user_has_no_sessions(application: Application, session: NewSession) -> None:
    await application.database.fetch("UPDATE users SET is_active = $1", False)
    assert await application.services.sessions.actor_of(session.token) is None
    session_id = session.actor.session_id
    assert await application.services.sessions.ended_among([session_id]) == {session_id}


async def test_the_rows_of_ended_sessions_are_removed_and_of_live_ones_kept(
    application: Application, session: NewSession
) -> None:
    sessions = application.services.sessions
    await grow_old(application, used=14 * DAY_S + 1)
    await sessions.begin(session.actor.user)
    await grow_old(application, created=90 * DAY_S - 60)
    await sessions.remove_ended()
    assert len(await application.database.fetch("SELECT id FROM sessions")) == 1
    await grow_old(application, created=90 * DAY_S + 1)
    await sessions.remove_ended()
    assert await application.database.fetch("SELECT id FROM sessions") == []


async def test_sessions_that_are_requested_together_are_looked_up_by_one_statement(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, database = application.services.sessions, application.database
    begun = [await sessions.begin((await add_person(database, Role.DRIVER)).user) for _ in range(20)]
    statements: list[str] = []
    fetch = database.fetch

    async def counted(sql: str, *args: object) -> Any:
        statements.append(sql)
        return await fetch(sql, *args)

    monkeypatch.setattr(database, "fetch", counted)
    tokens = [session.token for session in begun]
    found = await asyncio.gather(*(sessions.actor_of(token) for token in [*tokens, *tokens, "nobody's"]))

    assert found == [*(session.actor for session in [*begun, *begun]), None]
    assert len(statements) == 1


async def test_a_look_up_begins_after_it_was_requested(application: Application) -> None:
    session = await application.services.sessions.begin(
        (await add_person(application.database, Role.RIDER, has_session=False)).user
    )
    assert await application.services.sessions.actor_of(session.token) is not None
    await application.services.sessions.end(session.actor)
    assert await application.services.sessions.actor_of(session.token) is None


async def test_a_caller_that_stops_waiting_for_a_look_up_does_not_stop_the_others(
    application: Application,
) -> None:
    sessions = application.services.sessions
    session = await sessions.begin((await add_person(application.database, Role.RIDER, has_session=False)).user)
    impatient = asyncio.create_task(sessions.actor_of(session.token))
    patient = asyncio.create_task(sessions.actor_of(session.token))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == session.actor
