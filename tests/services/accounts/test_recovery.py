"""A forgotten password: who gets a letter, and what its token does."""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.visibility import Actor
from services.accounts.emails import EmailTokenInvalid
from services.accounts.log_in import BadCredentials
from services.accounts.passwords import PasswordMismatch, PasswordWeak
from services.accounts.recovery import NoSuchName, ResetTokenInvalid
from services.accounts.sessions import NewSession
from services.database.connections import Database
from services.errors import SessionEnded
from services.limits.rates import RateLimited
from services.notifications.composing import LetterTexts
from services.notifications.letters import REPEAT_S
from services.staff.staff import LetterSentLately, NoVerifiedEmail, StaffMember
from services.staff.trail import NotStaff
from tests.support.api import PASSWORD
from tests.support.attacks import Attack
from tests.support.database_rows import set_staff
from tests.support.letters import add_person_with_email, letters_in, names_are_due, sent, text_of, token_of

NEW = "another-staple-battery-8"
ADDRESS = "ann@taxi.example"


@pytest.fixture
async def application(application: Application) -> Application:
    """Tests send letters themselves."""
    await application.mailer.stop()
    return application


@pytest.fixture
async def ann(application: Application) -> Actor:
    return await add_person_with_email(application, ADDRESS)


async def ask(application: Application, username: str) -> None:
    await application.services.recovery.request_reset(username=username)


async def token_for(application: Application, person: Actor) -> str:
    await ask(application, person.user.username)
    return token_of((await sent(application))[-1])


async def reset(application: Application, token: str, **changes: Any) -> NewSession:
    return await application.services.recovery.reset(
        **{"token": token, "password1": NEW, "password2": NEW, **changes}
    )


async def grow_old(application: Application, seconds: int) -> None:
    """Advance the clock: set the times of letters and tokens back."""
    ago = application.database.sql.ago(seconds)
    await application.database.fetch(f"UPDATE letters SET created = {ago}, sent = {ago} WHERE sent IS NOT NULL")
    await application.database.fetch(
        f"UPDATE email_tokens SET expires = {application.database.sql.ago(seconds - 3600)} "
        "WHERE purpose = 'RESET_PASSWORD'"
    )


async def test_the_letter_leads_to_a_new_password_and_a_new_session(application: Application, ann: Actor) -> None:
    services = application.services
    await ask(application, ann.user.username.upper())
    (letter,) = await sent(application)
    assert (letter["To"], letter["Subject"]) == (ADDRESS, "Choose a new password")
    assert ann.user.username in text_of(letter)

    session = await reset(application, token_of(letter))

    assert session.actor.user == ann.user
    assert await services.sessions.actor_of(session.token) == session.actor
    assert await services.sessions.ended_among([ann.session_id]) == {ann.session_id}
    assert (await services.log_ins.log_in(username=ann.user.username, password=NEW)).actor.id == ann.id


