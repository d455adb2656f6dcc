"""The worker that sends letters, with a real SMTP server that is slow, refuses, or dies."""

import asyncio
import os
import stat
from email.headerregistry import Address
from email.message import EmailMessage
from typing import cast

import pytest
from aiosmtpd.smtp import SMTP
from structlog.testing import capture_logs

from application.application import Application
from application.settings import Settings, SettingsError, load_settings
from models.letter import LetterKind
from services.notifications import mailer, transports
from services.notifications.composing import LetterTexts
from services.notifications.transports import SmtpServer
from tests.support.attacks import Attack
from tests.support.letters import letters_in, sent
from tests.support.mail_servers import ADDRESS, Post, ask, sends_to
from tests.support.waiting import PATIENCE_S, until

PAGES = dict.fromkeys(LetterKind, "https://taxi.example/page")
SENDER = Address("Taxirank", addr_spec="no-reply@taxi.example")


@pytest.fixture
async def post() -> Post:
    return Post()


async def make_due(application: Application, after_s: int) -> None:
    """Advance the clock by that many seconds."""
    await application.database.fetch(
        f"UPDATE letters SET due = {application.database.sql.ago(0)} "
        f"WHERE due < {application.database.sql.ago(-after_s)}"
    )


async def test_a_letter_reaches_the_mail_server_with_its_envelope_and_links_to_the_public_address(
    settings: Settings, post: Post
) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        person = await ask(application)
        await application.mailer.send_due()
        (envelope,) = post.got
        assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@taxi.example", [ADDRESS])
        content = cast("bytes", envelope.content).decode()
        assert "From: Taxirank <no-reply@taxi.example>\r\n" in content
        assert f"To: {ADDRESS}\r\n" in content
        assert "Auto-Submitted: auto-generated\r\n" in content
        assert "https://taxi.example/reset-password#" in content.replace("=\r\n", "")
        assert person.user.username in content.replace("=\r\n", "")
        assert application.counters.letters_sent == 1
        assert await application.letters.waiting() == 0
        await application.mailer.send_due()
        assert len(post.got) == 1


@pytest.mark.parametrize("code", [421, 450, 451])
@pytest.mark.parametrize("where", ["rcpt_answer", "data_answer"])
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_letter_that_is_refused_for_now_is_sent_later(
    settings: Settings, post: Post, where: str, code: int
) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        setattr(post, where, f"{code} later")
        await ask(application)
        await application.mailer.send_due()
        setattr(post, where, "250 OK")
        await application.mailer.send_due()
        assert application.counters.letters_sent == 0
        assert application.counters.letters_deferred == 1
        assert application.mailer.is_up
        await make_due(application, 61)
        await application.mailer.send_due()
        assert application.counters.letters_sent == 1


@pytest.mark.parametrize("where", ["rcpt_answer", "data_answer"])
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_letter_that_is_refused_for_ever_is_given_up_with_a_log_line_without_the_address(
    settings: Settings, post: Post, where: str
) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        setattr(post, where, f"550 no such person: {ADDRESS}")
        await ask(application)
        with capture_logs() as logs:
            await application.mailer.send_due()
        assert [(line["event"], line["reason"]) for line in logs] == [
            ("a letter was given up", "the server answered 550")
        ]
        assert ADDRESS not in str(logs)
        assert application.counters.letters_given_up == 1
        assert application.mailer.is_up
        assert await application.database.fetch("SELECT * FROM letters") == []


