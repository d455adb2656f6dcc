"""Where letters go: to an SMTP server, or into a folder."""

import asyncio
import os
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import structlog
from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

# Each answer of the server.
ANSWER_TIMEOUT_S = 20.0
# RFC 3463: the refusal is about policy, not about the address. So answers a server that relays nothing for us.
_POLICY = re.compile(r"5\.7\.\d")

_log = structlog.stdlib.get_logger(__name__)


class LetterRefused(Exception):
    """The server refuses this letter for ever, for example because there is no such address."""


class LetterDeferred(Exception):
    """The server refuses this letter for now; it was certainly not accepted."""


class MailUnavailable(Exception):
    """No letter can be sent at the moment; this one was certainly not accepted."""


class OutcomeUnknown(Exception):
    """The connection was lost after the text was sent, before the server answered."""


class Transport(Protocol):
    """Delivers letters."""

    async def send(self, message: EmailMessage, *, to: str, before_text: Callable[[], Awaitable[None]]) -> None:
        """Deliver one letter. ``before_text`` is awaited when only the text remains to be sent.

        Raises:
            LetterRefused, LetterDeferred, MailUnavailable, OutcomeUnknown
        """
        ...


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """An SMTP server, from a URL."""

    host: str
    port: int
    username: str | None
    password: str | None
    is_tls: bool
    has_starttls: bool

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """Read ``smtp://USER:PASSWORD@HOST:PORT`` (STARTTLS is required) or ``smtps://…`` (TLS from the start).

        ``?starttls=off`` sends in clear text, and is refused with a password.

        Raises: ValueError
        """
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("must be like smtp://USER:PASSWORD@mail.example:587 or smtps://…")
        if parts.path not in {"", "/"} or parts.fragment:
            raise ValueError("must end after the port (is a character of the password not percent-encoded?)")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        has_starttls = options.pop("starttls", "on") != "off"
        if options or (parts.scheme == "smtps" and parts.query):
            raise ValueError("knows only the option starttls=off, of smtp://")
        username = unquote(parts.username) if parts.username else None
        if username is not None and parts.scheme == "smtp" and not has_starttls:
            raise ValueError("sends no password without TLS: remove starttls=off, or the user")
        try:
            port = parts.port
        except ValueError:
            raise ValueError("its port is not a number up to 65535") from None
        return cls(
            host=parts.hostname,
            port=port or (465 if parts.scheme == "smtps" else 587),
            username=username,
            password=unquote(parts.password or ""),
            is_tls=parts.scheme == "smtps",
            has_starttls=has_starttls,
        )


class SmtpTransport:
    """Delivers letters to an SMTP server, each over its own connection."""

    def __init__(self, server: SmtpServer, *, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(self, message: EmailMessage, *, to: str, before_text: Callable[[], Awaitable[None]]) -> None:
        """Deliver one letter.

        Raises:
            LetterRefused, LetterDeferred, MailUnavailable, OutcomeUnknown
        """
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password if server.username is not None else None,
            use_tls=server.is_tls,
            start_tls=server.has_starttls if not server.is_tls else False,
            # The library would ask DNS for the name of this machine.
            local_hostname=self._sender.rpartition("@")[2],
            timeout=ANSWER_TIMEOUT_S,
        )
        try:
            await self._prepare(client, to)
            await before_text()
            await _hand_over(client, message.as_bytes())
        finally:
            # Without QUIT: its answer could take long, and the letter is accepted already.
            client.close()

    async def _prepare(self, client: SMTP, to: str) -> None:
        try:
            await client.connect()
            await client.mail(self._sender)
            await client.rcpt(to)
        except SMTPRecipientRefused as error:
            raise _refusal(error) from error
        # The sender, the log-in or TLS concern all letters.
        except (SMTPException, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            raise MailUnavailable(_reason(error)) from error


async def _hand_over(client: SMTP, text: bytes) -> None:
    try:
        await client.data(text)
    except SMTPDataError as error:
        raise _refusal(error) from error
    except (SMTPException, OSError, TimeoutError) as error:
        raise OutcomeUnknown(_reason(error)) from error


def _refusal(error: SMTPResponseException) -> Exception:
    # Only the code: the server's text often repeats the address.
    text = f"the server answered {error.code}"
    status = _POLICY.match(error.message)
    if status is not None:
        # Mostly a wrong setting of one of the servers: letters wait until somebody has mended it.
        return LetterDeferred(f"{text} {status[0]}")
    return LetterRefused(text) if 500 <= error.code < 600 else LetterDeferred(text)


def _reason(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return f"the server answered {error.code}"
    if isinstance(error, SMTPServerDisconnected):
        return "the server closed the connection"
    if isinstance(error, SMTPException):
        return error.message
    return str(error) or type(error).__name__


class FolderTransport:
    """Writes letters as .eml files into a folder, for whoever runs a server without SMTP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, message: EmailMessage, *, to: str, before_text: Callable[[], Awaitable[None]]) -> None:
        """Write one letter; the log says where.

        Raises: MailUnavailable: the folder cannot be written.
        """
        await before_text()
        try:
            path = await asyncio.to_thread(self._write, message.as_bytes())
        except OSError as error:
            raise MailUnavailable(f"{self.folder}: {error.strerror or error}") from error
        _log.warning("a letter is in a file: set TAXIRANK_SMTP_URL to send letters", file=str(path))

    def _write(self, text: bytes) -> Path:
        # Letters contain tokens: only the server's user may read them.
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{os.urandom(4).hex()}"
        unfinished, path = self.folder / f".{name}", self.folder / f"{name}.eml"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        unfinished.rename(path)
        return path.resolve()
