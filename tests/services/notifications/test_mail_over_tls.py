"""Letters over TLS: a real mail server with certificates of its own authority, and what is wrong with it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from structlog.testing import capture_logs

from application.settings import Settings
from tests.support.attacks import Attack
from tests.support.mail_servers import Post, ask, sends_to
from tests.support.waiting import PATIENCE_S

pytestmark = [
    # The connection to the mail server is the same on both databases.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]
FORMS = ("smtps", "smtp")
USER, SECRET = "taxirank@taxi.example", "p@ss:w/rd %"
IN_URL = "taxirank%40taxi.example:p%40ss%3Aw%2Frd%20%25"


@dataclass
class TlsPost:
    """A mail server that wants a log-in over TLS."""

    authority: trustme.CA
    letters: Post = field(default_factory=Post)
    password: str = SECRET
    logged_in: list[tuple[bytes, bytes, bool]] = field(default_factory=list)

    def authenticate(self, _: SMTP, session: Session, __: Envelope, ___: str, data: LoginPassword) -> AuthResult:
        """Check a log-in."""
        self.logged_in.append((data.login, data.password, session.ssl is not None))
        right = (data.login, data.password) == (USER.encode(), self.password.encode())
        return AuthResult(success=right, handled=False)

    @asynccontextmanager
    async def listening(self, form: str, *, host: str = "127.0.0.1", authority: trustme.CA) -> AsyncIterator[str]:
        """Its URL. ``form``: ``smtps``, or ``smtp`` with STARTTLS; ``host``: in the certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(host).configure_cert(context)
        tls = {"tls": context} if form == "smtps" else {"tls_context": context, "require_starttls": True}
        async with self.letters.listening_at(
            **tls,
            authenticator=self.authenticate,
            # aiosmtpd knows of TLS only by STARTTLS.
            auth_require_tls=form == "smtp",
        ) as port:
            yield f"{form}://{IN_URL}@127.0.0.1:{port}"


@pytest.fixture
async def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TlsPost:
    """Its authority is trusted as an operator would say it."""
    post = TlsPost(trustme.CA())
    authority = tmp_path / "authority.pem"
    post.authority.cert_pem.write_to_path(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return post


@pytest.mark.parametrize("form", FORMS)
async def test_a_letter_goes_over_tls_with_the_log_in_of_the_url(
    settings: Settings, post: TlsPost, form: str
) -> None:
    async with (
        post.listening(form, authority=post.authority) as url,
        sends_to(settings, url) as application,
    ):
        await ask(application)
        await application.mailer.send_due()
        assert application.mailer.is_up
        assert len(post.letters.got) == 1
        assert [login[:2] for login in post.logged_in] == [(USER.encode(), SECRET.encode())]
        assert await application.letters.waiting() == 0


@pytest.mark.parametrize("form", FORMS)
async def test_with_a_wrong_password_letters_wait_and_go_when_it_is_right(
    settings: Settings, post: TlsPost, form: str
) -> None:
    post.password = "changed"
    async with (
        post.listening(form, authority=post.authority) as url,
        sends_to(settings, url) as application,
    ):
        await ask(application)
        with capture_logs() as logs:
            await application.mailer.send_due()
        assert [(line["event"], line["reason"]) for line in logs] == [
            ("no letter can be sent", "the server answered 535")
        ]
        assert not application.mailer.is_up
        assert await application.letters.waiting() == 1
        assert application.counters.letters_given_up == 0
        post.password = SECRET
        await application.mailer.send_due()
        assert application.mailer.is_up
        assert len(post.letters.got) == 1


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("wrong", ["another host", "an unknown authority"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_server_with_a_wrong_certificate_gets_no_password_and_letters_wait(
    settings: Settings, post: TlsPost, form: str, wrong: str
) -> None:
    host, authority = "127.0.0.1", post.authority
    if wrong == "another host":
        host = "mail.example"
    else:
        authority = trustme.CA()
    async with (
        post.listening(form, host=host, authority=authority) as url,
        sends_to(settings, url) as application,
    ):
        await ask(application)
        with capture_logs() as logs:
            await application.mailer.send_due()
        (line,) = logs
        assert line["event"] == "no letter can be sent"
        assert "certificate verify failed" in line["reason"]
        assert not application.mailer.is_up
        assert await application.letters.waiting() == 1
    assert post.logged_in == []
    assert post.letters.recipients == 0


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("user", ["", f"{IN_URL}@"])
async def test_the_password_goes_only_over_tls(
    settings: Settings, post: TlsPost, user: str, attempts: Attack
) -> None:
    # A server without STARTTLS, or somebody on the way who has removed it.
    async with (
        post.letters.listening_at(authenticator=post.authenticate, auth_require_tls=False) as port,
        sends_to(settings, f"smtp://{user}127.0.0.1:{port}") as application,
    ):
        await ask(application)
        with capture_logs() as logs:
            await application.mailer.send_due()
        (line,) = logs
        assert "STARTTLS" in line["reason"]
        assert not application.mailer.is_up
        assert await application.letters.waiting() == 1
    assert post.logged_in == []
    assert post.letters.recipients == 0


@pytest.mark.parametrize("form", FORMS)
async def test_a_server_that_speaks_the_other_form_is_told_of_and_delays_no_longer_than_the_limit(
    settings: Settings, post: TlsPost, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notifications.transports.ANSWER_TIMEOUT_S", 0.5)
    other = "smtps" if form == "smtp" else "smtp"
    async with (
        post.listening(form, authority=post.authority) as url,
        sends_to(settings, url.replace(f"{form}://", f"{other}://")) as application,
    ):
        await ask(application)
        async with asyncio.timeout(PATIENCE_S):
            await application.mailer.send_due()
        assert not application.mailer.is_up
        assert await application.letters.waiting() == 1
    assert post.logged_in == []