async def test_one_letter_is_given_up_after_a_day(settings: Settings, post: Post) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        await ask(application)
        await application.database.fetch(f"UPDATE letters SET created = {application.database.sql.ago(86_401)}")
        await application.mailer.send_due()
        assert post.got == []
        assert application.counters.letters_given_up == 1
        assert await application.letters.waiting() == 0


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_without_the_mail_server_letters_wait_and_the_process_says_degraded_until_one_is_sent(
    settings: Settings, post: Post
) -> None:
    async with post.listening() as url:
        pass
    async with sends_to(settings, url) as application:
        for _ in range(3):
            await ask(application)
        await application.mailer.send_due()
        assert not application.mailer.is_up
        assert await application.letters.waiting() == 3
        assert await application.letters.oldest_age_s() > 0
        port = SmtpServer.parse(url).port
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: SMTP(post, loop=loop), "127.0.0.1", port):
            await application.mailer.send_due()
        assert application.mailer.is_up
        assert len(post.got) == 3
        assert await application.letters.waiting() == 0


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_mail_server_that_hangs_delays_no_request_and_no_stop(
    settings: Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "STOP_TIMEOUT_S", 0.01)
    post.may_answer.clear()
    async with post.listening() as url, sends_to(settings, url) as application:
        await application.mailer.start()
        await ask(application)
        await asyncio.wait_for(post.asked.wait(), PATIENCE_S)
        for _ in range(20):
            await ask(application)
        assert await application.letters.waiting() == 21
        await application.mailer.stop()
        assert post.got == []
    post.may_answer.set()


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_mail_server_that_does_not_answer_in_time_is_left_and_the_letter_is_sent_once(
    settings: Settings, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "ANSWER_TIMEOUT_S", 0.05)
    post.may_answer.clear()
    async with post.listening() as url, sends_to(settings, url) as application:
        await ask(application)
        await application.mailer.send_due()
        assert not application.mailer.is_up
        post.may_answer.set()
        monkeypatch.undo()
        await application.mailer.send_due()
        assert application.mailer.is_up
        assert len(post.got) == 1


async def test_a_letter_whose_outcome_is_unknown_is_sent_again_after_an_hour_and_not_before(
    settings: Settings, post: Post
) -> None:
    post.closes_after_text = True
    async with post.listening() as url, sends_to(settings, url) as application:
        await ask(application)
        await application.mailer.send_due()
        assert len(post.got) == 1
        assert not application.mailer.is_up
        post.closes_after_text = False
        await make_due(application, 3590)
        await application.mailer.send_due()
        assert len(post.got) == 1
        await make_due(application, 3610)
        await application.mailer.send_due()
        assert len(post.got) == 2
        assert await application.letters.waiting() == 0


async def test_a_process_that_dies_before_the_text_loses_no_letter(settings: Settings, post: Post) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        await ask(application)
        # Claimed, and never sent.
        assert len(await application.letters.claim(10)) == 1
        assert await application.letters.claim(10) == []
        await application.mailer.send_due()
        assert post.got == []
        await make_due(application, 130)
        await application.mailer.send_due()
        assert len(post.got) == 1


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_letter_that_cannot_be_made_keeps_no_other_waiting(settings: Settings, post: Post) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        bad = await ask(application)
        # Earlier versions accepted it; the library of headers does not.
        await application.database.fetch(
            "UPDATE users SET email = $2 WHERE id = $1", bad.id, "=?utf-8?q?x?=@taxi.example"
        )
        await ask(application)
        with capture_logs() as logs:
            await application.mailer.send_due()
        assert [line["event"] for line in logs] == ["sending a letter failed"]
        assert len(post.got) == 1
        assert await application.letters.waiting() == 1
        assert application.counters.letters_deferred == 1
        # Not at once, and not before the others.
        await make_due(application, 3590)
        await ask(application)
        await application.mailer.send_due()
        assert len(post.got) == 2


@pytest.mark.parametrize("where", ["rcpt_answer", "data_answer"])
@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_letter_that_is_refused_for_reasons_of_policy_waits_until_the_server_is_set_right(
    settings: Settings, post: Post, where: str
) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        setattr(post, where, "554 5.7.1 Relay access denied")
        await ask(application)
        with capture_logs() as logs:
            await application.mailer.send_due()
        assert [(line["event"], line["reason"]) for line in logs] == [
            ("a letter is tried again later", "the server answered 554 5.7.1")
        ]
        setattr(post, where, "250 OK")
        await make_due(application, 61)
        await application.mailer.send_due()
        assert application.counters.letters_sent == 1


