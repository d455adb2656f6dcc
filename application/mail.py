"""Builds what sends letters from the settings."""

from email.headerregistry import Address

from application.settings import Settings
from gateway.recovery_pages import RESET_PATH, VERIFY_PATH
from models.letter import LetterKind
from services.notifications.addresses import sender_of
from services.notifications.composing import LetterTexts
from services.notifications.transports import FolderTransport, SmtpServer, SmtpTransport, Transport


def mail_transport(settings: Settings) -> Transport:
    """The mail server of ``SMTP_URL``, or a folder."""
    if settings.smtp_url is None:
        return FolderTransport(settings.mail_folder)
    return SmtpTransport(SmtpServer.parse(settings.smtp_url), sender=_sender(settings).addr_spec)


def letter_texts(settings: Settings) -> LetterTexts:
    """The texts of letters, with links to ``PUBLIC_URL``, or to this machine."""
    host = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - where links lead
    base_url = settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    return LetterTexts(
        sender=_sender(settings),
        pages={
            LetterKind.RESET_PASSWORD: base_url + RESET_PATH,
            LetterKind.VERIFY_EMAIL: base_url + VERIFY_PATH,
        },
    )


def _sender(settings: Settings) -> Address:
    return sender_of(settings.mail_from or "Taxirank <taxirank@localhost>")
