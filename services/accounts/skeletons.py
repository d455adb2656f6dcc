"""Which user names look alike: the skeletons of Unicode Technical Standard 39."""

import hashlib
import unicodedata
from functools import cache
from pathlib import Path

from services.validation import texts

_TABLE = Path(__file__).with_name("confusables.txt")


def skeleton(username: str) -> str:
    """64 characters that are equal for names that look alike, such as CAPA in Latin and in Cyrillic letters.

    It is a digest, because a skeleton may be longer than PostgreSQL allows in an index. It depends on the case of
    the name, as its look does.

    Source: Unicode Technical Standard 39, section 4, ``internalSkeleton``, of form KC, with case folded after it.
    """
    shown = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", username.strip()))
    visible = "".join(char for char in shown if char not in texts.INVISIBLE and unicodedata.category(char) != "Cf")
    alike = unicodedata.normalize("NFD", visible.translate(_prototypes()))
    return hashlib.sha256(unicodedata.normalize("NFD", alike.casefold()).encode()).hexdigest()


@cache
def _prototypes() -> dict[int, str]:
    """The prototype of each character that has one."""
    prototypes: dict[int, str] = {}
    for line in _TABLE.read_text("ascii").splitlines():
        if line and not line.startswith("#"):
            prototype, _, chars = line.partition(" ; ")
            text = "".join(chr(int(code, 16)) for code in prototype.split())
            prototypes.update((int(code, 16), text) for code in chars.split())
    return prototypes