async def test_many_workers_at_once_send_each_letter_once(settings: Settings, post: Post) -> None:
    async with post.listening() as url, sends_to(settings, url) as application:
        people = [await ask(application) for _ in range(30)]
        workers = [
            mailer.Mailer(
                application.letters,
                application.mailer._transport,  # pyright: ignore[reportPrivateUsage]
                application.counters,
                compose=application.mailer._compose,  # pyright: ignore[reportPrivateUsage]
            )
            for _ in range(4)
        ]
        await asyncio.gather(*(worker.send_due() for worker in workers))
        assert len(post.got) == len(people)
        assert await application.letters.waiting() == 0


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_the_worker_sends_by_itself_soon_after_the_request(application: Application) -> None:
    await ask(application)
    with capture_logs() as logs:
        await until(lambda: letters_in(application.settings.mail_folder))
        await until(lambda: logs)
    assert logs[0]["event"].startswith("a letter is in a file")
    assert logs[0]["file"].startswith(str(application.settings.mail_folder))
    assert ADDRESS not in str(logs)


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_without_a_mail_server_letters_are_files_that_only_the_servers_user_can_read(
    application: Application,
) -> None:
    await application.mailer.stop()
    folder = application.settings.mail_folder
    await ask(application)
    (letter,) = await sent(application)
    assert letter["To"] == ADDRESS
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    (path,) = folder.glob("*")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_folder_that_cannot_be_written_is_degraded_and_loses_no_letter(
    application: Application,
) -> None:
    await application.mailer.stop()
    folder = application.settings.mail_folder
    folder.write_text("a file")
    await ask(application)
    await application.mailer.send_due()
    assert not application.mailer.is_up
    folder.unlink()
    await application.database.fetch(f"UPDATE letters SET due = {application.database.sql.ago(0)}")
    assert len(await sent(application)) == 1
    assert application.mailer.is_up


@pytest.mark.attack("abuse")
def test_no_header_of_a_letter_can_have_a_line_end(attempts: Attack) -> None:
    texts = LetterTexts(sender=SENDER, pages=PAGES)
    for address in ("a@b.example\r\nBcc: c@d.example", "a@b.example\nSubject: x", "a\r@b.example"):
        attempts.add()
        with pytest.raises(Exception, match=r"."):
            texts.compose(LetterKind.VERIFY_EMAIL, to=address, token="t")


@pytest.mark.parametrize("kind", LetterKind)
def test_a_letter_to_any_name_has_seven_bits_for_servers_that_pass_on_no_more(kind: LetterKind) -> None:
    texts = LetterTexts(sender=Address("Täxi", addr_spec="no-reply@taxi.example"), pages=PAGES)
    letter = texts.compose(kind, to=ADDRESS, username="Zoë-Łukasz-太郎", token="t")
    assert letter.as_bytes().isascii()
    text = letter.get_body(("plain",))
    assert text is not None
    assert ("Zoë-Łukasz-太郎" in text.get_content()) is (kind is not LetterKind.VERIFY_EMAIL)


@pytest.mark.attack("abuse")
def test_a_user_name_cannot_put_html_into_a_letter(attempts: Attack) -> None:
    texts = LetterTexts(sender=SENDER, pages=PAGES)
    letter: EmailMessage = texts.compose(
        LetterKind.RESET_PASSWORD, to=ADDRESS, username="<script>alert(1)</script>", token="t"
    )
    html = letter.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()


GOOD = {
    "smtp://mail.example": ("mail.example", 587, None, False, True),
    "smtps://ann:p%40ss@mail.example": ("mail.example", 465, "ann", True, True),
    "smtp://mail:1025?starttls=off": ("mail", 1025, None, False, False),
    "smtp://[::1]:25": ("::1", 25, None, False, True),
}


@pytest.mark.parametrize("url", GOOD)
def test_the_url_of_a_mail_server_is_read(url: str) -> None:
    server = SmtpServer.parse(url)
    assert (server.host, server.port, server.username, server.is_tls, server.has_starttls) == GOOD[url]


BAD = {
    "TAXIRANK_SMTP_URL": (
        *("mail.example", "http://mail.example", "smtp://", "smtp://mail:99999", "smtp://mail/path"),
        *("smtp://a:b@mail?starttls=off", "smtp://mail?tls=no", "smtps://mail?starttls=off", "smtp://a:b/c@mail"),
    ),
    "TAXIRANK_MAIL_FROM": ("nobody", "a b@c.example", "A <a@b.example\r\nBcc: c@d.example>", "a@", "<>"),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it_and_shows_no_password(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAXIRANK_PUBLIC_URL", "https://taxi.example")
    with pytest.raises(SettingsError, match=name) as raised:
        load_settings()
    assert "\n" not in str(raised.value)
    assert "a:b" not in str(raised.value)


@pytest.mark.parametrize("lacking", ["MAIL_FROM", "PUBLIC_URL"])
def test_a_mail_server_needs_a_sender_and_an_address_for_links(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"SMTP_URL": "smtp://mail", "MAIL_FROM": "a@b.example", "PUBLIC_URL": "https://taxi.example"}
    for name, value in given.items():
        if name != lacking:
            monkeypatch.setenv(f"TAXIRANK_{name}", value)
    with pytest.raises(SettingsError, match=f"SMTP_URL needs a {lacking}"):
        load_settings()
