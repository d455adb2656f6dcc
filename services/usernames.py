"""What a user may be called, and when two names are the same."""

import re
import unicodedata

from services.errors import ErrorCode, UserFault

MIN_CHARS = 3
MAX_CHARS = 150
MAX_KEY_CHARS = 450
# Form D of a name has up to four characters for one. What is longer is not even looked at: bringing marks
# into order takes the square of their number (40 kB took 2 s).
_MAX_RAW_CHARS = 4 * MAX_CHARS
# Letters and marks that show nothing (Unicode: Default_Ignorable_Code_Point) and are not of category C.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


class UsernameInvalid(UserFault):
    """The name is too short, too long, or has characters that cannot be told apart or seen."""

    code = ErrorCode.USERNAME_INVALID


def normalised(username: str) -> str:
    """The name as it is shown (Unicode form C, without spaces around it).

    Raises:
        UsernameInvalid: not 3 to 150 characters, or with spaces, control characters or invisible ones.
    """
    name = unicodedata.normalize("NFC", username).strip() if may_exist(username) else ""
    if not (MIN_CHARS <= len(name) <= MAX_CHARS and len(key(name)) <= MAX_KEY_CHARS):
        raise UsernameInvalid(f"A user name has {MIN_CHARS} to {MAX_CHARS} characters.", field=("username",))
    # C: control, format, surrogate, private, unassigned; Z: spaces and separators.
    if any(unicodedata.category(char)[0] in "CZ" for char in key(name)):
        raise UsernameInvalid("A user name has no spaces or control characters.", field=("username",))
    if _INVISIBLE.search(name):
        raise UsernameInvalid("A user name has no invisible characters.", field=("username",))
    return name


def may_exist(username: str) -> bool:
    """Whether it can be somebody's name at all; only then may its key be computed."""
    return len(username) <= _MAX_RAW_CHARS and "\x00" not in username


def key(username: str) -> str:
    """The form under which a name is unique: without regard to case and Unicode form.

    Source: Unicode 15.1, section 3.13, D146 (NFKC, case folding, and again NFKC).
    """
    folded = unicodedata.normalize("NFKC", username.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)
