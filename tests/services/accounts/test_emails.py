"""The e-mail address of an account: changing it, confirming it, and who learns of it."""

import asyncio

import pytest

from application.application import Application
from models.values import Role
from models.visibility import Actor
from services.accounts.emails import EmailRequired, EmailTokenInvalid
from services.accounts.log_in import BadCredentials
from services.accounts.recovery_letters import MAX_UNASKED
from services.errors import SessionEnded, UserFaults
from services.limits.rates import RateLimited
from services.notifications.addresses import EmailInvalid, checked_address
from tests.support.api import PASSWORD
from tests.support.attacks import Attack
from tests.support.letters import add_person_with_email, sent, text_of, token_of

ADDRESS = "ann@taxi.example"


@pytest.fixture
async def application(application: Application) -> Application:
    """Tests send letters themselves."""
    await application.mailer.stop()
    return application


async def sign_up(application: Application, username: str, email: str | None) -> Actor:
    session = await application.services.accounts.sign_up(
        username=username,
        password1=PASSWORD,
        password2=PASSWORD,
        first_name="Ann",
        last_name="Lee",
        role=Role.RIDER,
        email=email,
    )
    return session.actor


async def change(application: Application, actor: Actor, email: str | None) -> None:
    await application.services.emails.change(actor, email=email, current_password=PASSWORD)


async def test_the_address_of_a_sign_up_is_confirmed_by_the_link_in_a_letter(application: Application) -> None:
    emails = application.services.emails
    ann = await sign_up(application, "ann", " Ann@Taxi.EXAMPLE ")
    found = await emails.of(ann.id)
    assert (found.address, found.verified_at) == ("Ann@taxi.example", None)
    (letter,) = await sent(application)
    assert (letter["To"], letter["Subject"]) == ("Ann@taxi.example", "Confirm your e-mail address")

    await emails.verify(token_of(letter))

    assert (await emails.of(ann.id)).verified_at is not None
    with pytest.raises(EmailTokenInvalid):
        await emails.verify(token_of(letter))


@pytest.mark.attack("abuse")
async def test_a_letter_to_an_address_that_nobody_has_confirmed_contains_no_text_of_the_account(
    application: Application,
) -> None:
    await sign_up(application, "visit-evil.example", ADDRESS)
    (letter,) = await sent(application)
    assert "evil" not in letter.as_string()
    assert "Ann" not in text_of(letter)


@pytest.mark.attack("abuse")
async def test_nobody_learns_whether_another_account_has_an_address(
    application: Application, attempts: Attack
) -> None:
    attempts.add(3)
    await add_person_with_email(application, ADDRESS)
    for name, address in (("eve", ADDRESS), ("bob", ADDRESS.upper())):
        actor = await sign_up(application, name, address)
        await change(application, actor, "other@taxi.example")
        await change(application, actor, ADDRESS)
        assert (await application.services.emails.of(actor.id)).address == ADDRESS


async def test_a_sign_up_with_a_bad_address_creates_nothing_and_shows_all_faults(application: Application) -> None:
    with pytest.raises(UserFaults) as raised:
        await sign_up(application, "x", "no address")
    assert [fault.code.value for fault in raised.value.faults] == ["USERNAME_INVALID", "EMAIL_INVALID"]
    assert await application.database.fetch("SELECT * FROM letters") == []


async def test_a_new_address_is_not_verified_and_the_former_one_is_told(application: Application) -> None:
    ann = await sign_up(application, "ann", ADDRESS)
    await application.services.emails.verify(token_of((await sent(application))[0]))

    await change(application, ann, "new@taxi.example")

    found = await application.services.emails.of(ann.id)
    assert (found.address, found.verified_at) == ("new@taxi.example", None)
    letters = (await sent(application))[1:]
    assert {letter["To"]: letter["Subject"] for letter in letters} == {
        ADDRESS: "Your e-mail address was changed",
        "new@taxi.example": "Confirm your e-mail address",
    }
    await change(application, ann, None)
    assert (await application.services.emails.of(ann.id)).address is None


@pytest.mark.attack("abuse")
async def test_a_link_confirms_only_the_address_that_it_was_sent_to(application: Application) -> None:
    ann = await sign_up(application, "ann", "mine@taxi.example")
    token = token_of((await sent(application))[0])
    await change(application, ann, "victim@taxi.example")
    with pytest.raises(EmailTokenInvalid):
        await application.services.emails.verify(token)
    assert (await application.services.emails.of(ann.id)).verified_at is None


async def test_the_address_is_changed_only_with_the_password_and_in_a_live_session(
    application: Application,
) -> None:
    ann = await sign_up(application, "ann", ADDRESS)
    with pytest.raises(BadCredentials):
        await application.services.emails.change(ann, email="new@taxi.example", current_password="x")
    await application.services.sessions.end(ann)
    for work in (change(application, ann, None), application.services.emails.request_verification(ann)):
        with pytest.raises(SessionEnded):
            await work
    assert (await application.services.emails.of(ann.id)).address == ADDRESS


async def test_another_letter_is_sent_after_an_hour_and_before_that_the_caller_is_told(
    application: Application,
) -> None:
    ann = await sign_up(application, "ann", ADDRESS)
    emails = application.services.emails
    for _ in range(2):
        with pytest.raises(RateLimited):
            await emails.request_verification(ann)
        assert len(await sent(application)) == 1
    await application.database.fetch(f"UPDATE letters SET sent = {application.database.sql.ago(3601)}")
    await emails.request_verification(ann)
    first, second = await sent(application)
    with pytest.raises(EmailTokenInvalid):
        await emails.verify(token_of(first))
    await emails.verify(token_of(second))
    await emails.request_verification(ann)
    await change(application, ann, None)
    with pytest.raises(EmailRequired):
        await emails.request_verification(ann)


