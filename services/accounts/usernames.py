"""Rules for user names, and the key by which they are unique."""

import re
import unicodedata

from services.errors import ErrorCode, UserFault
from services.validation import texts

MIN_CHARS = 3
MAX_CHARS = 150
MAX_KEY_CHARS = 450
# Form D of a name has up to four characters for one. Longer texts are not even normalised: sorting marks takes
# quadratic time (40 kB took 2 s).
_MAX_RAW_CHARS = 4 * MAX_CHARS
_WORD = re.compile(r"[^\W_]+")
# Scripts that are written together in East Asia; the letters of any other word must be of one script. Source:
# Unicode Technical Standard 39, section 5.2, "Highly Restrictive".
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)


class UsernameInvalid(UserFault):
    """The name is too short, too long, or has characters that are invisible or look like others."""

    code = ErrorCode.USERNAME_INVALID


def normalised(username: str) -> str:
    """The name as it is displayed (Unicode form C, without spaces around it).

    Raises:
        UsernameInvalid: not 3 to 150 characters; spaces, control characters or invisible ones; letters or digits
            of several scripts in one word.
    """
    name = unicodedata.normalize("NFC", username).strip() if may_exist(username) else ""
    if not (MIN_CHARS <= len(name) <= MAX_CHARS and len(key(name)) <= MAX_KEY_CHARS):
        raise UsernameInvalid(f"A user name has {MIN_CHARS} to {MAX_CHARS} characters.", field=("username",))
    # C: control, format, surrogate, private, unassigned; Z: spaces and separators.
    if any(unicodedata.category(char)[0] in "CZ" for char in key(name)):
        raise UsernameInvalid("A user name must not have spaces or control characters.", field=("username",))
    if not texts.INVISIBLE.isdisjoint(name):
        raise UsernameInvalid("A user name must not have invisible characters.", field=("username",))
    if any(_mixes_scripts(word) for word in _WORD.findall(_unmarked(key(name)))):
        raise UsernameInvalid(
            "A word of a user name must not mix letters of different scripts.", field=("username",)
        )
    return name


def may_exist(username: str) -> bool:
    """Whether the text can be a user name; compute its key only then."""
    return len(username) <= _MAX_RAW_CHARS and "\x00" not in username


def key(username: str) -> str:
    """The form under which a name is unique: independent of case and Unicode form.

    Source: Unicode 15.1, section 3.13, D146 (NFKC, case folding, and again NFKC).
    """
    folded = unicodedata.normalize("NFKC", username.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


def lookup_key(username: str) -> str:
    """The key of a name that a client sent; empty, which no user has, if it cannot be a name."""
    return key(username) if may_exist(username) else ""


def _unmarked(text: str) -> str:
    """The text without accents: an accent would end its word."""
    return "".join(char for char in text if unicodedata.category(char)[0] != "M")


def _mixes_scripts(word: str) -> bool:
    """Whether the letters or the digits of a word are of scripts that are not written together.

    An "o" exists in Latin, Cyrillic and Greek, and looks the same.
    """
    letters = {_script(char) for char in word if unicodedata.category(char) in ("Ll", "Lu", "Lt", "Lo")}
    zeros = {ord(char) - unicodedata.decimal(char) for char in word if unicodedata.category(char) == "Nd"}
    return len(zeros) > 1 or (len(letters) > 1 and not any(letters <= scripts for scripts in _TOGETHER))


def _script(letter: str) -> str:
    # ``unicodedata`` does not know scripts; the names of letters begin with theirs.
    return unicodedata.name(letter, "").partition(" ")[0]
