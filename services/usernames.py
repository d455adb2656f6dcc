"""What a user may be called, and when two names are the same."""

import unicodedata

from services.errors import ErrorCode, UserFault

MIN_CHARS = 3
MAX_CHARS = 150


class UsernameInvalid(UserFault):
    """The name is too short, too long, or has characters that cannot be told apart or seen."""

    code = ErrorCode.USERNAME_INVALID


def normalised(username: str) -> str:
    """The name as it is shown (Unicode form C, without spaces around it).

    Raises:
        UsernameInvalid: not 3 to 150 characters, or with spaces or control characters.
    """
    name = unicodedata.normalize("NFC", username).strip()
    if not MIN_CHARS <= len(name) <= MAX_CHARS:
        raise UsernameInvalid(f"A user name has {MIN_CHARS} to {MAX_CHARS} characters.", field=("username",))
    # C: control, format, surrogate, private, unassigned; Z: spaces and separators.
    if any(unicodedata.category(char)[0] in "CZ" for char in key(name)):
        raise UsernameInvalid("A user name has no spaces or control characters.", field=("username",))
    return name


def key(username: str) -> str:
    """The form under which a name is unique: without regard to case and Unicode form.

    Source: Unicode 15.1, section 3.13, D146 (NFKC, case folding, and again NFKC).
    """
    folded = unicodedata.normalize("NFKC", username.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)