@pytest.mark.attack("abuse")
async def test_many_accounts_cannot_flood_a_foreign_address(application: Application, attempts: Attack) -> None:
    for number in range(MAX_UNASKED + 5):
        attempts.add()
        person = await add_person_with_email(application, f"Victim{number}@taxi.example", is_verified=False)
        address = "victim@taxi.example" if number % 2 else "Victim@taxi.example"
        await application.database.fetch("UPDATE users SET email = $2 WHERE id = $1", person.id, address)
        await application.services.emails.request_verification(person)
    assert len(await sent(application)) == MAX_UNASKED
    assert await application.letters.waiting() == 0


async def test_a_link_used_twice_at_once_confirms_once(application: Application) -> None:
    await sign_up(application, "ann", ADDRESS)
    token = token_of((await sent(application))[0])
    results = await asyncio.gather(
        *(application.services.emails.verify(token) for _ in range(5)), return_exceptions=True
    )
    assert sorted(map(repr, results), key=len)[0] == "None"
    assert sum(isinstance(result, EmailTokenInvalid) for result in results) == 4


async def test_deletion_erases_the_address_its_letters_and_its_links(application: Application) -> None:
    ann = await sign_up(application, "ann", ADDRESS)
    await sent(application)
    await application.services.deletions.delete(ann, password=PASSWORD)
    assert (await application.services.emails.of(ann.id)).address is None
    assert await application.database.fetch("SELECT * FROM email_tokens") == []
    assert ADDRESS not in str(
        [dict(row) for row in await application.database.fetch("SELECT * FROM letters, users")]
    )


@pytest.mark.attack("abuse")
async def test_deleting_accounts_makes_no_room_for_more_letters_to_a_foreign_address(
    application: Application, attempts: Attack
) -> None:
    for number in range(MAX_UNASKED + 3):
        attempts.add()
        eve = await sign_up(application, f"eve{number}", ADDRESS if number % 2 else ADDRESS.replace("a", "A", 1))
        await sent(application)
        await application.services.deletions.delete(eve, password=PASSWORD)
    assert len(await sent(application)) == MAX_UNASKED
    assert await application.letters.waiting() == 0
    await application.database.fetch(f"UPDATE letters SET sent = {application.database.sql.ago(3601)}")
    await application.letters.remove_old()
    assert await application.database.fetch("SELECT * FROM letters") == []


@pytest.mark.attack("abuse")
async def test_a_change_of_the_password_ends_the_links_to_an_address_that_a_thief_has_entered(
    application: Application,
) -> None:
    ann = await sign_up(application, "ann", None)
    await change(application, ann, "thief@taxi.example")
    token = token_of((await sent(application))[-1])
    # This letter is not sent yet.
    await change(application, ann, "thief2@taxi.example")
    await application.services.log_ins.change_password(
        ann, current=PASSWORD, password1=PASSWORD + "-2", password2=PASSWORD + "-2"
    )
    letters = await sent(application)
    assert [letter["To"] for letter in letters] == ["thief@taxi.example"]
    await application.database.fetch("UPDATE users SET email = 'thief@taxi.example' WHERE id = $1", ann.id)
    with pytest.raises(EmailTokenInvalid):
        await application.services.emails.verify(token)


@pytest.mark.attack("abuse")
def test_only_plausible_addresses_are_accepted_and_none_has_a_line_end(attempts: Attack) -> None:
    good = {
        "a@b.example": "a@b.example",
        "A.b+c@B.Example": "A.b+c@b.example",
        " a@b.example ": "a@b.example",
        "a@bücher.example": "a@xn--bcher-kva.example",
    }
    for text, address in good.items():
        assert checked_address(text) == address
    bad = (
        *(
            "",
            "a",
            "@",
            "a@",
            "@b.example",
            "a@b",
            "a b@c.example",
            "a@b c.example",
            "a@@b.example",
            "a@b.example.",
        ),
        *("a\n@b.example", "a@b.example\r\nBcc: c@d.example", "a@b.example\n", "a\x00@b.example", "a,c@b.example"),
        *('"a b"@c.example', "a@b.example,c@d.example", "<a@b.example>", "a..b@c.example", ".a@b.example"),
        *("ü@b.example", "a@[127.0.0.1]", "a@127.0.0.1", "a@-b.example", "a@b_c.example", "a" * 65 + "@b.example"),
        *(
            f"a@{'b.' * 130}example",
            "a@" + "b" * 64 + ".example",
            "a\u200b@b.example",
            "a@b\u2028.example",
            "x" * 10**6,
        ),
        "\ud800@b.example",
        # Encoded words, which programs that read headers decode.
        "=?utf-8?q?x?=@b.example",
        "a=?utf-8?q?x?=@b.example",
        # Form in ASCII: of another domain, such as strasse.example.
        *("a@straße.example", "a@\uff42.example", "a@b\u200dc.example", "a@\u03b2\u03bf\u03c2.example"),
        "a@\ud800.example",
    )
    attempts.add(len(bad))
    for text in bad:
        with pytest.raises(EmailInvalid):
            checked_address(text)
