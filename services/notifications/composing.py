"""The text of letters, as text and as HTML."""

from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from models.letter import LetterKind

_TEMPLATES = Path(__file__).parent / "templates"
_SUBJECTS = {
    LetterKind.VERIFY_EMAIL: "Confirm your e-mail address",
    LetterKind.RESET_PASSWORD: "Choose a new password",
    LetterKind.PASSWORD_CHANGED: "Your password was changed",
    LetterKind.EMAIL_CHANGED: "Your e-mail address was changed",
}


class LetterTexts:
    """Composes letters. Their links lead to ``pages``, by the kind; never to a host that a request has named."""

    def __init__(self, *, sender: Address, pages: Mapping[LetterKind, str]) -> None:
        self._sender = sender
        self._pages = pages
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def compose(
        self, kind: LetterKind, *, to: str, username: str | None = None, token: str | None = None
    ) -> EmailMessage:
        """A letter to an address of ``checked_address``.

        The token is in the fragment of the link: browsers send it to no server, so it is in no log.
        """
        # This policy refuses line ends in headers, and writes those of SMTP. 7bit: other names than ASCII are
        # encoded, because not every mail server passes on eight bits (RFC 6152).
        message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
        message["From"] = self._sender
        message["To"] = Address(addr_spec=to)
        message["Subject"] = _SUBJECTS[kind]
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = make_msgid(domain=self._sender.domain)
        # RFC 3834: no out-of-office answers.
        message["Auto-Submitted"] = "auto-generated"
        words = {
            "subject": _SUBJECTS[kind],
            "username": username,
            "link": f"{self._pages[kind]}#{token}" if token is not None else None,
        }
        name = kind.value.lower()
        message.set_content(self._templates.get_template(f"{name}.txt").render(words))
        message.add_alternative(self._templates.get_template(f"{name}.html").render(words), subtype="html")
        return message
