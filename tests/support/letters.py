"""Letters in the folder of a server, and people with e-mail addresses."""

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import cast

from application.application import Application
from models.values import Role
from models.visibility import Actor
from tests.support.database_rows import add_person


def letters_in(folder: Path) -> list[EmailMessage]:
    """The letters, the oldest first."""
    return [
        cast("EmailMessage", BytesParser(policy=policy.default).parsebytes(path.read_bytes()))
        for path in sorted(folder.glob("*.eml"))
    ]


def text_of(letter: EmailMessage) -> str:
    """The plain text."""
    body = letter.get_body(("plain",))
    assert body is not None
    return body.get_content().replace("\r\n", "\n")


def token_of(letter: EmailMessage) -> str:
    """The token in the link."""
    (token,) = re.findall(r"^http\S+#(\S+)$", text_of(letter), re.MULTILINE)
    return token


async def names_are_due(application: Application) -> None:
    """Let the random time pass after which a letter to a name is taken up."""
    await application.database.fetch(
        f"UPDATE letters SET due = {application.database.sql.ago(0)} "
        "WHERE username_key IS NOT NULL AND attempts = 0"
    )


async def sent(application: Application) -> list[EmailMessage]:
    """All letters so far, after those that wait were sent."""
    await names_are_due(application)
    await application.mailer.send_due()
    return letters_in(application.settings.mail_folder)


async def add_person_with_email(application: Application, email: str, *, is_verified: bool = True) -> Actor:
    """A rider with an e-mail address and a session."""
    actor = await add_person(application.database, Role.RIDER)
    await application.database.fetch(
        f"UPDATE users SET email = $2, email_verified_at = {'{now}' if is_verified else 'NULL'} WHERE id = $1",
        actor.id,
        email,
    )
    return actor
