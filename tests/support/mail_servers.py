"""A mail server on loopback, and applications that send their letters to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.visibility import Actor
from tests.support.letters import add_person_with_email, names_are_due

ADDRESS = "ann@taxi.example"


class Post:
    """A mail server on loopback: what it got, and how it answers."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.recipients = 0
        self.rcpt_answer = "250 OK"
        self.data_answer = "250 OK"
        # The server answers after it is set.
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()
        # It has the whole text, and says so after it is set.
        self.may_accept = asyncio.Event()
        self.may_accept.set()
        self.has_text = asyncio.Event()
        self.closes_after_text = False

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.recipients += 1
        self.asked.set()
        await self.may_answer.wait()
        envelope.rcpt_tos.append(address)
        return self.rcpt_answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.got.append(envelope)
        self.has_text.set()
        await self.may_accept.wait()
        if self.closes_after_text:
            assert server.transport is not None
            cast("asyncio.Transport", server.transport).abort()
        return self.data_answer

    @asynccontextmanager
    async def listening(self, **options: Any) -> AsyncIterator[str]:
        """Its URL, without TLS."""
        async with self.listening_at(**options) as port:
            yield f"smtp://127.0.0.1:{port}?starttls=off"

    @asynccontextmanager
    async def listening_at(self, *, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
        """Its port. ``tls``: TLS from the start; ``options``: of aiosmtpd's ``SMTP``."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, loop=loop, **options), "127.0.0.1", 0, ssl=tls)
        async with server:
            yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def sends_to(settings: Settings, url: str) -> AsyncIterator[Application]:
    """An application that sends its letters to that server when the test says so."""
    application = Application(
        settings.model_copy(
            update={
                "smtp_url": url,
                "mail_from": "Taxirank <no-reply@taxi.example>",
                "public_url": "https://taxi.example",
            }
        )
    )
    async with running(application):
        await application.mailer.stop()
        yield application


async def ask(application: Application) -> Actor:
    """A letter to a new person waits."""
    person = await add_person_with_email(application, ADDRESS)
    await application.services.recovery.request_reset(username=person.user.username)
    await names_are_due(application)
    return person