async def test_the_database_has_only_the_hash_of_the_token_and_the_row_of_the_letter_has_none(
    application: Application, ann: Actor
) -> None:
    await ask(application, ann.user.username)
    (row,) = await application.database.fetch("SELECT * FROM letters")
    assert row["username_key"] == ann.user.username
    token = token_of((await sent(application))[0])
    assert len(token) == 43
    (kept,) = await application.database.fetch("SELECT * FROM email_tokens")
    assert kept["token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    rows = [*await application.database.fetch("SELECT * FROM letters"), kept]
    assert token not in str([dict(row) for row in rows])


@pytest.mark.attack("abuse")
async def test_a_reset_raced_twenty_times_succeeds_once(
    application: Application, ann: Actor, attempts: Attack
) -> None:
    attempts.add(20)
    token = await token_for(application, ann)
    results = await asyncio.gather(
        *(reset(application, token, password1=f"{NEW}-{n}", password2=f"{NEW}-{n}") for n in range(20)),
        return_exceptions=True,
    )
    (winner,) = [number for number, result in enumerate(results) if isinstance(result, NewSession)]
    assert sum(isinstance(result, ResetTokenInvalid) for result in results) == 19
    sessions = await application.database.fetch("SELECT id FROM sessions WHERE user_id = $1", ann.id)
    assert len(sessions) == 1
    await application.services.log_ins.log_in(username=ann.user.username, password=f"{NEW}-{winner}")


Ends = Callable[[Application, Actor], Awaitable[object]]
CHANGES: dict[str, Ends] = {
    "the password": lambda app, ann: app.services.log_ins.change_password(
        ann, current=PASSWORD, password1=NEW + "-2", password2=NEW + "-2"
    ),
    "the address": lambda app, ann: app.services.emails.change(
        ann, email="thief@taxi.example", current_password=PASSWORD
    ),
    "no account": lambda app, ann: app.services.deletions.delete(ann, password=PASSWORD),
}


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("change", CHANGES)
async def test_of_a_reset_and_a_change_with_the_old_password_at_once_exactly_one_succeeds(
    application: Application, change: str, attempts: Attack
) -> None:
    for number in range(6):
        attempts.add()
        person = await add_person_with_email(application, f"person{number}@taxi.example")
        await set_known_password(application, person)
        token = await token_for(application, person)
        results = await asyncio.gather(
            reset(application, token), CHANGES[change](application, person), return_exceptions=True
        )
        failed = [result for result in results if isinstance(result, Exception)]
        assert len(failed) == 1, results
        assert isinstance(failed[0], ResetTokenInvalid | BadCredentials | SessionEnded)
        assert (
            await application.database.fetch(
                "SELECT * FROM email_tokens WHERE user_id = $1 AND purpose = 'RESET_PASSWORD'", person.id
            )
            == []
        )


@pytest.mark.attack("abuse")
async def test_a_letter_that_is_made_while_its_account_is_deactivated_leaves_no_link(
    application: Application, attempts: Attack
) -> None:
    chief = await add_person_with_email(application, "chief@taxi.example")
    await set_staff(application.database, chief.id)
    for number in range(10):
        attempts.add()
        person = await add_person_with_email(application, f"person{number}@taxi.example")
        await ask(application, person.user.username)
        await asyncio.gather(
            sent(application), application.staff.deactivate(StaffMember(chief), user_id=person.id)
        )
        assert await application.database.fetch("SELECT * FROM email_tokens") == []


@pytest.mark.attack("abuse")
async def test_nobody_guesses_a_token(application: Application, ann: Actor, attempts: Attack) -> None:
    token = await token_for(application, ann)
    (kept,) = await application.database.fetch("SELECT token_hash FROM email_tokens")
    guesses = (
        token[:-1],
        token + "x",
        token.swapcase(),
        "",
        "\x00",
        "\ud800",
        kept["token_hash"],
        "%",
        "x" * 100_000,
    )
    attempts.add(len(guesses))
    for guess in guesses:
        with pytest.raises(ResetTokenInvalid):
            await reset(application, guess)
    await reset(application, token)


ENDS: dict[str, Ends] = {
    "its use": lambda app, _: app.database.fetch("DELETE FROM email_tokens"),
    "a change of the password": lambda app, ann: change_password(app, ann),
    "the command line": lambda app, ann: app.services.recovery.set_password(
        username=ann.user.username, password=NEW + "-2"
    ),
    "a newer token": lambda app, ann: newer(app, ann),
    "an hour": lambda app, _: grow_old(app, 3601),
    "another address": lambda app, ann: app.services.emails.change(
        ann, email="new@taxi.example", current_password=PASSWORD
    ),
    "no address": lambda app, ann: app.services.emails.change(ann, email=None, current_password=PASSWORD),
    "deletion": lambda app, ann: app.services.deletions.delete(ann, password=PASSWORD),
    "an address and back": lambda app, ann: change_email_and_back(app, ann),
    "deactivation": lambda app, ann: app.database.fetch(
        "UPDATE users SET is_active = $2 WHERE id = $1", ann.id, False
    ),
    "deactivation by staff, and reactivation": lambda app, ann: deactivate_and_reactivate(app, ann),
}


async def change_email_and_back(application: Application, person: Actor) -> None:
    for email in ("new@taxi.example", ADDRESS):
        await application.services.emails.change(person, email=email, current_password=PASSWORD)


async def deactivate_and_reactivate(application: Application, person: Actor) -> None:
    chief = await add_person_with_email(application, "chief@taxi.example")
    await set_staff(application.database, chief.id)
    await application.staff.deactivate(StaffMember(chief), user_id=person.id)
    await application.staff.reactivate(StaffMember(chief), user_id=person.id)


async def set_known_password(application: Application, person: Actor) -> None:
    passwords = application.services.log_ins._passwords  # pyright: ignore[reportPrivateUsage]
    await application.database.fetch(
        "UPDATE users SET password_hash = $2 WHERE id = $1", person.id, await passwords.hash(PASSWORD)
    )


async def change_password(application: Application, person: Actor) -> None:
    await application.services.log_ins.change_password(person, current=PASSWORD, password1=NEW, password2=NEW)


async def newer(application: Application, person: Actor) -> None:
    await application.database.fetch("DELETE FROM letters")
    await token_for(application, person)


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("end", ENDS)
async def test_a_token_ends_with(application: Application, ann: Actor, end: str) -> None:
    await set_known_password(application, ann)
    token = await token_for(application, ann)
    if end == "its use":
        await reset(application, token)
    else:
        await ENDS[end](application, ann)
    before = await application.database.fetch("SELECT password_hash FROM users WHERE id = $1", ann.id)
    with pytest.raises(ResetTokenInvalid):
        await reset(application, token)
    assert await application.database.fetch("SELECT password_hash FROM users WHERE id = $1", ann.id) == before


@pytest.mark.attack("abuse")
async def test_a_token_of_another_kind_does_nothing(application: Application, ann: Actor) -> None:
    resetting = await token_for(application, ann)
    with pytest.raises(EmailTokenInvalid):
        await application.services.emails.verify(resetting)
    await set_known_password(application, ann)
    await application.services.emails.change(ann, email="new@taxi.example", current_password=PASSWORD)
    (confirming,) = [letter for letter in await sent(application) if letter["To"] == "new@taxi.example"]
    # Even if the address were verified already.
    await application.database.fetch("UPDATE users SET email_verified_at = {now} WHERE id = $1", ann.id)
    with pytest.raises(ResetTokenInvalid):
        await reset(application, token_of(confirming))
    await application.services.emails.verify(token_of(confirming))


async def test_a_bad_new_password_does_not_use_the_token_up(application: Application, ann: Actor) -> None:
    token = await token_for(application, ann)
    with pytest.raises(PasswordMismatch):
        await reset(application, token, password2="x")
    with pytest.raises(PasswordWeak):
        await reset(application, token, password1="password", password2="password")
    await reset(application, token)


@pytest.mark.attack("abuse")
async def test_the_session_that_comes_with_the_reset_ends_too(application: Application, ann: Actor) -> None:
    stranger = await add_person_with_email(application, "eve@taxi.example")
    planted = await application.services.sessions.begin(stranger.user)
    session = await reset(application, await token_for(application, ann), replaces=planted.token)
    assert session.token != planted.token
    assert session.replaced == planted.actor.session_id
    assert await application.services.sessions.actor_of(planted.token) is None


NAMES = ("nobody-has-this-name", "", "x" * 700, "\x00", "ﷺ" * 150, "a b")


@pytest.mark.attack("abuse")
async def test_a_request_does_the_same_for_every_name_and_asks_for_no_account(
    application: Application, ann: Actor, monkeypatch: pytest.MonkeyPatch, attempts: Attack
) -> None:
    unverified = await add_person_with_email(application, "bob@taxi.example", is_verified=False)
    statements: list[str] = []
    run = application.database._run  # pyright: ignore[reportPrivateUsage]

    async def noted(connection: Any, sql: str, args: Any) -> Any:
        statements.append(sql)
        return await run(connection, sql, args)

    monkeypatch.setattr(application.database, "_run", noted)
    seen: set[tuple[str, ...]] = set()
    names = (ann.user.username, unverified.user.username, *NAMES)
    attempts.add(len(names))
    for name in names:
        statements.clear()
        assert await application.services.recovery.request_reset(username=name) is None
        # Whatever the random number of seconds is.
        seen.add(tuple(re.sub(r"\d+ seconds", "N seconds", sql) for sql in statements))
    # One statement, an INSERT without any condition.
    ((statement,),) = seen
    assert statement.startswith("INSERT INTO letters")
    assert "SELECT" not in statement
    monkeypatch.undo()
    assert [letter["To"] for letter in await sent(application)] == [ADDRESS]
    assert await application.letters.waiting() == 0


@pytest.mark.attack("abuse")
async def test_no_request_makes_the_server_look_for_the_account_at_once(
    application: Application, ann: Actor
) -> None:
    # Otherwise the next answer would come later if there is such an account.
    await ask(application, ann.user.username)
    assert not application.letters.added.is_set()
    # Not either for who makes the server send another letter.
    await application.mailer.send_due()
    assert letters_in(application.settings.mail_folder) == []
    assert len(await sent(application)) == 1


@pytest.mark.attack("abuse")
async def test_a_letter_that_nobody_gets_is_as_much_work_as_another(
    application: Application, ann: Actor, monkeypatch: pytest.MonkeyPatch, attempts: Attack
) -> None:
    unverified = await add_person_with_email(application, "bob@taxi.example", is_verified=False)
    run, compose = Database._run, LetterTexts.compose  # pyright: ignore[reportPrivateUsage]
    transaction = Database.transaction
    work: Counter[str] = Counter()

    def composed(*args: Any, **options: Any) -> EmailMessage:
        work["letters made"] += 1
        return compose(*args, **options)

    async def commits(database: Database, connection: Any, sql: str, args: Any) -> Any:
        # Each is a commit, unless it is in a transaction.
        work["statements on letters"] += "UPDATE letters SET due" in sql or "WHERE id = $1" in sql
        return await run(database, connection, sql, args)

    def begun(database: Database) -> Any:
        work["transactions"] += 1
        return transaction(database)

    monkeypatch.setattr(LetterTexts, "compose", composed)
    monkeypatch.setattr(Database, "_run", commits)
    monkeypatch.setattr(Database, "transaction", begun)
    # The last one has got a letter within the hour.
    names = (ann.user.username, unverified.user.username, "nobody", ann.user.username)
    attempts.add(len(names))
    seen: list[Counter[str]] = []
    for name in names:
        await ask(application, name)
        await names_are_due(application)
        work.clear()
        await application.mailer.send_due()
        seen.append(work.copy())
    assert seen[0]["letters made"] == 1
    assert {(each["letters made"], each["transactions"]) for each in seen} == {(1, 1)}
    assert all(each["statements on letters"] >= 3 for each in seen), seen


async def test_nobody_gets_a_letter_at_an_address_that_is_not_verified_or_in_an_inactive_account(
    application: Application, ann: Actor
) -> None:
    bob = await add_person_with_email(application, "bob@taxi.example", is_verified=False)
    eve = await add_person_with_email(application, "eve@taxi.example")
    await application.database.fetch("UPDATE users SET is_active = $2 WHERE id = $1", eve.id, False)
    for person in (bob, eve, ann):
        await ask(application, person.user.username)
    assert [letter["To"] for letter in await sent(application)] == [ADDRESS]


@pytest.mark.attack("abuse")
async def test_many_requests_for_one_name_send_one_letter_an_hour(
    application: Application, ann: Actor, attempts: Attack
) -> None:
    attempts.add(30)
    for _ in range(15):
        await ask(application, ann.user.username)
    assert len(await sent(application)) == 1
    for _ in range(15):
        await ask(application, ann.user.username)
        assert len(await sent(application)) == 1
    await grow_old(application, REPEAT_S + 1)
    await ask(application, ann.user.username)
    assert len(await sent(application)) == 2


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_requests_are_limited_by_network_and_by_name_alike_for_unknown_names(
    settings: Settings, attempts: Attack
) -> None:
    application = Application(settings.model_copy(update={"recovery_rate": "2/hour"}))
    async with running(application):
        await add_person_with_email(application, ADDRESS)
        recovery = application.services.recovery
        for number in range(2):
            await recovery.request_reset(username=f"n{number}", address="198.51.100.1")
        attempts.add(22)
        with pytest.raises(RateLimited):
            await recovery.request_reset(username="other", address="198.51.100.1")
        with pytest.raises(RateLimited):
            await recovery.reset(token="x", password1=NEW, password2=NEW, address="198.51.100.1")
        for number in range(20):
            await recovery.request_reset(username="one", address=f"198.51.100.{number + 2}")
        with pytest.raises(RateLimited):
            await recovery.request_reset(username="one", address="198.51.100.99")


async def test_a_letter_tells_the_owner_that_the_password_was_changed(
    application: Application, ann: Actor
) -> None:
    await reset(application, await token_for(application, ann))
    assert (await sent(application))[-1]["Subject"] == "Your password was changed"


@pytest.mark.attack("abuse")
async def test_who_takes_the_address_away_at_once_does_not_hide_the_change_of_the_password(
    application: Application, ann: Actor
) -> None:
    session = await reset(application, await token_for(application, ann))
    await application.services.emails.change(session.actor, email="thief@taxi.example", current_password=NEW)
    letters = (await sent(application))[1:]
    assert sorted(letter["Subject"] for letter in letters if letter["To"] == ADDRESS) == [
        "Your e-mail address was changed",
        "Your password was changed",
    ]


async def test_whoever_runs_the_server_sets_a_password_and_all_sessions_end(
    application: Application, ann: Actor
) -> None:
    recovery = application.services.recovery
    with pytest.raises(NoSuchName):
        await recovery.set_password(username="nobody", password=NEW)
    with pytest.raises(PasswordWeak):
        await recovery.set_password(username=ann.user.username, password="password")
    await recovery.set_password(username=ann.user.username.upper(), password=NEW)
    assert await application.services.sessions.ended_among([ann.session_id]) == {ann.session_id}
    with pytest.raises(BadCredentials):
        await application.services.log_ins.log_in(username=ann.user.username, password=PASSWORD)
    await application.services.log_ins.log_in(username=ann.user.username, password=NEW)


async def test_staff_send_a_reset_once_an_hour_and_the_trail_has_it(application: Application, ann: Actor) -> None:
    chief = await add_person_with_email(application, "chief@taxi.example")
    bob = await add_person_with_email(application, "bob@taxi.example", is_verified=False)
    await set_staff(application.database, chief.id)
    member, staff = StaffMember(chief), application.staff
    with pytest.raises(NoVerifiedEmail):
        await staff.send_password_reset(member, user_id=bob.id)
    with pytest.raises(NotStaff):
        await staff.send_password_reset(StaffMember(bob), user_id=ann.id)
    await staff.send_password_reset(member, user_id=ann.id)
    with pytest.raises(LetterSentLately):
        await staff.send_password_reset(member, user_id=ann.id)
    (letter,) = await sent(application)
    await reset(application, token_of(letter))
    trail = await application.database.fetch("SELECT action, user_id FROM staff_actions")
    assert [(row["action"], str(row["user_id"])) for row in trail] == [("SEND_PASSWORD_RESET", str(ann.id))]
