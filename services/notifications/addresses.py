"""Checks e-mail addresses."""

import re
import unicodedata
from email.headerregistry import Address
from email.utils import parseaddr

from services.errors import ErrorCode, UserFault

MAX_CHARS = 254
# A dot-atom of RFC 5322 in ASCII, without the quoted form, which could have spaces and line ends.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MAX_LOCAL_CHARS = 64
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def sender_of(text: str) -> Address:
    """Read a sender such as ``Taxirank <no-reply@taxi.example>``. Raises: ValueError."""
    name, address = parseaddr(text)
    local, _, domain = address.rpartition("@")
    if not (text.isprintable() and _LOCAL.fullmatch(local) and domain.isascii() and domain):
        raise ValueError("must be a sender such as Taxirank <no-reply@taxi.example>")
    return Address(display_name=name, addr_spec=address)


class EmailInvalid(UserFault):
    """The text is no e-mail address."""

    code = ErrorCode.EMAIL_INVALID


def checked_address(text: str, *, field: str = "email") -> str:
    """The address as it is stored: without spaces around it, the domain in lower case and in ASCII.

    The part before the @ stays as it is: only its server knows whether case matters there. This checks the form;
    whether the address exists is shown by a letter to it.

    Raises:
        EmailInvalid: it has no @, or more than one; an empty or long part; characters other than ASCII before
            the @; spaces or control characters; a domain without a dot; or one whose form in ASCII would be that
            of another domain.
    """
    invalid = EmailInvalid("This is not an e-mail address.", field=(field,))
    # Longer texts are not even encoded.
    if len(text) > 2 * MAX_CHARS:
        raise invalid
    local, _, domain = text.strip(" ").rpartition("@")
    # An encoded word of RFC 2047 ("=?utf-8?q?x?=") is no address for the programs that read headers.
    if len(local) > _MAX_LOCAL_CHARS or "=?" in local or not _LOCAL.fullmatch(local):
        raise invalid
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
        shown = ascii_domain.encode().decode("idna")
    except UnicodeError:
        raise invalid from None
    # Python's codec follows IDNA 2003, which makes another domain of some: "straße.example" would be
    # "strasse.example", which may be a stranger's.
    if not domain.isascii() and shown != unicodedata.normalize("NFC", domain).lower():
        raise invalid
    domain = ascii_domain
    labels = domain.split(".")
    # The last label is never a number: otherwise it would be an IP address.
    if len(labels) < 2 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        raise invalid
    address = f"{local}@{domain}"
    if len(address) > MAX_CHARS:
        raise invalid
    return address
